"""Tells what other prices would change, month by month; nothing that it writes is kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from django.db import transaction

from apps.core.domain.months import Month
from apps.directory import selectors as directory
from apps.periods import selectors as periods
from apps.rating.domain.book import PriceBook
from apps.usage.domain.timeline import Rate
from apps.usage.selectors.rates import fixed_rates
from apps.usage.selectors.rollups import SkuFacts, skus_of, tag_sets_of
from apps.usage.selectors.summary import owner_of
from apps.usage.services.price_corrections import Place, moved_quantities
from apps.usage.services.sheet import RatingSheet, sheet_of


@dataclass(frozen=True, slots=True)
class Priced:
    """A SKU and the price of one of its meters; `cost` None is unpriced."""

    sku: SkuFacts
    price: int
    cost: Decimal | None
    currency: str


@dataclass(frozen=True, slots=True)
class Move:
    """A quantity that is priced otherwise; `team` is whose it is on that day."""

    day: date
    team: str
    meter: str
    quantity: Decimal
    before: Priced
    after: Priced


@contextmanager
def nothing_kept() -> Iterator[None]:
    """Undo whatever the block writes: rating meets SKUs and prices, and keeps them on the way."""
    with transaction.atomic():
        point = transaction.savepoint()
        try:
            yield
        finally:
            transaction.savepoint_rollback(point)


def foresee(*, month: Month, before: PriceBook, after: PriceBook) -> list[Move]:
    """Return what of a month the second book prices unlike the first, to the last digit.

    Reads the events of the SKUs concerned and no others. Call it where `nothing_kept`.
    """
    calendar = periods.calendar()
    sheets = sheet_of(book=before, calendar=calendar), sheet_of(book=after, calendar=calendar)
    return _moves(*sheets, month)


def _moves(before: RatingSheet, after: RatingSheet, month: Month) -> list[Move]:
    moved = moved_quantities(month=month, before=before, after=after)
    rates = fixed_rates(side[1] for place in moved for side in (place.old, place.new))
    skus = skus_of({side[0] for place in moved for side in (place.old, place.new)})
    teams = _teams(moved, skus)
    return [
        Move(
            day=place.day,
            team=teams[place],
            meter=place.meter,
            quantity=quantity,
            before=_priced(place.old, quantity, skus, rates),
            after=_priced(place.new, quantity, skus, rates),
        )
        for place, quantity in sorted(moved.items())
    ]


def _priced(
    side: tuple[int, int],
    quantity: Decimal,
    skus: Mapping[int, SkuFacts],
    rates: Mapping[int, Rate],
) -> Priced:
    sku, price = side
    rate = rates[price]
    return Priced(skus[sku], price, rate.cost(quantity) if price else None, rate.currency)


def _teams(places: Iterable[Place], skus: Mapping[int, SkuFacts]) -> dict[Place, str]:
    listed = list(places)
    attribution = directory.attribution()
    tag_sets = tag_sets_of({place.tag_set for place in listed})
    return {
        place: owner_of(attribution, tag_sets[place.tag_set], skus[place.new[0]], place.day).team
        for place in listed
    }
