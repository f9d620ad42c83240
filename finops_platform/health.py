"""Probes for machines: /healthz (alive), /readyz (can work) and /metrics (the operator's only)."""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Callable

import structlog
from django.conf import settings
from django.db import DatabaseError, connection
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseNotFound,
    JsonResponse,
)
from django.http.request import split_domain_port

from celery_worker import broker

log = structlog.get_logger(__name__)

FORWARDING_HEADERS = ("Forwarded", "X-Forwarded-For", "X-Real-IP")


class HealthMiddleware:
    """Answers the probes before any host is looked up: a load balancer calls by address."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response
        self.probes = {"/healthz": healthz, "/readyz": readyz, "/metrics": metrics}

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        probe = self.probes.get(request.path_info)
        if probe is None:
            return self.get_response(request)
        if request.method not in ("GET", "HEAD"):
            return HttpResponse(status=405, headers={"Allow": "GET, HEAD"})
        response = probe(request)
        response["Cache-Control"] = "no-store"
        return response


def healthz(_request: HttpRequest) -> HttpResponse:
    """Say that this process answers; looks no further: a slow database kills no web."""
    return JsonResponse({"status": "ok"})


def readyz(_request: HttpRequest) -> HttpResponse:
    """Say 200 when database and broker answer, 503 with the name of what does not."""
    checks = {"database": _database_answers(), "broker": _broker_answers()}
    ready = all(checks.values())
    words = {name: "ok" if answers else "unavailable" for name, answers in checks.items()}
    body = {"status": "ready" if ready else "unavailable", "checks": words}
    return JsonResponse(body, status=200 if ready else 503)


def metrics(request: HttpRequest) -> HttpResponse:
    """Return Prometheus' text; to anybody but the operator the page does not exist."""
    if not _is_operator(request):
        return HttpResponseNotFound()
    from finops_platform.metrics import exposition

    return HttpResponse(exposition(), content_type="text/plain; version=0.0.4; charset=utf-8")


def _database_answers() -> bool:
    """Look for the table of migrations as well: an empty database is not ready."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM public.django_migrations LIMIT 1")
            return cursor.fetchone() is not None
    except DatabaseError as error:
        log.warning("database not ready", error=str(error))
        connection.close()
        return False


def _broker_answers() -> bool:
    try:
        broker.ping()
    except broker.BrokerUnavailable as error:
        log.warning("broker not ready", error=str(error))
        return False
    return True


def _is_operator(request: HttpRequest) -> bool:
    return _has_token(request) or (settings.METRICS_FROM_LOOPBACK and _is_local(request))


def _has_token(request: HttpRequest) -> bool:
    expected: str | None = settings.METRICS_TOKEN
    scheme, _, sent = request.headers.get("Authorization", "").partition(" ")
    if not expected or scheme.lower() != "bearer":
        return False
    return secrets.compare_digest(sent.encode(), expected.encode())


def _is_local(request: HttpRequest) -> bool:
    """Accept a direct loopback peer that asks for the operator's host.

    A proxy on this machine is a loopback peer too and a page of another site may have its name
    point at 127.0.0.1, so neither a forwarded request nor a foreign host name counts.
    """
    if any(name in request.headers for name in FORWARDING_HEADERS):
        return False
    host = split_domain_port(request.headers.get("Host", ""))[0]
    if host not in settings.OPERATOR_HOSTS:
        return False
    try:
        return ipaddress.ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False
