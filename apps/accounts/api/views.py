"""`/api/v1/api-keys` and `/api/v1/people`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.views import APIView

from apps.accounts import selectors, services
from apps.accounts.api.permissions import IsPersonOrAdmin
from apps.accounts.api.serializers import (
    IssuedKeyOutput,
    KeyInput,
    KeyOutput,
    LimitsInput,
    PersonChange,
    PersonInput,
    PersonOutput,
)
from apps.accounts.tasks import send_invitation
from apps.core.api.permissions import HasScope, actor_of
from apps.core.domain.access import Role, Scope


class ApiKeys(APIView):
    """The API keys that the caller may see."""

    permission_classes = [IsPersonOrAdmin]

    @extend_schema(operation_id="api_keys_list", responses=KeyOutput(many=True))
    def get(self, request: Request) -> Response:
        """List keys, newest first: all with the scope admin, else one's own."""
        keys = selectors.api_keys(actor=actor_of(request))
        return Response(
            {"results": KeyOutput(keys, many=True).data, "next": None, "previous": None}
        )

    @extend_schema(
        operation_id="api_keys_create", request=KeyInput, responses={201: IssuedKeyOutput}
    )
    def post(self, request: Request) -> Response:
        """Issue a key; the answer is the only place where its text is ever shown."""
        asked = KeyInput(data=request.data)
        asked.is_valid(raise_exception=True)
        issued = services.issue_key(
            actor=actor_of(request), request=asked.to_request(), now=timezone.now()
        )
        body = {**KeyOutput(issued.facts).data, "key": issued.text}
        return Response(body, status=201, headers={"Cache-Control": "no-store"})


class ApiKey(APIView):
    """One API key."""

    permission_classes = [IsPersonOrAdmin]

    @extend_schema(operation_id="api_keys_limit", request=LimitsInput, responses=KeyOutput)
    def patch(self, request: Request, key: UUID) -> Response:
        """Hold the key to other limits; what is left out stays, null is the default."""
        actor = actor_of(request)
        actor.require(Scope.ADMIN)
        asked = LimitsInput(data=request.data, partial=True)
        asked.is_valid(raise_exception=True)
        limits = replace(selectors.api_key(key=key).limits, **asked.validated_data)
        facts = services.limit_key(actor=actor, key=key, limits=limits, now=timezone.now())
        return Response(KeyOutput(facts).data)

    @extend_schema(operation_id="api_keys_revoke", request=None, responses=KeyOutput)
    def delete(self, request: Request, key: UUID) -> Response:
        """Revoke the key for good; it stays listed."""
        facts = services.revoke_key(actor=actor_of(request), key=key, now=timezone.now())
        return Response(KeyOutput(facts).data)


class People(APIView):
    """Everybody who can sign in."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.ADMIN, "POST": Scope.ADMIN}

    @extend_schema(operation_id="people_list", responses=PersonOutput(many=True))
    def get(self, request: Request) -> Response:
        """List everybody by e-mail address, inactive people last."""
        return Response(_listed(PersonOutput(selectors.people(), many=True)))

    @extend_schema(operation_id="people_invite", request=PersonInput, responses={201: PersonOutput})
    def post(self, request: Request) -> Response:
        """Invite somebody; they are mailed a link to choose a password."""
        asked = PersonInput(data=request.data)
        asked.is_valid(raise_exception=True)
        values = asked.validated_data
        person = services.invite(
            actor=actor_of(request),
            email=values["email"],
            name=values["name"],
            role=Role(values["role"]),
            teams=values["teams"],
            now=timezone.now(),
        )
        send_invitation(person)
        return Response(PersonOutput(person).data, status=201)


class Person(APIView):
    """One person."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.ADMIN, "PATCH": Scope.ADMIN}

    @extend_schema(operation_id="people_read", responses=PersonOutput)
    def get(self, request: Request, person: UUID) -> Response:
        """Return one person."""
        return Response(PersonOutput(selectors.person_by_id(person)).data)

    @extend_schema(operation_id="people_change", request=PersonChange, responses=PersonOutput)
    def patch(self, request: Request, person: UUID) -> Response:
        """Change role, teams or whether the person may sign in, all or nothing."""
        asked = PersonChange(data=request.data)
        asked.is_valid(raise_exception=True)
        role = asked.validated_data.get("role")
        changed = services.change_person(
            actor=actor_of(request),
            person=person,
            role=Role(role) if role else None,
            teams=asked.validated_data.get("teams"),
            active=asked.validated_data.get("active"),
            now=timezone.now(),
        )
        return Response(PersonOutput(changed).data)


def _listed(rows: BaseSerializer[Any]) -> dict[str, Any]:
    """Return a whole list in the shape of every list; there are never many keys or people."""
    return {"results": rows.data, "next": None, "previous": None}
