"""What events cost, many at a time; the same as each one explains of itself."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from django.db import connection

from apps.core.domain.money import EXACT
from apps.core.domain.months import Month
from apps.periods import selectors as periods
from apps.rating import selectors as rating
from apps.rating.domain.book import PriceBook, SkuKey
from apps.rating.domain.rate import cost_of
from apps.usage.domain.facts import EventFacts
from apps.usage.domain.normalize import REQUESTS
from apps.usage.domain.timeline import Rate
from apps.usage.selectors.rates import fixed_rates, version_of
from apps.usage.selectors.rollups import SkuFacts, skus_of
from apps.usage.store import table

_BOOKED: Final = """
SELECT e.key, e.revision, e.booked FROM {events} e
 WHERE e.key = ANY(%s) AND e.period = ANY(%s) AND e.sign = 1 AND e.booked IS NOT NULL
"""
_ONE: Final = Decimal(1)


@dataclass(frozen=True, slots=True)
class EventCost:
    """What an event costs: exact amounts by currency, and whether a meter lacks its price."""

    amounts: Mapping[str, Decimal]
    is_unpriced: bool


def costs_of(events: Sequence[EventFacts]) -> dict[int, EventCost]:
    """Return the cost of each event by its key.

    A month that is open is rated by the price book in force, a closed one as it was booked. About
    five queries, and some for each closed month.
    """
    if not events:
        return {}
    booked = _booked(events)
    books = books_of({each.period for each in events})
    return {
        each.key: booked[each.key] if each.key in booked else _quoted(each, books[each.period])
        for each in events
    }


def books_of(months: Iterable[Month]) -> dict[Month, PriceBook]:
    """Return the price book that each month stands rated with."""
    calendar = periods.calendar()
    versions = {month: version_of(calendar.period(month)) for month in months}
    books = {version: rating.price_book(version=version) for version in set(versions.values())}
    return {month: books[version] for month, version in versions.items()}


def key_of(event: EventFacts, book: PriceBook) -> SkuKey:
    """Return what a price book takes an event for."""
    return book.sku_for(
        provider=event.provider,
        model=event.model or event.service,
        service_tier=event.service_tier,
        batch=event.batch_mode,
        region=event.region,
        context_tokens=event.context_tokens,
        at=event.occurred_at,
    )


def sku_key(sku: SkuFacts) -> SkuKey:
    """Return a stored SKU as price books take it."""
    return SkuKey(
        sku.provider, sku.model, sku.service_tier, sku.batch, sku.region, sku.context_tier
    )


def _quoted(event: EventFacts, book: PriceBook) -> EventCost:
    """Rate an event by a price book; nothing is interned, as nothing is written."""
    key = key_of(event, book)
    amounts: dict[str, Decimal] = {}
    is_unpriced = False
    for meter, quantity in {**event.quantities, REQUESTS: _ONE}.items():
        quote = book.quote(sku=key, meter=meter, at=event.occurred_at)
        if quote is None:
            is_unpriced = is_unpriced or book.expects_price(sku=key, meter=meter)
        else:
            cost = cost_of(quantity=quantity, amount=quote.amount, unit_size=quote.unit_size)
            _add(amounts, quote.currency, cost)
    return EventCost(amounts, is_unpriced)


def _booked(events: Sequence[EventFacts]) -> dict[int, EventCost]:
    """Return the costs of events whose prices a correction has fixed; one query, or five."""
    present = {(each.key, each.revision): each for each in events}
    fixed = [row for row in _fixed_rows(events) if row[:2] in present]
    if not fixed:
        return {}
    rates = fixed_rates(price for _, _, booked in fixed for price in booked["prices"].values())
    skus = skus_of({booked["sku"] for _, _, booked in fixed})
    books = books_of({each.period for each in present.values()})
    costs = {}
    for key, revision, booked in fixed:
        event = present[key, revision]
        lines = {meter: rates[price] for meter, price in booked["prices"].items()}
        sku = sku_key(skus[booked["sku"]])
        costs[key] = _fixed(event, lines, sku, books[event.period])
    return costs


def _fixed(event: EventFacts, rates: Mapping[str, Rate], sku: SkuKey, book: PriceBook) -> EventCost:
    """Rate an event by the prices that it was booked at."""
    amounts: dict[str, Decimal] = {}
    is_unpriced = False
    for meter, quantity in {**event.quantities, REQUESTS: _ONE}.items():
        rate = rates[meter]
        if rate.price:
            _add(amounts, rate.currency, rate.cost(quantity))
        else:
            is_unpriced = is_unpriced or book.expects_price(sku=sku, meter=meter)
    return EventCost(amounts, is_unpriced)


def _fixed_rows(events: Sequence[EventFacts]) -> list[tuple[int, int, dict[str, Any]]]:
    months = sorted({each.period.first_day for each in events})
    statement = _BOOKED.format(events=table("usage_event"))
    with connection.cursor() as cursor:
        cursor.execute(statement, [[each.key for each in events], months])
        rows = cursor.fetchall()
    return [(key, number, json.loads(b) if isinstance(b, str) else b) for key, number, b in rows]


def _add(amounts: dict[str, Decimal], currency: str, cost: Decimal) -> None:
    amounts[currency] = EXACT.add(amounts.get(currency, Decimal(0)), cost)
