"""`/api/v1/usage/...`: one event, its corrections, outcomes, batches, the summary."""

from __future__ import annotations

import re
from typing import Any, ClassVar, Final
from uuid import UUID

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.api.idempotency import once
from apps.core.api.fields import known_parameters
from apps.core.api.permissions import HasScope, actor_of
from apps.core.domain.access import Scope
from apps.core.domain.errors import Invalid
from apps.costs import selectors as costs
from apps.ingest import selectors, services
from apps.ingest.api.serializers import (
    AmendInput,
    BatchOutput,
    EventOutput,
    OutcomeInput,
    OutcomesOutput,
    ReasonInput,
    SummaryOutput,
    day_of,
)
from apps.usage import selectors as usage

_FILTER: Final = re.compile(r"filter\[(?P<name>[^\]]+)\]")


class OneEvent(APIView):
    """One event with its rating explained."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.USAGE_READ}

    @extend_schema(operation_id="usage_event_read", responses=EventOutput)
    def get(self, request: Request, source: str, event_id: str) -> Response:
        """Return an event: meters, quantities, unit prices, price version, cost."""
        found = usage.event(source=source, event_id=event_id, actor=actor_of(request))
        return Response(event_body(found))


def event_body(found: usage.RatedEvent) -> dict[str, Any]:
    """Return an event with its rating, and what came of it, its trace and its experiment."""
    outcomes = [outcome.as_dict() for outcome in usage.outcomes_of(found.event)]
    return {**found.as_dict(), "outcomes": outcomes}


class VoidEvent(APIView):
    """Take an event back."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.USAGE_CORRECT}

    @extend_schema(operation_id="usage_event_void", request=ReasonInput, responses=EventOutput)
    @once
    def post(self, request: Request, source: str = "", event_id: str = "") -> Response:
        """Void an event: a reversal takes its usage back; its id stays taken."""
        source, event_id = _name(request, source, event_id)
        sent = ReasonInput(data=request.data)
        sent.is_valid(raise_exception=True)
        actor = actor_of(request)
        services.void_event(
            source=source,
            event_id=event_id,
            reason=sent.validated_data["reason"],
            actor=actor,
            now=timezone.now(),
        )
        return Response(usage.event(source=source, event_id=event_id, actor=actor).as_dict())


class AmendEvent(APIView):
    """Put an event right."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.USAGE_CORRECT}

    @extend_schema(operation_id="usage_event_amend", request=AmendInput, responses=EventOutput)
    @once
    def post(self, request: Request, source: str = "", event_id: str = "") -> Response:
        """Amend an event: send it as it should have been, with a reason."""
        source, event_id = _name(request, source, event_id)
        event, reason = _amendment(request)
        actor = actor_of(request)
        services.amend_event(
            source=source,
            event_id=event_id,
            event=event,
            reason=reason,
            actor=actor,
            now=timezone.now(),
        )
        return Response(usage.event(source=source, event_id=event_id, actor=actor).as_dict())


class RevertEvent(APIView):
    """Undo the last correction of an event."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.USAGE_CORRECT}

    @extend_schema(operation_id="usage_event_revert", request=ReasonInput, responses=EventOutput)
    @once
    def post(self, request: Request, source: str = "", event_id: str = "") -> Response:
        """Revert the last void or amendment: the event is again what it was before."""
        source, event_id = _name(request, source, event_id)
        sent = ReasonInput(data=request.data)
        sent.is_valid(raise_exception=True)
        actor = actor_of(request)
        services.revert_correction(
            source=source,
            event_id=event_id,
            reason=sent.validated_data["reason"],
            actor=actor,
            now=timezone.now(),
        )
        return Response(usage.event(source=source, event_id=event_id, actor=actor).as_dict())


_NAMED: Final = [
    OpenApiParameter(name, str, required=True, description=f"the event's {name}")
    for name in ("source", "id")
]


@extend_schema_view(
    post=extend_schema(operation_id="usage_event_void_named", parameters=_NAMED),
)
class VoidNamedEvent(VoidEvent):
    """Take back an event whose source is a URI, named as ?source=&id=."""


