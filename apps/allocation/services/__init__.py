"""What allocation does: runs, previews, rules, drivers."""

from apps.allocation.services.adjustments import (
    AdjustmentDecided,
    AdjustmentMonthClosed,
    approve_adjustment,
    reject_adjustment,
    request_adjustment,
    withdraw_adjustment,
)
from apps.allocation.services.drivers import (
    DriverMonthClosed,
    DriverRefused,
    driver_errors,
    set_driver_values,
)
from apps.allocation.services.previews import preview
from apps.allocation.services.rules import MonthClosedForRules, RuleMoved, end_rule, save_rule
from apps.allocation.services.runs import MonthIsClosed, RatesMissing, run
from apps.allocation.services.what_ifs import TooManyWhatIfs, WhatIf, WhatIfRefused, keep_what_if

__all__ = [
    "AdjustmentDecided",
    "AdjustmentMonthClosed",
    "DriverMonthClosed",
    "DriverRefused",
    "MonthClosedForRules",
    "MonthIsClosed",
    "RatesMissing",
    "RuleMoved",
    "TooManyWhatIfs",
    "WhatIf",
    "WhatIfRefused",
    "approve_adjustment",
    "driver_errors",
    "end_rule",
    "keep_what_if",
    "preview",
    "reject_adjustment",
    "request_adjustment",
    "run",
    "save_rule",
    "set_driver_values",
    "withdraw_adjustment",
]
