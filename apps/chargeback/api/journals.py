"""`/api/v1/journals`: batches of closed months, their files, and their posting."""

from __future__ import annotations

from typing import Any, ClassVar

from django.http import HttpResponse
from django.utils import timezone
from django.utils.cache import get_conditional_response
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.api.idempotency import once
from apps.chargeback import selectors, services
from apps.chargeback.api import journal_shapes as shapes
from apps.core.api.listing import page_of
from apps.core.api.permissions import HasScope, actor_of
from apps.core.domain.access import Scope
from apps.core.domain.months import Month


class Journals(APIView):
    """The journals of all months."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {
        "GET": Scope.BILLING_READ,
        "POST": Scope.BILLING_WRITE,
    }

    @extend_schema(
        operation_id="journals_list",
        parameters=[shapes.JournalsQuery],
        responses=shapes.JournalPage,
    )
    def get(self, request: Request) -> Response:
        """List journals, newest first; reversals name the batch that they take back."""
        asked = shapes.JournalsQuery(data=request.query_params.dict())
        asked.is_valid(raise_exception=True)
        found = selectors.journals(month=asked.validated_data["period"], actor=actor_of(request))
        page = page_of(request, found, lambda one: one.batch)
        return Response(page.body(shapes.JournalOutput(page.items, many=True).data))

    @extend_schema(
        operation_id="journals_prepare",
        request=shapes.PrepareInput,
        responses=shapes.JournalOutput,
    )
    @once
    def post(self, request: Request) -> Response:
        """Make the journal of a closed month; asking again returns the same one."""
        asked = shapes.PrepareInput(data=request.data)
        asked.is_valid(raise_exception=True)
        facts = services.prepare_journal(
            month=asked.validated_data["period"], actor=actor_of(request), now=timezone.now()
        )
        return Response(shapes.JournalOutput(facts).data)


class JournalFile(APIView):
    """A month's journal as CSV or XLSX."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.BILLING_READ}

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        """Answer with the file whatever the Accept header says; errors stay JSON."""
        return super().perform_content_negotiation(request, force=True)

    @extend_schema(
        operation_id="journals_file",
        parameters=[shapes.JournalFileQuery],
        responses={
            (200, "text/csv"): OpenApiTypes.BINARY,
            304: OpenApiResponse(description="The file is the one that the client has."),
        },
    )
    def get(self, request: Request, period: str, suffix: str) -> HttpResponse:
        """Return the month's journal, made when it is not there yet; the same bytes every time.

        `batch` asks for another one of the month, as a reversal.
        """
        asked = shapes.JournalFileQuery(data=request.query_params.dict())
        asked.is_valid(raise_exception=True)
        file = services.hand_out_journal(
            month=Month.parse(period),
            batch=asked.validated_data["batch"],
            format=suffix,
            actor=actor_of(request),
            now=timezone.now(),
        )
        etag = f'"{file.sha256}"'
        unchanged = get_conditional_response(request._request, etag=etag)
        response = unchanged or HttpResponse(file.content, content_type=file.media_type)
        response["ETag"] = etag
        response["Cache-Control"] = "private, no-cache"
        response["Content-Disposition"] = f'attachment; filename="{file.filename}"'
        return response


class JournalView(APIView):
    """One journal with its lines."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.BILLING_READ}

    @extend_schema(operation_id="journals_read", responses=shapes.JournalDetailOutput)
    def get(self, request: Request, batch: str) -> Response:
        """Return a journal's lines; debits equal credits."""
        actor = actor_of(request)
        facts = selectors.journal(batch=batch, actor=actor)
        entries = selectors.entries(batch=batch, actor=actor)
        head = shapes.JournalOutput(facts).data
        return Response({**head, "entries": shapes.EntryOutput(entries, many=True).data})


class Posting(APIView):
    """The confirmation that the ledger took a journal."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.BILLING_WRITE}

    @extend_schema(
        operation_id="journals_posted",
        request=shapes.PostingInput,
        responses=shapes.JournalOutput,
    )
    @once
    def post(self, request: Request, batch: str) -> Response:
        """Note the ledger's reference; the same one twice is once."""
        asked = shapes.PostingInput(data=request.data)
        asked.is_valid(raise_exception=True)
        facts = services.confirm_posting(
            batch=batch, **asked.validated_data, actor=actor_of(request), now=timezone.now()
        )
        return Response(shapes.JournalOutput(facts).data)


class Gaps(APIView):
    """What a month's journal still lacks."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.BILLING_READ}

    @extend_schema(
        operation_id="journals_gaps",
        parameters=[shapes.PrepareInput],
        responses=shapes.GapsOutput,
    )
    def get(self, request: Request) -> Response:
        """Name the cost centers and providers without an account."""
        asked = shapes.PrepareInput(data=request.query_params.dict())
        asked.is_valid(raise_exception=True)
        gaps = selectors.mapping_gaps(month=asked.validated_data["period"], actor=actor_of(request))
        return Response(
            {
                "period": str(gaps.month),
                "complete": gaps.is_complete,
                "cost_centers": [{"code": code, "name": name} for code, name in gaps.centers],
                "clearing": list(gaps.clearing),
            }
        )


class Mappings(APIView):
    """The accounts of cost centers and providers."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {
        "GET": Scope.BILLING_READ,
        "POST": Scope.BILLING_WRITE,
    }

    @extend_schema(
        operation_id="journals_mappings",
        responses=shapes.AccountMappingOutput(many=True),
    )
    def get(self, request: Request) -> Response:
        """Return every mapping in the order of its month and entry."""
        return Response(shapes.AccountMappingOutput(selectors.mappings(), many=True).data)

    @extend_schema(
        operation_id="journals_map",
        request=shapes.AccountMappingInput,
        responses={201: shapes.AccountMappingOutput},
    )
    @once
    def post(self, request: Request) -> Response:
        """Give a cost center or a provider an account from a month on."""
        asked = shapes.AccountMappingInput(data=request.data)
        asked.is_valid(raise_exception=True)
        mapping = asked.to_mapping()
        services.map_account(mapping=mapping, actor=actor_of(request), now=timezone.now())
        return Response(shapes.AccountMappingOutput(mapping).data, status=201)
