"""`/api/v1/allocation/adjustments`: amounts moved by hand, decided by a second person."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, cast
from uuid import UUID

from django.http import HttpResponse, QueryDict
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.parsers import JSONParser, MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.api.idempotency import once
from apps.allocation import selectors, services
from apps.allocation.domain.rules import Axis
from apps.allocation.domain.sight import require_everything
from apps.allocation.domain.transfers import AdjustmentDraft
from apps.allocation.selectors import AdjustmentFacts
from apps.core.api.fields import ExactDecimal, KnownFields, known_parameters
from apps.core.api.listing import page_of
from apps.core.api.permissions import HasScope, actor_of
from apps.core.domain.access import Scope
from apps.core.domain.canonical import plain_decimal
from apps.core.domain.months import Month
from apps.documents.domain.uploads import COUNT_LIMIT, Upload

_AXES = [axis.value for axis in Axis]


class AdjustmentInput(KnownFields):
    """An adjustment to ask for."""

    month = serializers.CharField(max_length=7, help_text="2026-10; not closed")
    axis = serializers.ChoiceField(choices=_AXES, default=Axis.TEAM.value)
    sender = serializers.CharField(max_length=64, help_text="who bears less")
    receiver = serializers.CharField(max_length=64, help_text="who bears more")
    amount = ExactDecimal(max_digits=30, decimal_places=12, help_text="in your currency, above 0")
    reason = serializers.CharField(max_length=1000)
    reference = serializers.CharField(max_length=200, required=False, allow_blank=True)

    def to_draft(self) -> AdjustmentDraft:
        """Return what is asked for."""
        asked = {name: value for name, value in self.validated_data.items() if name != "month"}
        files = tuple(Upload(file.name, file.read()) for file in asked.pop("files", ()))
        return AdjustmentDraft(**{**asked, "axis": Axis(asked["axis"]), "files": files})


class AdjustmentUpload(AdjustmentInput):
    """An adjustment to ask for, with files."""

    files = serializers.ListField(
        child=serializers.FileField(max_length=200, allow_empty_file=True),
        max_length=COUNT_LIMIT,
        required=False,
        help_text="pdf, png, jpg, csv, txt or xlsx, at most 5 MiB each",
    )


class DecisionInput(KnownFields):
    """What the other person says; a rejection needs it."""

    comment = serializers.CharField(max_length=1000, required=False, allow_blank=True)


class AdjustmentFileOutput(serializers.Serializer[Any]):
    """A file that came with a request."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    media_type = serializers.CharField()
    size = serializers.IntegerField(help_text="bytes")
    sha256 = serializers.CharField()


class AdjustmentOutput(serializers.Serializer[Any]):
    """An adjustment."""

    id = serializers.UUIDField()
    code = serializers.CharField()
    month = serializers.CharField()
    axis = serializers.ChoiceField(choices=_AXES)
    sender = serializers.CharField()
    receiver = serializers.CharField()
    amount = serializers.CharField()
    currency = serializers.CharField()
    reason = serializers.CharField()
    reference = serializers.CharField()
    state = serializers.CharField(help_text="requested, approved, rejected or withdrawn")
    requested_by = serializers.CharField()
    requested_at = serializers.DateTimeField()
    decided_by = serializers.CharField()
    decided_at = serializers.DateTimeField(allow_null=True)
    comment = serializers.CharField()
    files = AdjustmentFileOutput(many=True)

    def to_representation(self, instance: AdjustmentFacts) -> dict[str, Any]:
        """Return an adjustment as JSON, its amount as a decimal string."""
        plain = ("code", "sender", "receiver", "currency", "reason", "reference", "state")
        said = ("requested_by", "requested_at", "decided_by", "decided_at", "comment")
        return {
            "id": str(instance.id),
            "month": str(instance.month),
            "axis": instance.axis.value,
            "amount": plain_decimal(instance.amount),
            **{name: getattr(instance, name) for name in (*plain, *said)},
            "files": AdjustmentFileOutput(instance.files, many=True).data,
        }


class AdjustmentPage(serializers.Serializer[Any]):
    """A page of adjustments."""

    results = AdjustmentOutput(many=True)
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)


