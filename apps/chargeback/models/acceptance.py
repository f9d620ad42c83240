"""What readers say to statements and how it ended: facts, never on the sealed row (rule 20)."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q

from apps.chargeback.domain.acceptance import Lapse, Outcome, Verdict


class Response(models.Model):
    """One answer to an issued statement; append-only.

    The database refuses an answer to a draft, any answer after an acceptance, and an acceptance
    while a dispute is open (chargeback.sql).
    """

    public_id = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    statement = models.ForeignKey(
        "chargeback.Statement", on_delete=models.PROTECT, related_name="responses"
    )
    verdict = models.CharField(max_length=8)
    comment = models.TextField(blank=True)
    position = models.IntegerField(null=True, help_text="printed line that is disputed")
    line_key = models.TextField(blank=True, help_text="stable key of that line")
    line = models.TextField(blank=True, help_text="printed text of that line")
    amount = models.DecimalField(
        max_digits=24,
        decimal_places=3,
        null=True,
        help_text="what it should be, in the statement's currency",
    )
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=254)
    user_id = models.BigIntegerField(null=True, help_text="person; none when it lapsed")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(verdict__in=[one.value for one in Verdict]),
                name="chargeback_response_verdict_known",
            ),
            models.CheckConstraint(
                condition=Q(verdict="lapsed", user_id__isnull=True)
                | (~Q(verdict="lapsed") & Q(user_id__isnull=False)),
                name="chargeback_response_is_a_persons",
            ),
            models.CheckConstraint(
                condition=~Q(verdict="disputed") | Q(comment__gt=""),
                name="chargeback_dispute_says_why",
            ),
            models.CheckConstraint(
                condition=Q(verdict="disputed") | Q(position__isnull=True, amount__isnull=True),
                name="chargeback_only_disputes_name_lines",
            ),
            models.UniqueConstraint(
                fields=["statement"],
                condition=~Q(verdict="disputed"),
                name="chargeback_settled_once",
            ),
        ]
        indexes = [models.Index(fields=["created_at", "id"], name="chargeback_response_by_time")]

    def __str__(self) -> str:
        return f"{self.verdict} by {self.created_by}"


class Attachment(models.Model):
    """A file that came with a dispute; the bytes lie with the documents; append-only."""

    public_id = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    response = models.ForeignKey(Response, on_delete=models.PROTECT, related_name="attachments")
    name = models.CharField(max_length=120)
    media_type = models.CharField(max_length=100)
    size = models.IntegerField(help_text="bytes")
    sha256 = models.CharField(max_length=64)
    storage_key = models.CharField(max_length=500, unique=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(size__gt=0), name="chargeback_attachment_is_not_empty"
            )
        ]

    def __str__(self) -> str:
        return self.name


class Resolution(models.Model):
    """How a dispute ended; append-only, one a dispute.

    The database refuses a decision by the person who disputed, and a withdrawal by anybody else.
    """

    response = models.OneToOneField(Response, on_delete=models.PROTECT, related_name="resolution")
    outcome = models.CharField(max_length=9)
    reason = models.TextField()
    reference = models.CharField(
        max_length=200, blank=True, help_text="adjustment that books a correction"
    )
    booked_in = models.DateField(null=True, help_text="first day of the month of that adjustment")
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=254)
    user_id = models.BigIntegerField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(outcome__in=[one.value for one in Outcome]),
                name="chargeback_resolution_outcome_known",
            ),
            models.CheckConstraint(
                condition=Q(outcome="corrected", reference__gt="", booked_in__isnull=False)
                | (~Q(outcome="corrected") & Q(reference="", booked_in__isnull=True)),
                name="chargeback_correction_is_booked",
            ),
            models.CheckConstraint(
                condition=Q(reason__gt=""), name="chargeback_resolution_says_why"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.outcome} by {self.created_by}"


class Responder(models.Model):
    """Whoever finance named to answer for a cost center beside its owner; the last row counts."""

    cost_center = models.CharField(max_length=64)
    email = models.EmailField(max_length=254)
    is_named = models.BooleanField(help_text="false: no longer")
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=254)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(cost_center__gt="") & Q(email__gt=""),
                name="chargeback_responder_is_complete",
            )
        ]
        indexes = [
            models.Index(fields=["cost_center", "email", "-id"], name="chargeback_responder_last")
        ]

    def __str__(self) -> str:
        return f"{self.email} for {self.cost_center}"


class AcceptancePolicy(models.Model):
    """What silence means and when readers are reminded; append-only, the last row counts."""

    lapse = models.CharField(max_length=9)
    reminder_days = models.IntegerField(help_text="days before the end of the days for questions")
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=254)

    class Meta:
        verbose_name_plural = "acceptance policies"
        constraints = [
            models.CheckConstraint(
                condition=Q(lapse__in=[one.value for one in Lapse]),
                name="chargeback_policy_lapse_known",
            ),
            models.CheckConstraint(
                condition=Q(reminder_days__gte=1) & Q(reminder_days__lte=30),
                name="chargeback_policy_reminder_in_range",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.lapse}, reminded {self.reminder_days} days before"
