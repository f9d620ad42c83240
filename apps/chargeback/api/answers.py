"""`/api/v1/statements/{id}/...` and `/api/v1/disputes`: accept, dispute, decide."""

from __future__ import annotations

from typing import Any, ClassVar, cast
from uuid import UUID

from django.http import HttpResponse, QueryDict
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.parsers import JSONParser, MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.api.idempotency import once
from apps.chargeback import selectors, services
from apps.chargeback.api import answer_shapes as shapes
from apps.core.api.listing import page_of
from apps.core.api.permissions import HasScope, actor_of
from apps.core.domain.access import Scope


class AcceptanceView(APIView):
    """Where a statement stands with its reader."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.COSTS_READ}

    @extend_schema(operation_id="statements_acceptance", responses=shapes.AcceptanceOutput)
    def get(self, request: Request, id: UUID) -> Response:
        """Return everything that was said to a statement, oldest first."""
        found = selectors.acceptance(id, actor=actor_of(request), now=timezone.now())
        return Response(shapes.AcceptanceOutput(found).data)


class Accept(APIView):
    """The acceptance of a statement by the cost center's owner."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.COSTS_READ}

    @extend_schema(
        operation_id="statements_accept",
        request=shapes.AcceptInput,
        responses=shapes.AcceptanceOutput,
    )
    @once
    def post(self, request: Request, id: UUID) -> Response:
        """Accept a statement; a person does, never a service key. Twice is once."""
        asked = shapes.AcceptInput(data=request.data)
        asked.is_valid(raise_exception=True)
        found = services.accept(
            id=id,
            comment=asked.validated_data["comment"],
            actor=actor_of(request),
            now=timezone.now(),
        )
        return Response(shapes.AcceptanceOutput(found).data)


class Dispute(APIView):
    """A dispute of a statement, as a whole or of a line; files come as multipart/form-data."""

    permission_classes = [HasScope]
    parser_classes = [JSONParser, MultiPartParser]
    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.COSTS_READ}

    @extend_schema(
        operation_id="statements_dispute",
        request={
            "application/json": shapes.DisputeInput,
            "multipart/form-data": shapes.DisputeUpload,
        },
        responses={201: shapes.ResponseOutput},
    )
    @once
    def post(self, request: Request, id: UUID) -> Response:
        """Dispute a statement; repeating the same words about the same line is one dispute."""
        asked: shapes.DisputeInput
        if request.FILES:
            given = cast("QueryDict", request.data).dict()
            asked = shapes.DisputeUpload(data=given | {"files": request.FILES.getlist("files")})
        else:
            asked = shapes.DisputeInput(data=request.data)
        asked.is_valid(raise_exception=True)
        found = services.dispute(
            id=id, draft=asked.to_draft(), actor=actor_of(request), now=timezone.now()
        )
        return Response(shapes.ResponseOutput(found).data, status=201)


class Resolve(APIView):
    """Finance's decision of a dispute."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.BILLING_WRITE}

    @extend_schema(
        operation_id="statements_dispute_resolve",
        request=shapes.ResolveInput,
        responses=shapes.ResponseOutput,
    )
    @once
    def post(self, request: Request, id: UUID, dispute: UUID) -> Response:
        """Reject a dispute with a reason, or name the adjustment that corrects it."""
        asked = shapes.ResolveInput(data=request.data)
        asked.is_valid(raise_exception=True)
        found = services.resolve(
            id=id,
            dispute=dispute,
            decision=asked.to_decision(),
            actor=actor_of(request),
            now=timezone.now(),
        )
        return Response(shapes.ResponseOutput(found).data)


class Withdraw(APIView):
    """The end of a dispute by who raised it."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.COSTS_READ}

    @extend_schema(
        operation_id="statements_dispute_withdraw",
        request=shapes.WithdrawInput,
        responses=shapes.ResponseOutput,
    )
    @once
    def post(self, request: Request, id: UUID, dispute: UUID) -> Response:
        """Take one's own dispute back."""
        asked = shapes.WithdrawInput(data=request.data)
        asked.is_valid(raise_exception=True)
        found = services.withdraw(
            id=id,
            dispute=dispute,
            reason=asked.validated_data["reason"],
            actor=actor_of(request),
            now=timezone.now(),
        )
        return Response(shapes.ResponseOutput(found).data)


class DisputeFile(APIView):
    """A file that came with a dispute."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.COSTS_READ}

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        """Answer with the file whatever the Accept header says; errors stay JSON."""
        return super().perform_content_negotiation(request, force=True)

    @extend_schema(
        operation_id="statements_dispute_file",
        responses={(200, "application/octet-stream"): OpenApiTypes.BINARY},
    )
    def get(self, request: Request, id: UUID, file: UUID) -> HttpResponse:
        """Return the bytes, to be saved and never shown inside the site."""
        facts, content = selectors.attachment(
            statement=id, id=file, actor=actor_of(request), now=timezone.now()
        )
        response = HttpResponse(content, content_type=facts.media_type)
        response["Content-Disposition"] = f'attachment; filename="{facts.name}"'
        response["X-Content-Type-Options"] = "nosniff"
        response["Cache-Control"] = "private, no-store"
        return response


class Disputes(APIView):
    """Disputes of all statements, for finance."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.BILLING_READ}

    @extend_schema(
        operation_id="disputes_list",
        parameters=[shapes.DisputesQuery],
        responses=shapes.DisputePage,
    )
    def get(self, request: Request) -> Response:
        """List disputes, newest first, of a month or in a state when one is given."""
        asked = shapes.DisputesQuery(data=request.query_params.dict())
        asked.is_valid(raise_exception=True)
        wanted = asked.validated_data
        found = selectors.disputes(
            month=wanted["period"], state=wanted["state"], actor=actor_of(request)
        )
        page = page_of(request, found, lambda one: str(one.response.id))
        return Response(page.body(shapes.DisputeOutput(page.items, many=True).data))
