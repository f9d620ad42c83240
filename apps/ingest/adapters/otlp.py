"""OTLP's two encodings of spans, and its answers: protobuf and JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from apps.core.domain.errors import Invalid
from apps.ingest.domain.foreign import read_json
from apps.ingest.domain.spans import Attributes, Scalar, Span, scalar, wanted
from apps.ingest.domain.translated import STANDARD_TAGS

PROTOBUF: Final = "application/x-protobuf"
JSON: Final = "application/json"

_LONGEST_VARINT: Final = 0x7F
_GRPC: Final = {400: 3, 401: 16, 403: 7, 404: 5, 409: 10, 413: 8, 429: 8, 503: 14}
"""HTTP status to google.rpc.Code."""


class SpansUnreadable(Invalid):
    """The body is no export request."""

    default_code = "not_otlp"


def read_protobuf(body: bytes) -> list[Span]:
    """Return the spans of an ExportTraceServiceRequest.

    :raises SpansUnreadable: when the body is none.
    """
    try:
        request = ExportTraceServiceRequest.FromString(body)
    except (DecodeError, RecursionError) as error:
        message = f"The body is no OTLP trace request: {error}."
        raise SpansUnreadable(message) from None
    return [
        Span(
            trace_id=span.trace_id.hex(),
            span_id=span.span_id.hex(),
            parent_id=span.parent_span_id.hex(),
            name=span.name,
            start=span.start_time_unix_nano,
            end=span.end_time_unix_nano,
            status=span.status.code,
            attributes=_packed(span.attributes),
            resource=resource,
        )
        for group in request.resource_spans
        for resource in (_packed(group.resource.attributes),)
        for scope in group.scope_spans
        for span in scope.spans
    ]


def read_spans_json(body: bytes) -> list[Span]:
    """Return the spans of a request in OTLP's JSON: ids in hex, 64-bit numbers as text.

    A span that cannot be read has no ids, so that it is refused and loses no other.

    :raises SpansUnreadable: when the body is none.
    """
    sent = read_json(body)
    if not isinstance(sent, Mapping):
        raise SpansUnreadable('Send {"resourceSpans": [...]}.')
    return [
        _span(span, resource)
        for group in _objects(sent.get("resourceSpans"))
        for resource in (_written(_object(group.get("resource")).get("attributes"))[0],)
        for scope in _objects(group.get("scopeSpans"))
        for span in _objects(scope.get("spans"))
    ]


def answer(kind: str, *, rejected: int, message: str) -> bytes:
    """Return an ExportTraceServiceResponse; a partial success only where something was refused."""
    if kind == PROTOBUF:
        response = ExportTraceServiceResponse()
        if rejected:
            response.partial_success.rejected_spans = rejected
            response.partial_success.error_message = message
        return bytes(response.SerializeToString())
    told = {"rejectedSpans": str(rejected), "errorMessage": message}
    return msgspec.json.encode({"partialSuccess": told} if rejected else {})


def refusal(kind: str, *, status: int, message: str) -> bytes:
    """Return a google.rpc.Status, which OTLP wants of every refusal."""
    code = _GRPC.get(status, 13 if status >= 500 else 3)
    if kind != PROTOBUF:
        return msgspec.json.encode({"code": code, "message": message})
    text = message.encode()
    return bytes((0x08, code, 0x12)) + _varint(len(text)) + text


def _varint(number: int) -> bytes:
    parts = bytearray()
    while number > _LONGEST_VARINT:
        parts.append((number & _LONGEST_VARINT) | 0x80)
        number >>= 7
    parts.append(number)
    return bytes(parts)


def _packed(attributes: Any) -> Attributes:
    found: dict[str, Scalar] = {}
    for one in attributes:
        kind = one.value.WhichOneof("value")
        if kind is None or not wanted(one.key, STANDARD_TAGS):
            continue
        value = getattr(one.value, kind)
        kept = scalar(Decimal(repr(value)) if kind == "double_value" else value)
        if kept is not None and not (isinstance(kept, Decimal) and not kept.is_finite()):
            found[one.key] = kept
    return found


def _span(sent: Mapping[str, Any], resource: Attributes) -> Span:
    attributes, is_whole = _written(sent.get("attributes"))
    start, end = _nanos(sent.get("startTimeUnixNano")), _nanos(sent.get("endTimeUnixNano"))
    trace_id, span_id = _hex(sent.get("traceId")), _hex(sent.get("spanId"))
    is_named = is_whole and start is not None and end is not None and trace_id and span_id
    return Span(
        trace_id=trace_id if is_named else "",
        span_id=span_id if is_named else "",
        parent_id=_hex(sent.get("parentSpanId")),
        name=str(sent.get("name") or ""),
        start=start or 0,
        end=end or 0,
        status=_status(_object(sent.get("status")).get("code")),
        attributes=attributes,
        resource=resource,
    )


def _nanos(sent: Any) -> int | None:
    """Return a count of nanoseconds, None for what is none."""
    found = _integer(sent or 0)
    return None if found is None or found < 0 else found


def _integer(sent: Any) -> int | None:
    try:
        return int(sent)
    except (ValueError, TypeError):
        return None


def _status(code: Any) -> int:
    return 2 if code in (2, "2", "STATUS_CODE_ERROR") else 0


def _hex(sent: Any) -> str:
    """Return an id in lower case, "" for what is none."""
    text = sent.lower() if isinstance(sent, str) else ""
    try:
        bytes.fromhex(text)
    except ValueError:
        return ""
    return text


def _written(attributes: Any) -> tuple[Attributes, bool]:
    """Return attributes, and whether each of them could be read."""
    found: dict[str, Scalar] = {}
    is_whole = True
    for one in _objects(attributes):
        name = one.get("key")
        if not isinstance(name, str) or not wanted(name, STANDARD_TAGS):
            continue
        for kind, value in _values(_object(one.get("value"))):
            read = _integer(value) if kind == "intValue" else value
            is_whole = is_whole and not (kind == "intValue" and read is None)
            kept = scalar(read)
            if kept is not None:
                found[name] = kept
    return found, is_whole


def _values(value: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for kind in ("stringValue", "boolValue", "intValue", "doubleValue"):
        if kind in value:
            yield kind, value[kind]


def _object(sent: Any) -> Mapping[str, Any]:
    return sent if isinstance(sent, Mapping) else {}


def _objects(sent: Any) -> Iterator[Mapping[str, Any]]:
    for one in sent if isinstance(sent, list) else ():
        if isinstance(one, Mapping):
            yield one
