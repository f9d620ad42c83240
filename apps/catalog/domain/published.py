"""List prices as a source publishes them, laid on a timeline without gaps or overlaps."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final, NamedTuple

from apps.catalog.domain.aliases import Rule
from apps.catalog.domain.conditions import ORDINARY, Conditions
from apps.core.domain.canonical import digest_of

_VENDOR: Final = re.compile(r"^(?:[a-z]+\.)+")


class Rate(NamedTuple):
    """An amount of `currency` per `unit_size` units of a meter."""

    amount: Decimal
    unit_size: int
    currency: str = "USD"


class PublishedPrice(NamedTuple):
    """One list price, valid in [valid_from, valid_to); None is unbounded."""

    meter: str
    conditions: Conditions
    rate: Rate
    valid_from: datetime | None
    valid_to: datetime | None


class RateKey(NamedTuple):
    """What a rate is for: a meter under conditions."""

    meter: str
    conditions: Conditions


@dataclass(frozen=True, slots=True)
class RateCard:
    """All rates that a source states together, from a moment on; None is "ever since"."""

    starts_at: datetime | None
    rates: Mapping[RateKey, Rate]


@dataclass(frozen=True, slots=True)
class PublishedModel:
    """A model with its recognition rule, context window in tokens, and all its prices."""

    code: str
    name: str
    match: Rule
    context_window: int | None
    deprecated: bool
    prices: tuple[PublishedPrice, ...]

    @property
    def digest(self) -> str:
        """Return the hash that changes when anything published about the model changes."""
        prices = sorted(_plain(price) for price in self.prices)
        return digest_of(
            [self.code, self.name, self.match, self.context_window, self.deprecated, prices]
        )


@dataclass(frozen=True, slots=True)
class PublishedProvider:
    """A provider with its models, from special to general recognition rule."""

    code: str
    name: str
    match: Rule | None
    fallbacks: tuple[str, ...]
    pricing_url: str
    models: tuple[PublishedModel, ...]


@dataclass(frozen=True, slots=True)
class PublishedCatalog:
    """Everything that one version of a source publishes."""

    source: str
    providers: tuple[PublishedProvider, ...]


def timeline(cards: Sequence[RateCard]) -> Iterable[PublishedPrice]:
    """Turn successive rate cards into prices, joining equal neighbors.

    A later card replaces the earlier ones whole: what it does not state has no price from then
    on. Cards are given in order of their start.
    """
    for key in {key: None for card in cards for key in card.rates}:
        start: datetime | None = None
        current: Rate | None = None
        for card in cards:
            rate = card.rates.get(key)
            if rate == current:
                continue
            if current is not None:
                yield PublishedPrice(*key, current, start, card.starts_at)
            start, current = card.starts_at, rate
        if current is not None:
            yield PublishedPrice(*key, current, start, None)


def family_of(code: str) -> str:
    """Return the reading aid by which models are grouped: claude-sonnet-4-5 -> claude-sonnet.

    It is the words before the first one with a digit, without vendor prefixes, and never plays
    a part in rating.
    """
    name = _VENDOR.sub("", code.lower().rsplit("/", 1)[-1])
    leading = re.match(r"[^\d]*(?=[-_ .:]|\d|$)", name)
    return (leading.group(0) if leading else name).strip("-_ .:") or name


def _plain(price: PublishedPrice) -> list[str]:
    return [
        price.meter,
        str(tuple(price.conditions)),
        str(price.rate.amount.normalize()),
        str(price.rate.unit_size),
        price.rate.currency,
        str(price.valid_from),
        str(price.valid_to),
    ]


__all__ = [
    "ORDINARY",
    "PublishedCatalog",
    "PublishedModel",
    "PublishedPrice",
    "PublishedProvider",
    "Rate",
    "RateCard",
    "RateKey",
    "family_of",
    "timeline",
]
