"""What may be done to budgets and under guardrails."""

from apps.budgets.services.budgets import (
    BudgetMissing,
    BudgetRefused,
    BudgetRetired,
    change,
    create,
    raise_limit,
    retire,
    snooze,
)
from apps.budgets.services.counters import hold_still, recount
from apps.budgets.services.draw import draw_sums
from apps.budgets.services.grants import ExperimentTaken, change_grant, close_grant, open_grant

__all__ = [
    "BudgetMissing",
    "BudgetRefused",
    "BudgetRetired",
    "ExperimentTaken",
    "change",
    "change_grant",
    "close_grant",
    "create",
    "draw_sums",
    "hold_still",
    "open_grant",
    "raise_limit",
    "recount",
    "retire",
    "snooze",
]
