"""Derives the rollups of a month from its facts, as a function of a price book."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from django.db import connection, transaction

from apps.core.domain.months import Month
from apps.periods import selectors as periods
from apps.periods.domain.calendar import PeriodFacts
from apps.rating import selectors as rating
from apps.usage.domain.cells import Cell, Sums, cells_of, merge
from apps.usage.domain.feeds import FEEDS, REQUEST
from apps.usage.domain.timeline import Rate, Span
from apps.usage.models import Rollup
from apps.usage.selectors.rates import fixed_rates, sent_keys
from apps.usage.services.regroup import (
    CorrectedPrice,
    Group,
    corrections_in,
    groups_of,
)
from apps.usage.services.sheet import RatingSheet, sheet_of

_WHOLE: Final = Decimal(1)


@dataclass(frozen=True, slots=True)
class Difference:
    """A rollup cell that is not what the month's facts say; None where one side has no cell."""

    month: Month
    kept: Cell | None
    rebuilt: Cell | None


def verify_rollups(*, months: Iterable[Month] | None = None) -> list[Difference]:
    """Return every cell that differs from what events and price corrections say; best none.

    Each month is read in one snapshot, so that it may run while usage arrives. Months that hold
    nothing cost one query.
    """
    wanted = [p for p in periods.calendar().periods if months is None or p.month in set(months)]
    return [difference for period in wanted for difference in _differences(period)]


def sheet_for(*, version: int | None) -> RatingSheet:
    """Return the rating sheet of a price book version; None is the one in force."""
    return sheet_of(book=rating.price_book(version=version), calendar=periods.calendar())


def rebuilt_cells(*, month: Month, sheet: RatingSheet, feed: str = REQUEST) -> list[Cell]:
    """Return what the rollups of a feed in a month must be, in the order of locks."""
    groups = groups_of(month=month, sheets=[sheet], feed=feed)
    corrections = corrections_in(month=month, feed=feed)
    return cells_from(groups=groups, corrections=corrections, sheet=sheet)


def cells_from(
    *, groups: Iterable[Group], corrections: Iterable[CorrectedPrice], sheet: RatingSheet
) -> list[Cell]:
    """Rate groups and price corrections into cells, in the order of locks."""
    listed = list(groups)
    sent = sent_keys({group.sent_sku for group in listed})
    fixed = fixed_rates(
        [price for group in listed if group.booked for price in group.booked["prices"].values()]
    )
    sums: Sums = {}
    booked_spans: dict[tuple[object, ...], Span] = {}
    for group in listed:
        span = sheet.timeline(sent[group.sent_sku], group.sent_sku).span(
            group.at, group.context_tokens
        )
        if group.booked is None:
            sheet.learn(span, [group.meter])
        else:
            span = _booked_span(span, group.booked, fixed, booked_spans)
        _put(sums, span, group)
    corrected = fixed_rates(price for c in corrections for price in (c.old[1], c.new[1]))
    return merge([*cells_of(sums), *correction_cells(corrections, corrected)])


def _put(sums: Sums, span: Span, group: Group) -> None:
    cell = sums.setdefault((span, group.tag_set), {})
    quantity: int | Decimal = group.quantity
    if quantity % _WHOLE == 0:
        quantity = int(quantity)
    cell[group.meter] = cell.get(group.meter, 0) + quantity


def _booked_span(
    span: Span,
    booked: Mapping[str, object],
    rates: Mapping[int, Rate],
    known: dict[tuple[object, ...], Span],
) -> Span:
    """Return the span of a reversal: its day is the use's, its SKU and prices are fixed."""
    sku, prices = booked["sku"], booked["prices"]
    assert isinstance(sku, int)
    assert isinstance(prices, Mapping)
    key = (span.day, span.utc_day, sku, tuple(sorted(prices.items())))
    found = known.get(key)
    if found is None:
        found = known[key] = Span(
            span.month,
            span.day,
            span.utc_day,
            span.key,
            sku,
            span.at,
            {meter: rates[price] for meter, price in prices.items()},
        )
    return found


def correction_cells(
    corrections: Iterable[CorrectedPrice], rates: Mapping[int, Rate]
) -> Iterator[Cell]:
    """Yield what corrections add to the rollups: the old price taken back, the new one brought."""
    for each in corrections:
        for (sku, price), quantity in ((each.old, -each.quantity), (each.new, each.quantity)):
            rate = rates[price]
            yield Cell(
                each.tag_set,
                each.day,
                each.utc_day,
                sku,
                each.meter,
                price,
                quantity,
                None if price == 0 else rate.cost(quantity),
                rate.currency,
            )


def kept_cells(*, month: Month, feed: str = REQUEST) -> list[Cell]:
    """Return the rollups of a feed in a month as they are, in the order of locks; one query."""
    rows = Rollup.objects.filter(period=month.first_day, feed=feed).values_list(
        "tag_set", "day", "utc_day", "sku", "meter", "price", "quantity", "cost", "currency"
    )
    return sorted((Cell(*row) for row in rows), key=lambda cell: cell[:6])


def _differences(period: PeriodFacts) -> list[Difference]:
    sheet = sheet_for(version=period.price_book_version)
    month = period.month
    with _snapshot():
        read = [
            (
                kept_cells(month=month, feed=feed),
                groups_of(month=month, sheets=[sheet], feed=feed),
                corrections_in(month=month, feed=feed),
            )
            for feed in FEEDS
        ]
    return [
        difference
        for kept, groups, corrections in read
        for difference in compare(
            month=month,
            kept=kept,
            rebuilt=cells_from(groups=groups, corrections=corrections, sheet=sheet),
        )
    ]


def compare(*, month: Month, kept: Iterable[Cell], rebuilt: Iterable[Cell]) -> list[Difference]:
    """Return where two sets of cells differ, by key, quantity, cost or currency."""
    ours = {cell[:6]: cell for cell in kept}
    theirs = {cell[:6]: cell for cell in rebuilt}
    return [
        Difference(month, ours.get(key), theirs.get(key))
        for key in sorted(ours.keys() | theirs.keys())
        if ours.get(key) != theirs.get(key)
    ]


@contextmanager
def _snapshot() -> Iterator[None]:
    """Let every statement of the block see one moment; inside a transaction, as that one does."""
    if connection.in_atomic_block:
        yield
        return
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield
