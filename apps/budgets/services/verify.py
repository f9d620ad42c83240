"""Proves that the counters of budgets are what rollups and holds say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from django.db import transaction
from django.db.models import Sum

from apps.budgets.domain.limits import Counters
from apps.budgets.models import BudgetWindow, DailySpend, HoldPart, State
from apps.budgets.selectors.book import BudgetBook
from apps.budgets.services import counters
from apps.budgets.services.counters import Draw, Place
from apps.core.domain.money import EXACT

_NONE = Decimal(0)


@dataclass(frozen=True, slots=True)
class CounterDifference:
    """A counter that is not what it is made of."""

    budget: str
    window: date
    counter: str
    kept: Decimal
    rebuilt: Decimal


@transaction.atomic
def verify_counters(*, now: datetime) -> list[CounterDifference]:
    """Return every counter that differs from what rollups, holds and limits say; best none.

    Holds the windows, so that nothing is drawn while they are compared; changes nothing.
    """
    found = counters.hold_registry()
    listed = list(found.budgets.values())
    keys = {one.key for one in listed}
    rows = list(
        BudgetWindow.objects.select_for_update()
        .filter(budget_id__in=keys)
        .order_by("budget_id", "starts_on")
    )
    wanted = {
        (row.budget_id, row.starts_on): Draw(found.budgets[row.budget_id], row.days) for row in rows
    }
    today = counters.today_of(now)
    summed = counters.summed_draws(found, wanted, keys=keys, days=None, today=today)
    held = _held()
    differences = []
    for row in rows:
        place = (row.budget_id, row.starts_on)
        spent = _spent(row, summed)
        differences += _compare(found.budgets[row.budget_id].name, row, spent, held.get(row.pk))
        summed.pop(place, None)
    for (key, start), draw in summed.items():
        amount = draw.amount
        differences.append(
            CounterDifference(found.budgets[key].name, start, "window", _NONE, amount)
        )
    return differences + _carried_that_differ(found, rows) + _days_that_differ(found, wanted, today)


def _carried_that_differ(found: BudgetBook, rows: list[BudgetWindow]) -> list[CounterDifference]:
    """Return what windows took over, where those before them hand on something else."""
    differences = []
    handed: dict[int, Decimal] = {}
    for row in rows:  # by budget and first day
        budget = found.budgets[row.budget_id]
        expected = handed.get(row.budget_id, _NONE)
        if row.carried != expected:
            differences.append(
                CounterDifference(budget.name, row.starts_on, "carried", row.carried, expected)
            )
        handed[row.budget_id] = budget.rollover.carried(
            limit=row.counters.limit, raised=row.raised, spent=row.spent, held=row.held
        )
    return differences


def _compare(
    name: str, row: BudgetWindow, spent: Decimal, held: Decimal | None
) -> list[CounterDifference]:
    limit = row.counters.limit
    expected = Counters(limit, spent, held or _NONE, _NONE)
    over = max(EXACT.subtract(expected.used, limit), _NONE) if row.is_hard else _NONE
    pairs = (
        ("spent", row.spent, spent),
        ("held", row.held, expected.held),
        ("overrun", row.overrun, over),
    )
    return [
        CounterDifference(name, row.starts_on, counter, kept, rebuilt)
        for counter, kept, rebuilt in pairs
        if kept != rebuilt
    ]


def _spent(row: BudgetWindow, summed: Mapping[Place, Draw]) -> Decimal:
    draw = summed.get((row.budget_id, row.starts_on))
    if draw is None:
        return _NONE
    if row.as_of is None:
        return draw.amount
    counted = draw.budget.rule.counted(row.as_of)
    total = _NONE
    for day, amount in draw.days.items():
        if counted.holds(day):
            total = EXACT.add(total, amount)
    return total


def _held() -> dict[int, Decimal]:
    live = HoldPart.objects.filter(hold__state__in=[State.OPEN.value, State.SETTLED.value])
    sums = live.values("window_id").annotate(total=Sum("amount")).order_by("window_id")
    return {row["window_id"]: row["total"] for row in sums}


def _days_that_differ(
    found: BudgetBook, wanted: Mapping[Place, Draw], today: date
) -> list[CounterDifference]:
    rolling = {place: one for place, one in wanted.items() if one.budget.rule.is_rolling}
    keys = {one.budget.key for one in rolling.values()}
    summed = counters.summed_draws(found, rolling, keys=keys, days=None, today=today)
    said = {
        (key, day): amount for (key, _), draw in summed.items() for day, amount in draw.days.items()
    }
    kept = {
        (row.budget_id, row.day): row.spent for row in DailySpend.objects.filter(budget_id__in=keys)
    }
    return [
        CounterDifference(
            found.budgets[place[0]].name,
            place[1],
            "day",
            kept.get(place, _NONE),
            said.get(place, _NONE),
        )
        for place in sorted(kept.keys() | said.keys())
        if kept.get(place, _NONE) != said.get(place, _NONE)
    ]
