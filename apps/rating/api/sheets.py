"""`/api/v1/prices/sheet`: contract prices and discounts as a file, out and in."""

from __future__ import annotations

from typing import Any, ClassVar

from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.api.idempotency import once
from apps.core.api.fields import KnownFields
from apps.core.api.permissions import HasScope, actor_of
from apps.core.domain.access import Scope
from apps.rating import selectors, services
from apps.rating.domain.sheets import COLUMNS, cells_of
from apps.rating.services import RowPlan
from apps.rating.tasks import request_adoption

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


class SheetInput(KnownFields):
    """A CSV file; nothing is recorded unless `dry_run` is false."""

    file = serializers.FileField()
    dry_run = serializers.BooleanField(default=True)
    confirm = serializers.CharField(
        default="",
        allow_blank=True,
        help_text="lines whose price is meant although it is 100 times off: 3,17",
    )

    def validate_confirm(self, text: str) -> frozenset[int]:
        """Return the lines."""
        parts = [part.strip() for part in text.split(",") if part.strip()]
        if not all(part.isascii() and part.isdigit() and len(part) < 9 for part in parts):
            raise serializers.ValidationError("Write line numbers with commas: 3,17.")
        return frozenset(int(part) for part in parts)


class SheetRowErrorOutput(serializers.Serializer[Any]):
    """What is wrong with a cell."""

    field = serializers.CharField()
    code = serializers.CharField()
    message = serializers.CharField()


class SheetRowOutput(serializers.Serializer[Any]):
    """What a row does; the cells of what it records, and of what it replaces."""

    line = serializers.IntegerField(help_text="from 1 below the header")
    action = serializers.ChoiceField(choices=["new", "replaces", "unchanged", "error"])
    after = serializers.DictField(allow_null=True)
    before = serializers.DictField(allow_null=True)
    errors = SheetRowErrorOutput(many=True)  # type: ignore[assignment]


class SheetOutput(serializers.Serializer[Any]):
    """What a sheet does, or did."""

    dry_run = serializers.BooleanField()
    counts = serializers.DictField(child=serializers.IntegerField())
    rows = SheetRowOutput(many=True)


class Sheet(APIView):
    """Contract prices and discounts as CSV."""

    permission_classes = [HasScope]
    parser_classes = [MultiPartParser]
    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.COSTS_READ, "POST": Scope.PRICES_WRITE}

    @extend_schema(operation_id="prices_sheet_csv", responses={(200, "text/csv"): OpenApiTypes.STR})
    def get(self, request: Request) -> HttpResponse:
        """Return what is believed now as a CSV that can be imported again unchanged."""
        return sheet_file("csv")

    @extend_schema(
        operation_id="prices_sheet_import",
        request={"multipart/form-data": SheetInput},
        responses=SheetOutput,
    )
    @once
    def post(self, request: Request) -> Response:
        """Try a CSV, row by row; with `dry_run=false` record it, all rows or none."""
        asked = SheetInput(data=request.data)
        asked.is_valid(raise_exception=True)
        sent = asked.validated_data
        deed = services.rehearse_sheet if sent["dry_run"] else services.import_sheet
        plans = deed(
            body=sent["file"].read(),
            confirmed=sent["confirm"] or frozenset(),
            actor=actor_of(request),
            now=timezone.now(),
        )
        if not sent["dry_run"]:
            request_adoption()
        return Response(SheetOutput(_body(plans, dry_run=sent["dry_run"])).data)


class SheetXlsx(APIView):
    """Contract prices and discounts as XLSX."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.COSTS_READ}

    @extend_schema(operation_id="prices_sheet_xlsx", responses={(200, XLSX): OpenApiTypes.BINARY})
    def get(self, request: Request) -> HttpResponse:
        """Return what is believed now as a spreadsheet; every cell is text, digit by digit."""
        return sheet_file("xlsx")


def sheet_file(kind: str) -> HttpResponse:
    """Answer with what is believed now as a file."""
    body = selectors.sheet_csv() if kind == "csv" else selectors.sheet_xlsx()
    content_type = "text/csv; charset=utf-8" if kind == "csv" else XLSX
    response = HttpResponse(body, content_type=content_type)
    response["Content-Disposition"] = f'attachment; filename="contract-prices.{kind}"'
    return response


def _body(plans: list[RowPlan], *, dry_run: bool) -> dict[str, Any]:
    deeds = ("new", "replaces", "unchanged", "error")
    return {
        "dry_run": dry_run,
        "counts": {deed: sum(plan.deed == deed for plan in plans) for deed in deeds},
        "rows": [
            {
                "line": plan.line,
                "action": plan.deed,
                "after": _cells(plan.draft),
                "before": _cells(plan.was),
                "errors": [
                    {"field": f.field, "code": f.code, "message": f.message} for f in plan.faults
                ],
            }
            for plan in plans
        ],
    }


def _cells(draft: Any) -> dict[str, str] | None:
    if draft is None:
        return None
    return dict(zip(COLUMNS, cells_of(draft), strict=True))
