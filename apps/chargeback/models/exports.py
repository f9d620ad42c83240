"""Exports that are written in the background and kept as files."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q

from apps.chargeback.domain.focus_columns import Dataset, FileFormat, Version


class ExportState(models.TextChoices):
    """How far an export has come."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class Export(models.Model):
    """A file of a month that somebody asked for; its row tells how far it has come."""

    public_id = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    month = models.DateField(help_text="first day of the accounting month")
    dataset = models.CharField(max_length=16)
    version = models.CharField(max_length=3)
    format = models.CharField(max_length=7)
    draft_keys = models.BooleanField(help_text="with the token keys of the 1.5 draft")
    run = models.UUIDField(help_text="allocation.Run that is written")
    state = models.CharField(max_length=7, default=ExportState.QUEUED)
    rows = models.IntegerField(default=0, help_text="written so far")
    rows_total = models.IntegerField(default=0)
    sha256 = models.CharField(max_length=64, blank=True)
    size = models.BigIntegerField(default=0, help_text="bytes")
    storage_key = models.CharField(max_length=500, blank=True)
    error = models.TextField(blank=True)
    requested_at = models.DateTimeField()
    requested_by = models.CharField(max_length=254)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(dataset__in=[one.value for one in Dataset])
                & Q(version__in=[one.value for one in Version])
                & Q(format__in=[one.value for one in FileFormat])
                & Q(month__day=1),
                name="chargeback_export_is_known",
            ),
            models.CheckConstraint(
                condition=Q(state__in=ExportState.values), name="chargeback_export_state_known"
            ),
            models.CheckConstraint(
                condition=~Q(state="done") | (Q(sha256__gt="") & Q(storage_key__gt="")),
                name="chargeback_export_done_has_a_file",
            ),
        ]
        indexes = [models.Index(fields=["-requested_at", "-id"], name="chargeback_export_newest")]

    def __str__(self) -> str:
        return f"{self.dataset} {self.month:%Y-%m}"
