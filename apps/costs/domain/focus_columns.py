"""Which FOCUS columns we keep, of what kind they are, and what their enumerations allow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final


class Kind(Enum):
    """How a cell is read."""

    TEXT = auto()
    ENUM = auto()
    CURRENCY = auto()
    DECIMAL = auto()
    MOMENT = auto()
    TAGS = auto()


@dataclass(frozen=True, slots=True)
class Column:
    """A FOCUS column, the field of a bill line that keeps it, and whether a row needs a value.

    `earlier` names columns that held the same before or after (1.4 renamed the providers).
    """

    name: str
    field: str
    kind: Kind = Kind.TEXT
    required: bool = False
    earlier: tuple[str, ...] = ()


COLUMNS: Final = (
    Column("BillingAccountId", "billing_account_id", required=True),
    Column("BillingAccountName", "billing_account_name"),
    Column("SubAccountId", "sub_account_id"),
    Column("SubAccountName", "sub_account_name"),
    Column(
        "ProviderName",
        "provider",
        required=True,
        earlier=("ServiceProviderName", "HostProviderName"),
    ),
    Column("PublisherName", "publisher"),
    Column("InvoiceIssuerName", "invoice_issuer"),
    Column("InvoiceId", "invoice_id"),
    Column("ServiceCategory", "service_category"),
    Column("ServiceSubcategory", "service_subcategory"),
    Column("ServiceName", "service_name", required=True),
    Column("SkuId", "sku_id"),
    Column("SkuPriceId", "sku_price_id"),
    Column("SkuMeter", "sku_meter"),
    Column("RegionId", "region_id"),
    Column("ResourceId", "resource_id"),
    Column("ResourceName", "resource_name"),
    Column("ResourceType", "resource_type"),
    Column("ChargeCategory", "charge_category", Kind.ENUM, required=True),
    Column("ChargeClass", "charge_class", Kind.ENUM),
    Column("ChargeDescription", "charge_description"),
    Column("ChargeFrequency", "charge_frequency", Kind.ENUM),
    Column("PricingCategory", "pricing_category", Kind.ENUM),
    Column("CommitmentDiscountId", "commitment_discount_id"),
    Column("CommitmentDiscountType", "commitment_discount_type"),
    Column("CommitmentDiscountStatus", "commitment_discount_status", Kind.ENUM),
    Column("BillingPeriodStart", "billing_period_start", Kind.MOMENT, required=True),
    Column("BillingPeriodEnd", "billing_period_end", Kind.MOMENT, required=True),
    Column("ChargePeriodStart", "charge_period_start", Kind.MOMENT, required=True),
    Column("ChargePeriodEnd", "charge_period_end", Kind.MOMENT, required=True),
    Column("BillingCurrency", "currency", Kind.CURRENCY, required=True),
    Column("BilledCost", "billed_cost", Kind.DECIMAL, required=True),
    Column("EffectiveCost", "effective_cost", Kind.DECIMAL, required=True),
    Column("ListCost", "list_cost", Kind.DECIMAL),
    Column("ContractedCost", "contracted_cost", Kind.DECIMAL),
    Column("ListUnitPrice", "list_unit_price", Kind.DECIMAL),
    Column("ContractedUnitPrice", "contracted_unit_price", Kind.DECIMAL),
    Column("PricingQuantity", "pricing_quantity", Kind.DECIMAL),
    Column("PricingUnit", "pricing_unit"),
    Column("ConsumedQuantity", "consumed_quantity", Kind.DECIMAL),
    Column("ConsumedUnit", "consumed_unit"),
    Column("Tags", "tags", Kind.TAGS),
)

NOT_NULL_IN_FOCUS: Final = frozenset(
    {
        "ListCost",
        "ContractedCost",
        "PricingCategory",
        "ChargeFrequency",
        "ServiceCategory",
        "InvoiceIssuerName",
    }
)
"""Columns that the standard wants filled and whose absence we only report."""

OTHER_FOCUS: Final = frozenset(
    {
        "AllocatedMethodDetails",
        "AllocatedMethodId",
        "AllocatedResourceId",
        "AllocatedResourceName",
        "AllocatedTags",
        "AvailabilityZone",
        "BillingAccountType",
        "CapacityReservationId",
        "CapacityReservationStatus",
        "CommitmentDiscountCategory",
        "CommitmentDiscountName",
        "CommitmentDiscountQuantity",
        "CommitmentDiscountUnit",
        "CommitmentProgramEligibilityDetails",
        "ConsumerId",
        "ContractApplied",
        "CredentialDetails",
        "CredentialId",
        "HostProviderName",
        "InvoiceDetailId",
        "PricingCurrency",
        "PricingCurrencyContractedUnitPrice",
        "PricingCurrencyEffectiveCost",
        "PricingCurrencyListUnitPrice",
        "PrincipalId",
        "RegionName",
        "ServiceProviderName",
        "SkuPriceDetails",
        "SubAccountType",
    }
)
"""Columns of the standard that go into `extra` as they are."""

ENUMS: Final[Mapping[str, tuple[str, ...]]] = {
    "ChargeCategory": ("Usage", "Purchase", "Tax", "Credit", "Adjustment"),
    "ChargeClass": ("Correction",),
    "ChargeFrequency": ("One-Time", "Recurring", "Usage-Based"),
    "PricingCategory": ("Standard", "Dynamic", "Committed", "Other"),
    "CommitmentDiscountStatus": ("Used", "Unused"),
}
