"""`/api/v1/ingest/litellm`: what LiteLLM's logging callback posts."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.core.api.fields import known_parameters
from apps.core.api.permissions import HasScope, actor_of
from apps.core.domain.access import Scope
from apps.ingest import services
from apps.ingest.api.body import body_of, form_of
from apps.ingest.api.foreign import AnyAnswer
from apps.ingest.api.serializers import ReceiptOutput
from apps.ingest.domain import litellm
from apps.usage.domain.decode import Form

_JSON: Final = "application/json"


class LiteLLMReceipt(ReceiptOutput):
    """What became of the payloads."""

    ignored = serializers.IntegerField(help_text="payloads that tell no use, such as batch polls")


class LiteLLM(APIView):
    """LiteLLM's logging callback."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.USAGE_WRITE}
    content_negotiation_class = AnyAnswer
    renderer_classes = [JSONRenderer]

    @extend_schema(
        operation_id="ingest_litellm",
        parameters=[
            OpenApiParameter(
                "X-Source", str, OpenApiParameter.HEADER, description="source instead of litellm"
            )
        ],
        request={_JSON: list[dict[str, Any]], "application/x-ndjson": str},
        responses=LiteLLMReceipt,
    )
    def post(self, request: Request) -> Response:
        """Take standard logging payloads: a list, one, or one a line."""
        known_parameters(request)
        sent = request._request
        lines = form_of(sent) is Form.LINES
        payloads = litellm.read_payloads(body=body_of(sent), lines=lines)
        taken = litellm.drafts_of(payloads, source=request.headers.get("X-Source", ""))
        receipt = services.accept_translated(
            taken=taken, actor=actor_of(request), received_at=timezone.now()
        )
        return Response(receipt.as_dict() | {"ignored": taken.ignored})
