"""Pricing 100,000 events through the price book against a bare loop over a dict of integers.

    python -m benchmarks.rating

The book holds the real list prices, aliases, tiers and validity; every event has three meters
(input, cached input, output) and is resolved from the name its sender wrote. The bare loop knows
the price of each name in pico-dollars a token and nothing else. All totals must be equal.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Final, NamedTuple

from apps.catalog.adapters.genai_prices import published_catalog
from apps.catalog.domain.aliases import ModelIndex, ModelRule, ProviderRule
from apps.rating.domain.book import PriceBook
from apps.rating.domain.discounts import Discount
from apps.rating.domain.mapping import Meaning
from apps.rating.domain.prices import BEGINNING, FOREVER, PriceRow, Quote
from apps.rating.domain.rate import cost_of
from benchmarks.rounds import Ratio, interleaved

EVENTS: Final = 100_000
PEER_EVENTS: Final = 2_000
ROUNDS: Final = 7
START: Final = datetime(2026, 9, 1, tzinfo=UTC)
METERS: Final = ("input_tokens", "cached_input_tokens", "output_tokens")
NAMES: Final = (
    ("openai", "gpt-4o-2024-08-06"),
    ("openai", "gpt-4o-mini"),
    ("anthropic", "claude-sonnet-4-5-20250929"),
    ("google", "gemini-2.5-flash"),
)
PICO: Final = 10**12


class Event(NamedTuple):
    """What one request used, as it was sent."""

    provider: str
    model: str
    at: datetime
    quantities: tuple[int, int, int]


class PublishedPrices:
    """A price source over the installed package, without a database."""

    def __init__(self) -> None:
        catalog = published_catalog()
        self._published = {one.code: one for one in catalog.providers}
        self._source = catalog.source

    def providers(self) -> Sequence[ProviderRule]:
        """Return all providers."""
        return [ProviderRule(p.code, p.match, p.fallbacks) for p in self._published.values()]

    def models(self, provider: str) -> ModelIndex:
        """Return the models of a provider."""
        models = self._published[provider].models
        return ModelIndex([ModelRule(model.code, model.match) for model in models])

    def list_rows(self, provider: str, model: str) -> Sequence[PriceRow]:
        """Return the list prices of a model."""
        found = next(one for one in self._published[provider].models if one.code == model)
        return [
            PriceRow(
                "list",
                provider,
                model,
                price.meter,
                price.conditions,
                *price.rate,
                price.valid_from or BEGINNING,
                price.valid_to or FOREVER,
                self._source,
            )
            for price in found.prices
        ]

    def contract_rows(self) -> Sequence[PriceRow]:
        """Return no contract price."""
        return ()

    def discounts(self) -> Sequence[Discount]:
        """Return no discount."""
        return ()

    def meanings(self) -> Sequence[Meaning]:
        """Return no mapping."""
        return ()


def events() -> list[Event]:
    """Return the same events every time: four models over a month, contexts below all tiers."""
    draw = random.Random(7)
    return [
        Event(
            *NAMES[draw.randrange(len(NAMES))],
            START + timedelta(seconds=index * 26),
            (draw.randrange(60_000), draw.randrange(60_000), draw.randrange(4_000)),
        )
        for index in range(EVENTS)
    ]


def through_the_book(used: Sequence[Event]) -> Decimal:
    """Return the total cost: name to SKU, SKU to quotes, and an exact cost a meter."""
    book = PriceBook(version=1, source=_source())
    sku_for, quote_of = book.sku_for, book.quote
    total = Decimal(0)
    for provider, model, at, quantities in used:
        sku = sku_for(
            provider=provider,
            model=model,
            service_tier="",
            batch=False,
            region="",
            context_tokens=quantities[0] + quantities[1],
            at=at,
        )
        for meter, quantity in zip(METERS, quantities, strict=True):
            quote = quote_of(sku=sku, meter=meter, at=at)
            assert quote is not None
            total += cost_of(
                quantity=Decimal(quantity), amount=quote.amount, unit_size=quote.unit_size
            )
    return total


def by_cell(used: Sequence[Event]) -> Decimal:
    """Return the same total as ingest computes it: quantities first, one product a cell."""
    book = PriceBook(version=1, source=_source())
    cells: dict[Quote, int] = {}
    for provider, model, at, quantities in used:
        sku = book.sku_for(
            provider=provider,
            model=model,
            service_tier="",
            batch=False,
            region="",
            context_tokens=quantities[0] + quantities[1],
            at=at,
        )
        for meter, quantity in zip(METERS, quantities, strict=True):
            quote = book.quote(sku=sku, meter=meter, at=at)
            assert quote is not None
            cells[quote] = cells.get(quote, 0) + quantity
    costs = (
        cost_of(quantity=Decimal(quantity), amount=quote.amount, unit_size=quote.unit_size)
        for quote, quantity in cells.items()
    )
    return sum(costs, Decimal(0))


def bare(used: Sequence[Event], prices: dict[tuple[str, str], tuple[int, int, int]]) -> int:
    """Return the total in pico-dollars of a loop over a dict of integers."""
    total = 0
    for provider, model, _, (first, second, third) in used:
        one, two, three = prices[provider, model]
        total += first * one + second * two + third * three
    return total


def peer(used: Sequence[Event]) -> Decimal:
    """Return the total that the genai-prices package computes by itself."""
    from genai_prices import Usage, calc_price

    total = Decimal(0)
    for provider, model, at, (fresh, cached, output) in used:
        usage = Usage(input_tokens=fresh + cached, cache_read_tokens=cached, output_tokens=output)
        total += calc_price(
            usage, model, provider_id=provider, genai_request_timestamp=at
        ).total_price
    return total


@cache
def _source() -> PublishedPrices:
    return PublishedPrices()


def _pico_prices() -> dict[tuple[str, str], tuple[int, int, int]]:
    book = PriceBook(version=1, source=_source())
    prices: dict[tuple[str, str], tuple[int, int, int]] = {}
    for provider, model in NAMES:
        sku = book.sku_for(
            provider=provider,
            model=model,
            service_tier="",
            batch=False,
            region="",
            context_tokens=0,
            at=START,
        )
        quotes = [book.quote(sku=sku, meter=meter, at=START) for meter in METERS]
        first, second, third = (
            int(quote.amount * PICO / quote.unit_size) for quote in quotes if quote is not None
        )
        prices[provider, model] = (first, second, third)
    return prices


def _rate(case: Callable[[], object], count: int) -> float:
    start = time.perf_counter()
    case()
    return count / (time.perf_counter() - start)


def measure(*, rounds: int = ROUNDS) -> list[Ratio]:
    """Return the ratios, after checking that every way comes to the same total."""
    used, prices = events(), _pico_prices()
    expected = Decimal(bare(used, prices)) / PICO
    assert through_the_book(used) == by_cell(used) == expected
    few = used[:PEER_EVENTS]
    assert peer(few) == Decimal(bare(few, prices)) / PICO
    return interleaved(
        lambda: _rate(lambda: bare(used, prices), EVENTS),
        {
            "price book, a cost an event and meter": lambda: _rate(
                lambda: through_the_book(used), EVENTS
            ),
            "price book, a cost a cell (as ingest does)": lambda: _rate(
                lambda: by_cell(used), EVENTS
            ),
            "genai-prices calc_price": lambda: _rate(lambda: peer(few), PEER_EVENTS),
        },
        rounds=rounds,
    )


def main() -> None:
    """Print the ratios."""
    print(f"pricing {EVENTS:,} events x 3 meters against a dict of integers")
    for ratio in measure():
        print(f"  {ratio}")


if __name__ == "__main__":
    main()
