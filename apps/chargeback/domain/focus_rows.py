"""Turns a published run into rows of the FOCUS datasets.

The tenant's platform is the service provider and issues the invoices, which are its statements;
the model's vendor is the host. A source that several receivers share becomes one row each: costs
and quantities sum to the source's, unit prices are copied, ratios sum to 1. Whatever has no unit
price is priced as an amount of money, so that unit price times quantity is the cost of every row.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import groupby
from typing import Any, Final
from zoneinfo import ZoneInfo

from apps.chargeback.domain.focus_prices import NOT_PRICED, json_of, prices_of
from apps.core.domain.money import EXACT, PUBLISHED_QUANTUM
from apps.core.domain.months import Month
from apps.core.domain.shares import split_exactly

Row = dict[str, Any]
_RESERVED: Final = frozenset({"account", "credential", "operation", "service"})
_CATEGORIES: Final = frozenset({"Usage", "Purchase", "Tax", "Credit", "Adjustment"})
_ROUNDING: Final = "Rounding to the minor unit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Invoice:
    """An issued statement, or a draft without a number; totals in the minor unit."""

    cost_center: str
    name: str
    number: str
    total: Decimal
    billed: Decimal
    issued_at: datetime | None
    replaces: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What all rows of a month share."""

    month: Month
    zone: ZoneInfo
    currency: str
    account: str
    issuer: str
    is_closed: bool
    created_at: datetime
    updated_at: datetime
    invoices: Mapping[str, Invoice]
    names: Mapping[str, str] = field(default_factory=dict)
    """Names of teams by code."""
    draft_keys: bool = False
    """Whether the token keys of the 1.5 draft stand in SkuPriceDetails."""

    @property
    def bounds(self) -> tuple[datetime, datetime]:
        """Return when the month begins and ends."""
        return self.month.bounds(self.zone)


@dataclass(frozen=True, slots=True)
class Part:
    """What one line bears of its source: the ratio at 1e-12, and the quantity."""

    ratio: Decimal
    quantity: Decimal | None
    is_split: bool


def cost_rows(lines: Iterable[Any], scene: Scene) -> Iterator[Row]:
    """Yield CostAndUsage: a row a line of the team axis, then the rounding of each invoice.

    `lines` are `allocation.LineFacts`, those of a source together; the lines of one source are
    held at a time. In the minor unit an invoice's rows sum to its totals.
    """
    billed: dict[str, Decimal] = {}
    effective: dict[str, Decimal] = {}
    for _source, group in groupby(lines, key=lambda line: line.source):
        own = list(group)
        for line, part in zip(own, parts_of(own), strict=True):
            code = line.cost_center
            billed[code] = EXACT.add(billed.get(code, Decimal(0)), line.billed)
            effective[code] = EXACT.add(effective.get(code, Decimal(0)), line.effective)
            yield _row(line, part, scene)
    for code, invoice in sorted(scene.invoices.items()):
        left = EXACT.subtract(invoice.total, effective.get(code, Decimal(0)))
        left_billed = EXACT.subtract(invoice.billed, billed.get(code, Decimal(0)))
        if left or left_billed:
            yield _rounding(invoice, scene, effective=left, billed=left_billed)


def period_rows(scene: Scene) -> Iterator[Row]:
    """Yield BillingPeriod: the month, open or closed."""
    start, end = scene.bounds
    yield {
        "BillingPeriodCreated": start,
        "BillingPeriodStart": start,
        "BillingPeriodEnd": end,
        "BillingPeriodLastUpdated": scene.updated_at,
        "BillingPeriodStatus": "Closed" if scene.is_closed else "Open",
        "InvoiceIssuerName": scene.issuer,
    }


