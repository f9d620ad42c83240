"""The outbox and the inboxes: what has to be told to whom, how, and how far that has come."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.db import models
from django.db.models import Q

from apps.notifications.domain.channels import Kind
from apps.notifications.domain.retries import next_attempt
from apps.notifications.domain.topics import Cadence, Medium, Severity, Topic

_TOPICS = [topic.value for topic in Topic]


class State(models.TextChoices):
    """How far a delivery has come."""

    QUEUED = "queued"
    SENT = "sent"
    FAILED = "failed"


class Channel(models.Model):
    """Where a tenant wants to be told things: a mailbox, a webhook or a channel of Slack.

    Its address never changes: it is retired, and deliveries keep naming the one they went to.
    """

    public_id = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=8)
    name = models.CharField(max_length=100)
    address = models.CharField(max_length=500, help_text="e-mail address or URL")
    generation = models.IntegerField(default=1, help_text="how often its secret was made")
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=254)
    retired_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=[kind.value for kind in Kind]),
                name="notifications_channel_kind_known",
            ),
            models.CheckConstraint(
                condition=Q(name__gt="") & Q(address__gt="") & Q(generation__gte=1),
                name="notifications_channel_is_complete",
            ),
            models.UniqueConstraint(
                fields=["address"],
                condition=Q(retired_at__isnull=True),
                name="notifications_channel_address_once",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Subscription(models.Model):
    """A topic that a channel is told of."""

    channel = models.ForeignKey(Channel, on_delete=models.PROTECT, related_name="subscriptions")
    topic = models.CharField(max_length=40)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["channel", "topic"], name="notifications_subscription_once"
            ),
            models.CheckConstraint(
                condition=Q(topic__in=_TOPICS),
                name="notifications_subscription_topic_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.topic} to {self.channel_id}"


class Delivery(models.Model):
    """One message to one recipient; written in the transaction that it tells of.

    `message` identifies what is told, so that telling it again is no second delivery. The `text`
    of a webhook or of Slack is the JSON body, frozen, so that every attempt sends the same bytes.
    """

    public_id = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    message = models.CharField(max_length=200, help_text="what is told, as statement.issued/42")
    kind = models.CharField(max_length=8, default=Kind.EMAIL.value)
    channel = models.ForeignKey(
        Channel, on_delete=models.PROTECT, null=True, related_name="deliveries"
    )
    recipient = models.CharField(
        max_length=500, help_text="e-mail address, URL of a webhook, or slack: and the channel's id"
    )
    subject = models.CharField(max_length=200)
    text = models.TextField(help_text="plain text, or the JSON body")
    state = models.CharField(max_length=8, choices=State.choices, default=State.QUEUED)
    attempts = models.IntegerField(default=0)
    due_at = models.DateTimeField(help_text="when it is tried next")
    last_error = models.TextField(blank=True)
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["message", "recipient"], name="notifications_delivery_once"
            ),
            models.CheckConstraint(
                condition=Q(state__in=State.values), name="notifications_delivery_state_known"
            ),
            models.CheckConstraint(
                condition=Q(kind="email") | Q(kind__in=["webhook", "slack"], channel__isnull=False),
                name="notifications_delivery_hook_has_a_channel",
            ),
            models.CheckConstraint(
                condition=Q(state="sent", sent_at__isnull=False)
                | (~Q(state="sent") & Q(sent_at__isnull=True)),
                name="notifications_delivery_sent_has_a_time",
            ),
            models.CheckConstraint(
                condition=Q(attempts__gte=0), name="notifications_delivery_attempts_not_negative"
            ),
        ]
        indexes = [
            models.Index(
                fields=["due_at", "id"],
                condition=Q(state="queued"),
                name="notifications_due",
            )
        ]

    def __str__(self) -> str:
        return f"{self.message} to {self.recipient}"

    # Mutators

    def try_again(self, *, at: datetime) -> None:
        """Queue a delivery that was given up, with all its attempts before it again."""
        self.state, self.attempts, self.due_at = State.QUEUED, 0, at
        self.save()

    def mark_sent(self, *, at: datetime) -> None:
        """Note that it was handed over."""
        self.state, self.attempts, self.sent_at = State.SENT, self.attempts + 1, at
        self.last_error = ""
        self.save()

    def mark_failed(self, *, error: str, permanent: bool, at: datetime) -> None:
        """Note a failed attempt; try again later unless that is hopeless."""
        self.attempts += 1
        self.last_error = error[:2000]
        again = None if permanent else next_attempt(failed=self.attempts, at=at)
        if again is None:
            self.state = State.FAILED
        else:
            self.due_at = again
        self.save()


class DigestState(models.TextChoices):
    """Whether a notice waits for its reader's daily digest."""

    NONE = "none"
    WAITING = "waiting"
    SENT = "sent"
    DROPPED = "dropped"


