"""What the query string of the usage log asks for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final
from uuid import UUID

from django.utils import timezone
from django.utils.dateparse import parse_date

from apps.core.domain.errors import Invalid
from apps.core.domain.months import Month, local_day
from apps.core.web.lists import ListState
from apps.tenants import selectors as tenants
from apps.usage.selectors import EventFilters

TAGS: Final = ("team", "customer", "experiment")
RANGES: Final = (
    ("today", "Today"),
    ("7d", "Last 7 days"),
    ("30d", "Last 30 days"),
    ("month", "This month"),
    ("last", "Last month"),
)
STATUSES: Final = tuple((s, s.capitalize()) for s in ("ok", "error", "cancelled", "partial"))


@dataclass(frozen=True, slots=True)
class Asked:
    """What to look for, from which event on, and what was typed into the search."""

    filters: EventFilters
    cursor: int | None
    unpriced: bool
    text: str


def asked_of(state: ListState) -> Asked:
    """Read the query string; a statement's links name `period` and `tag_set`.

    :raises Invalid: when a day, a month, a batch, a tag set or the cursor is none.
    """
    start, end = _times(state)
    filters = EventFilters(
        start=start,
        end=end,
        source=state.get("source"),
        provider=state.get("provider"),
        model=state.get("model"),
        status=state.get("status"),
        batch=_batch(state.get("batch")),
        tags={tag: state.get(tag) for tag in TAGS if state.get(tag)},
        tag_sets=_tag_sets(state.get("tag_set")),
        period=Month.parse(state.get("period")) if state.get("period") else None,
    )
    cursor = _number(state.get("cursor"), "The cursor is none of ours; start again.", "cursor")
    return Asked(filters, cursor, state.get("unpriced") == "yes", state.get("q")[:200])


def today() -> date:
    """Return the present day of the tenant."""
    return local_day(timezone.now(), tenants.current().timezone)


def _times(state: ListState) -> tuple[datetime | None, datetime | None]:
    first, last = _span(state.get("range"))
    start = _day("start", state.get("start")) or first
    end = _day("end", state.get("end")) or last
    return _midnight(start), _midnight(end)


def _span(name: str) -> tuple[date | None, date | None]:
    """Return the days [first, last) of a named stretch of time."""
    now = today()
    month = Month.of(now)
    match name:
        case "today":
            return now, None
        case "7d":
            return now - timedelta(days=6), None
        case "30d":
            return now - timedelta(days=29), None
        case "month":
            return month.first_day, None
        case "last":
            return (month - 1).first_day, month.first_day
        case _:
            return None, None


def _midnight(day: date | None) -> datetime | None:
    return None if day is None else datetime.combine(day, time(), tzinfo=tenants.current().timezone)


def _day(name: str, text: str) -> date | None:
    if not text:
        return None
    try:
        day = parse_date(text)
    except ValueError:
        day = None
    if day is None:
        raise Invalid(f"{name} is a day such as 2026-11-03.", code="day")
    return day


def _batch(text: str) -> UUID | None:
    if not text:
        return None
    try:
        return UUID(text)
    except ValueError:
        raise Invalid("A batch is named by its UUID, as its receipt shows it.", code="batch") from (
            None
        )


def _tag_sets(text: str) -> frozenset[int] | None:
    number = _number(text, "The combination of tags is named by its number.", "tag_set")
    return None if number is None else frozenset({number})


def _number(text: str, remedy: str, code: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise Invalid(remedy, code=code)
    return int(text)
