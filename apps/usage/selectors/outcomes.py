"""What came of events."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from django.db.models import Q

from apps.usage.domain.facts import EventFacts
from apps.usage.models import Outcome

_MOST: Final = 100


@dataclass(frozen=True, slots=True)
class OutcomeFacts:
    """What came of an event: told of itself, or of the trace that it belongs to.

    `value` is in units of the outcome, None when none was told.
    """

    name: str
    success: bool | None
    value: Decimal | None
    occurred_at: datetime
    by_trace: bool


def outcomes_of(event: EventFacts) -> list[OutcomeFacts]:
    """Return what came of an event and of its trace, the first hundred by time; one query."""
    told = Q(source=event.source, event_id=event.id)
    if event.trace_id:
        told |= Q(trace_id=event.trace_id, event_id="")
    return [
        OutcomeFacts(row.name, row.success, row.value, row.occurred_at, not row.event_id)
        for row in Outcome.objects.filter(told).order_by("occurred_at", "pk")[:_MOST]
    ]
