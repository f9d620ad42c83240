"""Questions about the outbox."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from apps.notifications.models import Delivery


@dataclass(frozen=True, slots=True)
class DeliveryFacts:
    """One message to one recipient, and how far it has come."""

    id: UUID
    message: str
    recipient: str
    subject: str
    state: str
    attempts: int
    last_error: str
    created_at: datetime
    sent_at: datetime | None


def deliveries(*, message: str) -> list[DeliveryFacts]:
    """Return the deliveries of a message, by recipient; one query."""
    return [
        DeliveryFacts(
            id=row.public_id,
            message=row.message,
            recipient=row.recipient,
            subject=row.subject,
            state=row.state,
            attempts=row.attempts,
            last_error=row.last_error,
            created_at=row.created_at,
            sent_at=row.sent_at,
        )
        for row in Delivery.objects.filter(message=message).order_by("recipient")
    ]
