"""The tree of cost centers over time: no ring on any day."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from apps.directory.domain.spans import Span


@dataclass(frozen=True, slots=True)
class Edge:
    """A cost center stands under `days.target` while `days` hold."""

    child: str
    days: Span


def ring(known: Iterable[Edge], new: Edge) -> tuple[str, ...]:
    """Return the codes along the ring that a new edge would close on some day; empty when none."""
    above: dict[str, list[Span]] = {}
    for edge in known:
        above.setdefault(edge.child, []).append(edge.days)
    paths: list[tuple[tuple[str, ...], Span]] = [((new.child, new.days.target), new.days)]
    while paths:
        path, days = paths.pop()
        if path[-1] == new.child:
            return path
        for span in above.get(path[-1], ()):
            common = _common(days, span)
            if common is not None and (span.target == new.child or span.target not in path):
                paths.append(((*path, span.target), common))
    return ()


def _common(one: Span, other: Span) -> Span | None:
    starts = [day for day in (one.start, other.start) if day is not None]
    ends = [day for day in (one.end, other.end) if day is not None]
    start: date | None = max(starts, default=None)
    end: date | None = min(ends, default=None)
    if start is not None and end is not None and start >= end:
        return None
    return Span(start, end, other.target)
