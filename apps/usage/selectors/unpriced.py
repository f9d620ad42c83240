"""Usage that no price covers yet: kept, counted, and never zero."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from django.db.models import Max, Min, Sum

from apps.core.domain.months import Month
from apps.rating import selectors as rating
from apps.rating.domain.book import PriceBook, SkuKey
from apps.usage.models import Rollup
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


def unpriced(*, month: Month) -> list[UnpricedSku]:
    """Return what a month holds without a price, largest quantity first.

    The meter `requests` of a SKU that has no price per request is free, not unpriced.
    """
    rows = (
        Rollup.objects.filter(period=month.first_day, price=0)
        .values("sku", "meter")
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
