"""Documents, their lines, numbers and stored renditions.

Sealed documents and their lines refuse every change, and a series refuses gaps, by triggers
(`migrations/0002_guards.py`).
"""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from django.db import models
from django.db.models import Q

from apps.core.domain.months import Month
from apps.documents.domain.states import Format, Kind, State

_HEX = r"^[0-9a-f]{64}$"


class Document(models.Model):
    """A statement, invoice or credit note with its frozen content.

    `payload` is everything that is printed; `data_hash` is the SHA-256 of its canonical JSON and
    stays the same from draft to seal, so what was approved is what was issued. Number, people and
    audit head come with the seal, in `issue`.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    kind = models.CharField(max_length=16, choices=[(kind.value, kind.value) for kind in Kind])
    month = models.DateField(help_text="first day of the accounting month")
    subject_code = models.CharField(
        max_length=300, help_text="cost center or customer; of a roll-up its kind and code"
    )
    subject_name = models.CharField(max_length=200)
    title = models.CharField(max_length=300)
    currency = models.CharField(max_length=3, help_text="ISO 4217")
    total = models.DecimalField(
        max_digits=24, decimal_places=3, help_text="in `currency`, a multiple of its minor unit"
    )
    state = models.CharField(
        max_length=8, choices=[(s.value, s.value) for s in State], default=State.DRAFT.value
    )
    payload = models.JSONField(help_text="the printed content; frozen")
    data_hash = models.CharField(max_length=64, help_text="SHA-256 of the canonical payload")
    template_version = models.CharField(max_length=32)
    series = models.CharField(max_length=20, blank=True)
    ordinal = models.IntegerField(null=True, blank=True, help_text="counts from 1 in the series")
    number = models.CharField(max_length=32, null=True, blank=True, unique=True)
    issued_at = models.DateTimeField(null=True, blank=True)
    issue = models.JSONField(
        default=dict, help_text="who prepared and approved, audit head; frozen"
    )
    supersedes = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="successors"
    )
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(state="sealed", number__isnull=False, ordinal__isnull=False)
                & Q(issued_at__isnull=False)
                & ~Q(series="")
                | Q(number__isnull=True, ordinal__isnull=True, issued_at__isnull=True, series="")
                & ~Q(state="sealed"),
                name="documents_number_comes_with_the_seal",
            ),
            models.CheckConstraint(
                condition=Q(kind__in=[kind.value for kind in Kind])
                & Q(state__in=[state.value for state in State]),
                name="documents_words_known",
            ),
            models.CheckConstraint(
                condition=Q(month__day=1), name="documents_month_is_a_first_day"
            ),
            models.CheckConstraint(
                condition=Q(data_hash__regex=_HEX), name="documents_data_hash_is_sha256"
            ),
            models.CheckConstraint(
                condition=Q(currency__regex=r"^[A-Z]{3}$"), name="documents_currency_is_a_code"
            ),
            models.CheckConstraint(
                condition=Q(ordinal__isnull=True) | Q(ordinal__gte=1),
                name="documents_ordinal_counts_from_one",
            ),
            models.UniqueConstraint(
                fields=["series", "ordinal"],
                condition=Q(ordinal__isnull=False),
                name="documents_one_per_number",
            ),
            models.UniqueConstraint(
                fields=["kind", "month", "subject_code"],
                condition=Q(state="draft"),
                name="documents_one_draft_a_subject",
            ),
        ]
        indexes = [
            models.Index(fields=["kind", "month", "subject_code"], name="documents_by_month")
        ]

    def __str__(self) -> str:
        return self.number or f"{self.kind} {self.subject_code} {self.accounting_month} (draft)"

    @property
    def accounting_month(self) -> Month:
        """Return the month as a value."""
        return Month.of(self.month)

    def give_up(self) -> None:
        """Make a draft void."""
        self.state = State.VOID.value
        self.save(update_fields=["state"])

    def take_number(
        self, *, series: str, ordinal: int, number: str, at: datetime, issue: dict[str, Any]
    ) -> None:
        """Seal a draft; afterwards the row refuses every change."""
        self.series, self.ordinal, self.number = series, ordinal, number
        self.issued_at, self.issue, self.state = at, issue, State.SEALED.value
        self.save(update_fields=["series", "ordinal", "number", "issued_at", "issue", "state"])


class DocumentLine(models.Model):
    """One printed line; the amounts of a document's lines sum to its total."""

    document = models.ForeignKey(Document, on_delete=models.PROTECT, related_name="lines")
    position = models.IntegerField(help_text="counts from 1")
    key = models.TextField(help_text="stable between runs")
    section = models.CharField(max_length=16)
    heading = models.TextField(blank=True)
    quantity = models.DecimalField(
        max_digits=44, decimal_places=12, null=True, blank=True, help_text="in `unit`"
    )
    unit = models.TextField(blank=True)
    exact = models.DecimalField(
        max_digits=44, decimal_places=12, help_text="document's currency, before cents"
    )
    amount = models.DecimalField(
        max_digits=24, decimal_places=3, help_text="document's currency, in its minor unit"
    )
    facts = models.JSONField(help_text="the whole line as printed; frozen")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["document", "position"], name="documents_line_one_per_position"
            ),
            models.UniqueConstraint(fields=["document", "key"], name="documents_line_one_per_key"),
            models.CheckConstraint(
                condition=Q(position__gte=1), name="documents_line_counts_from_one"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.position} {self.heading}"


class NumberSeries(models.Model):
    """The last number taken in a series; its row lock makes numbers gap-free.

    It is taken last in a transaction (docs/locking.md): a rollback gives the number back, and
    waiting is short. A trigger refuses a number that no document carries.
    """

    code = models.CharField(primary_key=True, max_length=20)
    last = models.IntegerField(help_text="ordinal of the last document sealed")

    class Meta:
        verbose_name_plural = "number series"
        constraints = [
            models.CheckConstraint(condition=Q(last__gte=1), name="documents_series_has_begun")
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.last}"


class Rendition(models.Model):
    """Stored bytes of a sealed document; append-only, the first of its kind is the record."""

    document = models.ForeignKey(Document, on_delete=models.PROTECT, related_name="renditions")
    format = models.CharField(max_length=8, choices=[(f.value, f.value) for f in Format])
    locale = models.CharField(max_length=16)
    template_version = models.CharField(max_length=32)
    renderer = models.CharField(max_length=80, help_text="fingerprint of what drew it")
    sha256 = models.CharField(max_length=64)
    storage_key = models.TextField(help_text="path in the document store, tenant first")
    size = models.BigIntegerField(help_text="bytes")
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["document", "format", "locale", "template_version", "renderer"],
                name="documents_rendition_one_per_renderer",
            ),
            models.UniqueConstraint(fields=["storage_key"], name="documents_rendition_one_per_key"),
            models.CheckConstraint(
                condition=Q(format__in=[f.value for f in Format]),
                name="documents_rendition_format_known",
            ),
            models.CheckConstraint(
                condition=Q(sha256__regex=_HEX) & Q(size__gte=1),
                name="documents_rendition_has_bytes",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.storage_key} ({self.size} bytes)"
