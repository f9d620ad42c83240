"""`/api/v1/events`: the address that CloudEvents clients, OpenMeter's and Lago's, post to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Final, NoReturn

import msgspec
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.core.api.errors import PROBLEM, problem_body, problem_handler
from apps.core.api.fields import known_parameters
from apps.core.api.permissions import HasScope, actor_of
from apps.core.domain.access import Scope
from apps.core.domain.errors import Invalid
from apps.ingest import services
from apps.ingest.api.body import ContentRefused, body_of, media_type_of
from apps.ingest.api.serializers import ReceiptOutput
from apps.ingest.domain import cloudevents, lago
from apps.ingest.domain.foreign import ForeignEvent, read_json
from apps.ingest.domain.receipt import BatchRefused, ItemError, Receipt
from apps.usage.domain.drafts import Rejected

Items = Sequence[ForeignEvent | Rejected]

ONE: Final = "application/cloudevents+json"
BATCH: Final = "application/cloudevents-batch+json"
_JSON: Final = frozenset({"", "application/json"})
_ATTRIBUTE: Final = "HTTP_CE_"
_LAGO_ERRORS: Final = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    413: "Payload Too Large",
    422: "Unprocessable Entity",
    429: "Too Many Requests",
    503: "Service Unavailable",
}


class AnyAnswer(BaseContentNegotiation):
    """Answers in JSON whatever a client says that it accepts: unknown clients say odd things."""

    def select_parser(self, request: Any, parsers: Any) -> Any:
        return parsers[0]

    def select_renderer(self, request: Any, renderers: Any, format_suffix: Any = None) -> Any:
        return renderers[0], renderers[0].media_type


class _Door(APIView):
    """What both addresses have in common."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.USAGE_WRITE}
    content_negotiation_class = AnyAnswer
    renderer_classes = [JSONRenderer]

    def handle_exception(self, exc: Exception) -> Response:
        """Answer in problem+json that also holds what Lago's clients read."""
        if isinstance(exc, BatchRefused):
            return _refused(exc, batch=isinstance(self, ForeignBatch))
        answer = problem_handler(exc, self.get_exception_handler_context())
        if answer is None:
            self.raise_uncaught_exception(exc)
        answer.data["error"] = _LAGO_ERRORS.get(answer.status_code, "Error")
        answer.exception = True
        return answer


class ForeignEvents(_Door):
    """CloudEvents, one or a batch, and Lago's single events."""

    @extend_schema(
        operation_id="events_create",
        parameters=[
            OpenApiParameter(
                "Prefer",
                str,
                OpenApiParameter.HEADER,
                description="return=representation: answer CloudEvents with a receipt",
            )
        ],
        request={ONE: dict[str, Any], BATCH: list[dict[str, Any]], "application/json": Any},
        responses={200: ReceiptOutput, 204: None},
    )
    def post(self, request: Request) -> HttpResponse:
        """Take CloudEvents 1.0 (204), or Lago's {"event": {...}} (200 with the event)."""
        known_parameters(request)
        sent = request._request
        kind = media_type_of(sent)
        body = body_of(sent)
        if kind in _JSON and "HTTP_CE_SPECVERSION" not in sent.META:
            fields = read_json(body)
            if isinstance(fields, dict) and "event" in fields:
                return _lago_one(request, lago.read_one(body))
            kind = BATCH if isinstance(fields, list) else ONE
        return _cloudevents(request, _items(sent, kind, body))


class ForeignBatch(_Door):
    """Lago's batches."""

    @extend_schema(
        operation_id="events_batch_create",
        request={"application/json": dict[str, Any]},
        responses={200: dict[str, Any]},
    )
    def post(self, request: Request) -> HttpResponse:
        """Take Lago's {"events": [...]}: all of them, or none and 422."""
        known_parameters(request)
        kind = media_type_of(request._request)
        if kind not in _JSON:
            _content_refused(kind, "application/json")
        items = lago.read_batch(body_of(request._request))
        if not items:
            raise Invalid("Send at least one event in events.", code="no_events")
        now = timezone.now()
        receipt = services.accept_foreign(
            items=items, actor=actor_of(request), received_at=now, atomic=True
        )
        shown = [lago.shown(one, received_at=now) for one in items if isinstance(one, ForeignEvent)]
        return _lago_answer({"events": shown}, receipt)


