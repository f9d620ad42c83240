"""Where budgets will stand, and what a statement shows of them."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from apps.budgets import selectors
from apps.budgets.domain.windows import Window
from apps.budgets.models import Alert
from apps.budgets.services import alerts
from apps.core.domain.months import Month
from apps.forecasting.domain.burn_down import forecast
from apps.forecasting.domain.rolling import rolling, stood
from tests.budgets.base import ACTOR, TODAY, budget, moment, spend, tiny_prices


def test_a_budget_is_foreseen_from_its_complete_days(acme):
    tiny_prices()
    key = budget(amount=Decimal(28))
    for day in range(1, 21):
        spend(f"d{day}", "1", time=f"2026-01-{day:02}T15:00:00Z", now=moment(20, 16))
    standing = selectors.standing(budget=key, actor=ACTOR, on=TODAY)
    found = selectors.foreseen(standings=[standing], today=TODAY)[standing.budget.key]
    assert found.expected == 31
    assert found.runs_out_on == date(2026, 1, 29)
    assert found.stood[TODAY] == 20
    assert (found.on, [found.ahead[0].expected, found.ahead[-1].expected]) == (
        date(2026, 1, 31),
        [20, 31],
    )
    assert selectors.state_of(standing, found) == "forecast_over"
    assert standing.state == "ok"
    early = selectors.foreseen(standings=[standing], today=date(2026, 1, 5))
    assert early[standing.budget.key].expected is None
    assert "Not enough history" in early[standing.budget.key].reason


def test_a_statement_shows_budgets_as_they_stood(acme):
    tiny_prices()
    budget(name="Month", starts_on=date(2026, 1, 1))
    budget(name="Year", window=Window.YEAR, amount=Decimal(100))
    for day in range(1, 21):
        spend(f"d{day}", "1", time=f"2026-01-{day:02}T15:00:00Z", now=moment(20, 16))
    month, year = selectors.statement_figures(month=Month(2026, 1))
    assert (month.name, month.amount, month.spent, month.forecast) == ("Month", 10, 20, None)
    assert (year.name, year.amount, year.spent) == ("Year", 100, 20)
    assert year.forecast > 20
    assert dict(year.scope) == {"team": "search"}
    assert selectors.statement_figures(month=Month(2025, 12)) == []


def test_a_rolling_budget_is_foreseen_day_by_day(acme):
    tiny_prices()
    key = budget(window=Window.ROLLING, days=7, amount=Decimal("7.5"))
    for day in range(1, 21):
        at = f"2026-01-{day:02}T15:00:00Z"
        spend(f"d{day}", "1", time=at, now=moment(20, 16))
    standing = selectors.standing(budget=key, actor=ACTOR, on=TODAY)
    found = selectors.foreseen(standings=[standing], today=TODAY)[standing.budget.key]
    assert standing.counters.spent == 7
    assert [point.expected for point in found.ahead] == [7] * 7
    assert [point.day for point in found.ahead] == [date(2026, 1, day) for day in range(20, 27)]
    assert (found.expected, found.runs_out_on) == (7, None)
    assert selectors.state_of(standing, found) == "near"
    spend("more", "4", time="2026-01-19T16:00:00Z", now=moment(20, 17))
    standing = selectors.standing(budget=key, actor=ACTOR, on=TODAY)
    assert standing.state == "over"


def test_a_rolling_budget_that_will_pass_its_limit_is_told_of_beforehand(acme):
    tiny_prices()
    key = budget(window=Window.ROLLING, days=30, amount=Decimal(25), owners=["ana@lab.example"])
    for day in range(3, 21):
        spend(f"d{day}", "1", time=f"2026-01-{day:02}T15:00:00Z", now=moment(20, 16))
    standing = selectors.standing(budget=key, actor=ACTOR, on=TODAY)
    found = selectors.foreseen(standings=[standing], today=TODAY)[standing.budget.key]
    assert (standing.counters.spent, standing.state) == (18, "ok")
    assert found.runs_out_on == date(2026, 1, 28)
    assert (found.on, found.expected) == (date(2026, 2, 1), 30)
    assert found.ahead[-1].expected == 30, "what is foreseen takes the place of what leaves"
    assert selectors.state_of(standing, found) == "forecast_over"
    assert alerts.evaluate(now=moment(20, 17)) == 1
    (alert,) = Alert.objects.all()
    assert (alert.basis, alert.percent, alert.amount) == ("forecast", 100, 30)
    assert alerts.evaluate(now=moment(20, 18)) == 0


@given(
    counted=st.dictionaries(
        st.dates(date(2026, 1, 1), date(2026, 2, 28)), st.decimals(0, 100, places=2), max_size=60
    ),
    days=st.integers(1, 40),
)
def test_what_a_rolling_window_held_is_the_sum_of_its_days(counted, days):
    last = date(2026, 2, 28)
    held = stood(counted=counted, first=date(2026, 2, 1), last=last, days=days)
    assert len(held) == 28
    for day, total in held.items():
        window = (day - timedelta(days=n) for n in range(days))
        assert total == sum((counted.get(one, Decimal(0)) for one in window), Decimal(0))


def test_a_day_that_spent_more_than_foreseen_stands_with_what_it_spent():
    history = {date(2026, 1, day): Decimal(1) for day in range(1, 20)}
    ahead = forecast(history=history, through=date(2026, 1, 19), until=date(2026, 1, 22))
    counted = {**history, TODAY: Decimal(5)}
    held = rolling(counted=counted, ahead=ahead, days=7)
    assert [point.expected for point in held] == [11, 11, 11]
