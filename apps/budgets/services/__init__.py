"""What may be done to budgets and under guardrails."""

from apps.budgets.services.budgets import (
    BudgetMissing,
    BudgetRefused,
    BudgetRetired,
    GrantedMoney,
    change,
    create,
    raise_limit,
    retire,
    snooze,
)
from apps.budgets.services.counters import hold_still, recount
from apps.budgets.services.draw import draw_sums
from apps.budgets.services.grants import ExperimentTaken, change_grant, close_grant, open_grant
from apps.budgets.services.guardrails import authorize, authorize_once, check
from apps.budgets.services.policies import (
    JustificationDraft,
    PolicyMissing,
    PolicyRefused,
    PolicyRetired,
    create_policy,
    justify,
    replace_policy,
    retire_policy,
)
from apps.budgets.services.settlement import (
    Actual,
    HoldEnded,
    HoldFacts,
    HoldMissing,
    HoldSettled,
    expire_due,
    settle,
    void,
)
from apps.budgets.services.tags import announce_tag
from apps.budgets.services.tending import Tended, tend
from apps.budgets.services.verify import CounterDifference, verify_counters
from apps.budgets.services.witness import broken_witnesses, witness_decisions

__all__ = [
    "Actual",
    "BudgetMissing",
    "BudgetRefused",
    "BudgetRetired",
    "CounterDifference",
    "ExperimentTaken",
    "GrantedMoney",
    "HoldEnded",
    "HoldFacts",
    "HoldMissing",
    "HoldSettled",
    "JustificationDraft",
    "PolicyMissing",
    "PolicyRefused",
    "PolicyRetired",
    "Tended",
    "announce_tag",
    "authorize",
    "authorize_once",
    "broken_witnesses",
    "change",
    "change_grant",
    "check",
    "close_grant",
    "create",
    "create_policy",
    "draw_sums",
    "expire_due",
    "hold_still",
    "justify",
    "open_grant",
    "raise_limit",
    "recount",
    "replace_policy",
    "retire",
    "retire_policy",
    "settle",
    "snooze",
    "tend",
    "verify_counters",
    "void",
    "witness_decisions",
]