def _items(sent: HttpRequest, kind: str, body: bytes) -> Items:
    if kind == BATCH:
        return cloudevents.read_batch(body)
    if kind == ONE:
        return cloudevents.read_structured(body)
    if "HTTP_CE_SPECVERSION" not in sent.META:
        _content_refused(kind, f"{ONE}, {BATCH} or application/json")
    attributes = {
        name.removeprefix(_ATTRIBUTE).lower(): value
        for name, value in sent.META.items()
        if name.startswith(_ATTRIBUTE)
    }
    return cloudevents.read_binary(attributes=attributes, content_type=kind, body=body)


def _cloudevents(request: Request, items: Items) -> HttpResponse:
    """Store what can be; 204 when that is all, else 400 that names every item that is not."""
    receipt = services.accept_foreign(
        items=items, actor=actor_of(request), received_at=timezone.now()
    )
    if _wants_receipt(request):
        return _json(receipt.as_dict(), 200)
    if receipt.errors:
        return _partly(receipt)
    return HttpResponse(status=204)


def _partly(receipt: Receipt) -> HttpResponse:
    conflicts_only = all(error.code == "conflict" for error in receipt.errors)
    status, title = (409, "Conflict") if conflicts_only else (400, "Bad request")
    first = receipt.errors[0]
    stored = receipt.accepted + receipt.duplicates
    detail = f"Item {first.index} cannot be taken: {first.message}"
    if stored:
        detail += f" The {stored} others are stored; sending them again changes nothing."
    body = problem_body(status=status, title=title, code=first.code, detail=detail)
    body |= receipt.as_dict()
    return _json(body, status, PROBLEM)


def _lago_one(request: Request, items: Items) -> HttpResponse:
    now = timezone.now()
    receipt = services.accept_foreign(
        items=items, actor=actor_of(request), received_at=now, atomic=True
    )
    (event,) = items
    assert isinstance(event, ForeignEvent)
    return _lago_answer({"event": lago.shown(event, received_at=now)}, receipt)


def _lago_answer(body: dict[str, Any], receipt: Receipt) -> HttpResponse:
    response = _json(body, 200)
    if receipt.duplicates:
        response["Idempotent-Replayed"] = "true" if not receipt.accepted else "partly"
    return response


def _refused(refused: BatchRefused, *, batch: bool) -> Response:
    """Answer a Lago request of which nothing was stored, in Lago's words and in ours."""
    body = problem_body(
        status=422, title="Unprocessable", code="validation_errors", detail=str(refused)
    )
    body["error"] = _LAGO_ERRORS[422]
    body["error_details"] = _details(refused.items, batch=batch)
    body["errors"] = [item.as_dict() for item in refused.items]
    answer = Response(body, status=422, content_type=PROBLEM)
    answer.exception = True
    return answer


def _details(items: Sequence[ItemError], *, batch: bool) -> dict[str, Any]:
    told = [(one.index, "id" if one.code == "conflict" else one.field, one.code) for one in items]
    return lago.error_details(told, batch=batch)


def _wants_receipt(request: Request) -> bool:
    return "return=representation" in request.headers.get("Prefer", "").replace(" ", "").lower()


def _content_refused(kind: str, taken: str) -> NoReturn:
    raise ContentRefused(f"The content type {kind!r} is not taken here; send {taken}.")


def _json(body: Any, status: int, kind: str = "application/json") -> HttpResponse:
    return HttpResponse(_encoder.encode(body), content_type=kind, status=status)


_encoder: Final = msgspec.json.Encoder(decimal_format="number")
