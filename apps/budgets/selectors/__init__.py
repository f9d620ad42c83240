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

__all__ = [
    "BudgetFacts",
    "BudgetLeft",
    "GrantStanding",
    "RaiseFacts",
    "Standing",
    "grant_standing",
    "last_day",
    "left_of",
    "raises",
    "snoozed_until",
    "standing",
    "standings",
    "warnings_of",
    "windows",
]
