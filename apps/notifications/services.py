"""Puts messages into the outbox, and delivers what is due."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from apps.core.domain.errors import Unavailable
from apps.notifications.adapters import email
from apps.notifications.models import Delivery, State


@dataclass(frozen=True, slots=True)
class Message:
    """What is told; `key` identifies it for ever, as `statement.issued/2026-10/CC-1100`."""

    key: str
    subject: str
    text: str


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """What came of one round of deliveries."""

    sent: int
    postponed: int
    failed: int


def post(*, message: Message, recipients: Iterable[str], now: datetime) -> int:
    """Queue a message to each recipient who was not told yet; return how many these are.

    Call it in the transaction that the message tells of; a door then enqueues the delivery. Safe
    to repeat: a message is told to a recipient once.
    """
    wanted = sorted({address.strip() for address in recipients if address.strip()})
    known = set(
        Delivery.objects.filter(message=message.key, recipient__in=wanted).values_list(
            "recipient", flat=True
        )
    )
    missing = [address for address in wanted if address not in known]
    Delivery.objects.bulk_create(
        [
            Delivery(
                message=message.key,
                recipient=address,
                subject=" ".join(message.subject.split())[:200],
                text=message.text,
                due_at=now,
                created_at=now,
            )
            for address in missing
        ],
        ignore_conflicts=True,
    )
    return len(missing)


def deliver_due(*, now: datetime, limit: int = 100) -> DeliveryReport:
    """Deliver up to `limit` queued messages that are due, each in a transaction of its own.

    Several workers may run it at once: each takes what no other holds. A worker that dies between
    handing over and noting it makes one mail come twice; none is ever lost.
    """
    counts = {State.SENT: 0, State.QUEUED: 0, State.FAILED: 0}
    done: list[int] = []
    while len(done) < limit:
        outcome = _deliver_next(now=now, without=done)
        if outcome is None:
            break
        delivery, state = outcome
        done.append(delivery)
        counts[state] += 1
    return DeliveryReport(counts[State.SENT], counts[State.QUEUED], counts[State.FAILED])


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
        email.send(recipient=delivery.recipient, subject=delivery.subject, text=delivery.text)
    except Unavailable as error:
        delivery.mark_failed(error=error.message, permanent=error.permanent, at=now)
    else:
        delivery.mark_sent(at=now)
    return delivery.pk, State(delivery.state)
