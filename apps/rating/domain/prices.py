"""The values of rating: what is sold, what it costs, and since when."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final, Literal, NamedTuple

from apps.catalog.domain.conditions import Conditions
from apps.core.domain.canonical import plain_decimal

BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""Stands for "since ever" where a moment is needed."""

FOREVER: Final = datetime(9999, 12, 31, tzinfo=UTC)
"""Stands for "until further notice" where a moment is needed."""

Kind = Literal["contract", "discount", "list"]


class SkuKey(NamedTuple):
    """What the provider sells: model, tier and region, as one request used it.

    `model` is the canonical code, or the name that was sent when it is unknown. `context_tier`
    is "" or the lower bound, in tokens, of the price tier that the request's context fell in.
    A named tuple, so that it hashes in C: every event looks several prices up by it.
    """

    provider: str
    model: str
    service_tier: str = ""
    batch: bool = False
    region: str = ""
    context_tier: str = ""

    @property
    def label(self) -> str:
        """Say the SKU: "openai gpt-4o, priority tier, context over 272,000 tokens"."""
        words = Conditions(
            service_tier=self.service_tier,
            batch=self.batch,
            region=self.region,
            context_gt=int(self.context_tier or 0),
        ).in_words()
        name = f"{self.provider} {self.model}".strip()
        return f"{name}, {words}" if words else name


class Applied(NamedTuple):
    """The discount behind a discounted price: `percent` off a list price per its unit size.

    `rank` says how specific it is among others, `regional` that the list price has a region. Not
    `exact`: the price cannot be kept without losing digits, and prices nothing.
    """

    percent: Decimal
    list_amount: Decimal
    list_unit_size: int
    name: str
    rank: tuple[int, ...]
    regional: bool
    exact: bool


class PriceRow(NamedTuple):
    """One price as the tables hold it; valid in [valid_from, valid_to).

    `model` of a contract price may be a pattern: a code, or a prefix that ends in "*". A
    discounted price carries what it was made of in `applied`.
    """

    kind: Kind
    provider: str
    model: str
    meter: str
    conditions: Conditions
    amount: Decimal
    unit_size: int
    currency: str
    valid_from: datetime
    valid_to: datetime
    source: str
    applied: Applied | None = None

    @property
    def key(self) -> str:
        """Return the content key: rows that price alike since the same moment share it.

        The end of validity is left out, because a later price moves it without changing what
        was charged.
        """
        parts = (
            self.kind,
            self.provider,
            self.model,
            self.meter,
            *(str(part) for part in self.conditions),
            plain_decimal(self.amount),
            str(self.unit_size),
            self.currency,
            self.valid_from.astimezone(UTC).isoformat(),
            *self._discount,
        )
        text = "\x1f".join(parts)
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    @property
    def _discount(self) -> tuple[str, ...]:
        """Return what tells one discounted price from another of the same amount."""
        applied = self.applied
        if applied is None:
            return ()
        listed = plain_decimal(applied.list_amount), str(applied.list_unit_size)
        return (*listed, plain_decimal(applied.percent), applied.name)


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Quote:
    """What one meter of one SKU costs, unchanged over [valid_from, valid_to).

    `amount` of `currency` per `unit_size` units. `key` names the price row behind it, whose own
    validity, in `row`, can be wider than the quote's. Compared by identity: a book hands out
    the same object for the same stretch of time.
    """

    amount: Decimal
    unit_size: int
    currency: str
    valid_from: datetime
    valid_to: datetime
    source: str
    key: str
    row: PriceRow
