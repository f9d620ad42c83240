"""Columns of the FOCUS datasets we write, by version (focus.finops.org, 1.2 to 1.4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from apps.core.domain.errors import FieldError, Unprocessable

COST_PLACES: Final = 18
"""Decimals of costs and prices in a file: a price times a quantity is written unrounded."""


class Dataset(StrEnum):
    """What is exported."""

    COST_AND_USAGE = "cost_and_usage"
    BILLING_PERIOD = "billing_period"
    INVOICE_DETAIL = "invoice_detail"


class Version(StrEnum):
    """The version of the specification that a file follows."""

    V1_4 = "1.4"
    V1_3 = "1.3"
    V1_2 = "1.2"


class FileFormat(StrEnum):
    """How a file is written."""

    CSV = "csv"
    PARQUET = "parquet"


class Type(StrEnum):
    """What a column holds."""

    TEXT = "String"
    DECIMAL = "Decimal"
    MOMENT = "Date/Time"
    JSON = "JSON"


class DatasetUnknown(Unprocessable):
    """The version has no such dataset."""

    default_code = "dataset_not_in_version"


@dataclass(frozen=True, slots=True)
class FocusColumn:
    """A column of a dataset."""

    name: str
    type: Type = Type.TEXT


def _columns(text: str, type: Type = Type.TEXT) -> list[FocusColumn]:
    return [FocusColumn(name, type) for name in text.split()]


_COST_AND_USAGE: Final = sorted(
    [
        *_columns(
            "AllocatedMethodId AllocatedResourceId AllocatedResourceName BillingAccountId "
            "BillingAccountName BillingAccountType BillingCurrency ChargeCategory ChargeClass "
            "ChargeDescription ChargeFrequency ConsumedUnit HostProviderName InvoiceDetailId "
            "InvoiceId InvoiceIssuerName PricingCategory PricingCurrency PricingUnit ProviderName "
            "PublisherName ServiceCategory ServiceName ServiceProviderName ServiceSubcategory "
            "SkuId SkuMeter SkuPriceId SubAccountId SubAccountName SubAccountType"
        ),
        *_columns("AllocatedMethodDetails AllocatedTags SkuPriceDetails Tags", Type.JSON),
        *_columns(
            "BillingPeriodEnd BillingPeriodStart ChargePeriodEnd ChargePeriodStart", Type.MOMENT
        ),
        *_columns(
            "BilledCost ConsumedQuantity ContractedCost ContractedUnitPrice EffectiveCost ListCost "
            "ListUnitPrice PricingCurrencyContractedUnitPrice PricingCurrencyEffectiveCost "
            "PricingCurrencyListUnitPrice PricingQuantity",
            Type.DECIMAL,
        ),
    ],
    key=lambda column: column.name,
)
_OWN: Final = _columns(
    "x_Team x_Product x_Feature x_Customer x_Experiment x_Environment x_CostCenter x_Kind x_Model "
    "x_Credential x_SourceKey x_Attribution"
)
_BILLING_PERIOD: Final = [
    *_columns(
        "BillingPeriodCreated BillingPeriodEnd BillingPeriodLastUpdated BillingPeriodStart",
        Type.MOMENT,
    ),
    *_columns("BillingPeriodStatus InvoiceIssuerName"),
]
_INVOICE_DETAIL: Final = sorted(
    [
        *_columns(
            "BillingAccountId BillingCurrency ChargeCategory InvoiceDetailDescription "
            "InvoiceDetailId InvoiceId InvoiceIssueStatus InvoiceIssuerName PaymentCurrency "
            "PaymentCurrencyInvoiceDetailId PaymentTerms PurchaseOrderNumber ReferenceInvoiceId"
        ),
        *_columns(
            "BillingPeriodEnd BillingPeriodStart InvoiceDetailCreated InvoiceDetailLastUpdated "
            "InvoiceIssueDate PaymentDueDate",
            Type.MOMENT,
        ),
        *_columns("BilledCost PaymentCurrencyBilledCost", Type.DECIMAL),
        *_columns("InvoiceDetailGrain", Type.JSON),
    ],
    key=lambda column: column.name,
)

_SINCE: Final[Mapping[str, Version]] = MappingProxyType(
    {
        **dict.fromkeys(
            (
                "AllocatedMethodDetails",
                "AllocatedMethodId",
                "AllocatedResourceId",
                "AllocatedResourceName",
                "AllocatedTags",
                "HostProviderName",
                "ServiceProviderName",
            ),
            Version.V1_3,
        ),
        "InvoiceDetailId": Version.V1_4,
    }
)
_UNTIL: Final[Mapping[str, Version]] = MappingProxyType(
    {"ProviderName": Version.V1_3, "PublisherName": Version.V1_3}
)


def columns_of(dataset: Dataset, version: Version) -> tuple[FocusColumn, ...]:
    """Return the columns of a dataset in a version, ours (`x_`) after the specification's.

    :raises DatasetUnknown: when the version has no such dataset.
    """
    if dataset is Dataset.COST_AND_USAGE:
        own = [column for column in _COST_AND_USAGE if _is_in(column.name, version)]
        return (*own, *_OWN)
    if version is not Version.V1_4:
        message = f"FOCUS {version.value} has no dataset {dataset.value}; ask for version 1.4."
        raise DatasetUnknown(message, errors=(FieldError("version", "choice", message),))
    return tuple(_BILLING_PERIOD if dataset is Dataset.BILLING_PERIOD else _INVOICE_DETAIL)


def _is_in(name: str, version: Version) -> bool:
    since, until = _SINCE.get(name, Version.V1_2), _UNTIL.get(name, Version.V1_4)
    return since.value <= version.value <= until.value
