"""What a month stands rated with, what fixed prices charge, and SKUs as they were sent."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import connection
from django.db.models import Max

from apps.core.domain.months import Month
from apps.periods.domain.calendar import PeriodFacts
from apps.rating import selectors as rating
from apps.usage.domain.timeline import UNPRICED, Rate, SentKey
from apps.usage.models import PriceCorrection, SentSku
from apps.usage.store import table


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


def versions_of(periods: Iterable[PeriodFacts]) -> dict[Month, int]:
    """Return the versions that months which are not open stand rated with; one query.

    Months that no version is known of are left out.
    """
    rows = PriceCorrection.objects.values_list("original_period").annotate(
        last=Max("price_book_version")
    )
    corrected = {Month.of(day): last for day, last in rows.order_by("original_period")}
    found = {
        period.month: max(corrected.get(period.month, 0), period.price_book_version or 0)
        for period in periods
        if not period.is_open
    }
    return {month: version for month, version in found.items() if version}


def months_in_use(months: Iterable[Month]) -> set[Month]:
    """Return those months that hold usage; one query."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT m FROM unnest(%s::date[]) AS m WHERE EXISTS "  # noqa: S608
            f"(SELECT 1 FROM {table('usage_rollup')} WHERE period = m)",
            [[month.first_day for month in months]],
        )
        return {Month.of(row[0]) for row in cursor.fetchall()}


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
