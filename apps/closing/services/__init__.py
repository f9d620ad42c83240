"""What closing does: start, advance, approve, cancel, render, reopen."""

from apps.closing.services.advancing import Advance, Next, advance
from apps.closing.services.decisions import (
    PreviewStale,
    ReasonMissing,
    SamePerson,
    approve,
    cancel,
    prepare_again,
)
from apps.closing.services.live import CloseMissing, CloseState
from apps.closing.services.policy import set_policy
from apps.closing.services.rendering import fail_rendering, render_document
from apps.closing.services.reopening import (
    NothingToReopen,
    ReopenMissing,
    ReopenPending,
    reopen,
    request_reopen,
    withdraw_reopen,
)
from apps.closing.services.scheduling import follow_schedule
from apps.closing.services.start import AlreadyClosed, MonthNotBegun, start_close

__all__ = [
    "Advance",
    "AlreadyClosed",
    "CloseMissing",
    "CloseState",
    "MonthNotBegun",
    "Next",
    "NothingToReopen",
    "PreviewStale",
    "ReasonMissing",
    "ReopenMissing",
    "ReopenPending",
    "SamePerson",
    "advance",
    "approve",
    "cancel",
    "fail_rendering",
    "follow_schedule",
    "prepare_again",
    "render_document",
    "reopen",
    "request_reopen",
    "set_policy",
    "start_close",
    "withdraw_reopen",
]
