"""Runs of a month: what went in, what came out, and which one counts."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.db import models
from django.db.models import Q


class RunState(models.TextChoices):
    """How far a run has come; from published on nothing in it changes.

    A what-if run is kept beside them and never published.
    """

    DRAFT = "draft"
    PUBLISHED = "published"
    SUPERSEDED = "superseded"
    WHAT_IF = "what_if"


class Run(models.Model):
    """One execution of the allocation of a month.

    The database publishes it only when, per axis and metric, lines minus sources is exactly zero;
    from then on it only ever changes to superseded, together with its successor's publication.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    month = models.DateField(help_text="first day of the month")
    state = models.CharField(max_length=16, choices=RunState.choices, default=RunState.DRAFT)
    currency = models.CharField(max_length=3, help_text="ISO 4217, the tenant's")
    input_hash = models.CharField(max_length=64, help_text="SHA-256 of all inputs")
    output_hash = models.CharField(max_length=64, help_text="SHA-256 of all lines")
    sources_hash = models.CharField(max_length=64, help_text="SHA-256 of the cost base copied")
    engine_version = models.CharField(max_length=16)
    source_count = models.BigIntegerField(help_text="rows in allocation.Source")
    line_count = models.BigIntegerField(help_text="rows in allocation.Line, both axes")
    billed = models.DecimalField(
        max_digits=44, decimal_places=12, help_text="sum of the sources, tenant's currency"
    )
    effective = models.DecimalField(
        max_digits=44, decimal_places=12, help_text="sum of the sources, tenant's currency"
    )
    rounding = models.DecimalField(
        max_digits=44,
        decimal_places=30,
        help_text="effective cost base minus sources, tenant's currency; within half of 1e-12",
    )
    is_what_if = models.BooleanField(
        default=False, help_text="run by rules that are not in force; never published"
    )
    name = models.CharField(max_length=200, blank=True, help_text="what a what-if run supposes")
    provisional_fx = models.BooleanField(help_text="converted at budget rates")
    rules = models.JSONField(help_text="the rule versions applied; frozen")
    drivers = models.JSONField(help_text="the driver values used, by axis; frozen")
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=254)
    published_at = models.DateTimeField(null=True, blank=True)
    superseded_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["month"],
                condition=Q(state="published"),
                name="allocation_run_one_published_a_month",
            ),
            models.CheckConstraint(
                condition=Q(state__in=RunState.values), name="allocation_run_state_known"
            ),
            models.CheckConstraint(
                condition=Q(month__day=1), name="allocation_run_month_is_a_first_day"
            ),
            models.CheckConstraint(
                condition=Q(state="draft", published_at__isnull=True, superseded_at__isnull=True)
                | Q(state="published", published_at__isnull=False, superseded_at__isnull=True)
                | Q(state="superseded", published_at__isnull=False, superseded_at__isnull=False)
                | Q(state="what_if", published_at__isnull=True, superseded_at__isnull=True),
                name="allocation_run_times_fit_state",
            ),
            models.CheckConstraint(
                condition=Q(is_what_if=True, name__gt="", state__in=["draft", "what_if"])
                | Q(is_what_if=False, state__in=["draft", "published", "superseded"]),
                name="allocation_run_what_if_is_never_published",
            ),
        ]
        indexes = [models.Index(fields=["month", "-id"], name="allocation_run_by_month")]

    def __str__(self) -> str:
        return f"{self.month:%Y-%m} {self.public_id}"

    # Mutators

    def publish(self, *, at: datetime) -> None:
        """Make this the published run of its month; the database checks conservation."""
        self.state, self.published_at = RunState.PUBLISHED.value, at
        self.save(update_fields=["state", "published_at"])

    def keep(self) -> None:
        """Keep this what-if run for good; the database checks it like one that is published."""
        self.state = RunState.WHAT_IF.value
        self.save(update_fields=["state"])

    def supersede(self, *, at: datetime) -> None:
        """Give way to a newer run of the month."""
        self.state, self.superseded_at = RunState.SUPERSEDED.value, at
        self.save(update_fields=["state", "superseded_at"])
