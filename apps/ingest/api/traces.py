"""`/v1/traces`: OTLP over HTTP, where OpenTelemetry's exporters send spans."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.core.api.errors import problem_handler
from apps.core.api.permissions import HasScope, actor_of
from apps.core.domain.access import Scope
from apps.ingest import services
from apps.ingest.adapters import otlp
from apps.ingest.api.body import ContentRefused, body_of, media_type_of
from apps.ingest.api.foreign import AnyAnswer
from apps.ingest.domain.receipt import Receipt

IGNORED: Final = "X-Ignored-Spans"
"""Spans that are no use of a model: what they were is of no concern here."""

_PROTOBUF: Final = frozenset({otlp.PROTOBUF, "application/protobuf"})
_TOLD: Final = 5


class Traces(APIView):
    """Spans of OpenTelemetry."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.USAGE_WRITE}
    content_negotiation_class = AnyAnswer
    renderer_classes = [JSONRenderer]

    @extend_schema(
        operation_id="otlp_traces",
        tags=["ingest"],
        request={otlp.PROTOBUF: bytes, otlp.JSON: dict[str, Any]},
        responses={(200, otlp.JSON): dict[str, Any], (200, otlp.PROTOBUF): bytes},
    )
    def post(self, request: Request) -> HttpResponse:
        """Take spans with GenAI attributes; those that are uses of a model become events."""
        sent = request._request
        kind = _kind(sent)
        body = body_of(sent)
        spans = otlp.read_protobuf(body) if kind == otlp.PROTOBUF else otlp.read_spans_json(body)
        receipt, traced = services.accept_spans(
            spans=spans, actor=actor_of(request), received_at=timezone.now()
        )
        refused = len(receipt.errors)
        told = otlp.answer(kind, rejected=refused, message=_message(receipt))
        response = HttpResponse(told, content_type=kind)
        response[IGNORED] = str(traced.taken.ignored)
        return response

    def handle_exception(self, exc: Exception) -> Response:
        """Answer with a google.rpc.Status, in the encoding of the request."""
        answer = problem_handler(exc, self.get_exception_handler_context())
        if answer is None:
            self.raise_uncaught_exception(exc)
        kind = otlp.PROTOBUF if _is_protobuf(self.request._request) else otlp.JSON
        detail = str((answer.data or {}).get("detail", ""))
        told = otlp.refusal(kind, status=answer.status_code, message=detail)
        response = HttpResponse(told, content_type=kind, status=answer.status_code)
        for name, value in answer.items():
            if name.lower() != "content-type":
                response[name] = value
        return response  # type: ignore[return-value]


def _is_protobuf(request: HttpRequest) -> bool:
    kind = (request.META.get("CONTENT_TYPE") or "").partition(";")[0]
    return kind.strip().lower() in _PROTOBUF


def _kind(request: HttpRequest) -> str:
    kind = media_type_of(request)
    if kind in _PROTOBUF:
        return otlp.PROTOBUF
    if kind == otlp.JSON:
        return otlp.JSON
    raise ContentRefused(
        f"The content type {kind!r} is not taken; send {otlp.PROTOBUF} or {otlp.JSON}."
    )


def _message(receipt: Receipt) -> str:
    """Say what was refused: the first few spans, each with its reason."""
    told = [f"span {error.index}: {error.message}" for error in receipt.errors[:_TOLD]]
    rest = len(receipt.errors) - len(told)
    return " ".join([*told, f"And {rest} more."] if rest else told)


urlpatterns = [path("v1/traces", Traces.as_view())]
