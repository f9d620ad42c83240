"""`/api/v1/usage/backfills`: replace the usage of a scope at once, and bring it back."""

from __future__ import annotations

from typing import Any, ClassVar, Final
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.api.idempotency import once
from apps.core.api.fields import KnownFields, UtcMoment, known_parameters
from apps.core.api.permissions import HasScope, actor_of
from apps.core.domain.access import Scope
from apps.core.domain.canonical import plain_decimal
from apps.ingest import selectors
from apps.ingest.api.body import body_of, form_of
from apps.ingest.api.meanings import dry_run
from apps.ingest.api.serializers import ReasonInput, ReceiptOutput
from apps.ingest.services import backfill_close, backfill_revert, backfills
from apps.usage.domain.decode import decode_events

_DRY: Final = OpenApiParameter(
    "dry_run", bool, description="tell what closing would do, change nothing"
)


class BackfillInput(KnownFields):
    """Which usage is to be replaced, and why."""

    source = serializers.CharField(max_length=200)  # type: ignore[assignment]
    starts_at = UtcMoment()
    ends_at = UtcMoment(help_text="exclusive")
    tags = serializers.DictField(
        child=serializers.CharField(), default=dict, help_text="what events must carry"
    )
    reason = serializers.CharField(max_length=1000)

    def to_draft(self) -> backfills.BackfillDraft:
        """Return the scope as the service takes it."""
        return backfills.BackfillDraft(**self.validated_data)


class BackfillOutput(serializers.Serializer[Any]):
    """A backfill: its scope, how far it has come, and what it did."""

    id = serializers.UUIDField()
    source = serializers.CharField()  # type: ignore[assignment]
    starts_at = UtcMoment()
    ends_at = UtcMoment()
    tags = serializers.DictField(child=serializers.CharField())
    reason = serializers.CharField()
    state = serializers.ChoiceField(choices=["open", "closed", "reverted", "abandoned"])
    opened_by = serializers.CharField()
    opened_at = UtcMoment()
    settled_by = serializers.CharField(help_text="who closed or abandoned it")
    settled_at = UtcMoment(allow_null=True)
    reverted_by = serializers.CharField()
    reverted_at = UtcMoment(allow_null=True)
    revert_reason = serializers.CharField()
    posted = serializers.IntegerField()
    kept = serializers.IntegerField(help_text="posted as they stood")
    added = serializers.IntegerField()
    amended = serializers.IntegerField()
    voided = serializers.IntegerField(help_text="not posted again")


class BackfillListOutput(serializers.Serializer[Any]):
    """Backfills, the newest first."""

    results = BackfillOutput(many=True)


class CloseOutput(serializers.Serializer[Any]):
    """What closing did, or would do."""

    dry_run = serializers.BooleanField()
    backfill = BackfillOutput()
    kept = serializers.IntegerField()
    added = serializers.IntegerField()
    amended = serializers.IntegerField()
    voided = serializers.IntegerField()
    conflicts = serializers.ListField(child=serializers.CharField())
    meters = serializers.ListField(child=serializers.DictField())


class Backfills(APIView):
    """Backfills: open one, list them."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.USAGE_READ, "POST": Scope.USAGE_CORRECT}

    @extend_schema(operation_id="backfills_list", responses=BackfillListOutput)
    def get(self, request: Request) -> Response:
        """List backfills, the newest first."""
        known_parameters(request)
        found = selectors.backfills(actor=actor_of(request))
        return Response({"results": BackfillOutput(found, many=True).data})

    @extend_schema(
        operation_id="backfills_create", request=BackfillInput, responses={201: BackfillOutput}
    )
    @once
    def post(self, request: Request) -> Response:
        """Open a backfill; until it is closed, nothing that is posted into it counts."""
        sent = BackfillInput(data=request.data)
        sent.is_valid(raise_exception=True)
        actor = actor_of(request)
        opened = backfills.open_backfill(draft=sent.to_draft(), actor=actor, now=timezone.now())
        return Response(_body(opened, request), status=201)


class OneBackfill(APIView):
    """One backfill."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.USAGE_READ}

    @extend_schema(operation_id="backfills_read", responses=BackfillOutput)
    def get(self, request: Request, backfill: UUID) -> Response:
        """Return a backfill: its scope, its state, what it did."""
        return Response(_body(backfill, request))


