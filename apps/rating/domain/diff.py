"""What differs between two price books for what was used."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from apps.rating.domain.book import PriceBook
from apps.rating.domain.prices import Quote, SkuKey
from apps.rating.domain.selection import Stretch


@dataclass(frozen=True, slots=True)
class QuoteChange:
    """Over [start, end) a meter of a SKU costs something else than before.

    A None quote is unpriced. `retiered` tells that the context thresholds of the SKU moved, so
    that its events may belong to another tier: only they know their context.
    """

    sku: SkuKey
    meter: str
    start: datetime
    end: datetime
    before: Quote | None
    after: Quote | None
    retiered: bool


class _Books(NamedTuple):
    """The two books that are compared."""

    before: PriceBook
    after: PriceBook


def quote_changes(
    *,
    before: PriceBook,
    after: PriceBook,
    used: Iterable[tuple[SkuKey, str]],
    start: datetime,
    end: datetime,
) -> Iterator[QuoteChange]:
    """Yield every stretch of [start, end) in which a used meter is priced differently.

    Stretches of one SKU and meter come in order of time; neighbors with the same prices are one.
    """
    books, span = _Books(before, after), Stretch(start, end)
    for sku, meter in used:
        pending: QuoteChange | None = None
        for change in _changes_of(books, sku, meter, span):
            if pending is not None and _continues(pending, change):
                pending = _joined(pending, change)
                continue
            if pending is not None:
                yield pending
            pending = change
        if pending is not None:
            yield pending


def _changes_of(books: _Books, sku: SkuKey, meter: str, span: Stretch) -> Iterator[QuoteChange]:
    at = span.start
    while at < span.end:
        stretches = (book.stretch(sku=sku, meter=meter, at=at) for book in books)
        until = min(span.end, *(stretch.end for stretch in stretches))
        old, new = (book.quote(sku=sku, meter=meter, at=at) for book in books)
        tiers = {book.tiers_of(sku=sku, at=at) for book in books}
        if _key(old) != _key(new) or len(tiers) > 1:
            yield QuoteChange(sku, meter, at, until, old, new, len(tiers) > 1)
        at = until


def _continues(first: QuoteChange, second: QuoteChange) -> bool:
    return (
        first.end == second.start
        and _key(first.before) == _key(second.before)
        and _key(first.after) == _key(second.after)
        and first.retiered == second.retiered
    )


def _joined(first: QuoteChange, second: QuoteChange) -> QuoteChange:
    return QuoteChange(
        first.sku,
        first.meter,
        first.start,
        second.end,
        first.before,
        first.after,
        first.retiered,
    )


def _key(quote: Quote | None) -> str | None:
    return None if quote is None else quote.key
