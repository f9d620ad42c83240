"""The cost base of a month: one line a thing that costs, in the tenant's currency, exact."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from enum import StrEnum
from functools import cached_property, reduce
from hashlib import blake2b
from itertools import pairwise
from typing import Final, Literal, NamedTuple

from apps.core.domain.canonical import canonical_json, chained_digest, plain_decimal
from apps.core.domain.money import EXACT
from apps.core.domain.months import Month

ZERO: Final = Decimal(0)
ONE: Final = Decimal(1)
KEY_SIZE: Final = 12
"""Bytes of the digest in a line's key."""


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


class CostLine(NamedTuple):
    """One line of cost; `key` is unique in its month and stable from run to run.

    Amounts are exact, in `currency`: the original amount times `fx_rate`. `tags` are those of the
    sender with the reserved `account`, `credential`, `operation` and `service` where they apply.
    `quantity` is in `unit`; `unit_price` is in the original currency for `unit_size` units, and
    absent where a bill states none that explains the amount. Days are both included. A tuple with
    names, because a month has many; lines of one tag set share their `tags`.
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

    saving: Decimal = ZERO
    """What a commitment takes off the contracted cost; of one that nobody used, its cost below 0.

    Converted like the amounts.
    """


@dataclass(frozen=True, slots=True)
class MissingPair:
    """A pair of currencies without a rate, and what could therefore not be converted."""

    base: str
    quote: str
    lines: int
    amount: Decimal
    """Effective cost in `base`."""


@dataclass(frozen=True)
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

    @cached_property
    def hash(self) -> str:
        """Return the digest of the lines in their order and of all that they rest on."""
        pairs = [_pair(missing) for missing in self.missing_rates]
        head = canonical_json([str(self.month), self.currency, self.provisional_fx, pairs])
        tags: dict[int, str] = {}
        return chained_digest([head, *(_content(line, tags) for line in self.lines)])

    @property
    def billed(self) -> Decimal:
        """Return the sum of what is invoiced, exact."""
        return total(line.billed for line in self.lines)

    @property
    def effective(self) -> Decimal:
        """Return the sum of amortized cost, exact."""
        return total(line.effective for line in self.lines)


def total(amounts: Iterable[Decimal]) -> Decimal:
    """Add exactly; the default context of Decimal would round long sums."""
    return reduce(EXACT.add, amounts, ZERO)


def converted(line: CostLine, rate: Decimal, currency: str) -> CostLine:
    """Return a line of original amounts in the tenant's currency; every digit is kept (rule 16)."""
    if line.original_currency == currency and rate == 1:
        return line
    return line._replace(
        currency=currency,
        billed=EXACT.multiply(line.billed, rate),
        effective=EXACT.multiply(line.effective, rate),
        saving=EXACT.multiply(line.saving, rate),
        fx_rate=rate,
    )


def negated(line: CostLine, *, original_month: Month) -> CostLine:
    """Return the line that takes another month's line back."""
    return line._replace(
        key=f"r-{line.key}",
        quantity=-line.quantity,
        billed=-line.billed,
        effective=-line.effective,
        original_amount=-line.original_amount,
        saving=-line.saving,
        basis=Basis.REVERSED,
        original_month=str(original_month),
    )


def key_of(prefix: str, *parts: object) -> str:
    """Return a short stable key of what identifies a line, equal in every database."""
    return f"{prefix}-{blake2b(canonical_json(list(parts)), digest_size=KEY_SIZE).hexdigest()}"


def sealed(base: CostBase) -> CostBase:
    """Return the base with its lines by key.

    :raises ValueError: when two lines have one key.
    """
    lines = tuple(sorted(base.lines, key=lambda line: line.key))
    for one, two in pairwise(lines):
        if one.key == two.key:
            raise ValueError(f"two cost lines share the key {one.key}")
    return replace(base, lines=lines)


def _pair(missing: MissingPair) -> Sequence[object]:
    return [missing.base, missing.quote, missing.lines, missing.amount]


def _content(line: CostLine, tags: dict[int, str]) -> bytes:
    """Return what a line says; `tags` remembers the text of tags that lines share."""
    shared = tags.get(id(line.tags))
    if shared is None:
        shared = tags[id(line.tags)] = canonical_json(line.tags).decode()
    amounts = (line.quantity, line.billed, line.effective, line.original_amount, line.fx_rate)
    return "\x1f".join(
        (
            line.key,
            line.basis,
            shared,
            line.provider,
            line.service,
            line.model,
            line.original_currency,
            *map(plain_decimal, amounts),
            str(line.first_day),
            str(line.last_day),
            *([plain_decimal(line.saving)] if line.saving else []),
        )
    ).encode()
