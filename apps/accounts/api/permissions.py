"""Who may reach the key resource: people for their own keys, the scope admin for all."""

from __future__ import annotations

from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from apps.core.api.permissions import actor_of
from apps.core.domain.access import Scope
from apps.core.domain.errors import Forbidden


class IsPersonOrAdmin(BasePermission):
    """Lets in a named person, by session or personal key, and whoever holds the scope admin."""

    def has_permission(self, request: Request, view: Any) -> bool:
        actor = actor_of(request)
        if actor.is_person or actor.may(Scope.ADMIN):
            return True
        raise Forbidden("A service key sees keys only with the scope admin.", code="scope_missing")
