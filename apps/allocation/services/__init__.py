"""What allocation does: runs, previews, rules, drivers."""

from apps.allocation.services.drivers import DriverMonthClosed, DriverRefused, set_driver_values
from apps.allocation.services.previews import preview
from apps.allocation.services.rules import MonthClosedForRules, RuleMoved, end_rule, save_rule
from apps.allocation.services.runs import MonthIsClosed, RatesMissing, run

__all__ = [
    "DriverMonthClosed",
    "DriverRefused",
    "MonthClosedForRules",
    "MonthIsClosed",
    "RatesMissing",
    "RuleMoved",
    "end_rule",
    "preview",
    "run",
    "save_rule",
    "set_driver_values",
]
