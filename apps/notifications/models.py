"""The outbox: what has to be told to whom, and how far that has come."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.db import models
from django.db.models import Q

from apps.notifications.domain.channels import Kind, Topic
from apps.notifications.domain.retries import next_attempt


class State(models.TextChoices):
    """How far a delivery has come."""

    QUEUED = "queued"
    SENT = "sent"
    FAILED = "failed"


class Channel(models.Model):
    """Where a tenant wants to be told things: a mailbox or a webhook.

    It is retired, never changed but for its secret: deliveries keep naming the one they went to.
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
                condition=Q(topic__in=[topic.value for topic in Topic]),
                name="notifications_subscription_topic_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.topic} to {self.channel_id}"


class Delivery(models.Model):
    """One message to one recipient; written in the transaction that it tells of.

    `message` identifies what is told, so that telling it again is no second delivery. A webhook's
    `text` is the JSON body, frozen, so that every attempt sends the same bytes.
    """

    public_id = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    message = models.CharField(max_length=200, help_text="what is told, as statement.issued/42")
    kind = models.CharField(max_length=8, default=Kind.EMAIL.value)
    channel = models.ForeignKey(
        Channel, on_delete=models.PROTECT, null=True, related_name="deliveries"
    )
    recipient = models.CharField(max_length=500, help_text="e-mail address or URL")
    subject = models.CharField(max_length=200)
    text = models.TextField(help_text="plain text")
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
                condition=Q(kind="email") | Q(kind="webhook", channel__isnull=False),
                name="notifications_delivery_webhook_has_a_channel",
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
