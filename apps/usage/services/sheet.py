"""The rating sheet: for every event its span, SKU and prices, looked up once a span."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

from django.db import connection

from apps.core.db import current_schema
from apps.core.domain.months import local_day
from apps.periods import selectors as periods
from apps.periods.domain.calendar import Calendar
from apps.rating import selectors as rating
from apps.rating import services as rating_services
from apps.rating.domain.book import PriceBook
from apps.rating.domain.prices import Quote, SkuKey
from apps.tenants import selectors as tenants
from apps.usage.domain.normalize import REQUESTS
from apps.usage.domain.timeline import (
    UNPRICED,
    Rate,
    SentFields,
    SentKey,
    Span,
    Timeline,
    day_edges,
    merged,
)
from apps.usage.services.intern import intern_sku

_MARGIN: Final = timedelta(days=2)
_MOST_TIMELINES: Final = 5_000
_MOST_SPANS: Final = 50_000

_MOST_SHEETS: Final = 64


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the day edges of a sheet cover; a longer calendar needs another sheet."""

    start: datetime
    end: datetime
    zone: ZoneInfo

    @classmethod
    def of(cls, calendar: Calendar, zone: ZoneInfo) -> Bounds:
        """Return the bounds of a calendar that has periods."""
        return cls(calendar.periods[0].starts_at, calendar.periods[-1].ends_at, zone)


class RatingSheet:
    """Answers, for one price book, where an event falls and what its meters cost there.

    It interns SKUs and prices when it first meets them, in statements of their own: ask it
    before the transaction that writes the events. `by_fields` holds the timelines that drafts
    named by the fields they have, so that drafts find them without building a key.
    """

    def __init__(self, book: PriceBook, calendar: Calendar, zone: ZoneInfo) -> None:
        bounds = Bounds.of(calendar, zone)
        self.book = book
        self.bounds = bounds
        self._calendar = calendar
        self.day_edges = day_edges(
            start=bounds.start - _MARGIN, end=bounds.end + _MARGIN, zone=bounds.zone
        )
        self._timelines: dict[SentKey, Timeline] = {}
        self.by_fields: dict[SentFields, Timeline] = {}
        self._spans = 0

    def timeline(self, sent: SentKey, number: int) -> Timeline:
        """Return the timeline of a SKU as sent, whose interned number is given."""
        found = self._timelines.get(sent)
        if found is None:
            if len(self._timelines) >= _MOST_TIMELINES or self._spans >= _MOST_SPANS:
                self._timelines.clear()
                self.by_fields.clear()
                self._spans = 0
            found = self._timelines[sent] = self._new_timeline(sent, number)
        return found

    def _open_span(self, timeline: Timeline, at: datetime, context_tokens: int) -> Span:
        month = self._calendar.period_of(at).month
        sent = timeline.sent._asdict()
        key = self.book.sku_for(**sent, context_tokens=context_tokens, at=at)
        span = Span(
            month=month,
            day=local_day(at, self.bounds.zone),
            utc_day=at.date(),
            key=key,
            sku=intern_sku(key=key),
            at=at,
        )
        span.rates[REQUESTS] = self._rates(span, [REQUESTS])[REQUESTS]
        self._spans += 1
        return span

    def learn(self, span: Span, meters: Iterable[str]) -> bool:
        """Look up the rates of an event's meters; tell whether such an event is unpriced."""
        shape = tuple(meters)
        missing = [meter for meter in shape if meter not in span.rates]
        if missing:
            span.rates.update(self._rates(span, missing))
        unpriced = any(self._lacks_price(span, meter) for meter in (*shape, REQUESTS))
        span.shapes[shape] = unpriced
        return unpriced

    def _lacks_price(self, span: Span, meter: str) -> bool:
        return span.rates[meter].price == 0 and self.book.expects_price(sku=span.key, meter=meter)

    def _rates(self, span: Span, meters: Iterable[str]) -> dict[str, Rate]:
        quotes = {meter: self.book.quote(sku=span.key, meter=meter, at=span.at) for meter in meters}
        known: dict[tuple[SkuKey, str], Quote] = {
            (span.key, meter): quote for meter, quote in quotes.items() if quote is not None
        }
        ids = rating_services.price_ids(quotes=known) if known else {}
        return {
            meter: UNPRICED if quote is None else _rate(quote, ids)
            for meter, quote in quotes.items()
        }

    def _new_timeline(self, sent: SentKey, number: int) -> Timeline:
        points = self.book.breakpoints(
            **sent._asdict(), start=self.bounds.start, end=self.bounds.end
        )
        edges = merged(self.day_edges, points.instants)
        return Timeline(sent, number, (edges, points.contexts), self._open_span)


def _rate(quote: Quote, ids: Mapping[str, int]) -> Rate:
    return Rate(
        price=ids[quote.key],
        amount=Decimal(quote.amount),
        unit_size=quote.unit_size,
        currency=quote.currency,
    )


def sheet_of(*, book: PriceBook, calendar: Calendar) -> RatingSheet:
    """Return the sheet of a book; the last one of a schema is kept in the process.

    Inside a transaction the sheet is of its own, as it may meet rows that never commit.
    """
    zone = tenants.current().timezone
    if connection.in_atomic_block:
        return RatingSheet(book, calendar, zone)
    schema = current_schema()
    found = _sheets.get(schema)
    if found is None or found.book is not book or found.bounds != Bounds.of(calendar, zone):
        if len(_sheets) >= _MOST_SHEETS:
            _sheets.clear()
        found = _sheets[schema] = RatingSheet(book, calendar, zone)
    return found


def current_sheet() -> tuple[RatingSheet, Calendar]:
    """Return the sheet of the price book in force, and the calendar; two short queries.

    Both are kept in the process, and built anew when the version or the calendar is another.
    """
    state = rating.version_in_force(), periods.calendar_state(), tenants.current().timezone
    schema = current_schema()
    kept = _current.get(schema)
    if kept is not None and kept[0] == state and not connection.in_atomic_block:
        return kept[1]
    calendar = periods.calendar()
    found = sheet_of(book=rating.price_book(), calendar=calendar), calendar
    if not connection.in_atomic_block:
        if len(_current) >= _MOST_SHEETS:
            _current.clear()
        _current[schema] = state, found
    return found


@dataclass(frozen=True, slots=True)
class KeptSheet:
    """The sheet that the process last used for a schema, and what it was true for.

    Whoever rates with it holds the version and the calendar against these in the transaction.
    """

    version: tuple[int, datetime]
    calendar_state: str
    sheet: RatingSheet
    calendar: Calendar


def kept_sheet() -> KeptSheet | None:
    """Return the kept sheet of the current schema, unasked whether it still holds; or None."""
    kept = _current.get(current_schema())
    if kept is None or kept[0][2] != tenants.current().timezone:
        return None
    (version, calendar_state, _), (sheet, calendar) = kept
    return KeptSheet(version, calendar_state, sheet, calendar)


_sheets: Final[dict[str, RatingSheet]] = {}
_State = tuple[tuple[int, datetime], str, ZoneInfo]
_current: Final[dict[str, tuple[_State, tuple[RatingSheet, Calendar]]]] = {}
