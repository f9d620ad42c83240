"""Asks for the budgets of a month as statements show them."""

from __future__ import annotations

from apps.chargeback.domain.budgets import BudgetFact
from apps.core.domain.months import Month


def figures(month: Month) -> list[BudgetFact]:
    """Return the budgets that were in force in a month, with what was spent and is forecast."""
    return []
