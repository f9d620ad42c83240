"""Roll-ups of issued statements by parent, product and customer."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from apps.chargeback.domain.rollups import RollupKind
from apps.core.domain.months import Month


class Rollup(models.Model):
    """Ties a document to the run and the part of it that it puts together; append-only.

    It charges nothing: its figures are those of the run's issued statements.
    """

    document = models.OneToOneField(
        "documents.Document", on_delete=models.PROTECT, related_name="rollup"
    )
    month = models.DateField(help_text="first day of the accounting month")
    kind = models.CharField(max_length=8)
    code = models.CharField(
        max_length=256, blank=True, help_text="cost center, product or customer; empty: none"
    )
    run = models.UUIDField(help_text="allocation.Run whose statements are rolled up")
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=254)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["run", "kind", "code"], name="chargeback_rollup_once_a_run"
            ),
            models.CheckConstraint(
                condition=Q(kind__in=[kind.value for kind in RollupKind]),
                name="chargeback_rollup_kind_known",
            ),
            models.CheckConstraint(
                condition=Q(month__day=1), name="chargeback_rollup_month_is_a_first_day"
            ),
            models.CheckConstraint(
                condition=~Q(kind="parent", code=""), name="chargeback_rollup_names_a_parent"
            ),
        ]
        indexes = [models.Index(fields=["month", "kind", "code"], name="chargeback_rollups")]

    def __str__(self) -> str:
        return f"{self.kind} {self.code or 'none'} {self.accounting_month}"

    @property
    def accounting_month(self) -> Month:
        """Return the month as a value."""
        return Month.of(self.month)
