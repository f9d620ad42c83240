"""What a statement is made of: lines of a run, the recipient, the period, what came before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import Any, Final
from uuid import UUID

from apps.core.domain.months import Month

UNALLOCATED: Final = "UNALLOCATED"
"""Code of the cost center that carries what nobody owns (rule 18)."""

NO_PRICE: Final = "–"


class Kind(StrEnum):
    """How a line reached its cost center."""

    DIRECT = "direct"
    SHARED = "shared"
    UNALLOCATED = "unallocated"
    MARKUP = "markup"
    ADJUSTMENT = "adjustment"


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceFacts:
    """The price that a quantity was rated at, as published.

    `amount` is what `unit_size` units cost in `currency`; `fx_rate` turned it into the
    statement's currency and is 1 where both are the same.
    """

    amount: Decimal
    unit_size: int
    currency: str
    source: str = ""
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    fx_rate: Decimal = Decimal(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeLine:
    """One line of a published run on the team axis, amounts exact at 1e-12.

    `quantity` is in `unit`s. `driver_value` of `driver_total` is what a shared line was split by.
    `original_month` is the month of use when the line corrects an earlier, closed month. `basis`
    is why the cost base holds its source: metered, accrued, billed, true_up or reversed.
    """

    source: str
    receiver: str
    cost_center: str
    kind: Kind
    effective: Decimal
    billed: Decimal
    rule: str = ""
    method: str = ""
    driver: str = ""
    driver_value: Decimal | None = None
    driver_total: Decimal | None = None
    provider: str = ""
    service: str = ""
    model: str = ""
    meter: str = ""
    quantity: Decimal = Decimal(0)
    unit: str = ""
    price: PriceFacts | None = None
    original_month: Month | None = None
    basis: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def product_name(self) -> str:
        """Return what was bought: the model, or the service of a bill line."""
        return self.model or self.service or self.provider


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """A cost center and who answers for it."""

    code: str
    name: str
    owner_name: str = ""
    owner_email: str = ""
    gl_code: str = ""
    parent: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """The organization that charges."""

    name: str
    slug: str
    locale: str
    timezone: str
    brand_color: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStamp:
    """Which allocation run the figures come from."""

    id: UUID
    input_hash: str
    output_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Where charges are posted, whom to ask and how long; `dispute_days` counts from issue."""

    dispute_contact: str
    dispute_days: int = 10
    recovery_account: str = "AI-RECOVERY"
    recovery_name: str = "AI platform recovery"


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """What the same cost center was charged before.

    `payload` is last month's statement, None when there was none; `totals` are the months before
    this one, oldest first.
    """

    payload: Mapping[str, Any] | None = None
    number: str = ""
    totals: tuple[tuple[Month, Decimal], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Figures about the use behind a statement that carry no cost of their own.

    `requests` is None when nothing was counted. `customers` holds, for a source line, each
    customer's exact share on the customer axis. `approved` are experiments with an approved
    budget.
    """

    requests: Decimal | None = None
    customers: Mapping[str, Mapping[str, Fraction]] = field(default_factory=dict)
    approved: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodDates:
    """The month with its bounds in the tenant's timezone."""

    month: Month
    starts_at: datetime
    ends_at: datetime
    fx_provisional: bool = False

    @property
    def first_day(self) -> date:
        """Return the first calendar day."""
        return self.month.first_day

    @property
    def last_day(self) -> date:
        """Return the last calendar day."""
        return self.month.last_day
