"""Tables of experiments: requests and their content, and how they were approved."""

from apps.experiments.models.approvals import (
    ApprovalPolicy,
    Decision,
    Delegation,
    LinkUse,
    Step,
    Submission,
)
from apps.experiments.models.requests import (
    Attachment,
    ExperimentRequest,
    OutcomeReport,
    Revision,
)

__all__ = [
    "ApprovalPolicy",
    "Attachment",
    "Decision",
    "Delegation",
    "ExperimentRequest",
    "LinkUse",
    "OutcomeReport",
    "Revision",
    "Step",
    "Submission",
]
