"""Puts the prices of a closed month right: as facts, booked in the next open month (rule 2)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple

from apps.core.domain.access import Actor
from apps.core.domain.errors import Conflict
from apps.core.domain.months import Month
from apps.periods import selectors as periods
from apps.rating import selectors as rating
from apps.usage import store
from apps.usage.domain.cells import Cell, merge
from apps.usage.domain.feeds import FEEDS, REQUEST
from apps.usage.domain.timeline import Rate, SentKey
from apps.usage.models import PriceCorrection
from apps.usage.selectors.rates import fixed_rates, sent_keys, version_of
from apps.usage.services.moved import sent_moved
from apps.usage.services.rebuild import correction_cells, sheet_for
from apps.usage.services.regroup import CorrectedPrice, Group, groups_of
from apps.usage.services.sheet import RatingSheet


class MonthIsOpen(Conflict):
    """The month is open: adopting prices rates it again, and nothing is to be corrected."""

    default_code = "month_open"


class MonthIsClosed(Conflict):
    """The month is not open, so its corrections stand."""

    default_code = "month_closed"


@dataclass(frozen=True, slots=True)
class Correcting:
    """Who puts prices right, why, and where that is booked."""

    month: Month
    booked_in: Month
    reason: str
    actor: Actor
    now: datetime


@dataclass(frozen=True, slots=True)
class PricesCorrected:
    """What a correction booked: facts, and the cost that it moved, by currency."""

    month: Month
    booked_in: Month
    version: int
    facts: int
    difference: Mapping[str, Decimal]


class Place(NamedTuple):
    """Where a quantity lies and how it is priced: by SKU and price, before and after."""

    tag_set: int
    day: date
    utc_day: date
    meter: str
    old: tuple[int, int]
    new: tuple[int, int]
    feed: str = REQUEST


def book_price_corrections(*, order: Correcting) -> PricesCorrected:
    """Book what the price book in force says otherwise about a month that is not open.

    Every quantity whose SKU or price changed is taken back at the old and brought at the new
    price. Repeating it books nothing. The caller holds the version and the month booked in.

    :raises MonthIsOpen: when the month is open.
    """
    period = periods.period(order.month)
    if period.is_open:
        raise MonthIsOpen(f"{order.month} is open; adopting prices rates it again.")
    before = version_of(period)
    after = rating.current_version().version
    if before is None or before == after:
        return PricesCorrected(order.month, order.booked_in, after, 0, {})
    sheets = sheet_for(version=before), sheet_for(version=None)
    moved = moved_quantities(month=order.month, before=sheets[0], after=sheets[1])
    return _book(order, moved, after)


def undo_price_corrections(*, order: Correcting) -> PricesCorrected:
    """Take back the price corrections of a month that is open again and rated anew itself.

    :raises MonthIsClosed: when the month is not open.
    """
    if not periods.period(order.month).is_open:
        raise MonthIsClosed(f"{order.month} is not open; its corrections stand.")
    standing: defaultdict[Place, Decimal] = defaultdict(Decimal)
    for row in PriceCorrection.objects.filter(original_period=order.month.first_day).order_by("id"):
        old, new = (row.old_sku, row.old_price), (row.new_sku, row.new_price)
        here = Place(row.tag_set, row.day, row.utc_day, row.meter, old, new, row.feed)
        back = here._replace(old=new, new=old)
        if here in standing:
            standing[here] -= row.quantity
        else:
            standing[back] += row.quantity
    net = {place: quantity for place, quantity in standing.items() if quantity}
    return _book(order, net, rating.current_version().version)


def months_with_corrections() -> set[Month]:
    """Return the months whose prices were ever corrected after their close; one query."""
    rows = PriceCorrection.objects.values_list("original_period", flat=True).distinct()
    return {Month.of(day) for day in rows.order_by("original_period")}


def moved_quantities(
    *, month: Month, before: RatingSheet, after: RatingSheet
) -> dict[Place, Decimal]:
    """Return what of a month's events two books price unlike, by where it lies; rollups stay.

    Reversals whose price is fixed are not among them.
    """
    only = sent_moved(month=month, before=before, after=after)
    if not only:
        return {}
    sent = sent_keys(only)
    moved: defaultdict[Place, Decimal] = defaultdict(Decimal)
    for feed in FEEDS:
        for group in groups_of(month=month, sheets=[before, after], only=only, feed=feed):
            if group.booked is not None:
                continue
            old, days = _rated(before, sent, group)
            new, _ = _rated(after, sent, group)
            if old != new:
                moved[Place(group.tag_set, *days, group.meter, old, new, feed)] += group.quantity
    return {place: quantity for place, quantity in moved.items() if quantity}


def _rated(
    sheet: RatingSheet, sent: Mapping[int, SentKey], group: Group
) -> tuple[tuple[int, int], tuple[date, date]]:
    timeline = sheet.timeline(sent[group.sent_sku], group.sent_sku)
    span = timeline.span(group.at, group.context_tokens)
    sheet.learn(span, [group.meter])
    return (span.sku, span.rates[group.meter].price), (span.day, span.utc_day)


def _book(order: Correcting, moved: Mapping[Place, Decimal], version: int) -> PricesCorrected:
    by_feed = {
        feed: [
            CorrectedPrice(p.tag_set, p.day, p.utc_day, p.meter, p.old, p.new, quantity)
            for p, quantity in sorted(moved.items())
            if p.feed == feed
        ]
        for feed in FEEDS
    }
    facts = [fact for listed in by_feed.values() for fact in listed]
    PriceCorrection.objects.bulk_create(
        [_row(order, fact, version, feed) for feed in FEEDS for fact in by_feed[feed]],
        batch_size=1_000,
    )
    rates = fixed_rates(price for fact in facts for price in (fact.old[1], fact.new[1]))
    for feed, listed in by_feed.items():
        cells = merge(correction_cells(listed, rates))
        with store.writing() as writes:
            writes.add_cells(order.booked_in, cells, feed)
        store.drop_empty_cells(order.booked_in, cells, feed)
    return PricesCorrected(
        order.month, order.booked_in, version, len(facts), _difference(facts, rates)
    )


def _row(order: Correcting, fact: CorrectedPrice, version: int, feed: str) -> PriceCorrection:
    return PriceCorrection(
        period=order.booked_in.first_day,
        original_period=order.month.first_day,
        day=fact.day,
        utc_day=fact.utc_day,
        tag_set=fact.tag_set,
        meter=fact.meter,
        feed=feed,
        old_sku=fact.old[0],
        old_price=fact.old[1],
        new_sku=fact.new[0],
        new_price=fact.new[1],
        quantity=fact.quantity,
        price_book_version=version,
        reason=order.reason,
        created_by=order.actor.label,
        created_at=order.now,
    )


def _difference(facts: Iterable[CorrectedPrice], rates: Mapping[int, Rate]) -> dict[str, Decimal]:
    moved: defaultdict[str, Decimal] = defaultdict(Decimal)
    cells: Iterable[Cell] = correction_cells(facts, rates)
    for cell in cells:
        if cell.cost is not None:
            moved[cell.currency] += cell.cost
    return {currency: amount for currency, amount in sorted(moved.items()) if amount}
