"""A wish to reopen a month, as others see it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from apps.core.domain.months import Month


@dataclass(frozen=True, slots=True)
class ReopenFacts:
    """Who asked to reopen which month, why, and what became of it."""

    id: UUID
    month: Month
    state: str
    reason: str
    requested_by: str
    requested_by_user: int | None
    requested_at: datetime
    decided_by: str
    decided_at: datetime | None
