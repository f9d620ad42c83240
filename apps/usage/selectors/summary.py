"""Usage by any dimension, read from the rollups by day of use."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final

from django.db import connection

from apps.core.domain.access import Actor
from apps.core.domain.errors import Invalid
from apps.core.domain.months import Month
from apps.directory import selectors as directory
from apps.directory.domain.attribution import Attribution, Owner
from apps.rating import selectors as rating
from apps.rating.domain.book import PriceBook, SkuKey
from apps.tenants import selectors as tenants
from apps.usage.domain.feeds import Declared, undeclared
from apps.usage.domain.normalize import REQUESTS
from apps.usage.domain.sight import may_see, sees_everything
from apps.usage.domain.summary import (
    OWNED,
    SENT,
    TAG,
    Fact,
    Granularity,
    Summary,
    UnpricedUse,
    check_dimension,
    summarize,
)
from apps.usage.selectors.feeds import only_counted
from apps.usage.selectors.rollups import SkuFacts, TagSetFacts, skus_of, tag_sets_of
from apps.usage.store import table

_SUMS: Final = """
SELECT tag_set, sku, meter, price = 0, currency, {day}, width_bucket(day, %(breaks)s::date[]),
       feed, period, sum(quantity), sum(cost), min(day)
  FROM {rollups}
 WHERE period >= %(period)s AND day >= %(start)s AND day < %(end)s
 GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9
"""
_DAYS: Final = {
    Granularity.TOTAL: "NULL::date",
    Granularity.DAY: "day",
    Granularity.MONTH: "date_trunc('month', day)::date",
}
_BEGINNING: Final = date(1970, 1, 1)


def summary(
    *,
    start: date,
    end: date,
    group_by: Sequence[str],
    filters: Mapping[str, str],
    granularity: str,
    actor: Actor,
    declared: Declared = undeclared,
) -> Summary:
    """Return usage of the days [start, end), grouped; what the actor may not see is left out.

    Of each provider account and model one feed counts: the declared one, else requests, else the
    provider's totals.

    Days are those of use in the tenant's timezone, whatever month they are booked in. About ten
    queries, whatever the number of events.

    :raises Invalid: when a dimension, the granularity or the days are none.
    """
    if start >= end:
        raise Invalid("The end must lie after the start; days are [start, end).", code="days")
    for name in (*group_by, *filters):
        check_dimension(name)
    wanted = _granularity(granularity)
    attribution = directory.attribution()
    sums = only_counted(_sums(start, end, wanted, attribution), declared)
    lens = _Lens(attribution, actor, filters, tuple(group_by))
    seen = list(lens.seen(sums))
    book = rating.price_book()
    return summarize(
        (each.fact(book) for each in seen),
        group_by=tuple(group_by),
        granularity=wanted,
        meters=frozenset({filters["meter"]} if "meter" in filters else ()),
        currency=tenants.current().currency,
        unpriced=_unpriced(seen, book),
    )


def _granularity(name: str) -> Granularity:
    try:
        return Granularity(name)
    except ValueError:
        raise Invalid(
            f"The granularity is total, day or month, not {name[:20]!r}.", code="granularity"
        ) from None


@dataclass(frozen=True, slots=True)
class _Sum:
    tag_set: int
    sku: int
    meter: str
    is_unpriced: bool
    currency: str
    on: date
    quantity: Decimal
    cost: Decimal | None
    feed: str
    month: Month


def _sums(start: date, end: date, granularity: Granularity, attribution: Attribution) -> list[_Sum]:
    """Sum over days between which neither the row's time nor any owner changes."""
    statement = _SUMS.format(day=_DAYS[granularity], rollups=table("usage_rollup"))
    wanted: dict[str, Any] = {
        "period": Month.of(start).first_day,
        "start": start,
        "end": end,
        "breaks": [_BEGINNING, *(day for day in attribution.change_dates if day > _BEGINNING)],
    }
    with connection.cursor() as cursor:
        cursor.execute(statement, wanted)
        return [_sum(row) for row in cursor.fetchall()]


def _sum(row: Sequence[Any]) -> _Sum:
    tag_set, sku, meter, is_unpriced, currency, _, _, feed, period, quantity, cost, first = row
    month = Month.of(period)
    return _Sum(tag_set, sku, meter, is_unpriced, currency, first, quantity, cost, feed, month)


