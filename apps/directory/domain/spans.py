"""Validity over days: half-open spans [start, end), where None is unbounded."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class Span:
    """Something that holds for `target` from `start` (None: always has) to before `end`."""

    start: date | None
    end: date | None
    target: str

    def holds(self, on: date) -> bool:
        """Tell whether the span covers a day."""
        return (self.start is None or self.start <= on) and (self.end is None or on < self.end)


def target_on(spans: Iterable[Span], on: date) -> str:
    """Return what holds on a day; empty when nothing does."""
    for span in spans:
        if span.holds(on):
            return span.target
    return ""


def edges(spans: Iterable[Span]) -> set[date]:
    """Return every day on which a span starts or the day after it ends."""
    return {day for span in spans for day in (span.start, span.end) if day is not None}


@dataclass(frozen=True, slots=True)
class Reassignment:
    """The rows to supersede and the rows to add, so that a new target holds from a day on."""

    superseded: tuple[Span, ...]
    added: tuple[Span, ...]


def reassign(spans: Iterable[Span], *, target: str, since: date | None) -> Reassignment:
    """Let `target` hold from `since` on (None: always); what came before stays until then.

    An empty target ends what holds. When the target holds already from then on, nothing changes.
    """
    touched = [span for span in spans if since is None or span.end is None or span.end > since]
    if any(_holds_for_good(span, target, since) for span in touched):
        return Reassignment((), ())
    kept = [
        Span(span.start, since, span.target)
        for span in touched
        if since is not None and (span.start is None or span.start < since)
    ]
    added = [*kept, Span(since, None, target)] if target else kept
    return Reassignment(tuple(touched), tuple(added))


def _holds_for_good(span: Span, target: str, since: date | None) -> bool:
    starts_in_time = span.start is None or (since is not None and span.start <= since)
    return span.target == target and span.end is None and starts_in_time