class PersonalNotice(models.Model):
    """What one person is told within the product: in the inbox, in the daily digest, or in both.

    Written in the transaction that it tells of; a message is told to a person once.
    """

    public_id = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    person = models.ForeignKey(
        "accounts.User", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    message = models.CharField(max_length=200, help_text="what is told, as budget.alert/42")
    topic = models.CharField(max_length=40)
    severity = models.CharField(max_length=8)
    subject = models.CharField(max_length=200)
    text = models.TextField(help_text="plain text, without links that open by themselves")
    link = models.CharField(max_length=500, blank=True, help_text="path of the page it is about")
    in_inbox = models.BooleanField()
    digest = models.CharField(max_length=8, choices=DigestState.choices, default=DigestState.NONE)
    digest_on = models.DateField(null=True, blank=True, help_text="day of the digest it went into")
    created_at = models.DateTimeField()
    read_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["person", "message"], name="notifications_personalnotice_once"
            ),
            models.CheckConstraint(
                condition=Q(topic__in=_TOPICS), name="notifications_personalnotice_topic_known"
            ),
            models.CheckConstraint(
                condition=Q(severity__in=[one.value for one in Severity]),
                name="notifications_personalnotice_severity_known",
            ),
            models.CheckConstraint(
                condition=Q(digest__in=DigestState.values)
                & (
                    Q(digest="sent", digest_on__isnull=False)
                    | (~Q(digest="sent") & Q(digest_on__isnull=True))
                ),
                name="notifications_personalnotice_digest_has_a_day",
            ),
            models.CheckConstraint(
                condition=Q(in_inbox=True) | (~Q(digest="none") & Q(read_at__isnull=True)),
                name="notifications_personalnotice_is_somewhere",
            ),
            models.CheckConstraint(
                condition=Q(link="") | (Q(link__startswith="/") & ~Q(link__startswith="//")),
                name="notifications_personalnotice_link_is_inside",
            ),
        ]
        indexes = [
            models.Index(
                fields=["person", "-id"],
                condition=Q(in_inbox=True),
                name="notifications_inbox",
            ),
            models.Index(
                fields=["person"],
                condition=Q(in_inbox=True, read_at__isnull=True),
                name="notifications_unread",
            ),
            models.Index(
                fields=["person", "id"],
                condition=Q(digest="waiting"),
                name="notifications_digest",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.message} to {self.person_id}"


class Preference(models.Model):
    """When a person wants to learn of a topic by a medium; without a row the default holds."""

    person = models.ForeignKey(
        "accounts.User", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    topic = models.CharField(max_length=40)
    medium = models.CharField(max_length=8)
    cadence = models.CharField(max_length=8)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["person", "topic", "medium"], name="notifications_preference_once"
            ),
            models.CheckConstraint(
                condition=Q(topic__in=_TOPICS)
                & Q(medium__in=[one.value for one in Medium])
                & Q(cadence__in=[one.value for one in Cadence]),
                name="notifications_preference_known",
            ),
            models.CheckConstraint(
                condition=~Q(medium="inbox", cadence="digest"),
                name="notifications_preference_inbox_has_no_digest",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.topic} by {self.medium}: {self.cadence}"
