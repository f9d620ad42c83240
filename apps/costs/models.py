"""Provider accounts, their bills with every charge as delivered, and what reconciling found."""

from __future__ import annotations

import uuid
from typing import Any

from django.db import models
from django.db.models import Q

from apps.core.domain.months import Month
from apps.costs.domain.accounts import Feed, Truth
from apps.costs.domain.focus_columns import ENUMS


def _exact(help_text: str) -> Any:
    """Return the field of an exact amount, price or quantity: numeric(44, 24)."""
    return models.DecimalField(max_digits=44, decimal_places=24, help_text=help_text)


def _exact_or_none(help_text: str) -> Any:
    """Return the field of an exact figure that may be unknown."""
    return models.DecimalField(max_digits=44, decimal_places=24, null=True, help_text=help_text)


class ProviderAccount(models.Model):
    """One source of cost; which of its two stories counts is said by `AccountTruth`.

    `provider` and `account` say which metered usage the account stands for; an empty provider
    stands for none, so its bills are cost beside the metered usage.
    """

    public_id = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    code = models.CharField(max_length=64, unique=True, help_text="never changes")
    name = models.CharField(max_length=200)
    provider = models.CharField(max_length=64, blank=True, help_text="as metered usage names it")
    account = models.CharField(
        max_length=256, blank=True, help_text="as metered usage names it; * for every account"
    )
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(provider="", account="") | Q(provider__gt="", account__gt=""),
                name="costs_provideraccount_names_usage_whole",
            ),
            models.UniqueConstraint(
                fields=["provider", "account"],
                condition=~Q(provider=""),
                name="costs_provideraccount_usage_has_one_truth",
            ),
        ]

    def __str__(self) -> str:
        return self.code


class AccountTruth(models.Model):
    """Which story of an account counts from a month on; append-only, the last one entered wins.

    It can start in an open month only (guard), so that no closed month is told anew.
    """

    provider_account = models.ForeignKey(ProviderAccount, on_delete=models.PROTECT)
    from_month = models.DateField(help_text="first day of the first month it holds for")
    truth = models.CharField(max_length=16, choices=[(t.value, t.value) for t in Truth])
    feed = models.CharField(max_length=8, choices=[(f.value, f.value) for f in Feed])
    recorded_at = models.DateTimeField()
    recorded_by = models.CharField(max_length=254)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(truth__in=[t.value for t in Truth]),
                name="costs_accounttruth_truth_known",
            ),
            models.CheckConstraint(
                condition=Q(feed__in=[f.value for f in Feed]), name="costs_accounttruth_feed_known"
            ),
            models.CheckConstraint(
                condition=Q(from_month__day=1), name="costs_accounttruth_from_a_first_day"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.provider_account_id} {self.truth} from {Month.of(self.from_month)}"


class ModelFeed(models.Model):
    """Which feed of one model of an account counts from a month on; goes over the account's.

    Append-only: each row holds until the next one of the same account and model, so that there is
    nothing to overlap, and of two for one month the last entered wins. An empty feed is the
    account's again. It can start in an open month only (guard).
    """

    provider_account = models.ForeignKey(ProviderAccount, on_delete=models.PROTECT)
    model = models.CharField(max_length=200, help_text="canonical model code")
    from_month = models.DateField(help_text="first day of the first month it holds for")
    feed = models.CharField(
        max_length=8, blank=True, help_text="request or bucket; empty: as the account"
    )
    reason = models.CharField(max_length=500)
    recorded_at = models.DateTimeField()
    recorded_by = models.CharField(max_length=254)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(feed__in=["", *(f.value for f in Feed)]),
                name="costs_modelfeed_feed_known",
            ),
            models.CheckConstraint(
                condition=Q(from_month__day=1), name="costs_modelfeed_from_a_first_day"
            ),
            models.CheckConstraint(
                condition=Q(model__gt="", reason__gt=""), name="costs_modelfeed_told"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.provider_account_id} {self.model} {self.feed or 'as the account'}"


class Bill(models.Model):
    """One delivered version of a provider's bill for one billing month; append-only.

    A version supersedes the ones before it whole. `period` is the month it is booked in: the
    billing month, or the next open one when that is closed already (rule 17).
    """

    public_id = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    provider_account = models.ForeignKey(ProviderAccount, on_delete=models.PROTECT)
    billing_month = models.DateField(help_text="first day of the month of BillingPeriodStart")
    period = models.DateField(help_text="first day of the accounting month it is booked in")
    version = models.IntegerField(help_text="counts up from 1 within account and billing month")
    source_sha256 = models.CharField(max_length=64, help_text="digest of the file")
    file_name = models.CharField(max_length=255, blank=True)
    shift_months = models.IntegerField(default=0, help_text="months by which dates were moved")
    row_count = models.BigIntegerField(help_text="charges booked")
    rejected_count = models.BigIntegerField(help_text="rows of the file that could not be booked")
    totals = models.JSONField(help_text="billed and effective sum by currency, as text")
    diagnostics = models.JSONField(help_text="what was odd about the file")
    imported_at = models.DateTimeField()
    imported_by = models.CharField(max_length=254)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["provider_account", "billing_month", "version"],
                name="costs_bill_version_numbered",
            ),
            models.UniqueConstraint(
                fields=["provider_account", "billing_month", "source_sha256", "shift_months"],
                name="costs_bill_file_once",
            ),
            models.CheckConstraint(
                condition=Q(version__gte=1), name="costs_bill_version_counts_from_one"
            ),
            models.CheckConstraint(
                condition=Q(billing_month__day=1, period__day=1),
                name="costs_bill_months_are_first_days",
            ),
            models.CheckConstraint(
                condition=Q(period__gte=models.F("billing_month")),
                name="costs_bill_never_booked_early",
            ),
        ]

    def __str__(self) -> str:
        return f"{Month.of(self.billing_month)} v{self.version} of {self.provider_account_id}"


