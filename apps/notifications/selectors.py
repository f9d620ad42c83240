"""Questions about the outbox, its channels, inboxes and preferences."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import QuerySet

from apps.core.domain.access import Actor, Scope
from apps.core.domain.errors import Forbidden, Missing
from apps.notifications.domain.channels import (
    ChannelFacts,
    ChannelMissing,
    DeliveryMissing,
    Kind,
)
from apps.notifications.domain.preferences import NOTHING_CHOSEN, Preferences
from apps.notifications.domain.topics import Cadence, Medium, Severity, Topic
from apps.notifications.models import Channel, Delivery, PersonalNotice, Preference, State

__all__ = [
    "ChannelFacts",
    "DeliveryFacts",
    "InboxEntry",
    "channel",
    "channels",
    "deliveries",
    "delivery",
    "inbox",
    "inbox_entry",
    "outbox",
    "preferences",
    "preferences_of",
    "unread",
]


class NoInbox(Forbidden):
    """Only people have an inbox."""

    default_code = "no_inbox"

    def __init__(self, message: str = "Only people have an inbox, not service keys.") -> None:
        super().__init__(message)


class NoticeMissing(Missing):
    """There is no such notice in this inbox."""

    default_code = "notice_not_found"


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
    rows = Delivery.objects.filter(message=message).order_by("recipient").select_related("channel")
    return [_facts(row) for row in rows]


def outbox(
    *, state: str = "", kind: str = "", before: int | None = None, limit: int, actor: Actor
) -> tuple[list[DeliveryFacts], int | None]:
    """Return deliveries, newest first, and the cursor of those before them; one query.

    :raises Forbidden: when the actor may not write billing.
    """
    actor.require(Scope.BILLING_WRITE)
    rows = Delivery.objects.order_by("-id").select_related("channel").defer("text")
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
    return [_channel(row) for row in rows]


def channel(*, id: UUID, actor: Actor) -> ChannelFacts:
    """Return a channel in use.

    :raises Forbidden: when the actor may not write billing.
    :raises ChannelMissing: when there is none.
    """
    for one in channels(actor=actor):
        if one.id == id:
            return one
    raise ChannelMissing("There is no such channel, or it is retired.")


def delivery(*, id: UUID, actor: Actor) -> DeliveryFacts:
    """Return one delivery and how far it has come.

    :raises Forbidden: when the actor may not write billing.
    :raises DeliveryMissing: when there is none.
    """
    actor.require(Scope.BILLING_WRITE)
    row = Delivery.objects.filter(public_id=id).select_related("channel").first()
    if row is None:
        raise DeliveryMissing("There is no such delivery.")
    return _facts(row)


@dataclass(frozen=True, slots=True)
class InboxEntry:
    """A notice in somebody's inbox."""

    id: UUID
    topic: Topic
    severity: Severity
    subject: str
    text: str
    link: str
    created_at: datetime
    read_at: datetime | None


def unread(*, actor: Actor) -> int:
    """Return how many notices of the actor's inbox were not read, at most 100; one query."""
    if actor.user_id is None:
        return 0
    rows = PersonalNotice.objects.filter(
        person_id=actor.user_id, in_inbox=True, read_at__isnull=True
    )
    return rows.order_by()[:100].count()


def inbox(
    *, is_unread: bool, topic: str = "", before: int | None = None, limit: int, actor: Actor
) -> tuple[list[InboxEntry], int | None]:
    """Return the actor's notices, newest first, and the cursor of those before them; one query.

    :raises NoInbox: when no person is behind the actor.
    """
    rows = _inbox(actor).order_by("-id")
    if is_unread:
        rows = rows.filter(read_at__isnull=True)
    if topic:
        rows = rows.filter(topic=topic)
    if before is not None:
        rows = rows.filter(pk__lt=before)
    found = list(rows[: limit + 1])
    more = found[limit - 1].pk if len(found) > limit else None
    return [_entry(row) for row in found[:limit]], more


def inbox_entry(*, id: UUID, actor: Actor) -> InboxEntry:
    """Return one notice of the actor's own inbox.

    :raises NoInbox: when no person is behind the actor.
    :raises NoticeMissing: when it is not there.
    """
    row = _inbox(actor).filter(public_id=id).first()
    if row is None:
        raise NoticeMissing("There is no such notice in your inbox.")
    return _entry(row)


def preferences(*, actor: Actor) -> Preferences:
    """Return what the actor wants to be told of; one query.

    :raises NoInbox: when no person is behind the actor.
    """
    if actor.user_id is None:
        raise NoInbox
    return preferences_of([actor.user_id]).get(actor.user_id, NOTHING_CHOSEN)


def preferences_of(people: Iterable[int]) -> dict[int, Preferences]:
    """Return the choices of people who made some, by user id; one query, none for nobody."""
    wanted = list(people)
    if not wanted:
        return {}
    chosen: dict[int, dict[tuple[Topic, Medium], Cadence]] = {}
    for row in Preference.objects.filter(person_id__in=wanted):
        own = chosen.setdefault(row.person_id, {})
        own[Topic(row.topic), Medium(row.medium)] = Cadence(row.cadence)
    return {person: Preferences(own) for person, own in chosen.items()}


def _inbox(actor: Actor) -> QuerySet[PersonalNotice]:
    if actor.user_id is None:
        raise NoInbox
    return PersonalNotice.objects.filter(person_id=actor.user_id, in_inbox=True)


def _entry(row: PersonalNotice) -> InboxEntry:
    return InboxEntry(
        id=row.public_id,
        topic=Topic(row.topic),
        severity=Severity(row.severity),
        subject=row.subject,
        text=row.text,
        link=row.link,
        created_at=row.created_at,
        read_at=row.read_at,
    )


def _channel(row: Channel) -> ChannelFacts:
    return ChannelFacts(
        id=row.public_id,
        kind=Kind(row.kind),
        name=row.name,
        address=row.address,
        topics=tuple(sorted(Topic(one.topic) for one in row.subscriptions.all())),
        is_active=row.retired_at is None,
        created_at=row.created_at,
        created_by=row.created_by,
    )


def _facts(row: Delivery) -> DeliveryFacts:
    return DeliveryFacts(
        id=row.public_id,
        message=row.message,
        kind=row.kind,
        recipient=_recipient(row),
        subject=row.subject,
        state=row.state,
        attempts=row.attempts,
        last_error=row.last_error,
        created_at=row.created_at,
        due_at=row.due_at,
        sent_at=row.sent_at,
    )


def _recipient(row: Delivery) -> str:
    if row.kind == Kind.SLACK.value and row.channel is not None:
        return f"Slack: {row.channel.name}"
    return row.recipient