class BackfillEvents(APIView):
    """The events of a backfill."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.USAGE_CORRECT}

    @extend_schema(
        operation_id="backfills_post_events",
        request={"application/json": dict[str, Any], "application/x-ndjson": str},
        responses=ReceiptOutput,
    )
    def post(self, request: Request, backfill: UUID) -> Response:
        """Post events as to /usage/events; they count once the backfill is closed."""
        known_parameters(request)
        actor = actor_of(request)
        into = selectors.backfill(id=backfill, actor=actor)
        raw = request._request
        drafts = decode_events(body=body_of(raw), form=form_of(raw), source=into.source)
        receipt = backfills.post_events(
            backfill=backfill, drafts=drafts, actor=actor, received_at=timezone.now()
        )
        return Response(receipt.as_dict())


class CloseBackfill(APIView):
    """The close of a backfill."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.USAGE_CORRECT}

    @extend_schema(
        operation_id="backfills_close", parameters=[_DRY], request=None, responses=CloseOutput
    )
    @once
    def post(self, request: Request, backfill: UUID) -> Response:
        """Replace the events of the scope by what was posted, in one step."""
        actor, now = actor_of(request), timezone.now()
        if dry_run(request):
            seen = backfill_close.foresee_close(backfill=backfill, actor=actor, now=now)
            return Response({"dry_run": True, "backfill": _body(backfill, request), **_seen(seen)})
        backfill_close.close_backfill(backfill=backfill, actor=actor, now=now)
        body = _body(backfill, request)
        counts = {name: body[name] for name in ("kept", "added", "amended", "voided")}
        nothing: dict[str, Any] = {"conflicts": [], "meters": []}
        return Response({"dry_run": False, "backfill": body, **counts, **nothing})


class RevertBackfill(APIView):
    """The reverse of a closed backfill."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.USAGE_CORRECT}

    @extend_schema(operation_id="backfills_revert", request=ReasonInput, responses=BackfillOutput)
    @once
    def post(self, request: Request, backfill: UUID) -> Response:
        """Bring everything back to what it was before the close, by further entries."""
        sent = ReasonInput(data=request.data)
        sent.is_valid(raise_exception=True)
        backfill_revert.revert_backfill(
            backfill=backfill,
            reason=sent.validated_data["reason"],
            actor=actor_of(request),
            now=timezone.now(),
        )
        return Response(_body(backfill, request))


class AbandonBackfill(APIView):
    """The end of a backfill that is not wanted any more."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.USAGE_CORRECT}

    @extend_schema(operation_id="backfills_abandon", request=None, responses=BackfillOutput)
    @once
    def post(self, request: Request, backfill: UUID) -> Response:
        """Give an open backfill up; what was posted into it never counts."""
        backfills.abandon_backfill(backfill=backfill, actor=actor_of(request), now=timezone.now())
        return Response(_body(backfill, request))


def _body(backfill: UUID, request: Request) -> dict[str, Any]:
    found = selectors.backfill(id=backfill, actor=actor_of(request))
    return dict(BackfillOutput(found).data)


def _seen(seen: backfill_close.BackfillForesight) -> dict[str, Any]:
    return {
        "kept": seen.kept,
        "added": seen.added,
        "amended": seen.amended,
        "voided": seen.voided,
        "conflicts": list(seen.conflicts),
        "meters": [
            {
                "sku": each.sku.label,
                "meter": each.meter,
                "quantity_before": plain_decimal(each.before),
                "quantity_after": plain_decimal(each.after),
                "cost_before": _plain(each.cost_before),
                "cost_after": _plain(each.cost_after),
                "currency": each.currency or None,
            }
            for each in seen.meters
        ],
    }


def _plain(amount: Any) -> str | None:
    return None if amount is None else plain_decimal(amount)
