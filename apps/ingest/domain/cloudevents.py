"""Reads CloudEvents 1.0 in JSON: one, a batch, or one whose attributes are HTTP headers.

Source: the CloudEvents specification 1.0.2, its JSON format and its HTTP binding.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote

from apps.ingest.domain.foreign import (
    BodyUnreadable,
    Door,
    ForeignEvent,
    ForeignRefused,
    moment_of,
    read_json,
    text_of,
)
from apps.usage.domain.drafts import Rejected

_TRACEPARENT_PARTS: Final = 4
_JSON_ENDINGS: Final = ("/json", "+json")


def read_structured(body: bytes) -> list[ForeignEvent | Rejected]:
    """Return the one event of a structured body, or why it cannot be taken."""
    return [_read(read_json(body), 0)]


def read_batch(body: bytes) -> list[ForeignEvent | Rejected]:
    """Return every event of a batch, or why it cannot be taken, in order.

    :raises BodyUnreadable: when the body is no array.
    """
    items = read_json(body)
    if not isinstance(items, list):
        raise BodyUnreadable("A batch of CloudEvents is a JSON array; send [{...}, {...}].")
    return [_read(item, index) for index, item in enumerate(items)]


def read_binary(
    *, attributes: Mapping[str, str], content_type: str, body: bytes
) -> list[ForeignEvent | Rejected]:
    """Return the event whose attributes came as headers; `attributes` has their names bare."""
    item: dict[str, Any] = {name: unquote(value) for name, value in attributes.items()}
    if body:
        item["data"] = read_json(body)
    if content_type:
        item["datacontenttype"] = content_type
    return [_read(item, 0)]


def _read(item: Any, index: int) -> ForeignEvent | Rejected:
    try:
        return _event(item)
    except ForeignRefused as refused:
        return Rejected(index, refused.id, refused.problem)


def _event(item: Any) -> ForeignEvent:
    if not isinstance(item, Mapping):
        raise ForeignRefused(None, "type", "A CloudEvent is a JSON object.")
    name = item.get("id")
    known = name[:200] if isinstance(name, str) else None
    if text_of(item, "specversion", id=known) != "1.0":
        raise ForeignRefused(
            "specversion", "specversion", 'Send CloudEvents 1.0: "specversion": "1.0".', id=known
        )
    time = text_of(item, "time", id=known, required=False)
    return ForeignEvent(
        door=Door.CLOUDEVENTS,
        name=text_of(item, "type", id=known),
        source=text_of(item, "source", id=known),
        id=text_of(item, "id", id=known),
        subject=text_of(item, "subject", id=known, required=False),
        time=moment_of(time, field="time", id=known) if time else None,
        data=_data(item, known),
        payload=item,
        trace_id=_trace(item.get("traceparent")),
    )


def _data(item: Mapping[str, Any], known: str | None) -> Mapping[str, Any]:
    """Return the data as an object; what is none is its `value`."""
    kind = text_of(item, "datacontenttype", id=known, required=False) or "application/json"
    is_json = kind.partition(";")[0].strip().lower().endswith(_JSON_ENDINGS)
    data = item.get("data")
    encoded = item.get("data_base64")
    if encoded is not None:
        data = _decoded(encoded, known)
        if is_json:
            data = _inner_json(data, known)
    elif is_json and isinstance(data, str) and data[:1] in ("{", "["):
        data = _inner_json(data.encode(), known)
    if data is None:
        return {}
    if isinstance(data, Mapping):
        return data
    return {} if isinstance(data, bytes) else {"value": data}


def _decoded(encoded: object, known: str | None) -> bytes:
    try:
        return base64.b64decode(encoded if isinstance(encoded, str) else "?", validate=True)
    except (binascii.Error, ValueError):
        raise ForeignRefused(
            "data_base64", "base64", "data_base64 is no Base64; encode the data anew.", id=known
        ) from None


def _inner_json(text: bytes, known: str | None) -> Any:
    try:
        return read_json(text)
    except BodyUnreadable as broken:
        raise ForeignRefused("data", "not_json", str(broken), id=known) from None


def _trace(parent: object) -> str:
    """Return the trace of the Distributed Tracing extension, empty when there is none."""
    parts = parent.split("-") if isinstance(parent, str) else []
    return parts[1] if len(parts) == _TRACEPARENT_PARTS else ""
