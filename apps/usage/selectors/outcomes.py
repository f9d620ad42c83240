"""What came of events."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from django.db.models import Q

from apps.core.domain.canonical import plain_decimal
from apps.usage.domain.facts import EventFacts
from apps.usage.models import Outcome

_MOST: Final = 100


@dataclass(frozen=True, slots=True)
class OutcomeFacts:
    """What came of an event: told of itself, of its trace, or of the experiment it belongs to.

    `value` is in units of the outcome, None when none was told. `told_of` is event, trace or
    experiment.
    """

    name: str
    success: bool | None
    value: Decimal | None
    occurred_at: datetime
    told_of: str

    def as_dict(self) -> dict[str, object]:
        """Return the outcome as the API shows it."""
        return {
            "name": self.name,
            "success": self.success,
            "value": None if self.value is None else plain_decimal(self.value),
            "time": self.occurred_at,
            "told_of": self.told_of,
        }


def outcomes_of(event: EventFacts) -> list[OutcomeFacts]:
    """Return what came of an event, its trace and its experiment, the first hundred by time.

    One query. The experiment is the event's tag of that name.
    """
    told = Q(source=event.source, event_id=event.id)
    if event.trace_id:
        told |= Q(trace_id=event.trace_id, event_id="")
    experiment = event.tags.get("experiment", "")
    if experiment:
        told |= Q(experiment=experiment, event_id="", trace_id="")
    return [
        OutcomeFacts(row.name, row.success, row.value, row.occurred_at, _told_of(row))
        for row in Outcome.objects.filter(told).order_by("occurred_at", "pk")[:_MOST]
    ]


def _told_of(row: Outcome) -> str:
    if row.event_id:
        return "event"
    return "trace" if row.trace_id else "experiment"
