"""Channels: added with a secret that is shown once, renewed, retired."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

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
)
from apps.notifications.models import Channel, Subscription


@dataclass(frozen=True, slots=True)
class AddedChannel:
    """A channel's id and, of a webhook, the secret with which its deliveries are signed."""

    id: UUID
    secret: str

    def __repr__(self) -> str:
        return f"AddedChannel({self.id})"


def add_channel(*, draft: ChannelDraft, actor: Actor, now: datetime) -> AddedChannel:
    """Add a mailbox or a webhook that is told of some topics from now on.

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
            detail: dict[str, object] = {
                "address": address,
                "topics": sorted(one.value for one in draft.topics),
            }
            _record("channel.added", row, detail, actor, now)
    except IntegrityError as error:
        if "notifications_channel_address_once" not in str(error):
            raise
        raise _wrong("address", "This address is a channel already; retire that one first.") from (
            error
        )
    return AddedChannel(row.public_id, _secret(row))


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
        _record("channel.retired", row, {"address": row.address}, actor, now)


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
    if not 0 < len(draft.name.strip()) <= 100 or "\x00" in draft.name:
        raise _wrong("name", "Give the channel a name of 1 to 100 characters.")
    if not draft.topics:
        raise _wrong("topics", "Choose at least one thing to be told of.")
    if draft.kind is Kind.WEBHOOK:
        return checked_url(draft.address, allow_private=webhook.allows_private())
    address = draft.address.strip().lower()
    try:
        validate_email(address)
    except ValidationError:
        raise _wrong("address", "Write an e-mail address, such as ap@example.com.") from None
    return address


def _record(
    action: str, row: Channel, detail: dict[str, object], actor: Actor, now: datetime
) -> None:
    audit.record(
        actor=actor,
        action=action,
        subject="channel",
        subject_id=str(row.public_id),
        detail={"name": row.name, **detail},
        at=now,
    )


def _wrong(field: str, message: str) -> ChannelInvalid:
    return ChannelInvalid(message, errors=(FieldError(field, "invalid", message),))
