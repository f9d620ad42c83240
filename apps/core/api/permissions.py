"""Permissions by declared scope: a view that declares none is closed."""

from __future__ import annotations

from typing import Any

from rest_framework.exceptions import MethodNotAllowed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from apps.core.domain.access import Actor, Scope
from apps.core.domain.errors import Unauthenticated


class DenyByDefault(BasePermission):
    """Lets nobody in; views state `permission_classes = [HasScope]` and their `scopes`."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return False


class HasScope(BasePermission):
    """Asks the actor for the scope that the view declares for the request's method.

    A view says `scopes = {"GET": Scope.COSTS_READ, "POST": Scope.CLOSE_RUN}`; a method that is
    not listed is refused; one that the view does not have answers 405, as it would without this.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        actor = actor_of(request)
        if request.method not in view.allowed_methods:
            taken = " and ".join(m for m in view.allowed_methods if m not in {"HEAD", "OPTIONS"})
            raise MethodNotAllowed(
                str(request.method), f"This address takes {taken}, not {request.method}."
            )
        scope: Scope | None = view.scopes.get("GET" if request.method == "HEAD" else request.method)
        if scope is None:
            return request.method == "OPTIONS"
        actor.require(scope)
        return True


def actor_of(request: Any) -> Actor:
    """Return who is behind an authenticated request, DRF's or Django's.

    :raises Unauthenticated: when nobody is.
    """
    actor = getattr(request, "auth", None)
    if not isinstance(actor, Actor):
        actor = getattr(request, "actor", None)
    if not isinstance(actor, Actor):
        raise Unauthenticated(
            "Send a key as 'Authorization: Bearer fp_...' or sign in.", code="unauthenticated"
        )
    return actor
