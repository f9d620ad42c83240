"""What may be done to the calendar: open, freeze, close, reopen, and set exchange rates."""

from apps.periods.services.calendar import (
    PeriodNotOpen,
    extend_calendar,
    hold_open,
    months_held,
    open_calendar,
)
from apps.periods.services.close import (
    EarlierMonthOpen,
    NotLatestClosed,
    ReasonMissing,
    SamePerson,
    WrongState,
    earlier_to_close,
    freeze,
    lock,
    reopen,
    unfreeze,
)
from apps.periods.services.rates import RateJustEntered, RateRefused, set_rate

__all__ = [
    "EarlierMonthOpen",
    "NotLatestClosed",
    "PeriodNotOpen",
    "RateJustEntered",
    "RateRefused",
    "ReasonMissing",
    "SamePerson",
    "WrongState",
    "earlier_to_close",
    "extend_calendar",
    "freeze",
    "hold_open",
    "lock",
    "months_held",
    "open_calendar",
    "reopen",
    "set_rate",
    "unfreeze",
]
