"""Questions to closes; answers are frozen values."""

from apps.closing.domain.proof import Link, Proof
from apps.closing.domain.reopening import ReopenFacts
from apps.closing.domain.steps import CloseRunFacts, RunState, Step, StepFacts, StepState
from apps.closing.selectors.closes import (
    close_run,
    history,
    latest,
    latest_of_each,
    live_months,
    pending_reopen,
    reopen_facts,
    stalled,
)
from apps.closing.selectors.policy import Plan, plan_of, policy
from apps.closing.selectors.proofs import proof_of

__all__ = [
    "CloseRunFacts",
    "Link",
    "Plan",
    "Proof",
    "ReopenFacts",
    "RunState",
    "Step",
    "StepFacts",
    "StepState",
    "close_run",
    "history",
    "latest",
    "latest_of_each",
    "live_months",
    "pending_reopen",
    "plan_of",
    "policy",
    "proof_of",
    "reopen_facts",
    "stalled",
]
