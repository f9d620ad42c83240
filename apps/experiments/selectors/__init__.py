"""Questions about experiments and approvals; answers are frozen values."""

from apps.experiments.selectors.assessing import assess
from apps.experiments.selectors.commitments import (
    Commitment,
    Irregularity,
    commitments,
    irregularities,
)
from apps.experiments.selectors.inbox import Waiting, count_for, may_decide, waiting
from apps.experiments.selectors.people import DelegationMissing, deciders, delegations
from apps.experiments.selectors.policies import (
    PolicyFacts,
    PolicyMissing,
    current_policy,
    policies,
    policy,
)
from apps.experiments.selectors.requests import (
    FileContent,
    attachments,
    file_of,
    request,
    request_by_code,
    requests,
    revisions,
    row_of,
    submissions,
)
from apps.experiments.selectors.results import (
    ForeignUse,
    ModelUse,
    daily_spend,
    foreign_use,
    reports,
    results,
    use_by_model,
)
from apps.experiments.selectors.simulating import Simulated, Simulation, simulate
from apps.experiments.selectors.unit_costs import UnitCost, unit_costs

__all__ = [
    "Commitment",
    "DelegationMissing",
    "FileContent",
    "ForeignUse",
    "Irregularity",
    "ModelUse",
    "PolicyFacts",
    "PolicyMissing",
    "Simulated",
    "Simulation",
    "UnitCost",
    "Waiting",
    "assess",
    "attachments",
    "commitments",
    "count_for",
    "current_policy",
    "daily_spend",
    "deciders",
    "delegations",
    "file_of",
    "foreign_use",
    "irregularities",
    "may_decide",
    "policies",
    "policy",
    "reports",
    "request",
    "request_by_code",
    "requests",
    "results",
    "revisions",
    "row_of",
    "simulate",
    "submissions",
    "unit_costs",
    "use_by_model",
    "waiting",
]
