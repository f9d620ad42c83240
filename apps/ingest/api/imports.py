"""`/api/v1/usage/imports`: files of events, and of bills."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from django.http import StreamingHttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.core.api.listing import page_of
from apps.core.api.permissions import HasScope, actor_of
from apps.core.domain.access import Actor, Scope
from apps.ingest import selectors, services, tasks
from apps.ingest.api.serializers import ImportInput, ImportOutput
from apps.ingest.domain.report import csv_lines


class Imports(APIView):
    """Files that were brought."""

    permission_classes = [HasScope]
    parser_classes = [MultiPartParser]
    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.USAGE_READ, "POST": Scope.USAGE_WRITE}

    @extend_schema(operation_id="usage_imports_list", responses=ImportOutput(many=True))
    def get(self, request: Request) -> Response:
        """List the latest imports, the newest first."""
        found = selectors.imports(actor=actor_of(request))
        page = page_of(request, found, lambda one: str(one.id))
        return Response(page.body([one.as_dict() for one in page.items]))

    @extend_schema(
        operation_id="usage_imports_create",
        request={"multipart/form-data": ImportInput},
        responses={202: ImportOutput},
    )
    def post(self, request: Request) -> Response:
        """Store a file and import it in the background: events, or a FOCUS bill."""
        sent = ImportInput(data=request.data)
        sent.is_valid(raise_exception=True)
        actor = actor_of(request)
        import_id = services.start_import(upload=sent.to_upload(), actor=actor, now=timezone.now())
        tasks.enqueue_import(import_id)
        found = selectors.one_import(import_id=import_id, actor=actor)
        return Response(found.as_dict(), status=202)


class OneImport(APIView):
    """One import."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.USAGE_READ}

    @extend_schema(operation_id="usage_import_read", responses=ImportOutput)
    def get(self, request: Request, import_id: UUID) -> Response:
        """Return how far an import has come, and its first errors."""
        found = selectors.one_import(import_id=import_id, actor=actor_of(request))
        return Response(found.as_dict())


class CancelImport(APIView):
    """The end of an import that nobody wants any more."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.USAGE_WRITE}

    @extend_schema(operation_id="usage_import_cancel", request=None, responses=ImportOutput)
    def post(self, request: Request, import_id: UUID) -> Response:
        """Begin no further part of a file; what is stored stays, and can be voided."""
        actor = actor_of(request)
        services.cancel_import(import_id=import_id, actor=actor)
        return Response(selectors.one_import(import_id=import_id, actor=actor).as_dict())


class ImportErrors(APIView):
    """Every row of a file that was not stored."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.USAGE_READ}

    @extend_schema(
        operation_id="usage_import_errors", responses={(200, "text/csv"): OpenApiTypes.STR}
    )
    def get(self, request: Request, import_id: UUID) -> StreamingHttpResponse:
        """Return a CSV of all rows that were not stored: row (from 0), id, code, field, message."""
        return error_report(import_id, actor_of(request))


def error_report(import_id: UUID, actor: Actor) -> StreamingHttpResponse:
    """Return the CSV of every bad row, made while it is read.

    :raises ImportMissing: when there is no such import, or none that the actor may see.
    """
    problems = selectors.import_problems(import_id=import_id, actor=actor)
    lines = csv_lines(problems)
    response = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="import-{import_id}-errors.csv"'
    return response
