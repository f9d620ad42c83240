"""Puts the actor on each request: of a key on the shared host, of a session everywhere else."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from django.conf import settings
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from apps.accounts import selectors
from apps.accounts.api.authentication import bearer_token
from apps.accounts.models import User
from apps.core.api.errors import refusal_response
from apps.core.db import enter_public
from apps.core.domain.errors import Refusal
from apps.tenants import selectors as tenants
from apps.tenants.middleware import is_machine_path

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
        request.key_actor = selectors.actor_for_bearer(  # type: ignore[attr-defined]
            token=token, now=timezone.now()
        )
        request.tenant = tenants.current()  # type: ignore[attr-defined]
        request.urlconf = settings.ROOT_URLCONF
        request.COOKIES.clear()
        request.META.pop("HTTP_COOKIE", None)


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
