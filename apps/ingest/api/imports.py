"""`/api/v1/usage/imports`: files of events, and of bills."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.core.api.listing import page_of
from apps.core.api.permissions import HasScope, actor_of
from apps.core.domain.access import Scope
from apps.ingest import selectors, services, tasks
from apps.ingest.api.serializers import ImportInput, ImportOutput


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
