"""The requests of a month one by one, for questions that no rollup answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from django.db import connection

from apps.core.domain.months import Month
from apps.usage.domain.feeds import REQUEST
from apps.usage.domain.timeline import SentKey
from apps.usage.selectors.rates import sent_keys
from apps.usage.sql import partition_name
from apps.usage.store import table

_PAGE: Final = 5_000
_REQUESTS: Final = """
SELECT tag_set, sent_sku, occurred_at, context_tokens, meters, sign FROM {events}
 WHERE feed = %s ORDER BY key DESC LIMIT %s
"""


@dataclass(frozen=True, slots=True)
class StoredRequest:
    """A signed row of an event: +1 as it came, -1 where it was taken back; disjoint meters."""

    tag_set: int
    sent_sku: int
    at: datetime
    context_tokens: int
    meters: dict[str, Decimal]
    sign: int


def requests_of_month(*, month: Month, limit: int) -> Iterator[StoredRequest]:
    """Yield the newest requests that are booked in a month, at most `limit`; one query."""
    statement = _REQUESTS.format(events=table(partition_name("usage_event", month)))
    with connection.cursor() as cursor:
        cursor.execute(statement, [REQUEST, limit])
        while rows := cursor.fetchmany(_PAGE):
            for tag_set, sent_sku, at, context_tokens, meters, sign in rows:
                yield StoredRequest(tag_set, sent_sku, at, context_tokens, _meters(meters), sign)


def names_of(*, sent: set[int]) -> dict[int, SentKey]:
    """Return what SKUs were sent as, by number; one query."""
    return sent_keys(sent)


def _meters(stored: Any) -> dict[str, Decimal]:
    read = json.loads(stored, parse_float=Decimal) if isinstance(stored, str) else stored
    return {meter: Decimal(quantity) for meter, quantity in read.items()}
