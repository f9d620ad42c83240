"""Reads a month's facts back as groups that each lie in one span, for rating them again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

from django.db import connection

from apps.core.domain.months import Month
from apps.usage.domain.feeds import REQUEST
from apps.usage.domain.timeline import SentKey
from apps.usage.models import PriceCorrection
from apps.usage.selectors.rates import sent_keys
from apps.usage.services.sheet import RatingSheet
from apps.usage.sql import partition_name
from apps.usage.store import table


@dataclass(frozen=True, slots=True)
class Group:
    """Signed quantity of one meter of events that every price treats alike.

    `at` and `context_tokens` are those of one of them. `booked` fixes SKU and prices; None leaves
    them to the price book.
    """

    tag_set: int
    sent_sku: int
    at: datetime
    context_tokens: int
    meter: str
    quantity: Decimal
    booked: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class CorrectedPrice:
    """A price correction that is booked in a month."""

    tag_set: int
    day: date
    utc_day: date
    meter: str
    old: tuple[int, int]
    new: tuple[int, int]
    quantity: Decimal


_GROUPS: Final = """
SELECT e.tag_set, e.sent_sku, min(e.occurred_at), min(e.context_tokens), m.key,
       sum(e.sign * m.value::numeric), e.booked
  FROM (SELECT *, width_bucket(occurred_at, %s::timestamptz[]) AS stretch,
               width_bucket(context_tokens, %s::bigint[]) AS tier
          FROM {events}
         WHERE feed = %s AND (%s::bigint[] IS NULL OR sent_sku = ANY (%s::bigint[]))) e
 CROSS JOIN LATERAL jsonb_each_text(e.meters || '{{"requests": 1}}') m
 GROUP BY e.tag_set, e.sent_sku, e.stretch, e.tier, m.key, e.booked
HAVING sum(e.sign * m.value::numeric) <> 0
"""


def groups_of(
    *,
    month: Month,
    sheets: Sequence[RatingSheet],
    only: frozenset[int] | None = None,
    feed: str = REQUEST,
) -> list[Group]:
    """Return the month's events summed as finely as any of the sheets tells them apart.

    Reads every event of the month once; the answer is as long as its rollups. `only` names the
    SKUs as sent that are wanted; None is all. Of one feed at a time.
    """
    sent = {n: key for n, key in sent_skus_of(month).items() if only is None or n in only}
    instants: set[datetime] = set()
    contexts: set[int] = {-1}
    for sheet in sheets:
        for number, key in sent.items():
            timeline = sheet.timeline(key, number)
            instants.update(timeline.instants)
            contexts.update(timeline.contexts)
    if not sent:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            _GROUPS.format(events=table(partition_name("usage_event", month))),
            [
                sorted(instants),
                sorted(contexts),
                feed,
                *[None if only is None else sorted(only)] * 2,
            ],
        )
        return [_group(row) for row in cursor.fetchall()]


def sent_skus_of(month: Month) -> dict[int, SentKey]:
    """Return the SKUs, as sent, of the events that are booked in a month."""
    events = table(partition_name("usage_event", month))
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT DISTINCT sent_sku FROM {events}")  # noqa: S608
        numbers = [row[0] for row in cursor.fetchall()]
    return sent_keys(numbers)


def corrections_in(*, month: Month, feed: str = REQUEST) -> list[CorrectedPrice]:
    """Return the price corrections of a feed that are booked in a month; one query."""
    return [
        CorrectedPrice(
            tag_set=row.tag_set,
            day=row.day,
            utc_day=row.utc_day,
            meter=row.meter,
            old=(row.old_sku, row.old_price),
            new=(row.new_sku, row.new_price),
            quantity=row.quantity,
        )
        for row in PriceCorrection.objects.filter(period=month.first_day, feed=feed).order_by("id")
    ]


def _group(row: Sequence[Any]) -> Group:
    tag_set, sent_sku, at, context, meter, quantity, booked = row
    fixed = json.loads(booked) if isinstance(booked, str) else booked
    return Group(tag_set, sent_sku, at, context, meter, quantity, fixed)
