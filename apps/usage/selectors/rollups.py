"""The rollups of an accounting month, as costs read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

from django.db import connection

from apps.core.db import current_schema
from apps.core.domain.months import Month
from apps.usage.models import Sku, TagSet


@dataclass(frozen=True, slots=True)
class SkuFacts:
    """What was used, by its canonical names; a generic service has no provider."""

    id: int
    provider: str
    model: str
    service_tier: str
    batch: bool
    region: str
    context_tier: str

    @property
    def label(self) -> str:
        """Return one stable text that tells the SKU from every other."""
        marks = (
            self.service_tier,
            "batch" if self.batch else "",
            self.region,
            f"context>{self.context_tier}" if self.context_tier else "",
        )
        return " ".join([f"{self.provider}/{self.model}", *(mark for mark in marks if mark)])


class RollupRow(NamedTuple):
    """Usage of one tag set, SKU, price, meter and feed, summed over [day_from, day_to].

    `price_id` 0 is unpriced, with `cost` None; else `cost` is exact, in the price's `currency`.
    A tuple with names, because a month has many.
    """

    tag_set_id: int
    tags: Mapping[str, str]
    account: str
    credential: str
    operation: str
    sku: SkuFacts
    price_id: int
    meter: str
    feed: str
    quantity: Decimal
    cost: Decimal | None
    currency: str
    day_from: date
    day_to: date


_SUMS = """
SELECT tag_set, sku, price, meter, feed, width_bucket(day, %(breaks)s::date[]) AS span,
       sum(quantity), sum(cost), max(currency), min(day), max(day)
  FROM {schema}.usage_rollup
 WHERE period = %(period)s
 GROUP BY tag_set, sku, price, meter, feed, span
HAVING sum(quantity) <> 0 OR sum(cost) <> 0
 ORDER BY tag_set, sku, price, meter, feed, span
"""


def period_rollups(*, month: Month, breaks: Sequence[date] = ()) -> list[RollupRow]:
    """Return the usage booked in a month, summed over days but never across one of `breaks`.

    Cells that cancel out are left out. Three queries, whatever the number of events.
    """
    wanted: dict[str, Any] = {"period": month.first_day, "breaks": sorted(breaks)}
    with connection.cursor() as cursor:
        cursor.execute(_statement(breaks), wanted)
        sums = cursor.fetchall()
    tag_sets = tag_sets_of({row[0] for row in sums})
    skus = skus_of({row[1] for row in sums})
    return [_row(row, tag_sets[row[0]], skus[row[1]]) for row in sums]


def _statement(breaks: Sequence[date]) -> str:
    schema = connection.ops.quote_name(current_schema())
    text = _SUMS.format(schema=schema)
    return text if breaks else text.replace("width_bucket(day, %(breaks)s::date[])", "0")


def _row(row: Sequence[Any], tag_set: TagSetFacts, sku: SkuFacts) -> RollupRow:
    tag_set_id, _, price, meter, feed, _, quantity, cost, currency, first, last = row
    return RollupRow(
        tag_set_id,
        tag_set.tags,
        tag_set.account,
        tag_set.credential,
        tag_set.operation,
        sku,
        price,
        meter,
        feed,
        quantity,
        None if price == 0 else cost,
        currency,
        first,
        last,
    )


@dataclass(frozen=True, slots=True)
class TagSetFacts:
    """A distinct combination of tags, account, credential and operation."""

    id: int
    tags: Mapping[str, str]
    account: str
    credential: str
    operation: str


def tag_sets_of(ids: set[int]) -> dict[int, TagSetFacts]:
    """Return tag sets by id; one query."""
    rows = TagSet.objects.filter(pk__in=ids)
    columns = rows.values_list("pk", "tags", "account", "credential", "operation")
    return {row[0]: TagSetFacts(*row) for row in columns}


def skus_of(ids: set[int]) -> dict[int, SkuFacts]:
    """Return SKUs by id; one query."""
    rows = Sku.objects.filter(pk__in=ids)
    return {
        row.pk: SkuFacts(
            row.pk,
            row.provider,
            row.model,
            row.service_tier,
            row.batch,
            row.region,
            row.context_tier,
        )
        for row in rows
    }
