"""Reads what the server says of single events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from finops_metering.errors import EventError
from finops_metering.events import Line


def has_place(one: Any, batch: Sequence[Line]) -> bool:
    """Tell whether an error of a receipt names an event of the batch."""
    index = one.get("index") if isinstance(one, dict) else None
    return isinstance(index, int) and 0 <= index < len(batch)


def told_by_receipt(line: Line, one: Mapping[str, Any]) -> EventError:
    """Return what a receipt says of an event that is not stored."""
    return EventError(
        id=line.id,
        source=line.source,
        code=str(one.get("code") or "rejected"),
        field=one.get("field"),
        message=str(one.get("message") or ""),
        event=line.event(),
    )


def not_stored(line: Line, code: str, message: str) -> EventError:
    """Return why an event is not stored, in our own words or the server's for the whole batch."""
    return EventError(line.id, line.source, code, None, message, line.event())
