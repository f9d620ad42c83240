"""Finds the tenant of each request by its host and points the connection at its schema."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.request import split_domain_port
from django.template.loader import render_to_string

from apps.core.api.errors import refusal_response
from apps.core.db import enter_public, enter_tenant
from apps.core.domain.errors import Missing, Refusal
from apps.tenants import selectors

MACHINE_PATHS: Final = ("/api/", "/v1/", "/webhooks/")


class TenantMiddleware:
    """Sets `request.tenant` (`TenantFacts`, or None on the operator's site) and the schema.

    A suspended tenant answers 403 to everything, but a request that carries a key goes on to
    `accounts.middleware.KeyHostMiddleware`, which looks at the key first: a wrong key must not
    learn that the tenant is suspended (rule 24).
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        enter_public()
        request.tenant = None  # type: ignore[attr-defined]
        host, _port = split_domain_port(request.get_host())
        if host in settings.OPERATOR_HOSTS:
            request.urlconf = settings.PUBLIC_SCHEMA_URLCONF
            return self.get_response(request)
        tenant = selectors.serving(host=host)
        if tenant is None:
            return refuse(request, Missing("No organization lives at this address."))
        if not tenant.is_active and not carries_key(request):
            return refuse(request, selectors.suspended(tenant))
        enter_tenant(tenant)
        request.tenant = tenant  # type: ignore[attr-defined]
        return self.get_response(request)


def carries_key(request: HttpRequest) -> bool:
    """Tell whether the request goes to the API with a bearer key."""
    scheme = request.headers.get("Authorization", "").partition(" ")[0]
    return is_machine_path(request.path) and scheme.lower() == "bearer"


def is_machine_path(path: str) -> bool:
    """Tell whether programs, not browsers, call the path: errors are problem+json there."""
    return path.startswith(MACHINE_PATHS)


def refuse(request: HttpRequest, refusal: Refusal) -> HttpResponse:
    """Answer a refusal as problem+json to programs and as a page to people."""
    if is_machine_path(request.path):
        return refusal_response(refusal)
    status, title = (
        (404, "Nobody lives here")
        if isinstance(refusal, Missing)
        else (403, "This organization is closed for now")
    )
    context = {"title": title, "message": refusal.message, "code": refusal.code, "status": status}
    return HttpResponse(render_to_string("tenants/refused.html", context), status=status)
