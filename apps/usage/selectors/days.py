"""What a month's usage costs by day, for trends."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

from django.db import connection

from apps.core.domain.months import Month
from apps.usage.store import table

_SUMS: Final = """
SELECT cells.day, skus.provider, sets.account, skus.model, cells.feed, cells.currency,
       sum(cells.cost)
  FROM {rollups} AS cells
  JOIN {sets} AS sets ON sets.id = cells.tag_set
  JOIN {skus} AS skus ON skus.id = cells.sku
 WHERE cells.period = %s
 GROUP BY 1, 2, 3, 4, 5, 6
 ORDER BY 1, 2, 3, 4, 5, 6
"""


@dataclass(frozen=True, slots=True)
class DayCost:
    """The usage of one day, provider, account, model and feed; `cost` is exact, in `currency`.

    Unpriced usage has no cost and no currency.
    """

    day: date
    provider: str
    account: str
    model: str
    feed: str
    currency: str
    cost: Decimal | None


def costs_by_day(*, month: Month) -> list[DayCost]:
    """Return what the usage costs that is booked in a month, by day of use; one query."""
    statement = _SUMS.format(
        rollups=table("usage_rollup"), sets=table("usage_tagset"), skus=table("usage_sku")
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, [month.first_day])
        return [DayCost(*row) for row in cursor.fetchall()]
