"""Journals of closed months, the accounts they name, their files and their posting."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q

from apps.chargeback.domain.journal import JournalKind, MappingKind


class JournalMapping(models.Model):
    """The account of a cost center or a provider from a month on; append-only.

    In a month the latest `valid_from` up to it counts, and of equal ones the later row. An empty
    account ends the mapping.
    """

    kind = models.CharField(max_length=11)
    key = models.CharField(max_length=64, help_text="cost center, or provider or *")
    account = models.CharField(max_length=64, blank=True, help_text="general-ledger account")
    target = models.CharField(max_length=64, blank=True, help_text="cost center in the ledger")
    valid_from = models.DateField(help_text="first day of the first month")
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=254)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=[kind.value for kind in MappingKind]),
                name="chargeback_mapping_kind_known",
            ),
            models.CheckConstraint(
                condition=Q(key__gt="") & Q(valid_from__day=1),
                name="chargeback_mapping_is_complete",
            ),
        ]
        indexes = [
            models.Index(fields=["kind", "key", "valid_from", "id"], name="chargeback_mapping_last")
        ]

    def __str__(self) -> str:
        return f"{self.key} to {self.account or 'nothing'}"


class JournalLayout(models.Model):
    """The columns of journal files; append-only, the last row counts."""

    preset = models.CharField(max_length=16)
    company = models.CharField(max_length=64, blank=True)
    columns = models.TextField(help_text="a line a column, Head = field")
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=254)

    def __str__(self) -> str:
        return self.preset


class Journal(models.Model):
    """What is booked for a closed month, or takes such a booking back; append-only.

    At COMMIT the database checks that debits equal credits and that cost centers carry what the
    run's statements charge (chargeback.sql); lines added later are refused.
    """

    public_id = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    month = models.DateField(help_text="first day of the accounting month")
    batch = models.CharField(max_length=20, unique=True, help_text="JNL-2026-10-01")
    kind = models.CharField(max_length=8)
    run = models.UUIDField(help_text="allocation.Run whose statements are booked")
    reverses = models.OneToOneField(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="reversal"
    )
    currency = models.CharField(max_length=3)
    total = models.DecimalField(
        max_digits=24, decimal_places=3, help_text="sum of debits, in the minor unit"
    )
    line_count = models.IntegerField()
    data_hash = models.CharField(max_length=64, help_text="SHA-256 of the lines")
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=254)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(kind="charge", reverses__isnull=True)
                | Q(kind="reversal", reverses__isnull=False),
                name="chargeback_journal_kind_fits",
            ),
            models.CheckConstraint(
                condition=Q(kind__in=[kind.value for kind in JournalKind])
                & Q(month__day=1)
                & Q(total__gt=0)
                & Q(line_count__gt=1),
                name="chargeback_journal_is_complete",
            ),
            models.UniqueConstraint(
                fields=["run"], condition=Q(kind="charge"), name="chargeback_one_journal_a_run"
            ),
        ]
        indexes = [models.Index(fields=["month", "id"], name="chargeback_journal_by_month")]

    def __str__(self) -> str:
        return self.batch


class JournalLine(models.Model):
    """One debit or credit; append-only."""

    journal = models.ForeignKey(Journal, on_delete=models.PROTECT, related_name="lines")
    position = models.IntegerField()
    account = models.CharField(max_length=64)
    target = models.CharField(max_length=64, blank=True, help_text="cost center in the ledger")
    cost_center = models.CharField(max_length=64, blank=True, help_text="empty: clearing")
    name = models.CharField(max_length=200)
    text = models.CharField(max_length=300)
    debit = models.DecimalField(max_digits=24, decimal_places=3, help_text="in the minor unit")
    credit = models.DecimalField(max_digits=24, decimal_places=3, help_text="in the minor unit")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["journal", "position"], name="chargeback_journal_line_once"
            ),
            models.CheckConstraint(
                condition=Q(debit__gt=0, credit=0) | Q(debit=0, credit__gt=0),
                name="chargeback_journal_line_has_one_side",
            ),
            models.CheckConstraint(
                condition=Q(account__gt=""), name="chargeback_journal_line_has_an_account"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.account} {self.debit or -self.credit}"


class JournalFile(models.Model):
    """The bytes that were handed out for a journal; the first ones are served again."""

    journal = models.ForeignKey(Journal, on_delete=models.PROTECT, related_name="files")
    format = models.CharField(max_length=4)
    layout = models.CharField(max_length=64, help_text="SHA-256 of the columns")
    sha256 = models.CharField(max_length=64)
    storage_key = models.CharField(max_length=500, unique=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["journal", "format", "layout"], name="chargeback_journal_file_once"
            ),
            models.CheckConstraint(
                condition=Q(format__in=["csv", "xlsx"]), name="chargeback_journal_file_format"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.journal_id}.{self.format}"


class JournalPosting(models.Model):
    """The confirmation that the ledger took a journal; append-only, one a journal."""

    journal = models.OneToOneField(Journal, on_delete=models.PROTECT, related_name="posting")
    reference = models.CharField(max_length=100, help_text="document number in the ledger")
    posted_on = models.DateField()
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=254)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(reference__gt=""), name="chargeback_posting_has_a_reference"
            )
        ]

    def __str__(self) -> str:
        return self.reference
