"""The queue of what has no price: why, since when, and at worst how much."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal

from apps.core.domain.access import Actor
from apps.core.domain.money import EXACT
from apps.core.domain.months import Month
from apps.periods import selectors as periods
from apps.periods.domain.calendar import PeriodFacts
from apps.periods.domain.fx import MissingRate
from apps.rating import selectors as rating
from apps.rating.domain.missing import Reason, WorstCase
from apps.rating.domain.prices import SkuKey
from apps.tenants import selectors as tenants
from apps.usage.domain.feeds import Declared, undeclared
from apps.usage.domain.sight import sees_everything
from apps.usage.selectors.rollups import SkuFacts
from apps.usage.selectors.summary import summary
from apps.usage.selectors.unpriced import unpriced


@dataclass(frozen=True, slots=True)
class QueueRow:
    """A meter of a SKU that a month holds without a price.

    `events` is how many requests the SKU had in all. The days are unknown to those who see their
    teams only. `worst` is an estimate: shown, never booked.
    """

    month: Month
    sku: SkuKey
    meter: str
    quantity: Decimal
    events: Decimal
    first_day: date | None
    last_day: date | None
    reason: Reason
    since: datetime
    worst: WorstCase | None


def unpriced_queue(
    *, month: Month, actor: Actor, declared: Declared = undeclared
) -> list[QueueRow]:
    """Return what a month holds without a price and the actor may see, largest quantity first.

    A few queries for each meter, whatever the number of events.

    :raises PeriodMissing: when the calendar has no such month.
    """
    period = periods.period(month)
    doctor = diagnostician(month=month)
    if sees_everything(actor):
        lacking = _of_all(period, declared)
    else:
        lacking = _of_teams(period, actor, declared)
    return [_row(month, each, doctor) for each in lacking]


def worst_of(rows: Iterable[QueueRow]) -> Decimal | None:
    """Return the worst case of rows together, in the organization's currency.

    None when nobody can tell for one of them.
    """
    total = Decimal(0)
    for row in rows:
        if row.worst is None:
            return None
        total = EXACT.add(total, row.worst.amount)
    return total


def diagnostician(*, month: Month) -> rating.Diagnostician:
    """Return who tells why a price is missing, with the exchange rates of a month."""
    return rating.Diagnostician(
        book=rating.price_book(), currency=tenants.current().currency, convert=_convert(month)
    )


@dataclass(frozen=True, slots=True)
class _Lacking:
    quantity: rating.Lacking
    events: Decimal
    first_day: date | None
    last_day: date | None


def _row(month: Month, each: _Lacking, doctor: rating.Diagnostician) -> QueueRow:
    found = doctor.diagnose(each.quantity)
    return QueueRow(
        month=month,
        sku=each.quantity.sku,
        meter=each.quantity.meter,
        quantity=each.quantity.quantity,
        events=each.events,
        first_day=each.first_day,
        last_day=each.last_day,
        reason=found.reason,
        since=found.at,
        worst=found.worst,
    )


def _of_all(period: PeriodFacts, declared: Declared) -> Iterator[_Lacking]:
    for one in unpriced(month=period.month, declared=declared):
        lacking = rating.Lacking(
            sku=_key(one.sku),
            meter=one.meter,
            quantity=one.quantity,
            start=_midnight(one.first_day),
            end=_midnight(one.last_day + timedelta(days=1)),
        )
        yield _Lacking(lacking, one.events, one.first_day, one.last_day)


def _of_teams(period: PeriodFacts, actor: Actor, declared: Declared) -> Iterator[_Lacking]:
    found = summary(
        start=period.month.first_day,
        end=(period.month + 1).first_day,
        group_by=(),
        filters={},
        granularity="total",
        actor=actor,
        declared=declared,
    )
    for one in found.unpriced:
        sku = SkuKey(one.provider, one.model)
        lacking = rating.Lacking(sku, one.meter, one.quantity, period.starts_at, period.ends_at)
        yield _Lacking(lacking, Decimal(one.events_at_most), None, None)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=tenants.current().timezone)


def _convert(month: Month) -> Callable[[str], Decimal | None]:
    table = periods.fx(month)
    mine = tenants.current().currency

    def convert(currency: str) -> Decimal | None:
        try:
            return table.rate(currency, mine).rate
        except MissingRate:
            return None

    return convert


def _key(sku: SkuFacts) -> SkuKey:
    return SkuKey(
        sku.provider, sku.model, sku.service_tier, sku.batch, sku.region, sku.context_tier
    )
