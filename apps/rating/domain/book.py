"""The price book: what every meter of every SKU costs, at every moment."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple, Protocol, TypeVar

from apps.catalog.domain.aliases import ModelIndex, ProviderRule, provider_named
from apps.catalog.domain.conditions import canonical_tier
from apps.catalog.domain.meters import REQUESTS
from apps.rating.domain.discounts import Discount, discounted
from apps.rating.domain.mapping import Meaning, Meanings, Name, plain_name
from apps.rating.domain.prices import BEGINNING, FOREVER, PriceRow, Quote, SkuKey
from apps.rating.domain.selection import (
    Breakpoints,
    Stretch,
    applicable,
    best_of,
    breakpoints_of,
    choose,
    covers,
    stretch_around,
    thresholds,
)

_MOST_ENTRIES: Final = 4_000
_MOST_STRETCHES: Final = 64
_FIRST_WINDOW_DAY: Final = datetime(2022, 1, 1, tzinfo=UTC)
_LAST_WINDOW_DAY: Final = datetime(2040, 1, 1, tzinfo=UTC)

_Sent = tuple[str, str, str, bool, str]
"""As the sender wrote them: provider, model, service tier, batch, region."""

_Key = TypeVar("_Key")
_Answer = TypeVar("_Answer")


class PriceSource(Protocol):
    """Where a book reads what it needs, when it first needs it."""

    def providers(self) -> Sequence[ProviderRule]:
        """Return all providers, from special to general recognition rule."""

    def models(self, provider: str) -> ModelIndex:
        """Return the models of a provider."""

    def list_rows(self, provider: str, model: str) -> Sequence[PriceRow]:
        """Return the list prices of one model."""

    def contract_rows(self) -> Sequence[PriceRow]:
        """Return all contract prices."""

    def discounts(self) -> Sequence[Discount]:
        """Return all discounts."""

    def meanings(self) -> Sequence[Meaning]:
        """Return what sent models mean, as the tenant says."""


class _Tiers(NamedTuple):
    """Over one stretch: the context thresholds and the SKU of each tier, the first below all."""

    start: datetime
    end: datetime
    thresholds: tuple[int, ...]
    skus: tuple[SkuKey, ...]


class _Priced(NamedTuple):
    """Over one stretch: what a meter costs, or that it has no single price."""

    start: datetime
    end: datetime
    quote: Quote | None


class PriceBook:
    """Answers what things cost, as one version of the prices has it.

    It is filled on first use, keeps what it was asked, and forgets all when it has been asked
    too many different things (a sender that invents model names must not fill the memory).
    Zero or several matching prices give no quote; nothing ever costs zero for want of a price.
    """

    def __init__(self, *, version: int, source: PriceSource) -> None:
        self.version = version
        self._source = source
        self._meanings = Meanings(source.meanings())
        self._skus: dict[_Sent, list[_Tiers]] = {}
        self._quotes: dict[tuple[SkuKey, str], list[_Priced]] = {}
        self._rows: dict[tuple[str, str], tuple[PriceRow, ...]] = {}

    def sku_for(
        self,
        *,
        provider: str,
        model: str,
        service_tier: str | None,
        batch: bool,
        region: str | None,
        context_tokens: int,
        at: datetime,
    ) -> SkuKey:
        """Return what was used: canonical names, and the context tier as a cliff.

        A request whose whole context is longer than a threshold is in that tier with all its
        tokens. Unknown providers, models and tiers stay as they were sent and get no quote.
        """
        sent = (provider, model, service_tier or "", batch, region or "")
        for tiers in self._skus.get(sent, ()):
            if tiers.start <= at < tiers.end:
                break
        else:
            tiers = self._find_tiers(sent, at)
        if not tiers.thresholds:
            return tiers.skus[0]
        return tiers.skus[bisect_left(tiers.thresholds, context_tokens)]

    def quote(self, *, sku: SkuKey, meter: str, at: datetime) -> Quote | None:
        """Return the price of a meter at a moment, or None when it has no single price."""
        for priced in self._quotes.get((sku, meter), ()):
            if priced.start <= at < priced.end:
                return priced.quote
        return self._find_quote(sku, meter, at)

    def expects_price(self, *, sku: SkuKey, meter: str) -> bool:
        """Tell whether a missing quote makes usage of the meter unpriced.

        Every event counts a request, and nearly no provider charges for it: requests expect a
        price only where the model has one per request. Every other meter always expects one.
        """
        return meter != REQUESTS or any(row.meter == REQUESTS for row in self._rows_of(sku))

    def stretch(self, *, sku: SkuKey, meter: str, at: datetime) -> Stretch:
        """Return the stretch around a moment over which the quote, or its absence, holds."""
        self.quote(sku=sku, meter=meter, at=at)
        found = next(p for p in self._quotes[sku, meter] if p.start <= at < p.end)
        return Stretch(found.start, found.end)

    def breakpoints(
        self,
        *,
        provider: str,
        model: str,
        service_tier: str | None,
        batch: bool,
        region: str | None,
        start: datetime = _FIRST_WINDOW_DAY,
        end: datetime = _LAST_WINDOW_DAY,
    ) -> Breakpoints:
        """Return every instant and context size at which what was sent may price differently.

        Two moments with equally many `instants` at or before them, and two contexts with
        equally many `contexts` below them, give the same SKU and the same quotes. Daily
        windows are unrolled between `start` and `end` only.
        """
        sent = (provider, model, service_tier or "", batch, region or "")
        meanings = list(self._meanings.of(self._names_of(sent)))
        skus = {self._plain_sku(sent), *(self._plain_sku(sent, each) for each in meanings)}
        rows = [row for sku in skus for row in self._rows_of(sku)]
        found = breakpoints_of(rows, Stretch(start, end))
        edges = {edge for each in meanings for edge in (each.valid_from, each.valid_to)}
        instants = edges.union(found.instants) - {BEGINNING, FOREVER}
        return found._replace(instants=tuple(sorted(instants)))

    def rows(self, *, sku: SkuKey) -> tuple[PriceRow, ...]:
        """Return every price that names the SKU's model, whenever and under whatever conditions."""
        return self._rows_of(sku)

    def contracts(self) -> Sequence[PriceRow]:
        """Return all contract prices."""
        return self._source.contract_rows()

    def rivals(self, *, sku: SkuKey, meter: str, at: datetime) -> list[PriceRow]:
        """Return the prices that tie, so that none of them holds; one that holds is alone."""
        return best_of(applicable(self._rows_of(sku), sku, meter), meter, at)

    def tiers_of(self, *, sku: SkuKey, at: datetime) -> tuple[int, ...]:
        """Return the context thresholds of a SKU at a moment, in tokens."""
        return thresholds(self._rows_of(sku), sku, at)

    def _find_tiers(self, sent: _Sent, at: datetime) -> _Tiers:
        meaning, meant = self._meanings.at(self._names_of(sent), at)
        sku = self._plain_sku(sent, meaning)
        rows = self._rows_of(sku)
        bounds = thresholds(rows, sku, at)
        skus = (sku, *(sku._replace(context_tier=str(bound)) for bound in bounds))
        priced = stretch_around(_unwindowed(rows), at)
        start, end = max(priced.start, meant.start), min(priced.end, meant.end)
        tiers = _Tiers(start, end, bounds, skus)
        _remember(self._skus, sent, tiers)
        return tiers

    def _plain_sku(self, sent: _Sent, meaning: Meaning | None = None) -> SkuKey:
        provider, model, service_tier, is_batch, region = sent
        tier, batch = canonical_tier(service_tier, is_batch)
        name = self._canonical(provider, model) if meaning is None else meaning.meant
        return SkuKey(*name, tier, batch, region)

    def _names_of(self, sent: _Sent) -> tuple[Name, Name]:
        """Return the names by which the tenant may have said what is meant: as sent, then ours."""
        provider, model = self._canonical(*sent[:2])
        return (provider, plain_name(sent[1])), (provider, plain_name(model))

    def _find_quote(self, sku: SkuKey, meter: str, at: datetime) -> Quote | None:
        rows = applicable(self._rows_of(sku), sku, meter)
        stretch = stretch_around(rows, at)
        chosen = choose(rows, meter, at)
        quote = None if chosen is None else _quote(chosen, stretch)
        _remember(self._quotes, (sku, meter), _Priced(*stretch, quote))
        return quote

    def _canonical(self, provider: str, model: str) -> tuple[str, str]:
        known = provider_named(self._source.providers(), provider)
        if known is None:
            return provider.strip().lower(), model
        for code in (known.code, *known.fallbacks):
            found = self._source.models(code).find(_without_prefix(model, provider, code))
            if found is not None:
                return known.code, found
        return known.code, model

    def _rows_of(self, sku: SkuKey) -> tuple[PriceRow, ...]:
        name = (sku.provider, sku.model)
        rows = self._rows.get(name)
        if rows is None:
            listed = self._list_rows(*name)
            reductions = [each for each in self._source.discounts() if each.names(*name)]
            rows = (*listed, *self._contract_rows(*name), *discounted(listed, reductions))
            if len(self._rows) >= _MOST_ENTRIES:
                self._rows.clear()
            self._rows[name] = rows
        return rows

    def _list_rows(self, provider: str, model: str) -> Sequence[PriceRow]:
        known = provider_named(self._source.providers(), provider)
        for code in () if known is None else (known.code, *known.fallbacks):
            if model in self._source.models(code):
                return self._source.list_rows(code, model)
        return ()

    def _contract_rows(self, provider: str, model: str) -> list[PriceRow]:
        return [
            row
            for row in self._source.contract_rows()
            if row.provider == provider and covers(row.model, model)
        ]


def _quote(row: PriceRow, stretch: Stretch) -> Quote:
    return Quote(
        amount=row.amount,
        unit_size=row.unit_size,
        currency=row.currency,
        valid_from=stretch.start,
        valid_to=stretch.end,
        source=row.source,
        key=row.key,
        row=row,
    )


def _remember(cache: dict[_Key, list[_Answer]], key: _Key, answer: _Answer) -> None:
    known = cache.get(key)
    if known is None:
        if len(cache) >= _MOST_ENTRIES:
            cache.clear()
        known = cache[key] = []
    elif len(known) >= _MOST_STRETCHES:
        known.clear()
    known.append(answer)


def _unwindowed(rows: Sequence[PriceRow]) -> list[PriceRow]:
    return [row for row in rows if not row.conditions.window]


def _without_prefix(model: str, *providers: str) -> str:
    for provider in providers:
        prefix = f"{provider}/"
        if model.lower().startswith(prefix.lower()):
            return model[len(prefix) :]
    return model


__all__ = ["BEGINNING", "FOREVER", "PriceBook", "PriceRow", "PriceSource", "Quote", "SkuKey"]
