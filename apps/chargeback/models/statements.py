"""Statements of cost centers and the terms under which they are issued."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from apps.core.domain.months import Month


class Statement(models.Model):
    """Ties a document to the run and the cost center whose charge it states; append-only.

    Whether it is a draft, issued or given up is the document's state.
    """

    document = models.OneToOneField(
        "documents.Document", on_delete=models.PROTECT, related_name="statement"
    )
    month = models.DateField(help_text="first day of the accounting month")
    cost_center = models.CharField(max_length=64)
    run = models.UUIDField(help_text="allocation.Run whose lines are stated")
    billed = models.DecimalField(
        max_digits=24, decimal_places=3, help_text="document's currency, in its minor unit"
    )
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=254)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["run", "cost_center"], name="chargeback_one_statement_a_run_and_center"
            ),
            models.CheckConstraint(
                condition=Q(month__day=1), name="chargeback_month_is_a_first_day"
            ),
            models.CheckConstraint(
                condition=Q(cost_center__gt=""), name="chargeback_names_a_cost_center"
            ),
        ]
        indexes = [models.Index(fields=["month", "cost_center", "-id"], name="chargeback_by_month")]

    def __str__(self) -> str:
        return f"{self.cost_center} {self.accounting_month}"

    @property
    def accounting_month(self) -> Month:
        """Return the month as a value."""
        return Month.of(self.month)


class StatementTerms(models.Model):
    """Whom to ask and where charges are posted; append-only, the last row counts."""

    dispute_contact = models.CharField(max_length=254)
    dispute_days = models.IntegerField(help_text="days from issue in which questions are taken")
    recovery_account = models.CharField(
        max_length=64, help_text="general-ledger account that is credited"
    )
    recovery_name = models.CharField(max_length=200)
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=254)

    class Meta:
        verbose_name_plural = "statement terms"
        constraints = [
            models.CheckConstraint(
                condition=Q(dispute_days__gte=1) & Q(dispute_days__lte=90),
                name="chargeback_terms_days_in_range",
            ),
            models.CheckConstraint(
                condition=Q(dispute_contact__gt="")
                & Q(recovery_account__gt="")
                & Q(recovery_name__gt=""),
                name="chargeback_terms_are_complete",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.dispute_contact}, {self.dispute_days} days"