class Adjustments(APIView):
    """Adjustments; files come as multipart/form-data."""

    permission_classes = [HasScope]
    parser_classes = [JSONParser, MultiPartParser]
    scopes: ClassVar[dict[str, Scope]] = {
        "GET": Scope.BILLING_READ,
        "POST": Scope.ALLOCATION_WRITE,
    }

    @extend_schema(
        operation_id="adjustments_list",
        parameters=[OpenApiParameter("month", str, description="2026-10; else all")],
        responses=AdjustmentPage,
    )
    def get(self, request: Request) -> Response:
        """List adjustments, the newest first."""
        known_parameters(request, "month", "cursor", "page_size")
        require_everything(actor_of(request))
        asked = request.query_params.get("month", "")
        found = selectors.adjustments(month=Month.parse(asked) if asked else None)
        page = page_of(request, found, lambda one: one.code)
        return Response(page.body(AdjustmentOutput(page.items, many=True).data))

    @extend_schema(
        operation_id="adjustments_create",
        request={"application/json": AdjustmentInput, "multipart/form-data": AdjustmentUpload},
        responses={201: AdjustmentOutput},
    )
    @once
    def post(self, request: Request) -> Response:
        """Ask for an amount to be moved; another person has to approve it."""
        sent: AdjustmentInput
        if request.FILES:
            given = cast("QueryDict", request.data).dict()
            sent = AdjustmentUpload(data=given | {"files": request.FILES.getlist("files")})
        else:
            sent = AdjustmentInput(data=request.data)
        sent.is_valid(raise_exception=True)
        actor = actor_of(request)
        require_everything(actor)
        made = services.request_adjustment(
            month=Month.parse(sent.validated_data["month"]),
            draft=sent.to_draft(),
            actor=actor,
            now=timezone.now(),
        )
        return Response(AdjustmentOutput(made).data, status=201)


class OneAdjustment(APIView):
    """One adjustment."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.BILLING_READ}

    @extend_schema(operation_id="adjustments_read", responses=AdjustmentOutput)
    def get(self, request: Request, adjustment: UUID) -> Response:
        """Return an adjustment."""
        require_everything(actor_of(request))
        return Response(AdjustmentOutput(selectors.adjustment(id=adjustment)).data)


class AdjustmentFile(APIView):
    """A file that came with a request."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.BILLING_READ}

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        """Answer with the file whatever the Accept header says; errors stay JSON."""
        return super().perform_content_negotiation(request, force=True)

    @extend_schema(
        operation_id="adjustments_file",
        responses={(200, "application/octet-stream"): OpenApiTypes.BINARY},
    )
    def get(self, request: Request, adjustment: UUID, file: UUID) -> HttpResponse:
        """Return the bytes, to be saved and never shown inside the site."""
        require_everything(actor_of(request))
        facts, content = selectors.adjustment_file(adjustment=adjustment, id=file)
        response = HttpResponse(content, content_type=facts.media_type)
        response["Content-Disposition"] = f'attachment; filename="{facts.name}"'
        response["X-Content-Type-Options"] = "nosniff"
        response["Cache-Control"] = "private, no-store"
        return response


class _Decision(APIView):
    """A decision about an adjustment."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.APPROVALS_DECIDE}
    decide: ClassVar[Callable[..., AdjustmentFacts]]

    @once
    def post(self, request: Request, adjustment: UUID) -> Response:
        """Decide as another person than the one who asked."""
        sent = DecisionInput(data=request.data)
        sent.is_valid(raise_exception=True)
        decided = type(self).decide(
            id=adjustment,
            comment=sent.validated_data.get("comment", ""),
            actor=actor_of(request),
            now=timezone.now(),
        )
        return Response(AdjustmentOutput(decided).data)


@extend_schema_view(
    post=extend_schema(
        operation_id="adjustments_approve", request=DecisionInput, responses=AdjustmentOutput
    )
)
class ApproveAdjustment(_Decision):
    """Approval."""

    decide = staticmethod(services.approve_adjustment)


@extend_schema_view(
    post=extend_schema(
        operation_id="adjustments_reject", request=DecisionInput, responses=AdjustmentOutput
    )
)
class RejectAdjustment(_Decision):
    """Rejection, with a reason."""

    decide = staticmethod(services.reject_adjustment)


class WithdrawAdjustment(APIView):
    """The end of a request that is not decided."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.ALLOCATION_WRITE}

    @extend_schema(operation_id="adjustments_withdraw", request=None, responses=AdjustmentOutput)
    @once
    def post(self, request: Request, adjustment: UUID) -> Response:
        """Take a request back."""
        withdrawn = services.withdraw_adjustment(
            id=adjustment, actor=actor_of(request), now=timezone.now()
        )
        return Response(AdjustmentOutput(withdrawn).data)
