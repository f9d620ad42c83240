"""The cost base of a month: one line a thing that costs, in the tenant's currency, exact."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from enum import StrEnum
from functools import reduce
from hashlib import blake2b
from itertools import pairwise
from typing import Final, Literal

from apps.core.domain.canonical import canonical_json, chained_digest
from apps.core.domain.money import EXACT
from apps.core.domain.months import Month

ZERO: Final = Decimal(0)


class Basis(StrEnum):
    """Why a line is in the cost base."""

    METERED = "metered"
    """Our rated usage."""

    ACCRUED = "accrued"
    """Our rated usage, standing in for a bill that is not there yet."""

    BILLED = "billed"
    """A charge of the provider's bill."""

    TRUE_UP = "true_up"
    """What makes the metered total of an account equal its bill."""

    REVERSED = "reversed"
    """Takes back what an earlier month had booked for a bill that has changed or come since."""


@dataclass(frozen=True, slots=True)
class CostLine:
    """One line of cost; `key` is unique in its month and stable from run to run.

    Amounts are exact, in `currency`: the original amount times `fx_rate`. `tags` are those of the
    sender with the reserved `account`, `credential`, `operation` and `service` where they apply.
    `quantity` is in `unit`; `unit_price` is in the original currency for `unit_size` units, and
    absent where a bill states none that explains the amount. Days are both included.
    """

    key: str
    origin: Literal["usage", "bill"]
    tags: Mapping[str, str]
    tag_set_id: int | None
    account: str
    provider: str
    service: str
    model: str
    sku: str
    meter: str
    charge_category: str
    quantity: Decimal
    unit: str
    unit_price: Decimal | None
    unit_size: int
    price_source: str
    price_id: int | None
    currency: str
    billed: Decimal
    effective: Decimal
    original_currency: str
    original_amount: Decimal
    fx_rate: Decimal
    first_day: date
    last_day: date
    basis: Basis = Basis.METERED
    provider_account: str = ""
    original_month: str = ""
    """The month a bill or a reversal belongs to, when it is booked in a later one."""


@dataclass(frozen=True, slots=True)
class MissingPair:
    """A pair of currencies without a rate, and what could therefore not be converted."""

    base: str
    quote: str
    lines: int
    amount: Decimal
    """Effective cost in `base`."""


@dataclass(frozen=True, slots=True)
class CostBase:
    """Everything a month costs. Lines whose currency has no rate are missing and named.

    `provisional_fx` tells that amounts rest on budget rates, which the freeze replaces.
    """

    month: Month
    currency: str
    lines: tuple[CostLine, ...]
    unpriced: tuple[object, ...]
    missing_rates: tuple[MissingPair, ...]
    provisional_fx: bool
    hash: str = field(default="")

    @property
    def billed(self) -> Decimal:
        """Return the sum of what is invoiced, exact."""
        return total(line.billed for line in self.lines)

    @property
    def effective(self) -> Decimal:
        """Return the sum of amortized cost, exact."""
        return total(line.effective for line in self.lines)


@dataclass(frozen=True, slots=True)
class Foreign:
    """A line before conversion: amounts in the original currency."""

    line: CostLine
    billed: Decimal
    effective: Decimal


def total(amounts: Iterable[Decimal]) -> Decimal:
    """Add exactly; the default context of Decimal would round long sums."""
    return reduce(EXACT.add, amounts, ZERO)


def converted(foreign: Foreign, rate: Decimal, currency: str) -> CostLine:
    """Return the line in the tenant's currency at one rate; full precision is kept (rule 16)."""
    return replace(
        foreign.line,
        currency=currency,
        original_currency=foreign.line.original_currency or currency,
        billed=EXACT.multiply(foreign.billed, rate),
        effective=EXACT.multiply(foreign.effective, rate),
        original_amount=foreign.effective,
        fx_rate=rate,
    )


def negated(line: CostLine, *, original_month: Month) -> CostLine:
    """Return the line that takes another month's line back."""
    return replace(
        line,
        key=f"r-{line.key}",
        quantity=-line.quantity,
        billed=-line.billed,
        effective=-line.effective,
        original_amount=-line.original_amount,
        basis=Basis.REVERSED,
        original_month=str(original_month),
    )


def key_of(prefix: str, *parts: object) -> str:
    """Return a short stable key of what identifies a line, equal in every database."""
    return f"{prefix}-{blake2b(canonical_json(list(parts)), digest_size=12).hexdigest()}"


def sealed(base: CostBase) -> CostBase:
    """Return the base with its lines by key and the digest of all that a run depends on.

    :raises ValueError: when two lines have one key.
    """
    lines = tuple(sorted(base.lines, key=lambda line: line.key))
    for one, two in pairwise(lines):
        if one.key == two.key:
            raise ValueError(f"two cost lines share the key {one.key}")
    head = canonical_json(
        [str(base.month), base.currency, base.provisional_fx, list(map(_pair, base.missing_rates))]
    )
    digest = chained_digest([head, *map(_content, lines)])
    return replace(base, lines=lines, hash=digest)


def _pair(missing: MissingPair) -> Sequence[object]:
    return [missing.base, missing.quote, missing.lines, missing.amount]


def _content(line: CostLine) -> bytes:
    return canonical_json(
        [
            line.key,
            line.basis.value,
            line.tags,
            line.provider,
            line.service,
            line.model,
            line.quantity,
            line.billed,
            line.effective,
            line.original_currency,
            line.original_amount,
            line.fx_rate,
            line.first_day,
            line.last_day,
        ]
    )
