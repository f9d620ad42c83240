"""Tells whether a change of prices concerns what a month holds, without reading its events."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from apps.core.domain.months import Month
from apps.rating.domain.book import PriceBook
from apps.usage.domain.timeline import SentKey
from apps.usage.models import Rollup, SentSku
from apps.usage.services.sheet import Bounds, RatingSheet


def prices_moved(*, month: Month, before: RatingSheet, after: RatingSheet) -> bool:
    """Tell whether any SKU as sent is another SKU, or any used meter of it priced otherwise.

    Compares the two books on both sides of every edge that either knows within the calendar, for
    every meter that the month holds. Late usage is rated at its own time, so that the whole
    calendar counts and not the month alone.
    """
    meters = set(
        Rollup.objects.filter(period=month.first_day).values_list("meter", flat=True).distinct()
    )
    bounds = before.bounds
    return any(_differs(key, meters, before.book, after.book, bounds) for key in _sent())


def sent_moved(*, month: Month, before: RatingSheet, after: RatingSheet) -> frozenset[int]:
    """Return the SKUs as sent that two books tell apart, for any meter that the month holds."""
    meters = set(
        Rollup.objects.filter(period=month.first_day).values_list("meter", flat=True).distinct()
    )
    bounds = before.bounds
    return frozenset(
        number
        for number, key in _numbered()
        if _differs(key, meters, before.book, after.book, bounds)
    )


def _sent() -> Iterable[SentKey]:
    return (key for _, key in _numbered())


def _numbered() -> Iterable[tuple[int, SentKey]]:
    for row in SentSku.objects.order_by("id"):
        key = SentKey(row.provider, row.model, row.service_tier, row.batch, row.region)
        yield row.pk, key


def _differs(
    key: SentKey, meters: set[str], before: PriceBook, after: PriceBook, bounds: Bounds
) -> bool:
    points = [
        book.breakpoints(**key._asdict(), start=bounds.start, end=bounds.end)
        for book in (before, after)
    ]
    moments = {bounds.start}
    contexts = {0}
    for found in points:
        moments.update(at for at in found.instants if bounds.start < at < bounds.end)
        contexts.update(found.contexts)
    return any(
        _priced(before, key, at, context, meters) != _priced(after, key, at, context, meters)
        for at in sorted(moments)
        for context in sorted(contexts)
    )


def _priced(
    book: PriceBook, key: SentKey, at: datetime, context: int, meters: set[str]
) -> tuple[object, ...]:
    sku = book.sku_for(**key._asdict(), context_tokens=context, at=at)
    quotes = (book.quote(sku=sku, meter=meter, at=at) for meter in sorted(meters))
    return sku, *(quote and quote.key for quote in quotes)
