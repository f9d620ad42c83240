"""Writes events as the server reads them: ids, times and exact numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

from finops_metering.errors import EventNotValid
from finops_metering.ids import minter


@dataclass(frozen=True)
class Line:
    """An event as it is sent: one line of JSON, and the name that it has for ever."""

    id: str
    source: str
    json: bytes

    @classmethod
    def read(cls, line: bytes) -> Line:
        """Read a line back, from a spool."""
        event = json.loads(line)
        return cls(str(event["id"]), str(event["source"]), line)

    def event(self) -> dict[str, Any]:
        """Return the event again."""
        read: dict[str, Any] = json.loads(self.json)
        return read


def line_of(event: Mapping[str, Any], *, source: str) -> Line:
    """Write an event; id, source and time are filled in where they are missing.

    :raises EventNotValid: when it cannot be written as JSON, or a time has no zone.
    """
    filled = {name: value for name, value in event.items() if value is not None}
    filled.setdefault("id", minter.mint())
    filled.setdefault("source", source)
    filled["time"] = _time(filled.get("time"))
    for name in ("meters", "outcome", "reported_cost"):
        if isinstance(filled.get(name), Mapping):
            filled[name] = {key: _exact(value) for key, value in filled[name].items()}
    if isinstance(filled.get("tags"), Mapping):
        filled["tags"] = {str(k): str(v) for k, v in filled["tags"].items() if v is not None}
    try:
        text = json.dumps(filled, default=_plain, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise EventNotValid(f"The event cannot be written as JSON: {error}") from error
    return Line(str(filled["id"]), str(filled["source"]), text.encode())


def _time(sent: Any) -> str:
    if sent is None:
        return datetime.now(timezone.utc).isoformat(timespec="microseconds")
    if isinstance(sent, datetime):
        if sent.tzinfo is None:
            raise EventNotValid(
                "The event's time has no zone; use datetime.now(timezone.utc), or leave it out."
            )
        return sent.isoformat()
    return str(sent)


def _exact(value: Any) -> Any:
    """Write numbers with decimals as text: 0.1 stays 0.1."""
    if isinstance(value, float):
        value = Decimal(repr(value))
    if not isinstance(value, Decimal):
        return value
    if not value.is_finite():
        raise EventNotValid(f"{value} is no amount that can be counted.")
    return f"{value:f}"


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, datetime):
        return _time(value)
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is no JSON")
