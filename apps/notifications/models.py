"""The outbox: what has to be told to whom, and how far that has come."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.db import models
from django.db.models import Q

from apps.notifications.domain.retries import next_attempt


class State(models.TextChoices):
    """How far a delivery has come."""

    QUEUED = "queued"
    SENT = "sent"
    FAILED = "failed"


class Delivery(models.Model):
    """One message to one recipient; written in the transaction that it tells of.

    `message` identifies what is told, so that telling it again is no second delivery.
    """

    public_id = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    message = models.CharField(max_length=200, help_text="what is told, as statement.issued/42")
    recipient = models.EmailField()
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
