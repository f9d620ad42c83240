"""Tells apart what is stored and what is not, what is an event and what is none."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from finops_metering.errors import EventError
from finops_metering.events import Line

log = logging.getLogger("finops_metering")


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


def readable(lines: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the lines of a spool that are events."""
    for line in lines:
        try:
            Line.read(line)
        except (ValueError, KeyError, TypeError):
            log.warning("metering: a line of the spool is no event; it is left out")
            continue
        yield line
