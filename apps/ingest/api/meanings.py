"""`/api/v1/usage/unpriced`, `/api/v1/prices/mappings`, `/api/v1/prices/corrections`."""

from __future__ import annotations

from typing import Any, ClassVar, Final
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.api.idempotency import once
from apps.core.api.fields import known_parameters
from apps.core.api.permissions import HasScope, actor_of
from apps.core.domain.access import Scope
from apps.core.domain.errors import Invalid
from apps.core.domain.money import published
from apps.costs import selectors as costs
from apps.ingest import services
from apps.ingest.api import meaning_shapes as shapes
from apps.periods import selectors as periods
from apps.rating import selectors as rating
from apps.tenants import selectors as tenants
from apps.usage import selectors as usage

_DRY: Final = OpenApiParameter(
    "dry_run", bool, description="tell what would change, change nothing"
)
_FLAGS: Final = {"": False, "true": True, "false": False, "1": True, "0": False}


class Unpriced(APIView):
    """What has no price."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.USAGE_READ}

    @extend_schema(
        operation_id="usage_unpriced",
        parameters=[shapes.QueueQuery],
        responses=shapes.QueueOutput,
    )
    def get(self, request: Request) -> Response:
        """List what open months hold without a price: why, since when, at worst how much."""
        asked = shapes.QueueQuery(data=request.query_params.dict())
        asked.is_valid(raise_exception=True)
        named = asked.validated_data.get("period")
        months = [named] if named else sorted(usage.months_in_use(periods.open_months()))
        actor, declared = actor_of(request), costs.declared_feeds()
        rows = [
            row
            for m in months
            for row in usage.unpriced_queue(month=m, actor=actor, declared=declared)
        ]
        worst = usage.worst_of(rows)
        return Response(
            {
                "results": [shapes.queue_row(row) for row in rows],
                "worst_case": None if worst is None else published(worst),
                "currency": tenants.current().currency,
            }
        )


class Mappings(APIView):
    """What sent models mean."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.COSTS_READ, "POST": Scope.PRICES_WRITE}

    @extend_schema(operation_id="mappings_list", responses=shapes.ModelMappingListOutput)
    def get(self, request: Request) -> Response:
        """List mappings, those that stand first, then what was ended or withdrawn."""
        known_parameters(request)
        return Response({"results": [shapes.mapping_body(each) for each in rating.mappings()]})

    @extend_schema(
        operation_id="mappings_create",
        parameters=[_DRY],
        request=shapes.ModelMappingInput,
        responses={200: shapes.ForesightOutput, 201: shapes.ForesightOutput},
    )
    @once
    def post(self, request: Request) -> Response:
        """Say what a sent model means, and rate open months by it; closed months stay."""
        dry = dry_run(request)
        asked = shapes.ModelMappingInput(data=request.data)
        asked.is_valid(raise_exception=True)
        draft, actor = asked.to_draft(), actor_of(request)
        if dry:
            return foreseen(services.foresee_mapping(draft=draft, actor=actor))
        done = services.map_model(draft=draft, actor=actor, now=timezone.now())
        return mapped(done, status=201)


class OneMapping(APIView):
    """One mapping."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.COSTS_READ}

    @extend_schema(operation_id="mappings_read", responses=shapes.ModelMappingOutput)
    def get(self, request: Request, mapping: UUID) -> Response:
        """Return a mapping, also one that was ended or withdrawn."""
        return Response(shapes.mapping_body(rating.mapping(mapping)))


class EndMapping(APIView):
    """The end of a mapping."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.PRICES_WRITE}

    @extend_schema(
        operation_id="mappings_end",
        parameters=[_DRY],
        request=shapes.ModelMappingEndInput,
        responses=shapes.ForesightOutput,
    )
    @once
    def post(self, request: Request, mapping: UUID) -> Response:
        """End a mapping at a moment; the answer is the row that says so, with an id of its own."""
        dry = dry_run(request)
        asked = shapes.ModelMappingEndInput(data=request.data)
        asked.is_valid(raise_exception=True)
        how = {"mapping": mapping, "actor": actor_of(request), **asked.validated_data}
        if dry:
            return foreseen(services.foresee_end(**how))
        return mapped(services.end_meaning(**how, now=timezone.now()))


class WithdrawMapping(APIView):
    """The withdrawal of a mapping that was made in error."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.PRICES_WRITE}

    @extend_schema(
        operation_id="mappings_withdraw",
        parameters=[_DRY],
        request=shapes.ModelMappingWithdrawInput,
        responses=shapes.ForesightOutput,
    )
    @once
    def post(self, request: Request, mapping: UUID) -> Response:
        """Withdraw a mapping from its beginning on; it stays on record."""
        actor = actor_of(request)
        if dry_run(request):
            return foreseen(services.foresee_end(mapping=mapping, valid_to=None, actor=actor))
        asked = shapes.ModelMappingWithdrawInput(data=request.data)
        asked.is_valid(raise_exception=True)
        done = services.withdraw_meaning(
            mapping=mapping, actor=actor, now=timezone.now(), **asked.validated_data
        )
        return mapped(done)


class PriceCorrections(APIView):
    """Prices of months that are no longer open, put right in the open one."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.PRICES_WRITE}

    @extend_schema(
        operation_id="prices_correct",
        parameters=[_DRY],
        request=shapes.CorrectPricesInput,
        responses=shapes.PriceCorrectionOutput,
    )
    @once
    def post(self, request: Request) -> Response:
        """Book what the prices in force change about a closed month; the month itself stays."""
        dry = dry_run(request)
        asked = shapes.CorrectPricesInput(data=request.data)
        asked.is_valid(raise_exception=True)
        month, actor = asked.validated_data["period"], actor_of(request)
        seen = services.foresee_correction(month=month, actor=actor)
        if not dry:
            done = services.correct_prices(
                month=month,
                reason=asked.validated_data["reason"],
                actor=actor,
                now=timezone.now(),
            )
            body = shapes.correction_body(seen) | {
                "booked_in": str(done.booked_in),
                "price_book_version": done.version,
                "facts": done.facts,
                "difference": shapes.sums_body(done.difference),
            }
            return Response({"dry_run": False, **body})
        return Response({"dry_run": True, **shapes.correction_body(seen)})


def dry_run(request: Request) -> bool:
    """Read the flag, the only parameter that there is.

    :raises Invalid: when it is neither true nor false, or another parameter is given.
    """
    known_parameters(request, "dry_run")
    value = request.query_params.get("dry_run", "").lower()
    if value not in _FLAGS:
        raise Invalid(f"dry_run is true or false, not {value[:20]!r}.", code="flag")
    return _FLAGS[value]


def foreseen(seen: services.Foresight) -> Response:
    """Answer with what would change."""
    nothing: dict[str, Any] = {"dry_run": True, "mapping": None, "price_book_version": None}
    return Response(nothing | shapes.foresight_body(seen))


def mapped(done: services.Mapped, *, status: int = 200) -> Response:
    """Answer with a mapping and what rating by it changed."""
    body = {
        "dry_run": False,
        "mapping": shapes.mapping_body(rating.mapping(done.mapping)),
        "price_book_version": done.adoption.after,
    }
    return Response(body | shapes.reratings_body(done.adoption.months), status=status)
