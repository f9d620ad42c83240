"""What a source says about prices, in one form for all sources."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Context, Decimal
from typing import Final, NamedTuple
from uuid import UUID

from apps.catalog.domain.conditions import Conditions
from apps.catalog.domain.published import Rate

SIGNIFICANT_DIGITS: Final = 15
"""What a binary float is sure of; a JSON number with more digits carries the float's noise."""

_SURE: Final = Context(prec=SIGNIFICANT_DIGITS)


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """A source of prices: its code, its name, and how its silence is read.

    A `complete` source lists all it knows, so that what it stops listing it withdraws. A `dated`
    one says from when its prices hold; another one speaks of the moment at which it was read.
    """

    code: str
    name: str
    complete: bool
    dated: bool


GENAI_PRICES: Final = SourceFacts("genai-prices", "genai-prices", complete=True, dated=True)
LITELLM: Final = SourceFacts("litellm", "LiteLLM price file", complete=True, dated=False)
SHEET: Final = SourceFacts("sheet", "Reviewed sheet", complete=False, dated=True)
SOURCES: Final = {source.code: source for source in (GENAI_PRICES, LITELLM, SHEET)}


class Subject(NamedTuple):
    """What a price is for: a meter of a model of a provider, under conditions."""

    provider: str
    model: str
    meter: str
    conditions: Conditions

    @property
    def key(self) -> UUID:
        """Return the digest by which tables find everything that is said of the subject."""
        parts = (self.provider, self.model, self.meter, *map(str, self.conditions))
        text = "\x1f".join(parts)
        return UUID(bytes=hashlib.blake2b(text.encode(), digest_size=16).digest())


class StatedPrice(NamedTuple):
    """One price as a source states it, valid in [valid_from, valid_to); None is unbounded.

    `stated_as` is the source's own name of the entry. An undated source bounds nothing.
    """

    subject: Subject
    rate: Rate
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    stated_as: str = ""
    note: str = ""


class NotTaken(NamedTuple):
    """Something that a source says and that became no price, and why."""

    entry: str
    key: str
    value: str
    why: str


@dataclass(frozen=True, slots=True)
class Reading:
    """Everything that one reading of a source says.

    `release` tells readings apart in a few characters: a version, or the digest of a file.
    """

    source: SourceFacts
    release: str
    digest: str
    prices: tuple[StatedPrice, ...]
    not_taken: tuple[NotTaken, ...] = ()
    file_name: str = ""

    @property
    def label(self) -> str:
        """Return the source with its release: "genai-prices 0.2.3"."""
        return f"{self.source.code} {self.release}".strip()


def cleaned(number: Decimal) -> Decimal:
    """Return the number without a float's noise: at most 15 significant digits, half to even."""
    return _SURE.plus(number) if len(number.as_tuple().digits) > SIGNIFICANT_DIGITS else number


def settled(
    prices: Iterable[StatedPrice],
) -> tuple[list[StatedPrice], list[NotTaken]]:
    """Return one statement a subject and start, of several entries that mean the same model.

    The entry named exactly like the model is taken, else what all entries agree on; entries that
    contradict one another give nothing. What is not taken is told.
    """
    groups: dict[tuple[Subject, datetime | None], list[StatedPrice]] = {}
    for price in prices:
        groups.setdefault((price.subject, price.valid_from), []).append(price)
    taken: list[StatedPrice] = []
    left: list[NotTaken] = []
    for group in groups.values():
        chosen = _chosen(group)
        if chosen is not None:
            taken.append(chosen)
        left += [_left(price, chosen) for price in group if not _same(price, chosen)]
    return taken, left


def _chosen(group: list[StatedPrice]) -> StatedPrice | None:
    named = [price for price in group if _is_named_exactly(price)]
    for candidates in (named, group):
        if candidates and all(_same(price, candidates[0]) for price in candidates):
            return candidates[0]
    return None


def _is_named_exactly(price: StatedPrice) -> bool:
    name = price.subject.model.lower()
    stated = price.stated_as.lower()
    return stated == name or stated.endswith(f"/{name}")


def _same(price: StatedPrice, other: StatedPrice | None) -> bool:
    return other is not None and (price.rate, price.valid_to) == (other.rate, other.valid_to)


def _left(price: StatedPrice, chosen: StatedPrice | None) -> NotTaken:
    why = (
        "entries of this model contradict one another"
        if chosen is None
        else f"the entry {chosen.stated_as} names the model exactly"
    )
    value = f"{price.rate.amount:f} {price.rate.currency} per {price.rate.unit_size}"
    return NotTaken(price.stated_as, price.subject.meter, value, why)


__all__ = [
    "GENAI_PRICES",
    "LITELLM",
    "SHEET",
    "SIGNIFICANT_DIGITS",
    "SOURCES",
    "NotTaken",
    "Reading",
    "SourceFacts",
    "StatedPrice",
    "Subject",
    "cleaned",
    "settled",
]