def invoice_rows(lines: Iterable[Any], scene: Scene) -> Iterator[Row]:
    """Yield InvoiceDetail: a row an invoice and charge category, its rounding apart.

    The billed cost of each row is the sum of the CostAndUsage rows that name it; those of an
    invoice sum to what its statement prints as billed.
    """
    sums: dict[tuple[str, str, str], Decimal] = {}
    for row in cost_rows(lines, scene):
        key = (row["SubAccountId"], row["InvoiceDetailId"] or "", row["ChargeCategory"])
        sums[key] = EXACT.add(sums.get(key, Decimal(0)), row["BilledCost"])
    start, end = scene.bounds
    for (code, detail, category), billed in sorted(sums.items()):
        invoice = scene.invoices.get(code)
        if invoice is None or not invoice.number:
            continue
        yield {
            "BilledCost": billed,
            "BillingAccountId": scene.account,
            "BillingCurrency": scene.currency,
            "BillingPeriodStart": start,
            "BillingPeriodEnd": end,
            "ChargeCategory": category,
            "InvoiceDetailCreated": invoice.issued_at,
            "InvoiceDetailDescription": _ROUNDING
            if detail.endswith("-ROUNDING")
            else f"{category} of {invoice.name}",
            "InvoiceDetailGrain": json_of({"ChargeCategory": category, "SubAccountId": code}),
            "InvoiceDetailId": detail,
            "InvoiceDetailLastUpdated": invoice.issued_at,
            "InvoiceId": invoice.number,
            "InvoiceIssueDate": invoice.issued_at,
            "InvoiceIssueStatus": "Issued",
            "InvoiceIssuerName": scene.issuer,
            "PaymentCurrency": scene.currency,
            "PaymentCurrencyBilledCost": billed,
            "PaymentCurrencyInvoiceDetailId": detail,
            "PaymentDueDate": None,
            "PaymentTerms": "Posted by journal",
            "PurchaseOrderNumber": None,
            "ReferenceInvoiceId": invoice.replaces or None,
        }


def parts_of(lines: Sequence[Any]) -> list[Part]:
    """Return the part of its source that each line bears, in the order of the lines.

    Ratios of a source sum to 1, quantities to the source's, both by largest remainder.
    """
    shared: dict[str, list[int]] = {}
    for at, line in enumerate(lines):
        if line.source:
            shared.setdefault(line.source, []).append(at)
    parts = [Part(Decimal(1), _measured(line.quantity), False) for line in lines]
    for places in shared.values():
        first = lines[places[0]]
        if len(places) == 1 and first.kind != "shared":
            continue
        shares = {at: Fraction(lines[at].share_exact or 1) for at in places}
        if sum(shares.values()) <= 0 or any(share < 0 for share in shares.values()):
            continue
        ratios = split_exactly(Decimal(1), shares, PUBLISHED_QUANTUM)
        whole = _measured(first.quantity)
        amounts = split_exactly(whole, shares, PUBLISHED_QUANTUM) if whole else {}
        for at in places:
            parts[at] = Part(ratios[at], amounts.get(at, whole), True)
    return parts


def _measured(quantity: Decimal | None) -> Decimal | None:
    return None if quantity is None else quantity.quantize(PUBLISHED_QUANTUM, context=EXACT)


def _row(line: Any, part: Part, scene: Scene) -> Row:
    start, end = scene.bounds
    category = _category(line)
    invoice = scene.invoices.get(line.cost_center)
    number = invoice.number if invoice else ""
    return {
        **_common(scene),
        "BilledCost": line.billed,
        "EffectiveCost": line.effective,
        "ChargeCategory": category,
        "ChargeClass": "Correction" if _is_correction(line, scene.month) else None,
        "ChargeDescription": _description(line),
        "ChargeFrequency": "Usage-Based" if category == "Usage" else "One-Time",
        "ChargePeriodStart": _day(line.first_day, scene.zone) or start,
        "ChargePeriodEnd": _day(_next(line.last_day), scene.zone) or end,
        "HostProviderName": line.provider or scene.issuer,
        "PublisherName": line.provider or scene.issuer,
        "InvoiceId": number or None,
        "InvoiceDetailId": f"{number}-{category.upper()}" if number else None,
        "SubAccountId": line.cost_center,
        "SubAccountName": invoice.name if invoice else line.cost_center,
        **_service(line),
        **prices_of(line, part.quantity, category, scene),
        **_allocated(line, part, scene),
        "Tags": json_of(_tags(line)) if line.tags else None,
        "x_Team": line.team or None,
        "x_Product": line.product or None,
        "x_Feature": line.feature or None,
        "x_Customer": line.customer or None,
        "x_Experiment": line.experiment or None,
        "x_Environment": line.environment or None,
        "x_CostCenter": line.cost_center,
        "x_Kind": line.kind,
        "x_Model": line.model or None,
        "x_Credential": dict(line.tags or {}).get("credential"),
        "x_SourceKey": line.source or None,
        "x_Attribution": line.attribution or None,
    }


