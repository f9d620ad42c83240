"""How commitments stand month by month: committed, used, missing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Final

from apps.catalog.domain.published import family_of
from apps.core.domain.access import Actor
from apps.core.domain.errors import Forbidden
from apps.core.domain.money import EXACT
from apps.core.domain.months import Month, local_day
from apps.insights.domain.shortfall import InForce, Standing, standing
from apps.insights.selectors.counting import counted
from apps.periods import selectors as periods
from apps.rating import selectors as rating
from apps.rating.domain.prices import FOREVER
from apps.rating.domain.selection import covers
from apps.rating.domain.terms import Scope
from apps.tenants import selectors as tenants
from apps.usage import selectors as usage
from apps.usage.domain.sight import sees_everything

MOST_MONTHS: Final = 24
_TICK: Final = timedelta(microseconds=1)
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class MonthStanding:
    """A month of a commitment. `provisional`: the month is open, so that usage still comes."""

    month: Month
    standing: Standing
    provisional: bool


def standings(
    *, commitment: rating.CommitmentFacts, through: Month, actor: Actor
) -> list[MonthStanding]:
    """Return the months in which a level was in force, up to `through`, the newest first.

    Spend is rated cost in the commitment's currency, after discounts; what is in another currency
    is converted at the month's rates. Usage counts on days on which a level is in force, whatever
    month it is booked in is the month it counts for. At most 24 months, four queries each.

    :raises Forbidden: when the actor sees only a part of the usage.
    :raises MissingRate: when a month lacks a rate that is needed.
    """
    if not sees_everything(actor):
        raise Forbidden("A commitment is about all usage; you see only a part of it.")
    zone = tenants.current().timezone
    levels = _levels(commitment)
    found = []
    for period in reversed(periods.calendar().periods):
        start, end = period.month.bounds(zone)
        in_force = [one for one in levels if one.start < end and start < one.end]
        if period.month > through or not in_force:
            continue
        used = _used(commitment, period.month, in_force)
        stands = standing(levels=in_force, start=start, end=end, used=used)
        found.append(MonthStanding(period.month, stands, period.is_open))
        if len(found) == MOST_MONTHS:
            break
    return found


def _levels(commitment: rating.CommitmentFacts) -> list[InForce]:
    return [
        InForce(term.level.position, term.level.commit, term.valid_from, term.valid_to or FOREVER)
        for term in commitment.terms
    ]


def _used(commitment: rating.CommitmentFacts, month: Month, levels: Iterable[InForce]) -> Decimal:
    days = _days(month, levels)
    breaks = sorted({edge for first, last in days for edge in (first, last)})
    rows = counted(usage.period_rollups(month=month, breaks=breaks), month)
    table = None
    total = Decimal(0)
    for row in rows:
        inside = any(first <= row.day_from and row.day_to < last for first, last in days)
        if not inside or not _concerns(commitment.scope, row):
            continue
        if commitment.measure == "quantity":
            total += row.quantity
        elif row.cost is not None:
            rate = Decimal(1)
            if row.currency != commitment.currency:
                table = table or periods.fx(month)
                rate = table.rate(row.currency, commitment.currency).rate
            total = EXACT.add(total, EXACT.multiply(row.cost, rate))
    return total


def _days(month: Month, levels: Iterable[InForce]) -> list[tuple[date, date]]:
    """Return the days on which a level is in force, as [first, after the last).

    Usage of earlier months that is booked in this one counts where the level held then.
    """
    zone = tenants.current().timezone
    after = (month + 1).first_day
    return [
        (local_day(level.start, zone), min(after, local_day(level.end - _TICK, zone) + _DAY))
        if level.end != FOREVER
        else (local_day(level.start, zone), after)
        for level in levels
    ]


def _concerns(scope: Scope, row: usage.RollupRow) -> bool:
    sku = row.sku
    return (
        (not scope.provider or scope.provider == sku.provider)
        and (not scope.family or scope.family == family_of(sku.model))
        and (not scope.model or covers(scope.model, sku.model))
        and (not scope.meter or scope.meter == row.meter)
    )
