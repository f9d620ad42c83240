"""Where budgets will stand at the end of their windows, and what a statement shows of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Final

from apps.budgets.domain.budgets import BudgetFacts
from apps.budgets.domain.windows import Window, WindowRule
from apps.budgets.models import Budget, DailySpend
from apps.budgets.selectors.book import BudgetBook, current_book
from apps.budgets.selectors.budgets import Standing, in_windows
from apps.core.domain.money import EXACT
from apps.core.domain.months import Month
from apps.forecasting.domain.burn_down import Point, forecast
from apps.forecasting.domain.rolling import reach_of, rolling, stood
from apps.usage.selectors.spend import spend_of_days

_HISTORY: Final = timedelta(days=70)
_DAY: Final = timedelta(days=1)
_NONE: Final = Decimal(0)
_SHOWN: Final = 60
"""Days back that a rolling window is shown at most."""


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What a window held at the end of each day so far, and what it will hold at coming days' ends.

    `expected` is what it will hold `on` a day, `low` and `high` the band of that: the last day of
    a window with an end; of a rolling one, which has none, the coming day on which it holds most.
    None without enough history, and `reason` says so. `runs_out_on` is the first day on which it
    is foreseen to hold more than its limit.
    """

    stood: Mapping[date, Decimal]
    ahead: tuple[Point, ...] = ()
    reason: str = ""
    on: date | None = None
    expected: Decimal | None = None
    low: Decimal | None = None
    high: Decimal | None = None
    runs_out_on: date | None = None


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
    """Return by budget where its window will stand; two to four queries for all of them.

    Rests on complete days: today counts as spent so far, and is foreseen as a whole day when that
    is more.
    """
    listed = list(standings)
    daily = daily_spend(budgets=[one.budget for one in listed], through=today)
    counted = _counted([one.budget for one in listed if one.budget.rule.is_rolling], today)
    found = {}
    for one in listed:
        key, history = one.budget.key, daily.get(one.budget.key, {})
        if one.budget.rule.is_rolling:
            found[key] = _rolling(one, history, counted.get(key, {}), today)
        else:
            found[key] = _foreseen(one, history, today)
    return found


def state_of(one: Standing, ahead: Foreseen | None) -> str:
    """Return the state of a budget in a word, with what is foreseen.

    To those of `Standing.state` comes forecast_over: within its limit now, and not to stay so.
    """
    if ahead is None or ahead.expected is None or one.state not in {"ok", "near"}:
        return one.state
    return "forecast_over" if ahead.expected > one.counters.limit else one.state


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
    stands = _stood(one, daily, today)
    end = one.window.end
    if end is None or today >= end:
        return Foreseen(stands, reason="The window is over.")
    if today < one.window.start:
        return Foreseen(stands, reason="The window has not begun.")
    ahead = forecast(history=daily, through=today - _DAY, until=end - _DAY)
    floor = one.counters.spent
    before = EXACT.subtract(floor, daily.get(today, _NONE))
    points = tuple(
        Point(
            point.day,
            max(EXACT.add(before, point.expected), floor),
            None if point.low is None else max(EXACT.add(before, point.low), floor),
            None if point.high is None else max(EXACT.add(before, point.high), floor),
        )
        for point in ahead.points
    )
    return _told(one, stands, points, points[-1] if points else None, ahead.reason)


def _rolling(
    one: Standing, daily: Mapping[date, Decimal], counted: Mapping[date, Decimal], today: date
) -> Foreseen:
    rule = one.budget.rule
    assert rule.days is not None
    first = max(rule.starts_on, today - _DAY * (min(rule.days, _SHOWN) - 1))
    stands = stood(counted=counted, first=first, last=today, days=rule.days)
    if today < rule.starts_on:
        return Foreseen(stands, reason="The window has not begun.")
    until = today + _DAY * (reach_of(rule.days) - 1)
    ahead = forecast(history=daily, through=today - _DAY, until=until)
    points = rolling(counted=counted, ahead=ahead, days=rule.days)
    most = max(points, key=lambda point: point.expected, default=None)
    return _told(one, stands, points, most, ahead.reason)


def _told(
    one: Standing,
    stands: Mapping[date, Decimal],
    points: tuple[Point, ...],
    told: Point | None,
    reason: str,
) -> Foreseen:
    """Return what is foreseen, with the point that stands for all."""
    if told is None:
        return Foreseen(stands, reason=reason)
    limit = one.counters.limit
    return Foreseen(
        stood=stands,
        ahead=points,
        reason=reason,
        on=told.day,
        expected=told.expected,
        low=told.low,
        high=told.high,
        runs_out_on=next((point.day for point in points if point.expected > limit), None),
    )


def _stood(one: Standing, daily: Mapping[date, Decimal], today: date) -> dict[date, Decimal]:
    """Return what was spent by the end of each day of a window; what came before the history
    counts from its first day on.
    """
    window = one.window
    last = today if window.end is None else min(today, window.end - _DAY)
    days = [window.start + _DAY * n for n in range((last - window.start).days + 1)]
    known = EXACT.subtract(one.counters.spent, _sum(daily.get(day, _NONE) for day in days))
    found = {}
    for day in days:
        known = EXACT.add(known, daily.get(day, _NONE))
        found[day] = known
    return found


def _counted(budgets: list[BudgetFacts], today: date) -> dict[int, dict[date, Decimal]]:
    """Return what counted by day for rolling budgets, as far back as their windows are shown."""
    if not budgets:
        return {}
    longest = max(one.rule.days or 0 for one in budgets)
    first = today - _DAY * (longest + min(longest, _SHOWN))
    rows = DailySpend.objects.filter(
        budget_id__in=[one.key for one in budgets], day__gte=first, day__lte=today
    )
    found: dict[int, dict[date, Decimal]] = {}
    for key, day, spent in rows.values_list("budget_id", "day", "spent"):
        found.setdefault(key, {})[day] = spent
    return found


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    total = _NONE
    for amount in amounts:
        total = EXACT.add(total, amount)
    return total