@dataclass(frozen=True, slots=True)
class _Seen:
    """A sum with whose it is and what was used, and what of that was asked for."""

    sum: _Sum
    sku: SkuFacts
    dimensions: Mapping[str, str]

    def lacks_price(self, book: PriceBook) -> bool:
        """Tell whether the sum is usage that expects a price and has none."""
        if not self.sum.is_unpriced:
            return False
        return self.sum.meter != REQUESTS or book.expects_price(
            sku=_key(self.sku), meter=self.sum.meter
        )

    def fact(self, book: PriceBook) -> Fact:
        """Return what the summary adds up."""
        return Fact(
            self.dimensions,
            self.sum.on,
            self.sum.meter,
            self.sum.quantity,
            None if self.sum.is_unpriced else self.sum.cost,
            self.sum.currency,
            self.lacks_price(book),
        )


class _Lens:
    """Resolves dimensions, and keeps what the filters and the actor's sight let through."""

    def __init__(
        self,
        attribution: Attribution,
        actor: Actor,
        filters: Mapping[str, str],
        group_by: tuple[str, ...],
    ) -> None:
        self._attribution = attribution
        self._actor = actor
        self._filters = {name: value for name, value in filters.items() if name != "meter"}
        self._group_by = tuple(name for name in group_by if name != "meter")

    def seen(self, sums: Iterable[_Sum]) -> Iterator[_Seen]:
        """Yield the sums that are let through; two queries."""
        listed = list(sums)
        tag_sets = tag_sets_of({each.tag_set for each in listed})
        skus = skus_of({each.sku for each in listed})
        for each in listed:
            tag_set, sku = tag_sets[each.tag_set], skus[each.sku]
            owner = owner_of(self._attribution, tag_set, sku, each.on)
            if not sees_everything(self._actor) and not may_see(self._actor, owner, tag_set.tags):
                continue
            values = _reader(owner, tag_set, sku)
            if all(values(name) == value for name, value in self._filters.items()):
                yield _Seen(each, sku, {name: values(name) for name in self._group_by})


def owner_of(attribution: Attribution, tag_set: TagSetFacts, sku: SkuFacts, on: date) -> Owner:
    """Return whose use of a SKU under a tag set is on a day."""
    tags = {
        **tag_set.tags,
        "account": tag_set.account,
        "credential": tag_set.credential,
        "operation": tag_set.operation,
    }
    return attribution.owner_of(tags=tags, sku_provider=sku.provider, sku_model=sku.model, on=on)


def _reader(owner: Owner, tag_set: TagSetFacts, sku: SkuFacts) -> Callable[[str], str]:
    def value(name: str) -> str:
        if name in OWNED:
            return str(getattr(owner, name))
        if name in SENT:
            return str(getattr(tag_set, name))
        if name.startswith(TAG):
            return tag_set.tags.get(name.removeprefix(TAG), "")
        return _sold(sku, name)

    return value


def _sold(sku: SkuFacts, name: str) -> str:
    match name:
        case "sku":
            return sku.label
        case "service":
            return "" if sku.provider else sku.model
        case _:
            return str(getattr(sku, name))


def _unpriced(seen: Iterable[_Seen], book: PriceBook) -> tuple[UnpricedUse, ...]:
    """Return by model and meter what has no price, with the requests of the same tag sets."""
    listed = list(seen)
    lacking = [each for each in listed if each.lacks_price(book)]
    places = {(each.sum.tag_set, each.sum.sku) for each in lacking}
    events: dict[int, Decimal] = {}
    for each in listed:
        if each.sum.meter == REQUESTS and (each.sum.tag_set, each.sum.sku) in places:
            events[each.sum.sku] = events.get(each.sum.sku, Decimal(0)) + each.sum.quantity
    quantities: dict[tuple[str, str, str, int], Decimal] = {}
    for each in lacking:
        key = (each.sku.provider, each.sku.model, each.sum.meter, each.sum.sku)
        quantities[key] = quantities.get(key, Decimal(0)) + each.sum.quantity
    return tuple(
        UnpricedUse(provider, model, sku, meter, quantity, int(events.get(sku, 0)))
        for (provider, model, meter, sku), quantity in sorted(quantities.items())
        if quantity
    )


def _key(sku: SkuFacts) -> SkuKey:
    return SkuKey(
        sku.provider, sku.model, sku.service_tier, sku.batch, sku.region, sku.context_tier
    )
