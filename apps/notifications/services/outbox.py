"""Puts messages into the outbox, and delivers what is due."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import transaction

from apps.audit import services as audit
from apps.core.domain.access import Actor, Scope
from apps.core.domain.canonical import canonical_json
from apps.core.domain.errors import Unavailable
from apps.notifications.adapters import email, webhook
from apps.notifications.domain.channels import DeliveryMissing, Kind, NothingToRetry, Topic
from apps.notifications.models import Channel, Delivery, State

_BATCH: Final = 500


@dataclass(frozen=True, slots=True)
class Message:
    """What is told; `key` identifies it for ever, as `statement.issued/2026-10/CC-1100`."""

    key: str
    subject: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A message to the people it concerns and, as data, to every channel of its topic.

    `link_of`, when given, makes a link for the recipient that stands in its name; the text holds
    `{link}` where it belongs, and the data carries it as `link`.
    """

    topic: Topic
    key: str
    subject: str
    text: str
    data: Mapping[str, object]
    recipients: tuple[str, ...] = ()
    link_of: Callable[[str], str] | None = field(default=None, compare=False)


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


def post(*, message: Message, recipients: Iterable[str], now: datetime) -> int:
    """Queue a message to each recipient who was not told yet; return how many these are.

    Call it in the transaction that the message tells of; a door then enqueues the delivery. Safe
    to repeat: a message is told to a recipient once.
    """
    wanted = sorted({address.strip() for address in recipients if address.strip()})
    return _queue([_mail(message, address, now) for address in wanted])


def publish(*, notices: Iterable[Notice], now: datetime) -> int:
    """Queue notices to their recipients and to the channels of their topics; return how many.

    Call it in the transaction that the notices tell of. Safe to repeat. Three queries and one
    more per 500 deliveries, however many notices there are.
    """
    listed = list(notices)
    channels = _channels({notice.topic for notice in listed})
    return _queue(
        [
            delivery
            for notice in listed
            for delivery in _deliveries(notice, channels.get(notice.topic, []), now)
        ]
    )


def deliver_due(*, now: datetime, limit: int = 100) -> DeliveryReport:
    """Deliver up to `limit` queued messages that are due, each in a transaction of its own.

    Several workers may run it at once: each takes what no other holds. A worker that dies between
    handing over and noting it makes one message come twice; none is ever lost.
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


def _queue(deliveries: list[Delivery]) -> int:
    """Insert what is not there yet, in the order of its keys, and return how much that is."""
    listed = {(one.message, one.recipient): one for one in deliveries}
    known = set(
        Delivery.objects.filter(message__in={message for message, _ in listed}).values_list(
            "message", "recipient"
        )
    )
    missing = [listed[key] for key in sorted(listed) if key not in known]
    Delivery.objects.bulk_create(missing, ignore_conflicts=True, batch_size=_BATCH)
    return len(missing)


def _channels(topics: set[Topic]) -> dict[Topic, list[Channel]]:
    rows = (
        Channel.objects.filter(retired_at__isnull=True, subscriptions__topic__in=topics)
        .order_by("id")
        .distinct()
        .prefetch_related("subscriptions")
    )
    found: dict[Topic, list[Channel]] = {}
    for row in rows:
        for subscription in row.subscriptions.all():
            found.setdefault(Topic(subscription.topic), []).append(row)
    return found


def _deliveries(notice: Notice, channels: list[Channel], now: datetime) -> list[Delivery]:
    people = {address.strip().lower() for address in notice.recipients if address.strip()}
    boxes = {one.address: one for one in channels if one.kind == Kind.EMAIL.value}
    mails = []
    for address in sorted(people | boxes.keys()):
        text = notice.text.replace("{link}", _link(notice, address))
        mail = _mail(Message(notice.key, notice.subject, text), address, now)
        mail.channel = boxes.get(address)
        mails.append(mail)
    hooks = [one for one in channels if one.kind == Kind.WEBHOOK.value]
    return mails + [_hook(notice, channel, now) for channel in hooks]


def _link(notice: Notice, recipient: str) -> str:
    return notice.link_of(recipient) if notice.link_of else ""


def _mail(message: Message, address: str, now: datetime) -> Delivery:
    return Delivery(
        message=message.key,
        kind=Kind.EMAIL.value,
        recipient=address,
        subject=" ".join(message.subject.split())[:200],
        text=message.text,
        due_at=now,
        created_at=now,
    )


def _hook(notice: Notice, channel: Channel, now: datetime) -> Delivery:
    data = dict(notice.data)
    if notice.link_of:
        data["link"] = notice.link_of(f"channel:{channel.public_id}")
    body = {"type": notice.topic.value, "key": notice.key, "created_at": now, "data": data}
    return Delivery(
        message=notice.key,
        kind=Kind.WEBHOOK.value,
        channel=channel,
        recipient=channel.address,
        subject=" ".join(notice.subject.split())[:200],
        text=canonical_json(body).decode(),
        due_at=now,
        created_at=now,
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
    webhook.post(
        url=delivery.recipient,
        id=str(delivery.public_id),
        body=delivery.text.encode(),
        secret=webhook.secret_of(channel=str(channel.public_id), generation=channel.generation),
        timestamp=int(now.timestamp()),
    )
