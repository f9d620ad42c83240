"""Copies prices into the tenant when they are first used."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final
from weakref import WeakKeyDictionary

from django.db import transaction

from apps.rating.domain.prices import BEGINNING, FOREVER, PriceRow, Quote, SkuKey
from apps.rating.models import Price

_ids: Final[WeakKeyDictionary[Quote, int]] = WeakKeyDictionary()
"""Ids by quote object. A quote belongs to one book, and a book to one schema and version."""


def price_ids(*, quotes: Mapping[tuple[SkuKey, str], Quote]) -> dict[str, int]:
    """Return the id of the immutable `Price` row behind each quote, by the quote's key.

    Rows are made on first use, in a statement of their own: call this before the transaction
    that names them, so that no batch waits for another's commit. Ids are remembered once their
    rows are committed.
    """
    known = {quote.key: _ids.get(quote) for quote in quotes.values()}
    found = {key: price for key, price in known.items() if price is not None}
    missing = {quote.key: quote for quote in quotes.values() if quote.key not in found}
    if missing:
        found |= _stored(missing)
        transaction.on_commit(lambda: _remember(quotes, found))
    return found


def _stored(quotes: Mapping[str, Quote]) -> dict[str, int]:
    found = _read(quotes)
    new = sorted(quotes.keys() - found.keys())
    if new:
        Price.objects.bulk_create([_row(quotes[key]) for key in new], ignore_conflicts=True)
        found |= _read(new)
    return found


def _read(keys: Mapping[str, Quote] | list[str]) -> dict[str, int]:
    return dict(Price.objects.filter(key__in=list(keys)).values_list("key", "id"))


def _remember(quotes: Mapping[tuple[SkuKey, str], Quote], found: Mapping[str, int]) -> None:
    for quote in quotes.values():
        _ids[quote] = found[quote.key]


def _row(quote: Quote) -> Price:
    row = quote.row
    return Price(
        key=quote.key,
        kind=row.kind,
        provider=row.provider,
        model=row.model,
        meter=row.meter,
        service_tier=row.conditions.service_tier,
        batch=row.conditions.batch,
        region=row.conditions.region,
        context_gt=row.conditions.context_gt,
        window=row.conditions.window,
        amount=row.amount,
        unit_size=row.unit_size,
        currency=row.currency,
        valid_from=None if row.valid_from == BEGINNING else row.valid_from,
        valid_to=None if row.valid_to == FOREVER else row.valid_to,
        source=row.source,
        **_discount(row),
    )


def _discount(row: PriceRow) -> dict[str, Decimal | int]:
    if row.applied is None:
        return {}
    return {
        "list_amount": row.applied.list_amount,
        "list_unit_size": row.applied.list_unit_size,
        "percent": row.applied.percent,
    }
