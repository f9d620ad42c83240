"""Which tone and which sign a status has; one place, so that a word means the same everywhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_STATUS: Final[Mapping[str, tuple[str, str]]] = {
    **dict.fromkeys(("open", "active", "published", "current", "unread"), ("info", "point")),
    **dict.fromkeys(
        (
            "done",
            "closed",
            "approved",
            "paid",
            "accepted",
            "lapsed",
            "corrected",
            "posted",
            "accounted",
            "ok",
            "final",
            "sent",
            "issued",
            "allow",
            "completed",
            "passed",
            "approve",
        ),
        ("good", "check"),
    ),
    **dict.fromkeys(
        ("running", "soft-closed", "in review", "started", "awaiting", "submitted"),
        ("busy", "clock"),
    ),
    **dict.fromkeys(
        (
            "warning",
            "late",
            "overdue",
            "conflict",
            "disputed",
            "unowned",
            "needs approval",
            "overspent",
            "stuck",
            "changes requested",
            "request changes",
            "near",
            "forecast over",
            "incomplete",
            "warn",
        ),
        ("warn", "alert-triangle"),
    ),
    **dict.fromkeys(
        (
            "failed",
            "rejected",
            "denied",
            "refused",
            "revoked",
            "expired",
            "suspended",
            "stopped",
            "over",
            "deny",
            "reject",
        ),
        ("bad", "x"),
    ),
    "critical": ("bad", "alert-circle"),
}


def read_status(status: str) -> tuple[str, str, str]:
    """Return the words, the tone and the icon of a status; unknown ones are neutral."""
    words = str(status).replace("_", " ").replace("soft closed", "soft-closed").lower()
    tone, sign = _STATUS.get(words, ("neutral", "point"))
    return words, tone, sign
