"""What the pages of budgets show: rows, cards and the burn-down."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Final

from django.urls import reverse

from apps.budgets import selectors
from apps.budgets.domain.windows import Window
from apps.budgets.selectors import Foreseen, Standing, last_day
from apps.core import presentation
from apps.core.domain.money import EXACT
from apps.core.presentation import Figure
from apps.core.web.charts import Burn, Chart, Frame, burn_down
from apps.core.web.parts import Kpi
from apps.forecasting.domain.burn_down import Point

_DAY: Final = timedelta(days=1)
_NONE: Final = Decimal(0)
WINDOWS: Final[Mapping[Window, str]] = {
    Window.MONTH: "month",
    Window.QUARTER: "quarter",
    Window.YEAR: "year",
    Window.FIXED: "fixed dates",
    Window.ROLLING: "rolling",
}


@dataclass(frozen=True, slots=True)
class Row:
    """A budget in the table of budget against actual."""

    id: str
    name: str
    url: str
    about: str
    window: str
    limit: Decimal
    spent: Decimal
    held: Decimal
    left: Decimal
    used: Decimal | None
    forecast: Decimal | None
    currency: str
    state: str
    team: str


@dataclass(frozen=True, slots=True)
class Branch:
    """A cost center or team in the tree: what its own budgets say, and how deep it stands."""

    label: str
    depth: int
    rows: tuple[Row, ...]


def row_of(one: Standing, ahead: Foreseen | None) -> Row:
    """Return the row of a budget."""
    budget, counted = one.budget, one.counters
    return Row(
        id=str(budget.id),
        name=budget.name,
        url=reverse("budgets:budget", args=[budget.id]),
        about=f"{budget.label}, {window_text(one)}{_uncounted(one)}",
        window=window_text(one),
        limit=counted.limit,
        spent=counted.spent,
        held=counted.held,
        left=counted.left,
        used=counted.share(counted.used),
        forecast=None if ahead is None else ahead.expected,
        currency=budget.currency,
        state=_state(one, ahead),
        team=budget.team or budget.scope.get("team", ""),
    )


def _state(one: Standing, ahead: Foreseen | None) -> str:
    state = selectors.state_of(one, ahead)
    return "incomplete" if one.lacks_rates and state == "ok" else state


def _uncounted(one: Standing) -> str:
    """Say which currencies were used that nobody entered a rate of: none of that is counted."""
    return f"; no budget rate of {' and '.join(one.lacks_rates)}" if one.lacks_rates else ""


def window_text(one: Standing) -> str:
    """Return the days of a window in words."""
    rule = one.budget.rule
    if rule.is_rolling:
        return f"last {rule.days} days"
    end = last_day(one.window)
    if rule.kind is Window.MONTH:
        return presentation.month(f"{one.window.start:%Y-%m}")
    return f"{presentation.day(one.window.start)} to {presentation.day(end)}" if end else ""


def tree(
    rows: Iterable[Row],
    *,
    centers: Mapping[str, tuple[str, str]],
    centers_of_teams: Mapping[str, str],
    scopes: Mapping[str, str],
) -> list[Branch]:
    """Return the rows by cost center and team, each below what it belongs to.

    `centers` are name and parent by code, `scopes` the cost center that a budget names itself, by
    its id. What names neither team nor cost center stands on top.
    """
    by_center: dict[str, list[Row]] = {}
    by_team: dict[str, list[Row]] = {}
    for row in rows:
        if row.team:
            by_team.setdefault(row.team, []).append(row)
        else:
            by_center.setdefault(scopes.get(row.id, ""), []).append(row)
    found = [Branch("Whole organization", 0, tuple(by_center.pop("", ())))]
    children: dict[str, list[str]] = {}
    for code, (_, parent) in sorted(centers.items()):
        children.setdefault(parent if parent in centers else "", []).append(code)
    teams: dict[str, list[str]] = {}
    for team in sorted(by_team):
        teams.setdefault(centers_of_teams.get(team, ""), []).append(team)

    def grow(code: str, depth: int) -> None:
        branch = Branch(centers[code][0], depth, tuple(by_center.pop(code, ())))
        place = len(found)
        found.append(branch)
        for team in teams.pop(code, ()):
            found.append(Branch(f"Team {team}", depth + 1, tuple(by_team[team])))
        for child in children.get(code, ()):
            grow(child, depth + 1)
        if len(found) == place + 1 and not branch.rows:
            found.pop()

    for code in children.get("", ()):
        grow(code, 0)
    for team in (name for left in teams.values() for name in left):
        found.append(Branch(f"Team {team}", 0, tuple(by_team[team])))
    for code, left in by_center.items():
        found.append(Branch(f"Cost center {code}", 0, tuple(left)))
    return [one for one in found if one.rows or one.depth or one is not found[0]]


def kpis(one: Standing, ahead: Foreseen) -> list[Kpi]:
    """Return the cards of a budget."""
    counted, currency = one.counters, one.budget.currency
    held = presentation.money(counted.held, currency)
    note = ahead.reason
    if ahead.expected is not None and ahead.low is not None and ahead.high is not None:
        low, high = (presentation.money(part, currency) for part in (ahead.low, ahead.high))
        note = f"{low} to {high}"
    if one.budget.rule.is_rolling and ahead.on is not None:
        note = f"on {presentation.day(ahead.on)}{', ' if note else ''}{note}"
    return [
        Kpi(label="Limit", value=counted.limit, kind="money", currency=currency),
        Kpi(label="Spent", value=counted.spent, kind="money", currency=currency),
        Kpi(
            label="Left",
            value=counted.left,
            kind="money",
            currency=currency,
            note=f"{held} is held" if counted.held else "",
            help="What is neither spent nor held by authorizations that are not settled yet.",
        ),
        Kpi(
            label="Foreseen at most" if one.budget.rule.is_rolling else "Foreseen at the end",
            value=ahead.expected,
            kind="money",
            currency=currency,
            note=note,
        ),
    ]


def burn(one: Standing, ahead: Foreseen, today: date) -> Chart | None:
    """Return the burn-down of a window with its forecast and band; None before its first day.

    Of a rolling window: what it held on the days so far, and what it will hold.
    """
    if not ahead.stood:
        return None
    first = min(ahead.stood)
    last = max([*ahead.stood, *(point.day for point in ahead.ahead)])
    if one.window.end is not None:
        last = max(last, one.window.end - _DAY) if not one.budget.rule.is_rolling else last
    days = [first + _DAY * n for n in range((last - first).days + 1)]
    points = {point.day: point for point in ahead.ahead if point.day > today}
    frame = Frame(key="burn", title=_title(one, ahead, today), currency=one.budget.currency)
    return burn_down(
        frame,
        burn=Burn(
            categories=[presentation.day(day) for day in days],
            actual=[ahead.stood.get(day) for day in days],
            limit=one.counters.limit,
            forecast=_line(days, points, ahead.stood, today, "expected"),
            low=_line(days, points, ahead.stood, today, "low") if ahead.low is not None else (),
            high=_line(days, points, ahead.stood, today, "high") if ahead.high is not None else (),
        ),
    )


def _line(
    days: list[date],
    points: Mapping[date, Point],
    stood: Mapping[date, Decimal],
    today: date,
    name: str,
) -> list[Figure]:
    """Return what is foreseen by day, from where the window stands today; empty without any."""
    if not points:
        return []
    return [
        getattr(points[day], name) if day in points else stood.get(day) if day == today else None
        for day in days
    ]


def _title(one: Standing, ahead: Foreseen, today: date) -> str:
    counted = one.counters
    if counted.spent > counted.limit:
        over = presentation.money(EXACT.subtract(counted.spent, counted.limit), one.budget.currency)
        return f"Overspent by {over}"
    if one.budget.rule.is_rolling:
        return _rolling_title(one, ahead)
    if one.window.end is not None and today >= one.window.end:
        return "The window is over, within its limit"
    if ahead.runs_out_on is not None:
        return f"The budget lasts until {presentation.day(ahead.runs_out_on)}"
    if ahead.expected is None:
        return "Too little history to foresee the end"
    return "The budget lasts for the whole window" + _doubt(one, ahead)


def _rolling_title(one: Standing, ahead: Foreseen) -> str:
    if ahead.runs_out_on is not None:
        return f"It will hold more than its limit on {presentation.day(ahead.runs_out_on)}"
    held = presentation.money(one.counters.spent, one.budget.currency)
    stays = ", and it stays within its limit" if ahead.expected is not None else ""
    stays += _doubt(one, ahead) if stays else ""
    return f"{held} in the {window_text(one)}{stays}"


def _doubt(one: Standing, ahead: Foreseen) -> str:
    """Say that the limit lies within the band of the forecast, where it does."""
    highest = [point.high for point in ahead.ahead if point.high is not None]
    return ", most likely" if highest and max(highest) > one.counters.limit else ""
