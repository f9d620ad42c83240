"""A price book with other prices and other models than it has, to ask what would have been."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from apps.rating.domain.book import PriceBook, PriceSource, _Priced, _quote, _remember, _Sent
from apps.rating.domain.mapping import Meaning, Name
from apps.rating.domain.prices import PriceRow, Quote, SkuKey
from apps.rating.domain.selection import applicable, choose, covers, stretch_around

WHAT_IF: Final = "what-if"
"""The source of prices that are only supposed."""


class AlteredBook(PriceBook):
    """Prices as a book does, but takes supposed prices first and some models for others.

    A supposed price goes over every contract price, discount and list price of what it names.
    Models are taken for others by their canonical names, before any price is looked up: the
    other model's context tiers apply.
    """

    def __init__(
        self,
        *,
        version: int,
        source: PriceSource,
        prices: Sequence[PriceRow],
        models: Mapping[Name, Name],
    ) -> None:
        super().__init__(version=version, source=source)
        self._supposed = tuple(prices)
        self._models = dict(models)

    def alters(self, sku: SkuKey) -> bool:
        """Tell whether any usage of the SKU may cost something else than before."""
        return (sku.provider, sku.model) in self._models or bool(self._supposed_of(sku))

    def knows(self, sku: SkuKey) -> bool:
        """Tell whether any price names the model, whatever its conditions."""
        return bool(self._rows_of(sku))

    def _plain_sku(self, sent: _Sent, meaning: Meaning | None = None) -> SkuKey:
        sku = super()._plain_sku(sent, meaning)
        provider, model = self._models.get((sku.provider, sku.model), sku[:2])
        return sku._replace(provider=provider, model=model)

    def _rows_of(self, sku: SkuKey) -> tuple[PriceRow, ...]:
        return (*super()._rows_of(sku), *self._supposed_of(sku))

    def _supposed_of(self, sku: SkuKey) -> tuple[PriceRow, ...]:
        return tuple(
            row
            for row in self._supposed
            if row.provider == sku.provider and covers(row.model, sku.model)
        )

    def _find_quote(self, sku: SkuKey, meter: str, at: datetime) -> Quote | None:
        chosen = choose(applicable(self._supposed_of(sku), sku, meter), meter, at)
        if chosen is None:
            return super()._find_quote(sku, meter, at)
        stretch = stretch_around(applicable(self._rows_of(sku), sku, meter), at)
        quote = _quote(chosen, stretch)
        _remember(self._quotes, (sku, meter), _Priced(*stretch, quote))
        return quote
