"""`/api/v1/audit`: the trail, and whether it holds."""

from __future__ import annotations

from typing import Any, ClassVar

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.audit import selectors
from apps.core.api.permissions import HasScope
from apps.core.domain.access import Scope
from apps.core.domain.errors import Invalid

MAX_PAGE = 500
FILTERS = ("action", "actor", "subject")


class RecordOutput(serializers.Serializer):  # type: ignore[type-arg]
    """One record of the trail."""

    sequence = serializers.IntegerField()
    at = serializers.DateTimeField()
    actor = serializers.CharField()
    actor_kind = serializers.CharField()
    action = serializers.CharField()
    subject = serializers.CharField()
    subject_id = serializers.CharField()
    detail = serializers.JSONField()
    hash = serializers.CharField()


class FaultOutput(serializers.Serializer):  # type: ignore[type-arg]
    """One place where the chain does not hold."""

    sequence = serializers.IntegerField()
    kind = serializers.ChoiceField(choices=["changed", "removed", "reordered"])
    message = serializers.CharField()


class VerificationOutput(serializers.Serializer):  # type: ignore[type-arg]
    """Whether the chain holds."""

    intact = serializers.BooleanField()
    sequence = serializers.IntegerField(help_text="of the last record, 0 when there is none")
    hash = serializers.CharField()
    faults = FaultOutput(many=True)


def _parameter(name: str, description: str) -> OpenApiParameter:
    return OpenApiParameter(name, OpenApiTypes.STR, description=description)


class Trail(APIView):
    """The audit trail."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.ADMIN}

    @extend_schema(
        operation_id="audit_list",
        parameters=[
            _parameter("cursor", "as in `next`"),
            _parameter("page_size", "up to 500"),
            _parameter("action", "start of the action, such as `period.`"),
            _parameter("actor", "start of the actor, such as an e-mail address"),
            _parameter("subject", "kind of thing, such as `period`"),
        ],
        responses=RecordOutput(many=True),
    )
    def get(self, request: Request) -> Response:
        """List records, newest first."""
        size = min(_number(request, "page_size") or 50, MAX_PAGE)
        wanted = {
            name: request.query_params.get(name, "") for name in ("action", "actor", "subject")
        }
        records = selectors.page(before=_number(request, "cursor"), limit=size, **wanted)
        return Response(
            {
                "results": RecordOutput(records, many=True).data,
                "next": _next(request, records, size),
                "previous": None,
            }
        )


class Verification(APIView):
    """Whether the trail holds."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.ADMIN}

    @extend_schema(operation_id="audit_verify", responses=VerificationOutput)
    def get(self, request: Request) -> Response:
        """Read the whole chain and name every changed, removed or reordered record."""
        head, faults = selectors.head(), selectors.faults()
        body: dict[str, Any] = {
            "intact": not faults,
            "sequence": head.sequence,
            "hash": head.hash,
            "faults": FaultOutput(faults, many=True).data,
        }
        return Response(body)


def _number(request: Request, name: str) -> int | None:
    text = request.query_params.get(name, "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and 0 < len(text) < 19 and int(text) > 0):
        raise Invalid(f"{name} must be a positive whole number.", code=name)
    return int(text)


def _next(request: Request, records: list[selectors.Entry], size: int) -> str | None:
    if len(records) < size or records[-1].sequence == 1:
        return None
    query = request.query_params.copy()
    query["cursor"] = str(records[-1].sequence)
    return request.build_absolute_uri(f"{request.path}?{query.urlencode()}")
