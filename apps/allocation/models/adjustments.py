"""Amounts moved by hand from one receiver to another, and the files that say why."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.db import models
from django.db.models import Q

from apps.allocation.domain.rules import Axis

_AXES = [(axis.value, axis.value) for axis in Axis]


class AdjustmentState(models.TextChoices):
    """How far an adjustment has come; only an approved one is booked."""

    REQUESTED = "requested"
    APPROVED = "approved"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"


class Adjustment(models.Model):
    """An amount moved by hand from one receiver to another (rule 17), by two people.

    Booked by every run of its month once approved, as lines of a kind of their own that sum to
    zero. Decided once; what is asked for never changes.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    code = models.CharField(max_length=64, unique=True, help_text="adj-2026-10-1")
    month = models.DateField(help_text="first day of the month it is booked in")
    axis = models.CharField(max_length=16, choices=_AXES)
    sender = models.CharField(max_length=64, help_text="who bears less")
    receiver = models.CharField(max_length=64, help_text="who bears more")
    amount = models.DecimalField(
        max_digits=30, decimal_places=12, help_text="in `currency`, a whole of its minor unit"
    )
    currency = models.CharField(max_length=3, help_text="ISO 4217, the tenant's")
    reason = models.TextField()
    reference = models.CharField(max_length=200, blank=True, help_text="what it answers")
    state = models.CharField(
        max_length=16, choices=AdjustmentState.choices, default=AdjustmentState.REQUESTED
    )
    requested_by = models.CharField(max_length=254)
    requested_by_user = models.BigIntegerField(null=True, help_text="id of the person, if one")
    requested_at = models.DateTimeField()
    decided_by = models.CharField(max_length=254, blank=True)
    decided_by_user = models.BigIntegerField(null=True, help_text="id of the person, if one")
    decided_at = models.DateTimeField(null=True)
    comment = models.TextField(blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(amount__gt=0) & Q(reason__gt="") & Q(code__gt=""),
                name="allocation_adjustment_says_what",
            ),
            models.CheckConstraint(
                condition=Q(month__day=1) & Q(axis__in=[a.value for a in Axis]),
                name="allocation_adjustment_place",
            ),
            models.CheckConstraint(
                condition=~Q(sender=models.F("receiver")), name="allocation_adjustment_moves"
            ),
            models.CheckConstraint(
                condition=Q(state="requested", decided_at__isnull=True, decided_by="")
                | Q(state__in=["approved", "rejected", "withdrawn"], decided_at__isnull=False),
                name="allocation_adjustment_decided",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["approved", "rejected"])
                | Q(decided_by_user__isnull=False)
                & ~Q(decided_by=models.F("requested_by"))
                & (
                    Q(requested_by_user__isnull=True)
                    | ~Q(decided_by_user=models.F("requested_by_user"))
                ),
                name="allocation_adjustment_two_people",
            ),
        ]
        indexes = [models.Index(fields=["month", "-id"], name="allocation_adjustment_month")]

    def __str__(self) -> str:
        return self.code

    # Mutators

    def decide(
        self, state: AdjustmentState, *, by: str, user: int | None, at: datetime, comment: str
    ) -> None:
        """End the request, well or not."""
        self.state = state.value
        self.decided_by, self.decided_by_user = by, user
        self.decided_at, self.comment = at, comment
        self.save(update_fields=["state", "decided_by", "decided_by_user", "decided_at", "comment"])


class AdjustmentFile(models.Model):
    """A file that came with a request for an adjustment; bytes lie with documents; append-only."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    adjustment = models.ForeignKey(Adjustment, on_delete=models.PROTECT, related_name="files")
    name = models.CharField(max_length=120)
    media_type = models.CharField(max_length=100)
    size = models.IntegerField(help_text="bytes")
    sha256 = models.CharField(max_length=64)
    storage_key = models.CharField(max_length=500, unique=True)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(size__gt=0), name="allocation_adjustmentfile_is_not_empty"
            )
        ]

    def __str__(self) -> str:
        return self.name
