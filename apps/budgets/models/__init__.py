"""Tables of budgets and guardrails."""

from apps.budgets.models.budgets import (
    Alert,
    Budget,
    BudgetRaise,
    BudgetWindow,
    DailySpend,
    Registry,
    Snooze,
)
from apps.budgets.models.guardrails import (
    ExperimentTag,
    GuardrailDecision,
    Hold,
    HoldPart,
    Justification,
    ModelPolicy,
    State,
)

__all__ = [
    "Alert",
    "Budget",
    "BudgetRaise",
    "BudgetWindow",
    "DailySpend",
    "ExperimentTag",
    "GuardrailDecision",
    "Hold",
    "HoldPart",
    "Justification",
    "ModelPolicy",
    "Registry",
    "Snooze",
    "State",
]
