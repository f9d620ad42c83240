"""Rules, driver values, and runs with their sources, reasons and lines.

Money is in the tenant's currency at 1e-12 (rule 14).
"""

from apps.allocation.models.adjustments import Adjustment, AdjustmentFile, AdjustmentState
from apps.allocation.models.lines import Basis, Line, Source
from apps.allocation.models.rules import AllocationRule, Driver
from apps.allocation.models.runs import Run, RunState

__all__ = [
    "Adjustment",
    "AdjustmentFile",
    "AdjustmentState",
    "AllocationRule",
    "Basis",
    "Driver",
    "Line",
    "Run",
    "RunState",
    "Source",
]
