"""What every answer carries: an id, a strict policy, no hint for strangers."""

from __future__ import annotations

import re
from typing import Any

import pytest
import structlog
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory

from apps.core.logging import current_request_id
from apps.core.middleware import RequestIdMiddleware

STRICT = {
    "default-src 'self'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "font-src 'self'",
    "connect-src 'self'",
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
}


def policy(client: Client, path: str) -> set[str]:
    return set(client.get(path)["Content-Security-Policy"].split("; "))


def test_policy_is_strict(client: Client, committed_db: None) -> None:
    assert policy(client, "/nowhere/") == STRICT


def test_policy_of_the_admin_allows_what_alpine_needs(client: Client, committed_db: None) -> None:
    found = policy(client, "/admin/nowhere/")
    assert found - STRICT == {
        "script-src 'self' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
    }
    assert policy(client, "/administrator/") == STRICT


def test_policy_covers_refusals_of_unknown_hosts(client: Client, committed_db: None) -> None:
    answer = client.get("/", headers={"host": "nobody.localhost"})
    assert answer.status_code == 404
    assert set(answer["Content-Security-Policy"].split("; ")) == STRICT
    assert answer["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("sent", ["abcd1234", "0f-8.Z_" * 8])
def test_a_harmless_request_id_is_kept(sent: str) -> None:
    request = RequestFactory().get("/", headers={"x-request-id": sent})
    assert RequestIdMiddleware(lambda _: HttpResponse())(request)["X-Request-ID"] == sent


@pytest.mark.parametrize("sent", ["", "short", "a" * 65, "has space", "line\nbreak", "ünïcödé-id"])
def test_any_other_request_id_is_replaced(sent: str) -> None:
    request = RequestFactory().get("/")
    request.META["HTTP_X_REQUEST_ID"] = sent
    answer = RequestIdMiddleware(lambda _: HttpResponse())(request)
    assert re.fullmatch(r"[0-9a-f]{32}", answer["X-Request-ID"])


def test_the_id_is_bound_while_answering_and_forgotten_after() -> None:
    seen: list[str | None] = []

    def view(_: HttpRequest) -> HttpResponse:
        seen.append(current_request_id())
        structlog.contextvars.bind_contextvars(leaked="yes")
        return HttpResponse()

    answer = RequestIdMiddleware(view)(RequestFactory().get("/"))
    assert seen == [answer["X-Request-ID"]]
    assert structlog.contextvars.get_contextvars() == {}


def test_the_id_is_forgotten_after_a_crash() -> None:
    def view(_: HttpRequest) -> HttpResponse:
        raise RuntimeError("crash")

    with pytest.raises(RuntimeError):
        RequestIdMiddleware(view)(RequestFactory().get("/"))
    assert current_request_id() is None


def test_embedded_cookies_belong_to_one_host(settings: Any) -> None:
    assert settings.SESSION_COOKIE_DOMAIN is None
    assert settings.SESSION_COOKIE_HTTPONLY is True
    assert settings.SESSION_COOKIE_SAMESITE == "Lax"
    assert settings.SESSION_ENGINE == "django.contrib.sessions.backends.db"
