"""An event as it is shown: what was sent, where it is booked, and how it was rated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from apps.core.domain.canonical import plain_decimal
from apps.core.domain.money import published
from apps.core.domain.months import Month


@dataclass(frozen=True, slots=True)
class EventFacts:
    """One event in its present revision; `state` is live or void.

    Quantities are disjoint meters, `requests` left out. Of the end user only a hash is kept.
    """

    source: str
    id: str
    state: str
    revision: int
    occurred_at: datetime
    received_at: datetime
    period: Month
    original_period: Month
    provider: str
    model: str
    service: str
    service_tier: str
    batch_mode: bool
    region: str
    tags: Mapping[str, str]
    account: str
    credential: str
    operation: str
    quantities: Mapping[str, Decimal]
    context_tokens: int
    reasoning_tokens: int | None
    trace_id: str | None
    has_end_user: bool
    status: str
    reported_amount: Decimal | None
    reported_currency: str | None
    batch: UUID
    key: int

    def as_dict(self) -> dict[str, Any]:
        """Return the event as the API shows it."""
        return {
            "id": self.id,
            "source": self.source,
            "state": self.state,
            "revision": self.revision,
            "time": self.occurred_at,
            "received_at": self.received_at,
            "period": str(self.period),
            "original_period": str(self.original_period),
            "provider": self.provider,
            "model": self.model,
            "service": self.service,
            "service_tier": self.service_tier,
            "batch": self.batch_mode,
            "region": self.region,
            "operation": self.operation,
            "account": self.account,
            "credential": self.credential,
            "tags": dict(self.tags),
            "meters": {meter: plain_decimal(q) for meter, q in self.quantities.items()},
            "context_tokens": self.context_tokens,
            "reasoning_tokens": self.reasoning_tokens,
            "trace_id": self.trace_id,
            "status": self.status,
            "reported_cost": None
            if self.reported_amount is None
            else {
                "amount": plain_decimal(self.reported_amount),
                "currency": self.reported_currency,
            },
            "ingest_batch": str(self.batch),
        }


@dataclass(frozen=True, slots=True)
class RatedMeter:
    """How one meter of an event was rated: quantity x unit price / unit size = cost.

    `price` names the immutable price; 0 with a cost of None is unpriced, and `free` means that
    nobody expects a price (the count of requests). `percent` is what is off the list price.
    """

    meter: str
    unit: str
    quantity: Decimal
    price: int
    unit_price: Decimal | None
    unit_size: int | None
    currency: str
    cost: Decimal | None
    source: str
    valid_from: datetime | None
    valid_to: datetime | None
    free: bool
    percent: Decimal | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the line as the API shows it."""
        return {
            "meter": self.meter,
            "unit": self.unit,
            "quantity": plain_decimal(self.quantity),
            "unit_price": None if self.unit_price is None else plain_decimal(self.unit_price),
            "per": self.unit_size,
            "currency": self.currency,
            "cost": None if self.cost is None else published(self.cost),
            "price": self.price or None,
            "price_source": self.source,
            "valid_from": self.valid_from,
            "valid_to": self.valid_to,
            "state": "priced" if self.price else ("free" if self.free else "unpriced"),
        }


@dataclass(frozen=True, slots=True)
class RevisionFacts:
    """One signed row of an event's history."""

    revision: int
    sign: int
    period: Month
    original_period: Month
    received_at: datetime

    def as_dict(self) -> dict[str, Any]:
        """Return the row as the API shows it."""
        return {
            "revision": self.revision,
            "sign": self.sign,
            "period": str(self.period),
            "original_period": str(self.original_period),
            "received_at": self.received_at,
        }


@dataclass(frozen=True, slots=True)
class RatedEvent:
    """An event with its rating explained and its history.

    `raw_usage` is the provider's usage object that it came with, if it did; `unknown` are the
    paths of token counts in it that no reader of ours knows, each kept as a meter of its own.
    """

    event: EventFacts
    sku: str
    day: date
    price_book_version: int
    lines: tuple[RatedMeter, ...]
    history: tuple[RevisionFacts, ...]
    raw_usage: Mapping[str, Any] | None = None
    unknown: tuple[str, ...] = ()

    @property
    def costs(self) -> dict[str, Decimal]:
        """Return the cost by currency of what has a price."""
        totals: dict[str, Decimal] = {}
        for line in self.lines:
            if line.cost is not None and line.price:
                totals[line.currency] = totals.get(line.currency, Decimal(0)) + line.cost
        return totals

    @property
    def is_unpriced(self) -> bool:
        """Tell whether a meter that expects a price has none."""
        return any(not line.price and not line.free for line in self.lines)

    def as_dict(self) -> dict[str, Any]:
        """Return the event, its rating and its history as the API shows them."""
        return {
            **self.event.as_dict(),
            "sku": self.sku,
            "day": self.day,
            "rating": {
                "price_book_version": self.price_book_version,
                "unpriced": self.is_unpriced,
                "lines": [line.as_dict() for line in self.lines],
                "costs": [
                    {"amount": published(amount), "currency": currency}
                    for currency, amount in sorted(self.costs.items())
                ],
            },
            "history": [row.as_dict() for row in self.history],
            "raw_usage": self.raw_usage,
            "unknown_usage": list(self.unknown),
        }
