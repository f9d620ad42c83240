"""Closes function views to whoever lacks a scope; class views use `core.web.views.PageMixin`."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from apps.accounts import selectors
from apps.core.domain.access import Actor, Scope
from apps.core.web.shell import Granter

View = TypeVar("View", bound=Callable[..., HttpResponseBase])


def requires(scope: Scope | None) -> Callable[[View], View]:
    """Let in signed-in people who hold the scope; None lets in everybody who is signed in.

    Others are sent to sign in, and back; whoever is signed in and lacks the scope sees the page
    that names who can grant it (the refusal is raised and answered by ConsoleMiddleware).
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            actor: Actor | None = getattr(request, "actor", None)
            if actor is None:
                return redirect_to_login(request.get_full_path())
            if scope is not None:
                actor.require(scope)
            return view(request, *args, **kwargs)

        guarded.scopes = {"GET": scope, "POST": scope}  # type: ignore[attr-defined]
        return cast(View, guarded)

    return decorate


def granters(_request: HttpRequest) -> list[Granter]:
    """Name the owners, who can grant access (`settings.CONSOLE_HOOKS`)."""
    return [Granter(name=one.name or one.email, email=one.email) for one in selectors.owners()]
