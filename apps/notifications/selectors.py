"""Questions about the outbox and its channels."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from apps.core.domain.access import Actor, Scope
from apps.notifications.domain.channels import ChannelFacts, Kind, Topic
from apps.notifications.models import Channel, Delivery, State

__all__ = ["ChannelFacts", "DeliveryFacts", "channels", "deliveries", "outbox"]


@dataclass(frozen=True, slots=True)
class DeliveryFacts:
    """One message to one recipient, and how far it has come."""

    id: UUID
    message: str
    kind: str
    recipient: str
    subject: str
    state: str
    attempts: int
    last_error: str
    created_at: datetime
    due_at: datetime
    sent_at: datetime | None

    @property
    def is_failed(self) -> bool:
        """Tell whether it was given up."""
        return self.state == State.FAILED.value


def deliveries(*, message: str) -> list[DeliveryFacts]:
    """Return the deliveries of a message, by recipient; one query."""
    rows = Delivery.objects.filter(message=message).order_by("recipient")
    return [_facts(row) for row in rows]


def outbox(
    *, state: str = "", kind: str = "", before: int | None = None, limit: int, actor: Actor
) -> tuple[list[DeliveryFacts], int | None]:
    """Return deliveries, newest first, and the cursor of those before them; one query.

    :raises Forbidden: when the actor may not write billing.
    """
    actor.require(Scope.BILLING_WRITE)
    rows = Delivery.objects.order_by("-id").defer("text")
    if state:
        rows = rows.filter(state=state)
    if kind:
        rows = rows.filter(kind=kind)
    if before is not None:
        rows = rows.filter(pk__lt=before)
    found = list(rows[: limit + 1])
    more = found[limit - 1].pk if len(found) > limit else None
    return [_facts(row) for row in found[:limit]], more


def channels(*, actor: Actor) -> list[ChannelFacts]:
    """Return the channels in use by name; two queries.

    :raises Forbidden: when the actor may not write billing.
    """
    actor.require(Scope.BILLING_WRITE)
    rows = (
        Channel.objects.filter(retired_at__isnull=True)
        .prefetch_related("subscriptions")
        .order_by("name", "id")
    )
    return [
        ChannelFacts(
            id=row.public_id,
            kind=Kind(row.kind),
            name=row.name,
            address=row.address,
            topics=tuple(sorted(Topic(one.topic) for one in row.subscriptions.all())),
            is_active=row.retired_at is None,
            created_at=row.created_at,
            created_by=row.created_by,
        )
        for row in rows
    ]


def _facts(row: Delivery) -> DeliveryFacts:
    return DeliveryFacts(
        id=row.public_id,
        message=row.message,
        kind=row.kind,
        recipient=row.recipient,
        subject=row.subject,
        state=row.state,
        attempts=row.attempts,
        last_error=row.last_error,
        created_at=row.created_at,
        due_at=row.due_at,
        sent_at=row.sent_at,
    )