class BillLine(models.Model):
    """One charge of a bill as delivered, in FOCUS terms; append-only, partitioned by `period`.

    Amounts and prices are in the billing currency, exactly as the file has them.
    """

    pk = models.CompositePrimaryKey("period", "bill_id", "line")
    period = models.DateField(help_text="first day of the accounting month it is booked in")
    bill = models.ForeignKey(Bill, on_delete=models.PROTECT, db_index=False)
    line = models.BigIntegerField(help_text="line of the file, the header being 1")
    billing_account_id = models.TextField()
    billing_account_name = models.TextField(blank=True)
    sub_account_id = models.TextField(blank=True)
    sub_account_name = models.TextField(blank=True)
    provider = models.TextField()
    publisher = models.TextField(blank=True)
    invoice_issuer = models.TextField(blank=True)
    invoice_id = models.TextField(blank=True)
    service_category = models.TextField(blank=True)
    service_subcategory = models.TextField(blank=True)
    service_name = models.TextField()
    sku_id = models.TextField(blank=True)
    sku_price_id = models.TextField(blank=True)
    sku_meter = models.TextField(blank=True)
    region_id = models.TextField(blank=True)
    resource_id = models.TextField(blank=True)
    resource_name = models.TextField(blank=True)
    resource_type = models.TextField(blank=True)
    charge_category = models.TextField()
    charge_class = models.TextField(blank=True, help_text="Correction, or empty")
    charge_description = models.TextField(blank=True)
    charge_frequency = models.TextField(blank=True)
    pricing_category = models.TextField(blank=True)
    commitment_discount_id = models.TextField(blank=True)
    commitment_discount_type = models.TextField(blank=True)
    commitment_discount_status = models.TextField(blank=True)
    billing_period_start = models.DateTimeField()
    billing_period_end = models.DateTimeField()
    charge_period_start = models.DateTimeField()
    charge_period_end = models.DateTimeField()
    currency = models.CharField(max_length=3, help_text="billing currency, ISO 4217")
    billed_cost = _exact("billing currency")
    effective_cost = _exact("billing currency, amortized")
    list_cost = _exact_or_none("billing currency")
    contracted_cost = _exact_or_none("billing currency")
    list_unit_price = _exact_or_none("billing currency per pricing unit")
    contracted_unit_price = _exact_or_none("billing currency per pricing unit")
    pricing_quantity = _exact_or_none("pricing units")
    pricing_unit = models.TextField(blank=True)
    consumed_quantity = _exact_or_none("consumed units")
    consumed_unit = models.TextField(blank=True)
    tags = models.JSONField(help_text="the provider's tags, keys and values as text")
    extra = models.JSONField(help_text="further columns of the file, as text")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(charge_category__in=ENUMS["ChargeCategory"]),
                name="costs_billline_category_known",
            ),
            models.CheckConstraint(
                condition=Q(charge_period_start__lte=models.F("charge_period_end")),
                name="costs_billline_charge_period_in_order",
            ),
            models.CheckConstraint(
                condition=Q(currency__regex="^[A-Z]{3}$"), name="costs_billline_currency_code"
            ),
        ]

    def __str__(self) -> str:
        return f"line {self.line} of bill {self.bill_id}"


class Reconciliation(models.Model):
    """What one comparison of our metering with a provider's bill found; append-only."""

    public_id = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    period = models.DateField(help_text="first day of the accounting month")
    provider_account = models.ForeignKey(ProviderAccount, on_delete=models.PROTECT)
    currency = models.CharField(max_length=3, help_text="tenant's currency")
    metered = _exact("our rated usage, tenant's currency")
    billed = _exact_or_none("effective cost of the bill, tenant's currency; empty: no bill")
    truth = models.CharField(max_length=16, help_text="which side counted")
    base_hash = models.CharField(max_length=64, help_text="digest of the cost base compared")
    found_at = models.DateTimeField()
    found_by = models.CharField(max_length=254)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(period__day=1), name="costs_reconciliation_period_is_a_first_day"
            ),
            models.CheckConstraint(
                condition=Q(truth__in=[t.value for t in Truth]),
                name="costs_reconciliation_truth_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{Month.of(self.period)} of {self.provider_account_id}"
