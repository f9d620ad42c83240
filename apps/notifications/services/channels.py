"""Channels: added with a secret that is shown once, changed, tried, retired."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction

from apps.audit import services as audit
from apps.core.domain.access import Actor, Scope
from apps.core.domain.errors import FieldError
from apps.notifications.adapters import webhook
from apps.notifications.domain.channels import (
    ChannelDraft,
    ChannelInvalid,
    ChannelMissing,
    Kind,
    checked_url,
    shown_address,
)
from apps.notifications.domain.notices import Notice
from apps.notifications.domain.topics import Topic
from apps.notifications.models import Channel, Subscription
from apps.notifications.services.publishing import queue_to_channel


@dataclass(frozen=True, slots=True)
class AddedChannel:
    """A channel's id and, of a webhook, the secret with which its deliveries are signed."""

    id: UUID
    secret: str

    def __repr__(self) -> str:
        return f"AddedChannel({self.id})"


def add_channel(*, draft: ChannelDraft, actor: Actor, now: datetime) -> AddedChannel:
    """Add a mailbox, a webhook or a channel of Slack that is told of some topics from now on.

    :raises Forbidden: when the actor is no administrator.
    :raises ChannelInvalid: when the name, the address or the topics are refused, or the address
        is a channel already.
    """
    actor.require(Scope.ADMIN)
    address = _checked(draft)
    try:
        with transaction.atomic():
            row = Channel.objects.create(
                kind=draft.kind.value,
                name=draft.name.strip(),
                address=address,
                created_at=now,
                created_by=actor.label,
            )
            Subscription.objects.bulk_create(
                Subscription(channel=row, topic=topic.value) for topic in sorted(draft.topics)
            )
            detail: dict[str, object] = {"topics": sorted(one.value for one in draft.topics)}
            _record("channel.added", row, detail, actor, now)
    except IntegrityError as error:
        if "notifications_channel_address_once" not in str(error):
            raise
        raise _wrong("address", "This address is a channel already; retire that one first.") from (
            error
        )
    return AddedChannel(row.public_id, _secret(row))


def change_channel(
    *, id: UUID, name: str, topics: frozenset[Topic], actor: Actor, now: datetime
) -> None:
    """Name a channel otherwise and tell it of other topics; its address stays.

    :raises Forbidden: when the actor is no administrator.
    :raises ChannelMissing: when there is none in use.
    :raises ChannelInvalid: when the name or the topics are refused.
    """
    actor.require(Scope.ADMIN)
    _check_words(name, topics)
    with transaction.atomic():
        row = _held(id)
        row.name = name.strip()
        row.save(update_fields=["name"])
        row.subscriptions.exclude(topic__in=[one.value for one in topics]).delete()
        Subscription.objects.bulk_create(
            [Subscription(channel=row, topic=topic.value) for topic in sorted(topics)],
            ignore_conflicts=True,
        )
        detail: dict[str, object] = {"topics": sorted(one.value for one in topics)}
        _record("channel.changed", row, detail, actor, now)


def send_test(*, id: UUID, actor: Actor, now: datetime) -> UUID:
    """Queue a test message to a channel, and return the delivery's id; a door has it delivered.

    :raises Forbidden: when the actor is no administrator.
    :raises ChannelMissing: when there is none in use.
    """
    actor.require(Scope.ADMIN)
    with transaction.atomic():
        row = _held(id)
        topic = Topic(row.subscriptions.order_by("topic")[0].topic)
        notice = Notice(
            topic=topic,
            key=f"channel.test/{row.public_id}/{uuid4()}",
            subject=f"Test message to {row.name}",
            text="This channel is set up. Nothing happened; somebody wanted to know.",
            data={"test": True},
            event="channel.test",
            link="/settings/notifications/",
        )
        delivery = queue_to_channel(notice=notice, channel=row, now=now)
        detail: dict[str, object] = {"delivery": str(delivery.public_id)}
        _record("channel.tested", row, detail, actor, now)
    return delivery.public_id


def renew_secret(*, id: UUID, actor: Actor, now: datetime) -> AddedChannel:
    """Sign a webhook's deliveries with a new secret from now on, and return it.

    :raises Forbidden: when the actor is no administrator.
    :raises ChannelMissing: when there is no such webhook in use.
    """
    actor.require(Scope.ADMIN)
    with transaction.atomic():
        row = _held(id)
        if row.kind != Kind.WEBHOOK.value:
            raise ChannelMissing("Only a webhook has a secret.")
        row.generation += 1
        row.save(update_fields=["generation"])
        _record("channel.secret_renewed", row, {"generation": row.generation}, actor, now)
    return AddedChannel(row.public_id, _secret(row))


def retire_channel(*, id: UUID, actor: Actor, now: datetime) -> None:
    """Tell a channel nothing any more; what is queued for a webhook fails.

    :raises Forbidden: when the actor is no administrator.
    :raises ChannelMissing: when there is none in use.
    """
    actor.require(Scope.ADMIN)
    with transaction.atomic():
        row = _held(id)
        row.retired_at = now
        row.save(update_fields=["retired_at"])
        _record("channel.retired", row, {}, actor, now)


def _held(id: UUID) -> Channel:
    row = Channel.objects.select_for_update().filter(public_id=id, retired_at=None).first()
    if row is None:
        raise ChannelMissing("There is no such channel, or it is retired.")
    return row


def _secret(row: Channel) -> str:
    if row.kind != Kind.WEBHOOK.value:
        return ""
    return webhook.secret_of(channel=str(row.public_id), generation=row.generation)


def _checked(draft: ChannelDraft) -> str:
    _check_words(draft.name, draft.topics)
    if draft.kind is not Kind.EMAIL:
        return checked_url(draft.address, allow_private=webhook.allows_private())
    address = draft.address.strip().lower()
    try:
        validate_email(address)
    except ValidationError:
        raise _wrong("address", "Write an e-mail address, such as ap@example.com.") from None
    return address


def _check_words(name: str, topics: frozenset[Topic]) -> None:
    if not 0 < len(name.strip()) <= 100 or "\x00" in name:
        raise _wrong("name", "Give the channel a name of 1 to 100 characters.")
    if not topics:
        raise _wrong("topics", "Choose at least one thing to be told of.")


def _record(
    action: str, row: Channel, detail: dict[str, object], actor: Actor, now: datetime
) -> None:
    audit.record(
        actor=actor,
        action=action,
        subject="channel",
        subject_id=str(row.public_id),
        detail={
            "name": row.name,
            "address": shown_address(Kind(row.kind), row.address),
            **detail,
        },
        at=now,
    )


def _wrong(field: str, message: str) -> ChannelInvalid:
    return ChannelInvalid(message, errors=(FieldError(field, "invalid", message),))
