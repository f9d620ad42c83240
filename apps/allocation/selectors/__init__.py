"""Questions to allocation; answers are frozen values."""

from apps.allocation.domain.facts import (
    Amounts,
    Change,
    HopFacts,
    LineFacts,
    Preview,
    RuleFacts,
    RunFacts,
)
from apps.allocation.domain.rules import MARKUP, UNALLOCATED, Axis
from apps.allocation.selectors.inputs import Inputs, gather, known_receivers, uploaded
from apps.allocation.selectors.rules import (
    RuleMissing,
    latest_rules,
    rules_for,
    standing,
    versions,
)
from apps.allocation.selectors.runs import (
    RunMissing,
    compare,
    coverage,
    lines_of,
    published,
    published_or_none,
    published_sums,
    run,
    runs,
    source_sums,
    totals_by_cost_center,
    totals_by_receiver,
)

__all__ = [
    "MARKUP",
    "UNALLOCATED",
    "Amounts",
    "Axis",
    "Change",
    "HopFacts",
    "Inputs",
    "LineFacts",
    "Preview",
    "RuleFacts",
    "RuleMissing",
    "RunFacts",
    "RunMissing",
    "compare",
    "coverage",
    "gather",
    "known_receivers",
    "latest_rules",
    "lines_of",
    "published",
    "published_or_none",
    "published_sums",
    "rules_for",
    "run",
    "runs",
    "source_sums",
    "standing",
    "totals_by_cost_center",
    "totals_by_receiver",
    "uploaded",
    "versions",
]
