"""Asks for the budgets of a month as statements show them."""

from __future__ import annotations

from apps.budgets import selectors as budgets
from apps.chargeback.domain.budgets import BudgetFact
from apps.core.domain.months import Month


def figures(month: Month) -> list[BudgetFact]:
    """Return the budgets that were in force in a month, with what was spent and is forecast."""
    return [
        BudgetFact(
            name=one.name,
            scope=dict(one.scope),
            currency=one.currency,
            amount=one.amount,
            spent=one.spent,
            forecast=one.forecast,
            forecast_low=one.forecast_low,
            forecast_high=one.forecast_high,
        )
        for one in budgets.statement_figures(month=month)
    ]
