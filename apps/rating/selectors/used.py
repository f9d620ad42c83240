"""The prices that usage was charged by."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from apps.catalog.domain.conditions import Conditions
from apps.catalog.domain.meters import meter_facts
from apps.rating.domain.prices import SkuKey
from apps.rating.models import Price


@dataclass(frozen=True, slots=True)
class UsedPrice:
    """A price as it was used: `amount` of `currency` per `unit_size` units (`unit`) of a meter.

    `sku` labels what the price is for. `kind` is contract, discount or list; `source` says which.
    None as a bound of validity is unbounded. A discounted price names its list price, and the
    `percent` off it.
    """

    id: int
    sku: str
    meter: str
    unit: str
    amount: Decimal
    unit_size: int
    currency: str
    valid_from: datetime | None
    valid_to: datetime | None
    kind: str
    source: str
    conditions: Conditions
    list_amount: Decimal | None = None
    list_unit_size: int | None = None
    percent: Decimal | None = None


def prices(ids: Iterable[int]) -> dict[int, UsedPrice]:
    """Return used prices by id; ids that name none (0 is unpriced) are left out. One query."""
    rows = Price.objects.filter(pk__in={one for one in ids if one})
    return {row.pk: _facts(row) for row in rows}


def _facts(row: Price) -> UsedPrice:
    conditions = row.conditions
    sku = SkuKey(
        row.provider,
        row.model,
        conditions.service_tier,
        conditions.batch,
        conditions.region,
        str(conditions.context_gt or ""),
    )
    return UsedPrice(
        id=row.pk,
        sku=sku.label,
        meter=row.meter,
        unit=meter_facts(row.meter).unit,
        amount=row.amount,
        unit_size=row.unit_size,
        currency=row.currency,
        valid_from=row.valid_from,
        valid_to=row.valid_to,
        kind=row.kind,
        source=row.source,
        conditions=conditions,
        list_amount=row.list_amount,
        list_unit_size=row.list_unit_size,
        percent=row.percent,
    )
