"""`/api/v1/rollups`: a month's statements put together by parent, product and customer."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, ClassVar
from uuid import UUID

from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.api.idempotency import once
from apps.chargeback import selectors, services
from apps.chargeback.api.files import file_answer
from apps.chargeback.api.serializers import FORMATS, AmountField, FileQuery
from apps.chargeback.domain.rollups import RollupKind
from apps.core.api.fields import KnownFields, MonthField
from apps.core.api.listing import page_of
from apps.core.api.permissions import HasScope, actor_of
from apps.core.domain.access import Scope
from apps.tenants import selectors as tenants

_KINDS = [kind.value for kind in RollupKind]


class RollupsQuery(KnownFields):
    """Which roll-ups are listed."""

    period = MonthField(help_text="accounting month, 2026-10")
    kind = serializers.ChoiceField(choices=_KINDS, required=False, default="")
    cursor = serializers.CharField(required=False, default="", allow_blank=True, max_length=200)
    page_size = serializers.IntegerField(required=False, default=50, min_value=1, max_value=500)


class RollUpInput(serializers.Serializer[Any]):
    """The month whose statements are rolled up."""

    period = MonthField(help_text="accounting month, 2026-10")


class RolledUp(serializers.Serializer[Any]):
    """How many roll-ups the month has."""

    period = serializers.CharField()
    count = serializers.IntegerField()


class RollupOutput(serializers.Serializer[Any]):
    """A roll-up in a list."""

    id = serializers.UUIDField()
    number = serializers.CharField()
    period = MonthField(source="month", read_only=True)
    kind = serializers.ChoiceField(choices=_KINDS)
    code = serializers.CharField(help_text="empty for what no product or customer carries")
    name = serializers.CharField()
    currency = serializers.CharField()
    total = AmountField(read_only=True)
    previous_total = AmountField(source="previous", read_only=True, allow_null=True)
    sections = serializers.DictField(child=AmountField(), read_only=True)
    statements = serializers.IntegerField(source="parts", help_text="statements that it is made of")
    issued_at = serializers.DateTimeField(allow_null=True)
    replaces = serializers.CharField(help_text="number of the roll-up it takes the place of")
    run = serializers.UUIDField(help_text="allocation run")
    data_hash = serializers.CharField(help_text="SHA-256 of the canonical content")


class RollupDetailOutput(RollupOutput):
    """A roll-up with its whole content, as printed."""

    content = serializers.DictField(help_text="see docs/statements.md")


class RollupPage(serializers.Serializer[Any]):
    """A page of roll-ups."""

    results = RollupOutput(many=True)
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)


class Rollups(APIView):
    """The roll-ups of a month."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.COSTS_READ, "POST": Scope.BILLING_WRITE}

    @extend_schema(operation_id="rollups_list", parameters=[RollupsQuery], responses=RollupPage)
    def get(self, request: Request) -> Response:
        """List the roll-ups of a month's latest run by kind and name."""
        asked = RollupsQuery(data=request.query_params.dict())
        asked.is_valid(raise_exception=True)
        kind = asked.validated_data["kind"]
        found = selectors.rollups(
            month=asked.validated_data["period"],
            kind=RollupKind(kind) if kind else None,
            actor=actor_of(request),
        )
        page = page_of(request, found, lambda one: str(one.id))
        return Response(page.body(RollupOutput(page.items, many=True).data))

    @extend_schema(operation_id="rollups_make", request=RollUpInput, responses=RolledUp)
    @once
    def post(self, request: Request) -> Response:
        """Roll up the issued statements of a month; asking again changes nothing."""
        asked = RollUpInput(data=request.data)
        asked.is_valid(raise_exception=True)
        month = asked.validated_data["period"]
        count = services.roll_up(month=month, actor=actor_of(request), now=timezone.now())
        return Response({"period": str(month), "count": count})


class RollupView(APIView):
    """One roll-up."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.COSTS_READ}

    @extend_schema(operation_id="rollups_read", responses=RollupDetailOutput)
    def get(self, request: Request, id: UUID) -> Response:
        """Return a roll-up with its whole content, also one that was replaced."""
        detail = selectors.rollup(id, actor=actor_of(request))
        shown = {**asdict(detail.facts), "month": detail.facts.month, "content": detail.payload}
        return Response(RollupDetailOutput(shown).data)


class RollupFile(APIView):
    """A roll-up as PDF, CSV or XLSX."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.COSTS_READ}

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        """Answer with the file whatever the Accept header says; errors stay JSON."""
        return super().perform_content_negotiation(request, force=True)

    @extend_schema(
        operation_id="rollups_file",
        parameters=[FileQuery],
        responses={
            (200, "application/pdf"): OpenApiTypes.BINARY,
            304: OpenApiResponse(description="The file is the one that the client has."),
        },
    )
    def get(self, request: Request, id: UUID, suffix: str) -> HttpResponse:
        """Return the file; the bytes never change, and the ETag is their SHA-256."""
        asked = FileQuery(data=request.query_params.dict())
        asked.is_valid(raise_exception=True)
        file = services.hand_out_rollup(
            id=id,
            format=FORMATS[suffix],
            locale=asked.validated_data["locale"] or tenants.current().locale,
            actor=actor_of(request),
            now=timezone.now(),
        )
        return file_answer(request, file)
