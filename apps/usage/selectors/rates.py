"""What a month stands rated with, what fixed prices charge, and SKUs as they were sent."""

from __future__ import annotations

from collections.abc import Iterable

from apps.periods.domain.calendar import PeriodFacts
from apps.rating import selectors as rating
from apps.usage.domain.timeline import UNPRICED, Rate, SentKey
from apps.usage.models import PriceCorrection, SentSku


def version_of(period: PeriodFacts) -> int | None:
    """Return the price book version that a month stands rated with; None is the one in force.

    A closed month stands with the version that its freeze pinned, or the one that its last price
    correction went to.
    """
    if period.is_open:
        return None
    last = (
        PriceCorrection.objects.filter(original_period=period.month.first_day)
        .order_by("-id")
        .values_list("price_book_version", flat=True)
        .first()
    )
    return max(filter(None, (last, period.price_book_version)), default=None)


def fixed_rates(prices: Iterable[int]) -> dict[int, Rate]:
    """Return the rates behind used prices; 0 is unpriced. One query."""
    used = rating.prices(set(prices) - {0})
    rates = {
        price: Rate(price, facts.amount, facts.unit_size, facts.currency)
        for price, facts in used.items()
    }
    return {0: UNPRICED, **rates}


def sent_keys(numbers: Iterable[int]) -> dict[int, SentKey]:
    """Return SKUs as sent by number; one query."""
    rows = SentSku.objects.filter(pk__in=list(numbers))
    return {
        row.pk: SentKey(row.provider, row.model, row.service_tier, row.batch, row.region)
        for row in rows
    }
