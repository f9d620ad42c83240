"""A month at a glance, for the home page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from apps.core.domain.access import Actor, Scope
from apps.core.domain.money import EXACT
from apps.core.domain.months import Month
from apps.costs.domain.glance import Share, amount_of, model_or_service, ratio, shares
from apps.costs.domain.grouping import OwnedLine
from apps.costs.domain.lines import ZERO, MissingPair
from apps.costs.domain.sight import sees_everything, visible
from apps.costs.domain.unowned import coverage
from apps.costs.selectors.answers import owned_lines
from apps.costs.selectors.assembly import assembly_of
from apps.costs.selectors.days import by_day
from apps.periods.domain.calendar import PeriodMissing

__all__ = ["Overview", "Share", "overview"]


@dataclass(frozen=True, slots=True)
class Overview:
    """The month at a glance: effective cost in the tenant's currency, as the actor may see it.

    `change` is the part by which it differs from the month before, absent when that had none.
    `daily` is cost by day; what was used in an earlier month and booked in this one is laid on
    the first day.
    """

    month: Month
    currency: str
    provisional_fx: bool
    spend: Decimal
    spend_before: Decimal | None
    change: Decimal | None
    by_team: tuple[Share, ...]
    by_model: tuple[Share, ...]
    daily: tuple[tuple[date, Decimal], ...]
    unowned: Decimal
    unowned_share: Decimal | None
    unregistered: Decimal
    unpriced: tuple[object, ...]
    missing_rates: tuple[MissingPair, ...]


def overview(*, month: Month, actor: Actor) -> Overview:
    """Return what a month costs so far, by team, model and day, beside the month before.

    :raises PeriodMissing: when the calendar has no such month.
    """
    actor.require(Scope.COSTS_READ)
    assembly = assembly_of(month)
    base = assembly.base()
    owned = visible(owned_lines(base, assembly.attribution), actor)
    before = _before(month, actor)
    spend, found = amount_of(owned), coverage(owned)
    spend_before = None if before is None else amount_of(before)
    complete = sees_everything(actor)
    return Overview(
        month=month,
        currency=base.currency,
        provisional_fx=base.provisional_fx,
        spend=spend,
        spend_before=spend_before,
        change=None if spend_before is None else _change(spend, spend_before),
        by_team=shares(owned, before or (), lambda each: each.owner.team),
        by_model=shares(owned, before or (), model_or_service),
        daily=by_day(assembly, base, actor),
        unowned=found.unowned,
        unowned_share=ratio(found.unowned, spend),
        unregistered=found.unregistered,
        unpriced=base.unpriced if complete else (),
        missing_rates=base.missing_rates if complete else (),
    )


def _before(month: Month, actor: Actor) -> list[OwnedLine] | None:
    """Return the visible lines of the month before; None when the calendar begins later."""
    try:
        assembly = assembly_of(month - 1)
    except PeriodMissing:
        return None
    return visible(owned_lines(assembly.base(), assembly.attribution), actor)


def _change(now: Decimal, before: Decimal) -> Decimal | None:
    if before == ZERO:
        return None
    return ratio(EXACT.subtract(now, before), before)
