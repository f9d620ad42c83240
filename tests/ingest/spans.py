"""Spans for the tests of the OTLP door, in plain Python and in both encodings."""

from __future__ import annotations

from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from apps.ingest.domain.spans import Span

START = 1_768_472_430_123_456_789
"""2026-01-15T10:20:30.123456789Z, in nanoseconds."""

TRACE = "0af7651916cd43dd8448eb211c80319c"
ANTHROPIC = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "testco",
    "gen_ai.request.model": "tiny-latest",
    "gen_ai.response.model": "tiny",
    "gen_ai.usage.input_tokens": 12_307,
    "gen_ai.usage.cache_creation.input_tokens": 12_304,
    "gen_ai.usage.output_tokens": 550,
}


def span(
    number: int = 1, *, parent: int = 0, at: int = 0, lasts: int = 1_000, **changes: Any
) -> Span:
    """Return a span that begins `at` nanoseconds after START."""
    found: dict[str, Any] = {
        "trace_id": TRACE,
        "span_id": f"{number:016x}",
        "parent_id": f"{parent:016x}" if parent else "",
        "name": "chat tiny",
        "start": START + at,
        "end": START + at + lasts,
        "status": 0,
        "attributes": ANTHROPIC,
        "resource": {"service.name": "assistant"},
    }
    return Span(**(found | changes))


def as_json(*spans: Span) -> dict[str, Any]:
    """Return the request that brings the spans, in OTLP's JSON."""
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": _attributes(one.resource)},
                "scopeSpans": [{"scope": {"name": "tests"}, "spans": [_span(one)]}],
            }
            for one in spans
        ]
    }


def as_protobuf(*spans: Span) -> bytes:
    """Return the same request in protobuf."""
    request = ExportTraceServiceRequest()
    for one in spans:
        group = request.resource_spans.add()
        _put(group.resource.attributes, one.resource)
        sent = group.scope_spans.add().spans.add()
        sent.trace_id = bytes.fromhex(one.trace_id)
        sent.span_id = bytes.fromhex(one.span_id)
        sent.parent_span_id = bytes.fromhex(one.parent_id)
        sent.name = one.name
        sent.start_time_unix_nano = one.start
        sent.end_time_unix_nano = one.end
        sent.status.code = one.status
        _put(sent.attributes, one.attributes)
    return bytes(request.SerializeToString())


def _span(one: Span) -> dict[str, Any]:
    return {
        "traceId": one.trace_id.upper(),
        "spanId": one.span_id,
        "parentSpanId": one.parent_id,
        "name": one.name,
        "kind": 3,
        "startTimeUnixNano": str(one.start),
        "endTimeUnixNano": str(one.end),
        "status": {"code": one.status} if one.status else {},
        "attributes": _attributes(one.attributes),
    }


def _attributes(values: Any) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in values.items()]


def _value(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    return {"stringValue": value} if isinstance(value, str) else {"doubleValue": float(value)}


def _put(attributes: Any, values: Any) -> None:
    for key, value in values.items():
        one = attributes.add()
        one.key = key
        if isinstance(value, bool):
            one.value.bool_value = value
        elif isinstance(value, int):
            one.value.int_value = value
        elif isinstance(value, str):
            one.value.string_value = value
        else:
            one.value.double_value = float(value)
