"""`/api/v1/exports`: FOCUS datasets of a month, at once or in the background."""

from __future__ import annotations

from tempfile import TemporaryFile
from typing import Any, ClassVar
from uuid import UUID

from django.http import FileResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.api.idempotency import once
from apps.chargeback import selectors, services
from apps.chargeback.api import export_shapes as shapes
from apps.chargeback.tasks import write_export
from apps.core.api.listing import page_of
from apps.core.api.permissions import HasScope, actor_of
from apps.core.db import current_schema
from apps.core.domain.access import Scope


class FocusExport(APIView):
    """A month in a FOCUS dataset."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.BILLING_READ}

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        """Answer with the file whatever the Accept header says; errors stay JSON."""
        return super().perform_content_negotiation(request, force=True)

    @extend_schema(
        operation_id="exports_focus",
        parameters=[shapes.FocusQuery],
        responses={(200, "text/csv"): OpenApiTypes.BINARY},
    )
    def get(self, request: Request) -> FileResponse:
        """Return the file; `format` is csv or parquet, `version` 1.4, 1.3 or 1.2."""
        asked = shapes.FocusQuery(data=request.query_params.dict())
        asked.is_valid(raise_exception=True)
        file = selectors.focus_file(wanted=asked.to_wanted(), actor=actor_of(request))
        spooled = TemporaryFile()  # noqa: SIM115 (the response closes it)
        spooled.writelines(file.pieces)  # the rows are the tenant's: read them in its request
        spooled.seek(0)
        response = FileResponse(
            spooled, as_attachment=True, filename=file.filename, content_type=file.media_type
        )
        response["Cache-Control"] = "private, no-store"
        return response


class Exports(APIView):
    """Files that are written in the background."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {
        "GET": Scope.BILLING_READ,
        "POST": Scope.BILLING_READ,
    }

    @extend_schema(
        operation_id="exports_list",
        parameters=[shapes.ExportsQuery],
        responses=shapes.ExportPage,
    )
    def get(self, request: Request) -> Response:
        """List the newest hundred exports with their progress."""
        asked = shapes.ExportsQuery(data=request.query_params.dict())
        asked.is_valid(raise_exception=True)
        actor = actor_of(request)
        page = page_of(request, selectors.exports(actor=actor), lambda one: str(one.id))
        return Response(page.body([shapes.shown(one, actor) for one in page.items]))

    @extend_schema(
        operation_id="exports_request",
        request=shapes.FocusQuery,
        responses={202: shapes.ExportOutput},
    )
    @once
    def post(self, request: Request) -> Response:
        """Ask for a file; the same one of the same run is written once."""
        asked = shapes.FocusQuery(data=request.data)
        asked.is_valid(raise_exception=True)
        actor = actor_of(request)
        facts = services.request_export(wanted=asked.to_wanted(), actor=actor, now=timezone.now())
        if facts.state != "done":
            write_export.delay_on_commit(schema=current_schema(), export=str(facts.id))
        return Response(shapes.shown(facts, actor), status=202)


class ExportView(APIView):
    """One export and how far it has come."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.BILLING_READ}

    @extend_schema(operation_id="exports_read", responses=shapes.ExportOutput)
    def get(self, request: Request, id: UUID) -> Response:
        """Return progress and, when it is done, a link that works for a day."""
        actor = actor_of(request)
        return Response(shapes.shown(selectors.export(id=id, actor=actor), actor))
