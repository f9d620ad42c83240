"""When a message that could not be delivered is tried again."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

PAUSES: Final = (
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=12),
)
"""Pauses after the first, second, ... failed attempt; after the last of them it is given up."""


def next_attempt(*, failed: int, at: datetime) -> datetime | None:
    """Return when to try again after so many failed attempts; None when it is given up."""
    if failed > len(PAUSES):
        return None
    return at + PAUSES[failed - 1]
