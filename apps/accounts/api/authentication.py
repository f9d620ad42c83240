"""Who calls the API: a key, or the session of somebody signed in."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.utils import timezone
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication, CSRFCheck
from rest_framework.request import Request

from apps.accounts import selectors
from apps.accounts.models import User
from apps.core.domain.access import Actor


class ApiKeyAuthentication(BaseAuthentication):
    """Reads `Authorization: Bearer fp_...`; `request.auth` is then the `Actor`.

    `request.user` stays anonymous: a key is no session, whoever it acts for.
    """

    def authenticate(self, request: Request) -> tuple[AnonymousUser, Actor] | None:
        token = bearer_token(request.headers.get("Authorization", ""))
        if token is None:
            return None
        known = getattr(request._request, "key_actor", None)
        actor = known or selectors.actor_for_bearer(token=token, now=timezone.now())
        return AnonymousUser(), actor

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class SessionAuthentication(BaseAuthentication):
    """Takes the signed-in person of a browser session; writes need the CSRF token."""

    def authenticate(self, request: Request) -> tuple[User, Actor] | None:
        actor = getattr(request._request, "actor", None)
        user = getattr(request._request, "user", None)
        if actor is None or not isinstance(user, User):
            return None
        _enforce_csrf(request)
        return user, actor

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


def bearer_token(header: str) -> str | None:
    """Return the token of an Authorization header, None when it has another scheme."""
    scheme, _, token = header.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _enforce_csrf(request: Request) -> None:
    check: Any = CSRFCheck(lambda _: None)  # type: ignore[arg-type]
    check.process_request(request._request)
    if reason := check.process_view(request._request, None, (), {}):
        raise exceptions.PermissionDenied(f"CSRF check failed: {reason}")
