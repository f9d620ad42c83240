"""Usage that no price covers yet: kept, counted, and never zero."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from django.db.models import Max, Min, Q, Sum

from apps.core.domain.months import Month
from apps.rating import selectors as rating
from apps.rating.domain.book import PriceBook, SkuKey
from apps.usage.domain.feeds import Declared, FeedRule, Stream, undeclared
from apps.usage.models import Rollup
from apps.usage.selectors.feeds import has_buckets, only_counted
from apps.usage.selectors.rollups import RollupRow, SkuFacts, skus_of

REQUESTS = "requests"


@dataclass(frozen=True, slots=True)
class UnpricedSku:
    """A SKU and meter without a price; `events` is how many requests the SKU had in all."""

    sku: SkuFacts
    meter: str
    quantity: Decimal
    events: Decimal
    first_day: date
    last_day: date


def unpriced(*, month: Month, declared: Declared = undeclared) -> list[UnpricedSku]:
    """Return what counts of a month without a price, largest quantity first.

    The meter `requests` of a SKU that has no price per request is free, not unpriced.
    """
    cells = Rollup.objects.filter(period=month.first_day, price=0)
    if has_buckets(month=month):
        cells = cells.filter(_counted(month, declared))
    rows = (
        cells.values("sku", "meter")
        .annotate(total=Sum("quantity"), first=Min("day"), last=Max("day"))
        .exclude(total=0)
        .order_by("-total", "sku", "meter")
    )
    found = list(rows)
    skus = skus_of({row["sku"] for row in found})
    requests = {row["sku"]: row["total"] for row in found if row["meter"] == REQUESTS}
    book = rating.price_book()
    return [
        UnpricedSku(
            sku=skus[row["sku"]],
            meter=row["meter"],
            quantity=row["total"],
            events=requests.get(row["sku"], Decimal(0)),
            first_day=row["first"],
            last_day=row["last"],
        )
        for row in found
        if _lacks_price(book, skus[row["sku"]], row["meter"])
    ]


def unpriced_in(
    rows: Iterable[RollupRow], *, month: Month, declared: Declared = undeclared
) -> list[UnpricedSku]:
    """Return what `unpriced` does, of a month's rollups that are read already; no scan of its own.

    Cells that cancel out are not in them, and no longer stretch the days.
    """
    streams: dict[tuple[int, str, str], Stream] = {}
    unpriced_rows: list[tuple[RollupRow, Stream]] = []
    for row in rows:
        scope = (row.sku.id, row.account, row.feed)
        if scope not in streams:
            sku = row.sku
            streams[scope] = Stream(sku.provider, row.account, sku.model, month, row.feed)
        if row.price_id == 0:
            unpriced_rows.append((row, streams[scope]))
    rule = FeedRule.over(streams.values(), declared)
    counts = {stream: rule.counts(stream) for stream in streams.values()}
    cells: dict[tuple[SkuFacts, str], list[RollupRow]] = {}
    for row, stream in unpriced_rows:
        if counts[stream]:
            cells.setdefault((row.sku, row.meter), []).append(row)
    found = [
        _Cell(sku, meter, sum((row.quantity for row in cell), Decimal(0)), cell)
        for (sku, meter), cell in cells.items()
    ]
    return _lacking(each for each in found if each.total)


class _Cell(NamedTuple):
    sku: SkuFacts
    meter: str
    total: Decimal
    rows: list[RollupRow]


def _lacking(cells: Iterable[_Cell]) -> list[UnpricedSku]:
    listed = sorted(cells, key=lambda each: (-each.total, each.sku.id, each.meter))
    requests = {each.sku.id: each.total for each in listed if each.meter == REQUESTS}
    book = rating.price_book()
    return [
        UnpricedSku(
            sku=each.sku,
            meter=each.meter,
            quantity=each.total,
            events=requests.get(each.sku.id, Decimal(0)),
            first_day=min(row.day_from for row in each.rows),
            last_day=max(row.day_to for row in each.rows),
        )
        for each in listed
        if _lacks_price(book, each.sku, each.meter)
    ]


def _counted(month: Month, declared: Declared) -> Q:
    """Return the condition that keeps cells of feeds that count; three queries."""
    held = Rollup.objects.filter(period=month.first_day)
    sums = [_Held(*row, month) for row in held.values_list("tag_set", "sku", "feed").distinct()]
    wanted: dict[tuple[int, str], set[int]] = {}
    for each in only_counted(sums, declared):
        wanted.setdefault((each.sku, each.feed), set()).add(each.tag_set)
    condition = Q(sku__in=[])
    for (sku, feed), tag_sets in sorted(wanted.items()):
        condition |= Q(sku=sku, feed=feed, tag_set__in=tag_sets)
    return condition


class _Held(NamedTuple):
    tag_set: int
    sku: int
    feed: str
    month: Month


def _lacks_price(book: PriceBook, sku: SkuFacts, meter: str) -> bool:
    key = SkuKey(
        provider=sku.provider,
        model=sku.model,
        service_tier=sku.service_tier,
        batch=sku.batch,
        region=sku.region,
        context_tier=sku.context_tier,
    )
    return meter != REQUESTS or book.expects_price(sku=key, meter=meter)
