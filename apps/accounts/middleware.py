"""Puts the actor on each request: of a key on the shared host, of a session everywhere else."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from django.conf import settings
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from apps.accounts import selectors, services
from apps.accounts.api.authentication import bearer_token
from apps.accounts.keyring import Holder
from apps.accounts.models import User
from apps.core.api.errors import refusal_response
from apps.core.db import enter_public
from apps.core.domain.errors import Refusal
from apps.tenants import selectors as tenants
from apps.tenants.middleware import is_machine_path

EVENT_DOORS: Final = frozenset(
    {
        "/api/v1/usage/events",
        "/api/v1/events",
        "/api/v1/events/batch",
        "/api/v1/ingest/litellm",
        "/v1/traces",
    }
)
"""Doors that are shut at once, before a body is read, while the bucket of events is in debt."""

SEEN: Final = "seen_at"
SEEN_EVERY: Final = 300
"""Seconds between two writes of a session that is in use."""


class KeyHostMiddleware:
    """Serves every tenant's API on the bare host, to keys only (rule 24).

    Stands after TenantMiddleware and before sessions. On the bare host a request to the API must
    carry a key, which names the tenant (all but the API's reference, `settings.OPEN_API_PATHS`);
    the request then goes through that tenant's urlconf, and its cookies are dropped. A key sent to
    a suspended tenant is looked at here, too, so that only the right one learns of the suspension.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        tenant: tenants.TenantFacts | None = request.tenant  # type: ignore[attr-defined]
        is_closed = is_machine_path(request.path) and request.path not in settings.OPEN_API_PATHS
        on_bare_host = tenant is None and is_closed
        if not on_bare_host and (tenant is None or tenant.is_active):
            return self.get_response(request)
        try:
            self._enter(request)
        except Refusal as refusal:
            enter_public()
            return refusal_response(refusal)
        return self.get_response(request)

    def _enter(self, request: HttpRequest) -> None:
        token = bearer_token(request.headers.get("Authorization", ""))
        if token is None:
            raise selectors.wrong_key()
        _know(request, token)
        request.tenant = tenants.current()  # type: ignore[attr-defined]
        request.urlconf = settings.ROOT_URLCONF
        request.COOKIES.clear()
        request.META.pop("HTTP_COOKIE", None)


class RateLimitMiddleware:
    """Holds keys to the requests a second that they and their organization may send.

    Stands after KeyHostMiddleware: a request that is refused costs no session and no database. It
    authenticates the key once for every view behind it; a key that opens nothing is left to the
    view, whose answer is the same everywhere. Answers carry where the caller stands.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        holder = _holder(request)
        if holder is None:
            return self.get_response(request)
        tenant: tenants.TenantFacts = request.tenant  # type: ignore[attr-defined]
        caller = services.Caller(tenant.schema, holder.key_id, holder.limits, tenant.limits)
        entered = services.current_caller.set(caller)
        try:
            response = self._answer(request, caller)
        finally:
            services.current_caller.reset(entered)
        _show(response, caller)
        return response

    def _answer(self, request: HttpRequest, caller: services.Caller) -> HttpResponse:
        brings = request.method == "POST" and request.path in EVENT_DOORS
        try:
            caller.request(brings_events=brings)
        except Refusal as refusal:
            return refusal_response(refusal)
        return self.get_response(request)


def _holder(request: HttpRequest) -> Holder | None:
    """Return who holds the key of a request to the API; None without one that opens anything."""
    known: Holder | None = getattr(request, "key_holder", None)
    tenant = request.tenant  # type: ignore[attr-defined]
    if known is not None or tenant is None or not is_machine_path(request.path):
        return known
    token = bearer_token(request.headers.get("Authorization", ""))
    if token is None:
        return None
    try:
        return _know(request, token)
    except Refusal:
        return None


def _know(request: HttpRequest, token: str) -> Holder:
    """Authenticate a key for the whole request."""
    holder = selectors.holder_for_bearer(token=token, now=timezone.now())
    request.key_holder = holder  # type: ignore[attr-defined]
    request.key_actor = holder.actor()  # type: ignore[attr-defined]
    return holder


def _show(response: HttpResponse, caller: services.Caller) -> None:
    """Tell where the caller stands; who is told to wait is told the same in every header."""
    standing = caller.standing
    if standing is None:
        return
    wait = response.headers.get("Retry-After")
    response.headers["X-RateLimit-Limit"] = str(standing.limit)
    response.headers["X-RateLimit-Remaining"] = str(standing.remaining)
    response.headers["X-RateLimit-Reset"] = wait or str(standing.reset)
    response.headers["X-RateLimit-Resource"] = standing.resource


class ActorMiddleware:
    """Sets `request.actor` (`Actor | None`) from the session and ends idle sessions."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.actor = None  # type: ignore[attr-defined]
        if settings.SESSION_COOKIE_NAME in request.COOKIES:
            _set_actor(request)
        return self.get_response(request)


def _set_actor(request: HttpRequest) -> None:
    user = request.user
    if not isinstance(user, User) or not user.is_active:
        return
    now = int(time.time())
    seen = request.session.setdefault(SEEN, now)
    if now - seen > settings.SESSION_IDLE_SECONDS:
        logout(request)
        return
    if now - seen > SEEN_EVERY:
        request.session[SEEN] = now
    request.actor = selectors.actor_of_user(user)  # type: ignore[attr-defined]
