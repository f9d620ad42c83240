"""Usage that no price covers yet: kept, counted, and never zero."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from django.db.models import Max, Min, Q, Sum

from apps.core.domain.months import Month
from apps.rating import selectors as rating
from apps.rating.domain.book import PriceBook, SkuKey
from apps.usage.domain.feeds import Declared, undeclared
from apps.usage.models import Rollup
from apps.usage.selectors.feeds import has_buckets, only_counted
from apps.usage.selectors.rollups import SkuFacts, skus_of

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
