"""Puts what is told where people and channels find it: outbox, inboxes, digests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from apps.accounts import selectors as accounts
from apps.accounts.selectors import Person
from apps.core.domain.canonical import canonical_json
from apps.notifications import selectors
from apps.notifications.domain.channels import Kind
from apps.notifications.domain.notices import Message, Notice
from apps.notifications.domain.preferences import NOTHING_CHOSEN, Preferences
from apps.notifications.domain.slack import slack_message
from apps.notifications.domain.topics import Cadence, Medium, Topic
from apps.notifications.models import Channel, Delivery, DigestState, PersonalNotice
from apps.tenants import selectors as tenants

_BATCH: Final = 500


@dataclass(frozen=True, slots=True)
class _Audience:
    """Who can be meant by the notices at hand, and what they were told already."""

    people: list[Person]
    preferences: Mapping[int, Preferences]
    told: frozenset[tuple[int, str]]
    channels: Mapping[Topic, list[Channel]]
    base: str
    tenant: str

    def people_of(self, notice: Notice) -> list[Person]:
        """Return the people whom a notice concerns and who were not told of it."""
        addresses = _addresses(notice)
        return [
            one
            for one in self.people
            if (one.id in notice.people or one.role in notice.roles or one.email in addresses)
            and (one.id, notice.key) not in self.told
        ]

    def strangers_of(self, notice: Notice) -> set[str]:
        """Return the addresses that belong to nobody who signs in here."""
        return _addresses(notice) - {one.email for one in self.people}

    def page_of(self, notice: Notice) -> str:
        """Return the address of the page that a notice is about, or nothing."""
        return f"{self.base}{notice.link}" if notice.link else ""


def post(*, message: Message, recipients: Iterable[str], now: datetime) -> int:
    """Queue a message to each recipient who was not told yet; return how many these are.

    Call it in the transaction that the message tells of; a door then enqueues the delivery. Safe
    to repeat: a message is told to a recipient once.
    """
    wanted = sorted({address.strip() for address in recipients if address.strip()})
    return _queue([_mail(message, address, now) for address in wanted])


def publish(*, notices: Iterable[Notice], now: datetime) -> int:
    """Tell people, addresses and channels; return how many deliveries were queued.

    People find a notice in their inbox and get a mail at once or in the daily digest, each as
    they prefer. Call it in the transaction that the notices tell of. Safe to repeat: everybody
    is told of a key once. Nine queries and two more per 500 deliveries, however many notices
    there are.
    """
    listed = list(notices)
    if not listed:
        return 0
    audience = _audience(listed)
    deliveries: list[Delivery] = []
    entries: list[PersonalNotice] = []
    for notice in listed:
        told = audience.people_of(notice)
        entries += [
            entry for one in told if (entry := _entry(notice, one, audience, now)) is not None
        ]
        deliveries += _deliveries(notice, told, audience, now)
    PersonalNotice.objects.bulk_create(
        sorted(entries, key=lambda one: (one.person_id, one.message)),
        ignore_conflicts=True,
        batch_size=_BATCH,
    )
    return _queue(deliveries)


def queue_mail(*, message: Message, recipient: str, now: datetime) -> int:
    """Queue a message to one address; return whether it was new, as 0 or 1."""
    return _queue([_mail(message, recipient, now)])


def queue_to_channel(*, notice: Notice, channel: Channel, now: datetime) -> Delivery:
    """Queue a notice to one channel whatever its topics are, as a test message."""
    tenant = tenants.current()
    base = tenants.base_url(slug=tenant.slug)
    audience = _Audience([], {}, frozenset(), {notice.topic: [channel]}, base, tenant.name)
    [delivery] = _deliveries(notice, [], audience, now)
    delivery.save(force_insert=True)
    return delivery


def _audience(notices: list[Notice]) -> _Audience:
    tenant = tenants.current()
    people = accounts.addressees(
        ids={one for notice in notices for one in notice.people},
        roles={one for notice in notices for one in notice.roles},
        emails={one for notice in notices for one in _addresses(notice)},
    )
    ids = [one.id for one in people]
    told = PersonalNotice.objects.filter(
        person_id__in=ids, message__in={notice.key for notice in notices}
    ).values_list("person_id", "message")
    return _Audience(
        people=people,
        preferences=selectors.preferences_of(ids),
        told=frozenset(told) if ids else frozenset(),
        channels=_channels({notice.topic for notice in notices}),
        base=tenants.base_url(slug=tenant.slug),
        tenant=tenant.name,
    )


def _addresses(notice: Notice) -> set[str]:
    return {one.strip().lower() for one in notice.recipients if one.strip()}


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


def _cadence(notice: Notice, person: Person, medium: Medium, audience: _Audience) -> Cadence:
    chosen = audience.preferences.get(person.id, NOTHING_CHOSEN)
    return chosen.for_notice(notice.topic, medium, notice.severity)


def _entry(
    notice: Notice, person: Person, audience: _Audience, now: datetime
) -> PersonalNotice | None:
    in_inbox = _cadence(notice, person, Medium.INBOX, audience) is not Cadence.OFF
    in_digest = _cadence(notice, person, Medium.EMAIL, audience) is Cadence.DIGEST
    if not in_inbox and not in_digest:
        return None
    return PersonalNotice(
        person_id=person.id,
        message=notice.key,
        topic=notice.topic.value,
        severity=notice.severity.value,
        subject=_line(notice.subject),
        text=notice.plain_text,
        link=notice.link,
        in_inbox=in_inbox,
        digest=DigestState.WAITING if in_digest else DigestState.NONE,
        created_at=now,
    )


def _deliveries(
    notice: Notice, told: list[Person], audience: _Audience, now: datetime
) -> list[Delivery]:
    at_once = {
        one.email
        for one in told
        if _cadence(notice, one, Medium.EMAIL, audience) is Cadence.AT_ONCE
    }
    channels = audience.channels.get(notice.topic, [])
    boxes = {one.address: one for one in channels if one.kind == Kind.EMAIL.value}
    mails = []
    for address in sorted(at_once | audience.strangers_of(notice) | boxes.keys()):
        mail = _mail(Message(notice.key, notice.subject, notice.text_for(address)), address, now)
        mail.channel = boxes.get(address)
        mails.append(mail)
    hooks = [
        _hook(notice, one, audience, now) for one in channels if one.kind == Kind.WEBHOOK.value
    ]
    slacks = [
        _slack(notice, one, audience, now) for one in channels if one.kind == Kind.SLACK.value
    ]
    return mails + hooks + slacks


def _line(text: str) -> str:
    return " ".join(text.split())[:200]


def _mail(message: Message, address: str, now: datetime) -> Delivery:
    return Delivery(
        message=message.key,
        kind=Kind.EMAIL.value,
        recipient=address,
        subject=_line(message.subject),
        text=message.text,
        due_at=now,
        created_at=now,
    )


def _hook(notice: Notice, channel: Channel, audience: _Audience, now: datetime) -> Delivery:
    reader = f"channel:{channel.public_id}"
    data = dict(notice.data)
    if notice.link_of:
        data["link"] = notice.link_of(reader)
    if notice.link:
        data.setdefault("page", audience.page_of(notice))
    if notice.offers:
        data["offers"] = [
            {"label": one.label, "link": one.link_of(reader)} for one in notice.offers
        ]
    body = {
        "type": notice.event or notice.topic.value,
        "key": notice.key,
        "severity": notice.severity.value,
        "created_at": now,
        "data": data,
    }
    return _to_channel(notice, channel, channel.address, canonical_json(body).decode(), now)


def _slack(notice: Notice, channel: Channel, audience: _Audience, now: datetime) -> Delivery:
    reader = f"channel:{channel.public_id}"
    buttons = [(one.label, one.link_of(reader)) for one in notice.offers]
    if notice.link:
        buttons.append(("Open", audience.page_of(notice)))
    body = slack_message(
        subject=notice.subject,
        text=notice.plain_text,
        severity=notice.severity,
        source=audience.tenant,
        buttons=buttons,
    )
    recipient = f"slack:{channel.public_id}"
    return _to_channel(notice, channel, recipient, canonical_json(body).decode(), now)


def _to_channel(
    notice: Notice, channel: Channel, recipient: str, text: str, now: datetime
) -> Delivery:
    return Delivery(
        message=notice.key,
        kind=channel.kind,
        channel=channel,
        recipient=recipient,
        subject=_line(notice.subject),
        text=text,
        due_at=now,
        created_at=now,
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
