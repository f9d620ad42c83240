"""Events of a scope: a source, a stretch of time, tags; and their keys, locked in order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

import orjson
from django.db import connection

from apps.core.domain.months import Month
from apps.usage.store.binding import table

_MARGIN: Final = timedelta(days=1)
"""A month of the tenant's zone begins at most this long before or after that of UTC."""

_SCOPE: Final = """
WITH named AS (
    SELECT DISTINCT key FROM {events}
     WHERE period >= %(month)s AND source = %(source)s AND feed = 'request'
       AND occurred_at >= %(start)s AND occurred_at < %(end)s
), latest AS (
    SELECT DISTINCT ON (e.key) e.key, e.event_id, e.sign, e.occurred_at, e.tag_set,
           min(e.received_at) OVER (PARTITION BY e.key) AS first_at
      FROM {events} e JOIN named USING (key)
     ORDER BY e.key, e.revision DESC, e.sign
)
SELECT latest.event_id FROM latest JOIN {tag_sets} t ON t.id = latest.tag_set
 WHERE latest.sign = 1 AND latest.occurred_at >= %(start)s AND latest.occurred_at < %(end)s
   AND latest.first_at < %(before)s AND t.tags @> %(tags)s::jsonb
 ORDER BY latest.event_id
 LIMIT %(limit)s
"""


class Scope(NamedTuple):
    """Usage of one source in [start, end) that carries tags; received before a moment."""

    source: str
    start: datetime
    end: datetime
    tags: Mapping[str, str]
    before: datetime


def ids_in_scope(scope: Scope, *, limit: int) -> list[str]:
    """Return the ids of the events that stand in a scope, in order; at most `limit`."""
    statement = _SCOPE.format(events=table("usage_event"), tag_sets=table("usage_tagset"))
    wanted: dict[str, Any] = {
        "month": Month.of((scope.start - _MARGIN).date()).first_day,
        "source": scope.source,
        "start": scope.start,
        "end": scope.end,
        "before": scope.before,
        "tags": orjson.dumps(dict(scope.tags)).decode(),
        "limit": limit,
    }
    with connection.cursor() as cursor:
        cursor.execute(statement, wanted)
        return [row[0] for row in cursor.fetchall()]


class StoredKey(NamedTuple):
    """The number of an event and every digest that its id ever had."""

    key: int
    digests: frozenset[bytes]


def stored_keys(*, source: str, ids: Iterable[str], lock: str = "") -> dict[str, StoredKey]:
    """Return the keys of a source's ids that are stored; `lock` them in order with FOR UPDATE."""
    keys, digests = table("usage_eventkey"), table("usage_eventdigest")
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT event_id, key, digest FROM {keys} "  # noqa: S608
            f"WHERE source = %s AND event_id = ANY (%s) ORDER BY event_id {lock}",
            [source, sorted(ids)],
        )
        rows = cursor.fetchall()
        cursor.execute(
            f"SELECT key, digest FROM {digests} WHERE key = ANY (%s)",  # noqa: S608
            [[row[1] for row in rows]],
        )
        more: dict[int, set[bytes]] = {}
        for key, digest in cursor.fetchall():
            more.setdefault(key, set()).add(bytes(digest))
    return {
        event_id: StoredKey(key, frozenset({bytes(digest), *more.get(key, ())}))
        for event_id, key, digest in rows
    }