@extend_schema_view(
    post=extend_schema(operation_id="usage_event_amend_named", parameters=_NAMED),
)
class AmendNamedEvent(AmendEvent):
    """Put right an event whose source is a URI, named as ?source=&id=."""


@extend_schema_view(
    post=extend_schema(operation_id="usage_event_revert_named", parameters=_NAMED),
)
class RevertNamedEvent(RevertEvent):
    """Undo the last correction of an event whose source is a URI, named as ?source=&id=."""


class Outcomes(APIView):
    """Late outcomes."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.USAGE_WRITE}

    @extend_schema(
        operation_id="usage_outcomes_create",
        request=OutcomeInput(many=True),
        responses=OutcomesOutput,
    )
    def post(self, request: Request) -> Response:
        """Tell what came of events, traces or experiments: an array, or {"outcomes": [...]}."""
        sent = OutcomeInput(data=_outcomes(request.data), many=True)
        sent.is_valid(raise_exception=True)
        accepted = services.accept_outcomes(
            outcomes=sent.validated_data, actor=actor_of(request), received_at=timezone.now()
        )
        return Response({"accepted": accepted, "duplicates": len(sent.validated_data) - accepted})


class OneBatch(APIView):
    """The receipt of a batch."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.USAGE_READ}

    @extend_schema(operation_id="usage_batch_read", responses=BatchOutput)
    def get(self, request: Request, batch: UUID) -> Response:
        """Return the receipt of a batch again."""
        return Response(selectors.batch(batch=batch, actor=actor_of(request)).as_dict())


class Summary(APIView):
    """Usage by any dimension."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.USAGE_READ}

    @extend_schema(
        operation_id="usage_summary",
        parameters=[
            OpenApiParameter("start", OpenApiTypes.DATE, required=True),
            OpenApiParameter("end", OpenApiTypes.DATE, required=True, description="exclusive"),
            OpenApiParameter("group_by", str, description="dimensions, separated by commas"),
            OpenApiParameter("granularity", str, enum=["total", "day", "month"]),
            OpenApiParameter("filter[team]", str, description="of any dimension"),
        ],
        responses=SummaryOutput,
    )
    def get(self, request: Request) -> Response:
        """Sum usage of the days [start, end) by dimensions."""
        known_parameters(request, "start", "end", "group_by", "granularity", prefixes=("filter[",))
        query = request.query_params
        found = usage.summary(
            start=day_of("start", query.get("start", "")),
            end=day_of("end", query.get("end", "")),
            group_by=[name for name in query.get("group_by", "").split(",") if name.strip()],
            filters=_filters(query.dict()),
            granularity=query.get("granularity", "total"),
            actor=actor_of(request),
            declared=costs.declared_feeds(),
        )
        return Response(found.as_dict())


def _name(request: Request, source: str, event_id: str) -> tuple[str, str]:
    """Return source and id from the path, or from the query for sources that are URIs."""
    query = request.query_params
    name = (source or query.get("source", ""), event_id or query.get("id", ""))
    if not all(name):
        raise Invalid("Name the event by ?source= and &id=.", code="event_name")
    return name


def _filters(query: dict[str, Any]) -> dict[str, str]:
    found = {}
    for name, value in query.items():
        if (match := _FILTER.fullmatch(name)) is not None:
            found[match["name"]] = str(value)
    return found


def _amendment(request: Request) -> tuple[Any, str]:
    """Return event and reason, sent side by side or the reason among the event's fields."""
    sent = request.data
    if isinstance(sent, dict) and "event" not in sent:
        reason = sent.get("reason") or request.query_params.get("reason", "")
        return {name: value for name, value in sent.items() if name != "reason"}, str(reason)
    wanted = AmendInput(data=sent)
    wanted.is_valid(raise_exception=True)
    return wanted.validated_data["event"], wanted.validated_data["reason"]


def _outcomes(sent: Any) -> list[Any]:
    if isinstance(sent, dict):
        sent = sent["outcomes"] if set(sent) == {"outcomes"} else [sent]
    if not isinstance(sent, list):
        raise Invalid('Send an array of outcomes, or {"outcomes": [...]}.', code="type")
    return sent
