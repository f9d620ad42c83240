"""`/api/v1/statements`: lists, content, explanations, files."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, ClassVar
from uuid import UUID

from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param
from rest_framework.views import APIView

from apps.chargeback import selectors, services
from apps.chargeback.api.files import file_answer
from apps.chargeback.api.serializers import (
    FORMATS,
    ExplanationOutput,
    FileQuery,
    StatementDetailOutput,
    StatementOutput,
    StatementPage,
    StatementsQuery,
)
from apps.core.api.permissions import HasScope, actor_of
from apps.core.domain.access import Scope
from apps.tenants import selectors as tenants


class Statements(APIView):
    """The statements of a month."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.COSTS_READ}

    @extend_schema(
        operation_id="statements_list", parameters=[StatementsQuery], responses=StatementPage
    )
    def get(self, request: Request) -> Response:
        """List the statements of a month by cost center; the latest of each."""
        asked = StatementsQuery(data=request.query_params.dict())
        asked.is_valid(raise_exception=True)
        wanted = asked.validated_data
        found = [
            one
            for one in selectors.statements(month=wanted["period"], actor=actor_of(request))
            if one.cost_center > wanted["cursor"]
        ]
        page = found[: wanted["page_size"]]
        more = len(found) > len(page)
        return Response(
            {
                "results": StatementOutput(page, many=True).data,
                "next": _after(request, page[-1].cost_center) if more else None,
                "previous": None,
            }
        )


class StatementView(APIView):
    """One statement."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.COSTS_READ}

    @extend_schema(operation_id="statements_read", responses=StatementDetailOutput)
    def get(self, request: Request, id: UUID) -> Response:
        """Return a statement with its whole content, also one that was replaced."""
        detail = selectors.statement(id, actor=actor_of(request))
        shown = {
            **asdict(detail.facts),
            "month": detail.facts.month,
            "prepared_by": detail.prepared_by,
            "approved_by": detail.approved_by,
            "audit_sequence": detail.audit_sequence,
            "audit_hash": detail.audit_hash,
            "content": detail.payload,
        }
        return Response(StatementDetailOutput(shown).data)


class StatementLine(APIView):
    """One printed line of a statement."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.COSTS_READ}

    @extend_schema(operation_id="statements_explain", responses=ExplanationOutput)
    def get(self, request: Request, id: UUID, position: int) -> Response:
        """Explain a line: its rule, driver values, and the source lines behind it."""
        explained = selectors.explanation(id=id, position=position, actor=actor_of(request))
        return Response(ExplanationOutput(explained).data)


class StatementFile(APIView):
    """A statement as PDF, CSV or XLSX."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.COSTS_READ}

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        """Answer with the file whatever the Accept header says; errors stay JSON."""
        return super().perform_content_negotiation(request, force=True)

    @extend_schema(
        operation_id="statements_file",
        parameters=[FileQuery],
        responses={
            (200, "application/pdf"): OpenApiTypes.BINARY,
            304: OpenApiResponse(description="The file is the one that the client has."),
        },
    )
    def get(self, request: Request, id: UUID, suffix: str) -> HttpResponse:
        """Return the stored bytes; the ETag is their SHA-256."""
        asked = FileQuery(data=request.query_params.dict())
        asked.is_valid(raise_exception=True)
        file = services.hand_out(
            id=id,
            format=FORMATS[suffix],
            locale=asked.validated_data["locale"] or tenants.current().locale,
            actor=actor_of(request),
            now=timezone.now(),
        )
        return file_answer(request, file)


def _after(request: Request, cost_center: str) -> str:
    return replace_query_param(request.build_absolute_uri(), "cursor", cost_center)
