"""What is known about usage without a price: why, at worst how much, and what it may mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Final

from apps.catalog import selectors as catalog
from apps.catalog.domain.aliases import ModelIndex, provider_named
from apps.rating.domain.book import PriceBook
from apps.rating.domain.likeness import Near, near_models
from apps.rating.domain.missing import Basis, Convert, Reason, WorstCase, in_force, reason_of
from apps.rating.domain.missing import worst_case as worst_of
from apps.rating.domain.prices import PriceRow, SkuKey
from apps.rating.domain.selection import applicable
from apps.rating.selectors.book import list_row

_MOST_PEERS: Final = 10_000
_MOST_NEAR: Final = 5


@dataclass(frozen=True, slots=True)
class Lacking:
    """A quantity of a meter of a SKU in [start, end) for which a book has no price."""

    sku: SkuKey
    meter: str
    quantity: Decimal
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Why there is no price, from which moment on, and the worst case if anything compares."""

    reason: Reason
    at: datetime
    worst: WorstCase | None


class Diagnostician:
    """Answers for many lacking prices of one book; peers are read once a provider and meter."""

    def __init__(self, *, book: PriceBook, currency: str, convert: Convert) -> None:
        self._book = book
        self._currency = currency
        self._convert = convert
        self._known_at = catalog.last_known_at()
        self._indexes: dict[str, ModelIndex] = {}
        self._rules = (
            () if self._known_at is None else catalog.provider_rules(known_at=self._known_at)
        )

    def diagnose(self, lacking: Lacking) -> Diagnosis:
        """Return why a quantity has no price, and its worst case."""
        at = self._first_unpriced(lacking)
        rows = self._book.rows(sku=lacking.sku)
        reason = reason_of(
            rows=rows,
            sku=lacking.sku,
            meter=lacking.meter,
            at=at,
            known=self._known(lacking.sku),
        )
        return Diagnosis(reason, at, self._worst(lacking, reason, rows, at))

    def near(self, *, provider: str, model: str, meter: str) -> list[Near]:
        """Return the priced models, other than itself, whose names are like one that lacks a price.

        Of the provider where that is known and has any, of all providers else.
        """
        known = provider_named(self._rules, provider) if provider else None
        found: list[Near] = []
        for within in (() if known is None else (known.code,)), ("",):
            rows = [row for code in within for row in self._listed(meter, code)]
            names = {(row.provider, row.model) for row in rows} - {(provider, model)}
            found = near_models(provider=provider, model=model, candidates=names, limit=_MOST_NEAR)
            if found:
                break
        return found

    def _first_unpriced(self, lacking: Lacking) -> datetime:
        at = lacking.start
        while at < lacking.end:
            if self._book.quote(sku=lacking.sku, meter=lacking.meter, at=at) is None:
                return at
            at = self._book.stretch(sku=lacking.sku, meter=lacking.meter, at=at).end
        return lacking.start

    def _known(self, sku: SkuKey) -> tuple[bool, bool]:
        known = provider_named(self._rules, sku.provider) if sku.provider else None
        if known is None or self._known_at is None:
            return False, False
        return True, any(sku.model in self._index(c) for c in (known.code, *known.fallbacks))

    def _index(self, provider: str) -> ModelIndex:
        found = self._indexes.get(provider)
        if found is None:
            assert self._known_at is not None
            found = catalog.model_index(provider=provider, known_at=self._known_at)
            self._indexes[provider] = found
        return found

    def _worst(
        self, lacking: Lacking, reason: Reason, rows: Sequence[PriceRow], at: datetime
    ) -> WorstCase | None:
        meter, provider = lacking.meter, lacking.sku.provider
        matching = in_force(applicable(rows, lacking.sku, meter), meter, at)
        tries = (
            (Basis.MATCHING, matching if reason is Reason.SEVERAL_MATCH else ()),
            (Basis.PROVIDER, [*self._listed(meter, provider), *self._contracted(meter, provider)]),
            (Basis.ANY, [*self._listed(meter, ""), *self._contracted(meter, "")]),
        )
        for basis, peers in tries:
            found = worst_of(
                quantity=lacking.quantity,
                peers=[row for row in peers if row.valid_from <= at < row.valid_to],
                basis=basis,
                currency=self._currency,
                convert=self._convert,
            )
            if found is not None:
                return found
        return None

    def _listed(self, meter: str, provider: str) -> Sequence[PriceRow]:
        if self._known_at is None:
            return ()
        rows = _listed_of(meter, self._known_at)
        return [row for row in rows if row.provider == provider] if provider else rows

    def _contracted(self, meter: str, provider: str) -> list[PriceRow]:
        rows = self._book.contracts()
        return [row for row in rows if row.meter == meter and provider in ("", row.provider)]


@lru_cache(maxsize=8)
def _listed_of(meter: str, known_at: datetime) -> tuple[PriceRow, ...]:
    """Return all list prices of a meter as they were known; the catalogue is public."""
    wanted = catalog.PriceFilter(meter=meter)
    found = catalog.browse(wanted=wanted, known_at=known_at, limit=_MOST_PEERS)
    return tuple(row for row in map(list_row, found) if not row.conditions.other)
