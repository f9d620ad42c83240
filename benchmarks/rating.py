"""Pricing 100,000 events through the price book against a bare loop over a dict of integers.

    python -m benchmarks.rating

The book holds the real list prices, aliases, tiers and validity; every event has three meters
(input, cached input, output) and is resolved from the name its sender wrote. The bare loop knows
the price of each name in pico-dollars a token and nothing else. All totals must be equal.

Beside it stand the packages that senders price with: tokencost and genai-prices, which must come
to the same total, and LiteLLM, whose floats are compared by what is left after rounding.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from apps.catalog.adapters.genai_prices import published_catalog
from apps.catalog.domain.aliases import ModelIndex, ModelRule, ProviderRule
from apps.core.domain.months import Month
from apps.rating.domain.book import PriceBook
from apps.rating.domain.discounts import Discount
from apps.rating.domain.mapping import Meaning
from apps.rating.domain.prices import BEGINNING, FOREVER, PriceRow
from apps.rating.domain.rate import cost_of
from apps.usage.domain.timeline import SentKey, Span, Timeline, day_edges, merged
from benchmarks.rounds import Ratio, interleaved

EVENTS: Final = 100_000
PEER_EVENTS: Final = 2_000
ROUNDS: Final = 7
START: Final = datetime(2026, 9, 1, tzinfo=UTC)
METERS: Final = ("input_tokens", "cached_input_tokens", "output_tokens")
NAMES: Final = (
    ("openai", "gpt-4o-2024-08-06"),
    ("openai", "gpt-4o-mini"),
    ("openai", "gpt-4.1"),
    ("openai", "o3-mini"),
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


def by_span(used: Sequence[Event]) -> Decimal:
    """Return the same total as ingest computes it: quantities by span, one product a cell."""
    book = PriceBook(version=1, source=_source())
    end = START + timedelta(days=32)
    days = day_edges(start=START - timedelta(days=2), end=end, zone=ZoneInfo("UTC"))

    def opened(timeline: Timeline, at: datetime, context_tokens: int) -> Span:
        sent = timeline.sent._asdict()
        sku = book.sku_for(**sent, context_tokens=context_tokens, at=at)
        return Span(Month.of(at.date()), at.date(), at.date(), sku, 0, at)

    def timeline_of(provider: str, model: str) -> Timeline:
        sent = SentKey(provider, model)
        points = book.breakpoints(**sent._asdict(), start=START, end=end)
        return Timeline(sent, 0, (merged(days, points.instants), points.contexts), opened)

    timelines: dict[tuple[str, str], Timeline] = {}
    cells: dict[Span, list[int]] = {}
    for provider, model, at, quantities in used:
        timeline = timelines.get((provider, model))
        if timeline is None:
            timeline = timelines[provider, model] = timeline_of(provider, model)
        span = timeline.span(at, quantities[0] + quantities[1])
        cell = cells.get(span)
        if cell is None:
            cells[span] = list(quantities)
            continue
        cell[0] += quantities[0]
        cell[1] += quantities[1]
        cell[2] += quantities[2]
    total = Decimal(0)
    for span, sums in cells.items():
        for meter, quantity in zip(METERS, sums, strict=True):
            quote = book.quote(sku=span.key, meter=meter, at=span.at)
            assert quote is not None
            total += cost_of(
                quantity=Decimal(quantity), amount=quote.amount, unit_size=quote.unit_size
            )
    return total


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


def by_tokencost(used: Sequence[Event]) -> Decimal:
    """Return the total that the tokencost package computes, a call a meter."""
    from tokencost import calculate_cost_by_tokens as cost  # type: ignore[import-untyped]

    total = Decimal(0)
    for _, model, _, (fresh, cached, output) in used:
        total += cost(fresh, model, "input")
        total += cost(cached, model, "cached")
        total += cost(output, model, "output")
    return total


def by_litellm(used: Sequence[Event]) -> float:
    """Return the total that LiteLLM computes, in floats."""
    from litellm import cost_per_token

    total = 0.0
    for provider, model, _, (fresh, cached, output) in used:
        sent, received = cost_per_token(
            model=model,
            custom_llm_provider=provider,
            prompt_tokens=fresh + cached,
            completion_tokens=output,
            cache_read_input_tokens=cached,
        )
        total += sent + received
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
    start = time.process_time()
    case()
    return count / (time.process_time() - start)


def measure(*, rounds: int = ROUNDS) -> list[Ratio]:
    """Return the ratios, after checking that every way comes to the same total."""
    used, prices = events(), _pico_prices()
    expected = Decimal(bare(used, prices)) / PICO
    assert through_the_book(used) == by_span(used) == expected
    few = used[:PEER_EVENTS]
    exact = Decimal(bare(few, prices)) / PICO
    assert peer(few) == by_tokencost(few) == exact, (peer(few), by_tokencost(few), exact)
    print(f"  LiteLLM is {abs(Decimal(by_litellm(few)) - exact) / exact:.1e} of the total off")
    return interleaved(
        lambda: _rate(lambda: bare(used, prices), EVENTS),
        {
            "price book, a cost an event and meter": lambda: _rate(
                lambda: through_the_book(used), EVENTS
            ),
            "price book, a cost a cell (as ingest does)": lambda: _rate(
                lambda: by_span(used), EVENTS
            ),
            "tokencost calculate_cost_by_tokens": lambda: _rate(
                lambda: by_tokencost(few), PEER_EVENTS
            ),
            "genai-prices calc_price": lambda: _rate(lambda: peer(few), PEER_EVENTS),
            "litellm cost_per_token": lambda: _rate(lambda: by_litellm(few), PEER_EVENTS),
        },
        rounds=rounds,
    )


def main() -> None:
    """Print the ratios."""
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # it would ask the network
    print(f"pricing {EVENTS:,} events x 3 meters against a dict of integers")
    ratios = measure()
    for ratio in ratios:
        print(f"  {ratio}")
    ours, theirs = ratios[:2], ratios[2:]
    for one in ours:
        against = ", ".join(
            f"{one.median / other.median:.1f} x {other.name.split()[0]}" for other in theirs
        )
        print(f"  {one.name}: {against}")


if __name__ == "__main__":
    main()
