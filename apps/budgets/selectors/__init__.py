"""Questions about budgets and guardrails; answers are frozen values."""

from apps.budgets.domain.budgets import BudgetFacts
from apps.budgets.selectors.budgets import (
    BudgetLeft,
    GrantStanding,
    RaiseFacts,
    Standing,
    grant_standing,
    last_day,
    left_of,
    raises,
    snoozed_until,
    standing,
    standings,
    warnings_of,
    windows,
)
from apps.budgets.selectors.forecasts import (
    BudgetFigure,
    Foreseen,
    daily_spend,
    foreseen,
    statement_figures,
)

__all__ = [
    "BudgetFacts",
    "BudgetFigure",
    "BudgetLeft",
    "Foreseen",
    "GrantStanding",
    "RaiseFacts",
    "Standing",
    "daily_spend",
    "foreseen",
    "grant_standing",
    "last_day",
    "left_of",
    "raises",
    "snoozed_until",
    "standing",
    "standings",
    "statement_figures",
    "warnings_of",
    "windows",
]
