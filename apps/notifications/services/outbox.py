"""Delivers what is due in the outbox, and tries again by hand."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic
from uuid import UUID

from django.db import transaction

from apps.audit import services as audit
from apps.core.domain.access import Actor, Scope
from apps.core.domain.errors import Unavailable
from apps.notifications.adapters import email, slack, webhook
from apps.notifications.domain.channels import DeliveryMissing, Kind, NothingToRetry
from apps.notifications.models import Delivery, State


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """What came of one round of deliveries."""

    sent: int
    postponed: int
    failed: int

    @property
    def tried(self) -> int:
        """Return how many deliveries were tried."""
        return self.sent + self.postponed + self.failed


def deliver_due(*, now: datetime, limit: int = 100) -> DeliveryReport:
    """Deliver up to `limit` queued messages that are due, each in a transaction of its own.

    Several workers may run it at once: each takes what no other holds. A worker that dies between
    handing over and noting it makes one message come twice; none is ever lost. A round with slow
    receivers takes minutes: each message is stamped when it is handed over, which receivers of
    webhooks compare with their own clock.
    """
    begun = monotonic()
    counts = {State.SENT: 0, State.QUEUED: 0, State.FAILED: 0}
    done: list[int] = []
    while len(done) < limit:
        since = timedelta(seconds=int(monotonic() - begun))
        outcome = _deliver_next(now=now + since, without=done)
        if outcome is None:
            break
        delivery, state = outcome
        done.append(delivery)
        counts[state] += 1
    return DeliveryReport(counts[State.SENT], counts[State.QUEUED], counts[State.FAILED])


def retry(*, id: UUID, actor: Actor, now: datetime) -> None:
    """Queue a delivery again that was given up; the receiver knows it by its id.

    :raises Forbidden: when the actor may not write billing.
    :raises DeliveryMissing: when there is none.
    :raises NothingToRetry: when it has not failed.
    """
    actor.require(Scope.BILLING_WRITE)
    with transaction.atomic():
        row = Delivery.objects.select_for_update().filter(public_id=id).first()
        if row is None:
            raise DeliveryMissing("There is no such delivery.")
        if row.state != State.FAILED.value:
            raise NothingToRetry(f"It is {row.state}; only what failed is tried again by hand.")
        row.try_again(at=now)
        audit.record(
            actor=actor,
            action="delivery.retried",
            subject="delivery",
            subject_id=str(id),
            detail={"message": row.message, "recipient": row.recipient},
            at=now,
        )


@transaction.atomic
def _deliver_next(*, now: datetime, without: list[int]) -> tuple[int, State] | None:
    delivery = (
        Delivery.objects.select_for_update(skip_locked=True)
        .filter(state=State.QUEUED, due_at__lte=now)
        .exclude(pk__in=without)
        .order_by("due_at", "pk")
        .first()
    )
    if delivery is None:
        return None
    try:
        _send(delivery, now)
    except Unavailable as error:
        delivery.mark_failed(error=error.message, permanent=error.permanent, at=now)
    else:
        delivery.mark_sent(at=now)
    return delivery.pk, State(delivery.state)


def _send(delivery: Delivery, now: datetime) -> None:
    if delivery.kind == Kind.EMAIL.value:
        email.send(recipient=delivery.recipient, subject=delivery.subject, text=delivery.text)
        return
    channel = delivery.channel
    assert channel is not None
    if channel.retired_at is not None:
        raise Unavailable("The channel is retired.", permanent=True, code="webhook")
    if delivery.kind == Kind.SLACK.value:
        slack.post(url=channel.address, body=delivery.text.encode())
        return
    webhook.post(
        url=delivery.recipient,
        id=str(delivery.public_id),
        body=delivery.text.encode(),
        secret=webhook.secret_of(channel=str(channel.public_id), generation=channel.generation),
        timestamp=int(now.timestamp()),
    )
