"""Where budgets will stand at the end of their windows, and what a statement shows of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Final

from apps.budgets.domain.budgets import BudgetFacts
from apps.budgets.domain.windows import Window, WindowRule
from apps.budgets.models import Budget
from apps.budgets.selectors.book import BudgetBook, current_book
from apps.budgets.selectors.budgets import Standing, in_windows
from apps.core.domain.money import EXACT
from apps.core.domain.months import Month
from apps.forecasting.domain.burn_down import Forecast, forecast
from apps.usage.selectors.spend import spend_of_days

_HISTORY: Final = timedelta(days=70)
_DAY: Final = timedelta(days=1)
_NONE: Final = Decimal(0)


@dataclass(frozen=True, slots=True)
class Foreseen:
    """Spend of a window by day as it was, and as it is foreseen through its last day.

    `daily` holds the complete days and, last, the present one so far. `expected` is what will have
    been spent at the end, `low` and `high` its band; None without enough history. `runs_out_on` is
    the day on which the limit is foreseen to be reached.
    """

    daily: Mapping[date, Decimal]
    forecast: Forecast
    expected: Decimal | None
    low: Decimal | None
    high: Decimal | None
    runs_out_on: date | None


@dataclass(frozen=True, slots=True)
class BudgetFigure:
    """A budget on a statement: its amount with what it carries, and what was spent in the month."""

    name: str
    scope: Mapping[str, str]
    currency: str
    amount: Decimal
    spent: Decimal
    forecast_low: Decimal | None
    forecast: Decimal | None
    forecast_high: Decimal | None


def foreseen(*, standings: Iterable[Standing], today: date) -> dict[int, Foreseen]:
    """Return by budget where its window will stand; two or three queries for all of them.

    Rests on complete days: today counts as spent so far, and is foreseen as a whole day when that
    is more.
    """
    listed = list(standings)
    daily = daily_spend(budgets=[one.budget for one in listed], through=today)
    return {one.budget.key: _foreseen(one, daily.get(one.budget.key, {}), today) for one in listed}


def daily_spend(
    *, budgets: Iterable[BudgetFacts], through: date, book: BudgetBook | None = None
) -> dict[int, dict[date, Decimal]]:
    """Return what budgets spent by day over the last seventy days; days of nothing are left out."""
    keys = {one.key for one in budgets}
    found = book or current_book()
    spends = spend_of_days(first=through - _HISTORY, end=through + _DAY) if keys else []
    found.learn((one.tag_set, one.sku) for one in spends)
    daily: dict[int, dict[date, Decimal]] = {}
    for spend in spends:
        for budget in found.matching(
            tag_set=spend.tag_set, sku=spend.sku, day=spend.day, feed=spend.feed
        ):
            amount = found.converted(spend.cost, spend.currency, budget.currency, spend.day)
            if budget.key in keys and amount is not None:
                days = daily.setdefault(budget.key, {})
                days[spend.day] = EXACT.add(days.get(spend.day, _NONE), amount)
    return daily


def spent_by(*, scope: Mapping[str, str], currency: str, first: date, end: date) -> Decimal:
    """Return what a budget on a scope would have spent over the days [first, end)."""
    rule = WindowRule(Window.FIXED, first, end - _DAY)
    probe = BudgetFacts.probe(scope=scope, rule=rule, currency=currency)
    found = BudgetBook(probe.id, [probe])
    spends = spend_of_days(first=first, end=end)
    found.learn((one.tag_set, one.sku) for one in spends)
    total = _NONE
    for spend in spends:
        for _, _, amount in found.drawn(spend):
            total = EXACT.add(total, amount or _NONE)
    return total


def statement_figures(*, month: Month) -> list[BudgetFigure]:
    """Return every budget that counted in a month, by name, in its window of the month's last day.

    Nothing is foreseen here: a statement is of a month that is over, and its budgets stand as they
    stood. Windows longer than the month are foreseen from its end on.
    """
    last = month.last_day
    rows = Budget.objects.filter(starts_on__lte=last).order_by("name", "id")
    budgets = [row.facts for row in rows if _counted_in(row.facts, month)]
    standings = in_windows(budgets, last)
    ahead = foreseen(standings=standings, today=last)
    return [_figure(one, ahead[one.budget.key], last) for one in standings]


def _figure(one: Standing, ahead: Foreseen, last: date) -> BudgetFigure:
    is_over = one.window.end is not None and one.window.end <= last + _DAY
    return BudgetFigure(
        name=one.budget.name,
        scope=one.budget.scope,
        currency=one.budget.currency,
        amount=one.counters.limit,
        spent=one.counters.spent,
        forecast_low=None if is_over else ahead.low,
        forecast=None if is_over else ahead.expected,
        forecast_high=None if is_over else ahead.high,
    )


def _counted_in(budget: BudgetFacts, month: Month) -> bool:
    ends = budget.rule.ends_on
    gone = budget.retired_at is not None and budget.retired_at.date() < month.first_day
    return not gone and (
        budget.rule.kind is not Window.FIXED or (ends or date.max) >= month.first_day
    )


def _foreseen(one: Standing, daily: Mapping[date, Decimal], today: date) -> Foreseen:
    shown = {day: amount for day, amount in sorted(daily.items()) if day >= one.window.start}
    if one.window.end is None or one.budget.rule.is_rolling or today >= one.window.end:
        none = Forecast((), 0, 0, "A rolling window has no end to foresee.")
        return Foreseen(shown, none, None, None, None, None)
    yesterday = today - _DAY
    ahead = forecast(history=daily, through=yesterday, until=one.window.end - _DAY)
    so_far = daily.get(today, _NONE)
    before = EXACT.subtract(one.counters.spent, so_far)
    floor = one.counters.spent
    end = ahead.end
    if end is None:
        return Foreseen(shown, ahead, None, None, None, None)
    low, high = (
        None if part is None else max(EXACT.add(before, part), floor)
        for part in (end.low, end.high)
    )
    expected = max(EXACT.add(before, end.expected), floor)
    limit = EXACT.subtract(one.counters.limit, before)
    runs_out = next((p.day for p in ahead.points if p.expected > limit), None)
    return Foreseen(shown, ahead, expected, low, high, runs_out)
