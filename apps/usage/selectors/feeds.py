"""Leaves out what another feed stands for, and tells feeds side by side."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Protocol, TypeVar

from django.db import connection

from apps.core.domain.months import Month
from apps.usage.domain.feeds import REQUEST, Declared, FeedRule, Stream, undeclared
from apps.usage.selectors.rollups import skus_of, tag_sets_of
from apps.usage.store import table


class Fed(Protocol):
    """A sum of usage that arrived by one feed."""

    @property
    def tag_set(self) -> int: ...
    @property
    def sku(self) -> int: ...
    @property
    def feed(self) -> str: ...
    @property
    def month(self) -> Month: ...


_Sum = TypeVar("_Sum", bound=Fed)


def only_counted(sums: Sequence[_Sum], declared: Declared) -> list[_Sum]:
    """Return the sums that count; two queries, none where all are requests nobody spoke about."""
    listed = list(sums)
    if declared is undeclared and all(each.feed == REQUEST for each in listed):
        return listed
    tag_sets = tag_sets_of({each.tag_set for each in listed})
    skus = skus_of({each.sku for each in listed})
    streams = [
        Stream(
            skus[each.sku].provider,
            tag_sets[each.tag_set].account,
            skus[each.sku].model,
            each.month,
            each.feed,
        )
        for each in listed
    ]
    rule = FeedRule.over(streams, declared)
    return [each for each, stream in zip(listed, streams, strict=True) if rule.counts(stream)]


def has_buckets(*, month: Month) -> bool:
    """Tell whether a month holds totals that a provider gave; one query."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT EXISTS (SELECT 1 FROM {table('usage_rollup')} "  # noqa: S608
            "WHERE period = %s AND feed <> %s)",
            [month.first_day, REQUEST],
        )
        return bool(cursor.fetchone()[0])


@dataclass(frozen=True, slots=True)
class FedSum:
    """What arrived by one feed of a model and meter in a month; `cost` only what is priced."""

    stream: Stream
    meter: str
    currency: str
    quantity: Decimal
    cost: Decimal | None


_BY_FEED: Final = """
SELECT skus.provider, sets.account, skus.model, cells.feed, cells.meter, cells.currency,
       sum(cells.quantity), sum(cells.cost)
  FROM {rollups} AS cells
  JOIN {sets} AS sets ON sets.id = cells.tag_set
  JOIN {skus} AS skus ON skus.id = cells.sku
 WHERE cells.period = %s
 GROUP BY 1, 2, 3, 4, 5, 6
 ORDER BY 1, 2, 3, 4, 5, 6
"""


def sums_by_feed(*, month: Month) -> list[FedSum]:
    """Return what a month holds by provider, account, model, feed and meter; one query."""
    statement = _BY_FEED.format(
        rollups=table("usage_rollup"), sets=table("usage_tagset"), skus=table("usage_sku")
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, [month.first_day])
        return [
            FedSum(Stream(provider, account, model, month, feed), meter, currency, quantity, cost)
            for provider, account, model, feed, meter, currency, quantity, cost in cursor.fetchall()
        ]


def streams_of(sums: Iterable[FedSum]) -> set[Stream]:
    """Return the streams that there are."""
    return {each.stream for each in sums}
