"""What was spent by day, tag set and SKU, as budgets add it up."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Final, NamedTuple

from django.db import connection

from apps.core.db import current_schema
from apps.core.domain.months import Month


class Spend(NamedTuple):
    """The cost of usage of a tag set and SKU on a day, exact and in the currency of its price."""

    day: date
    tag_set: int
    sku: int
    feed: str
    currency: str
    cost: Decimal


_SPEND: Final = """
SELECT day, tag_set, sku, feed, currency, sum(cost)
  FROM {schema}.usage_rollup
 WHERE period >= %s AND day >= %s AND day < %s AND price <> 0
 GROUP BY day, tag_set, sku, feed, currency
HAVING sum(cost) <> 0
 ORDER BY day, tag_set, sku, feed, currency
"""


def spend_of_days(*, first: date, end: date) -> list[Spend]:
    """Return what was spent over the days [first, end), whenever it was booked; one query."""
    schema = connection.ops.quote_name(current_schema())
    with connection.cursor() as cursor:
        cursor.execute(_SPEND.format(schema=schema), [Month.of(first).first_day, first, end])
        return [Spend(*row) for row in cursor.fetchall()]
