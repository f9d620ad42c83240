"""`/api/v1/usage/event-mappings`: what events of other vocabularies mean."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, ClassVar, Final
from uuid import UUID

import msgspec
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.api.idempotency import once
from apps.core.api.fields import KnownFields
from apps.core.api.listing import page_of
from apps.core.api.permissions import HasScope, actor_of
from apps.core.domain.access import Scope
from apps.ingest import selectors, services
from apps.ingest.domain.foreign import Door
from apps.ingest.services.mappings import EventMappingMissing

JSON: Final = msgspec.json.Encoder()
_DOORS = [door.value for door in Door]


class MappingInput(KnownFields):
    """What events of a type mean from now on."""

    door = serializers.ChoiceField(choices=_DOORS)
    name = serializers.CharField(
        max_length=200, help_text="type of a CloudEvent, code of a Lago event"
    )
    fields_ = serializers.DictField(
        child=serializers.CharField(max_length=300),
        help_text='our field: where it comes from, such as {"model": "data.model"}',
    )

    def get_fields(self) -> dict[str, Any]:
        """Call the map `fields`, a name that serializers keep for themselves."""
        found = super().get_fields()
        return {"fields" if name == "fields_" else name: one for name, one in found.items()}


class MappingTrialInput(KnownFields):
    """A mapping, or none for the default, and a sample to try it on."""

    door = serializers.ChoiceField(choices=_DOORS)
    sample = serializers.JSONField(help_text="an event as the sender sends it")
    mapping = serializers.DictField(
        child=serializers.CharField(max_length=300), required=False, help_text="as in `fields`"
    )


class MappingOutput(serializers.Serializer[Any]):
    """A mapping, in force while `retired_at` is null."""

    id = serializers.UUIDField()
    door = serializers.CharField()
    name = serializers.CharField()
    fields_ = serializers.DictField(child=serializers.CharField())
    created_by = serializers.CharField()
    created_at = serializers.DateTimeField()
    retired_by = serializers.CharField()
    retired_at = serializers.DateTimeField(allow_null=True)

    def get_fields(self) -> dict[str, Any]:
        """Call the map `fields`, a name that serializers keep for themselves."""
        found = super().get_fields()
        return {"fields" if name == "fields_" else name: one for name, one in found.items()}


class MappingPageOutput(serializers.Serializer[Any]):
    """A page of mappings."""

    results = MappingOutput(many=True)
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)


class TrialOutput(serializers.Serializer[Any]):
    """What a sample would be stored as."""

    event = serializers.DictField()
    meters = serializers.DictField(child=serializers.CharField())
    problem = serializers.CharField(allow_null=True)


class EventMappings(APIView):
    """The mappings in force."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.USAGE_READ, "POST": Scope.USAGE_CORRECT}

    @extend_schema(operation_id="event_mappings_list", responses=MappingPageOutput)
    def get(self, request: Request) -> Response:
        """List the mappings in force, by vocabulary and type."""
        page = page_of(request, selectors.event_mappings(), lambda one: str(one.id))
        return Response(page.body([asdict(one) for one in page.items]))

    @extend_schema(
        operation_id="event_mappings_create", request=MappingInput, responses={201: MappingOutput}
    )
    @once
    def post(self, request: Request) -> Response:
        """Say what events of a type mean from now on; the mapping before it is retired."""
        sent = MappingInput(data=request.data)
        sent.is_valid(raise_exception=True)
        asked = sent.validated_data
        mapping = services.record_mapping(
            door=asked["door"],
            name=asked["name"],
            fields=asked["fields"],
            actor=actor_of(request),
            now=timezone.now(),
        )
        return Response(_shown(mapping), status=201)


class OneEventMapping(APIView):
    """One mapping."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.USAGE_READ}

    @extend_schema(operation_id="event_mappings_read", responses=MappingOutput)
    def get(self, request: Request, mapping: UUID) -> Response:
        """Return a mapping, in force or retired."""
        return Response(_shown(mapping))


class RetireEventMapping(APIView):
    """The end of a mapping."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.USAGE_CORRECT}

    @extend_schema(operation_id="event_mappings_retire", request=None, responses=MappingOutput)
    @once
    def post(self, request: Request, mapping: UUID) -> Response:
        """Retire a mapping: such events are understood by default from now on."""
        services.retire_mapping(mapping=mapping, actor=actor_of(request), now=timezone.now())
        return Response(_shown(mapping))


class TryEventMapping(APIView):
    """A mapping on trial."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.USAGE_READ}

    @extend_schema(
        operation_id="event_mappings_try", request=MappingTrialInput, responses=TrialOutput
    )
    def post(self, request: Request) -> Response:
        """Tell what a sample event would be stored as; stores nothing."""
        sent = MappingTrialInput(data=request.data)
        sent.is_valid(raise_exception=True)
        tried = services.rehearse_mapping(
            door=sent.validated_data["door"],
            sample=JSON.encode(sent.validated_data["sample"]).decode(),
            fields=sent.validated_data.get("mapping"),
            received_at=timezone.now(),
        )
        return Response(
            {
                "event": tried.event,
                "meters": {name: str(count) for name, count in tried.meters.items()},
                "problem": None if tried.problem is None else tried.problem.message,
            }
        )


def _shown(mapping: UUID) -> dict[str, Any]:
    found = selectors.event_mapping(mapping=mapping)
    if found is None:
        raise EventMappingMissing("There is no such mapping.")
    return asdict(found)
