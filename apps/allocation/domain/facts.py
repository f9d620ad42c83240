"""What others may know of rules, runs and lines: frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from apps.allocation.domain.rules import Axis, Rule
from apps.core.domain.months import Month


@dataclass(frozen=True, slots=True)
class RuleFacts:
    """One stored version of a rule; `is_ended` versions stop it from their first month on."""

    id: UUID
    rule: Rule
    is_ended: bool
    created_at: datetime
    created_by: str


@dataclass(frozen=True, slots=True)
class Amounts:
    """Billed and effective cost in the tenant's currency, at 1e-12."""

    billed: Decimal
    effective: Decimal


@dataclass(frozen=True, slots=True)
class RunFacts:
    """One run of a month. `totals` are the sums of lines by axis; both equal the sources."""

    id: UUID
    month: Month
    state: str
    currency: str
    input_hash: str
    output_hash: str
    sources_hash: str
    engine_version: str
    sources: Amounts
    totals: Mapping[Axis, Amounts]
    rounding: Decimal
    source_count: int
    line_count: int
    name: str
    provisional_fx: bool
    rules: tuple[Mapping[str, Any], ...]
    drivers: Mapping[str, Any]
    created_at: datetime
    created_by: str
    published_at: datetime | None
    superseded_at: datetime | None


@dataclass(frozen=True, slots=True)
class HopFacts:
    """One step of shared cost on its way; explains and is never summed."""

    sender: str
    receiver: str
    rule: str
    method: str
    driver: str
    measure: str
    value: str
    total: str
    share: str


@dataclass(frozen=True, slots=True)
class LineFacts:
    """What one receiver bears of one source, with the reason and the source's own attributes.

    `quantity`, `unit_price` and `unit_size` are the source's; of a shared line the receiver bears
    `share` of them. A markup has no source: its `source` is empty and it has no quantity.
    """

    source: str
    axis: Axis
    receiver: str
    cost_center: str
    kind: str
    rule: str
    method: str
    driver: str
    measure: str
    driver_value: Decimal
    driver_total: Decimal
    share: Decimal
    share_exact: str
    hops: tuple[HopFacts, ...]
    billed: Decimal
    effective: Decimal
    origin: str
    basis: str
    provider_account: str
    original_month: str
    provider: str
    service: str
    model: str
    sku: str
    meter: str
    account: str
    charge_category: str
    quantity: Decimal | None
    unit: str
    unit_price: Decimal | None
    unit_size: int | None
    price_source: str
    price_id: int | None
    original_currency: str
    original_amount: Decimal | None
    fx_rate: Decimal | None
    tags: Mapping[str, str]
    tag_set_id: int | None
    first_day: date | None
    last_day: date | None
    team: str
    product: str
    feature: str
    customer: str
    experiment: str
    environment: str
    attribution: str


@dataclass(frozen=True, slots=True)
class PoolFlow:
    """What a rule handed to a receiver in a run: effective cost in the tenant's currency."""

    rule: str
    receiver: str
    effective: Decimal


@dataclass(frozen=True, slots=True)
class LineChange:
    """What a receiver bears of one source, by one rule, in two runs; None where it bears nothing.

    `rule` is empty for what nothing moved; amounts are effective cost in the tenant's currency.
    """

    source: str
    rule: str
    what: str
    before: Decimal | None
    after: Decimal | None

    @property
    def difference(self) -> Decimal:
        """Return what is more (positive) or less."""
        return (self.after or Decimal(0)) - (self.before or Decimal(0))


@dataclass(frozen=True, slots=True)
class Change:
    """What one receiver bears before and after, effective cost in the tenant's currency."""

    axis: Axis
    receiver: str
    before: Decimal
    after: Decimal

    @property
    def difference(self) -> Decimal:
        """Return what is more (positive) or less."""
        return self.after - self.before


@dataclass(frozen=True, slots=True)
class Preview:
    """Who would pay more or less, biggest difference first; nothing was written."""

    month: Month
    currency: str
    changes: tuple[Change, ...]
    total: Amounts
    provisional_fx: bool