def _common(scene: Scene) -> Row:
    start, end = scene.bounds
    return {
        "BillingAccountId": scene.account,
        "BillingAccountName": scene.issuer,
        "BillingAccountType": "Tenant",
        "BillingCurrency": scene.currency,
        "BillingPeriodStart": start,
        "BillingPeriodEnd": end,
        "InvoiceIssuerName": scene.issuer,
        "PricingCategory": "Standard",
        "ProviderName": scene.issuer,
        "ServiceProviderName": scene.issuer,
        "SubAccountType": "Cost center",
    }


def _category(line: Any) -> str:
    if not line.source:
        return "Adjustment"
    given = str(line.charge_category or "Usage")
    return given if given in _CATEGORIES else "Usage"


def _is_correction(line: Any, month: Month) -> bool:
    late = line.first_day is not None and line.first_day < month.first_day
    return late or bool(line.original_month and line.original_month != str(month))


def _description(line: Any) -> str:
    what = line.model or line.service or line.provider or line.rule or line.kind
    meter = str(line.meter or "").replace("_", " ")
    return " ".join(part for part in (str(what), meter) if part)


def _service(line: Any) -> Row:
    """Return the service; its name tells its category, so that one name has one category."""
    if line.model:
        return {
            "ServiceName": f"{line.provider or 'Self-hosted'} models",
            "ServiceCategory": "AI and Machine Learning",
            "ServiceSubcategory": "Generative AI",
        }
    name = line.service or line.provider or "Chargeback"
    return {
        "ServiceName": f"{name} services" if name.endswith(" models") else name,
        "ServiceCategory": "Other",
        "ServiceSubcategory": "Other (Other)",
    }


def _allocated(line: Any, part: Part, scene: Scene) -> Row:
    if not part.is_split:
        return dict.fromkeys(_ALLOCATED)
    element: dict[str, Any] = {"AllocatedRatio": part.ratio}
    if line.driver:
        element |= {
            "UsageUnit": line.driver,
            "UsageQuantity": line.driver_value,
            "x_TotalQuantity": line.driver_total,
        }
    own = {"finops:cost_center": line.cost_center}
    if line.receiver:
        own["finops:team"] = line.receiver
    resource = line.receiver or line.cost_center
    return {
        "AllocatedMethodId": ":".join(part for part in (line.rule, line.method) if part)
        or line.kind,
        "AllocatedMethodDetails": json_of({"Elements": [element]}),
        "AllocatedResourceId": resource,
        "AllocatedResourceName": scene.names.get(resource, resource),
        "AllocatedTags": json_of({**own, **_tags(line)}),
    }


_ALLOCATED: Final = (
    "AllocatedMethodId",
    "AllocatedMethodDetails",
    "AllocatedResourceId",
    "AllocatedResourceName",
    "AllocatedTags",
)


def _rounding(invoice: Invoice, scene: Scene, *, effective: Decimal, billed: Decimal) -> Row:
    start, end = scene.bounds
    return {
        **_common(scene),
        **dict.fromkeys(_ALLOCATED),
        **NOT_PRICED,
        "BilledCost": billed,
        "EffectiveCost": effective,
        "ContractedCost": effective,
        "ListCost": effective,
        "ChargeCategory": "Adjustment",
        "ChargeClass": None,
        "ChargeDescription": _ROUNDING,
        "ChargeFrequency": "One-Time",
        "ChargePeriodStart": start,
        "ChargePeriodEnd": end,
        "HostProviderName": scene.issuer,
        "PublisherName": scene.issuer,
        "InvoiceId": invoice.number or None,
        "InvoiceDetailId": f"{invoice.number}-ROUNDING" if invoice.number else None,
        "PricingCurrency": scene.currency,
        "PricingCurrencyEffectiveCost": effective,
        "ServiceName": "Chargeback",
        "ServiceCategory": "Other",
        "ServiceSubcategory": "Other (Other)",
        "SubAccountId": invoice.cost_center,
        "SubAccountName": invoice.name,
        "x_CostCenter": invoice.cost_center,
        "x_Kind": "rounding",
    }


def _tags(line: Any) -> dict[str, str]:
    return {key: value for key, value in sorted(line.tags.items()) if key not in _RESERVED}


def _next(day: date | None) -> date | None:
    return None if day is None else day + timedelta(days=1)


def _day(day: date | None, zone: ZoneInfo) -> datetime | None:
    return None if day is None else datetime(day.year, day.month, day.day, tzinfo=zone)
