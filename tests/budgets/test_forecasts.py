"""Where budgets will stand, and what a statement shows of them."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from apps.budgets import selectors
from apps.budgets.domain.windows import Window
from apps.core.domain.months import Month
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
    assert sum(found.daily.values()) == 20
    early = selectors.foreseen(standings=[standing], today=date(2026, 1, 5))
    assert early[standing.budget.key].expected is None
    assert "Not enough history" in early[standing.budget.key].forecast.reason


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
