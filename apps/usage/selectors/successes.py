"""How many outcomes succeeded, by what their uses were tagged with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import connection

from apps.usage.store import table

_SUCCESSES: Final = """
WITH told AS (
    SELECT id, name, source, event_id, trace_id, experiment FROM {outcomes}
     WHERE success AND occurred_at >= %s AND occurred_at < %s
), live AS (
    SELECT e.key, e.source, e.event_id, e.trace_id, e.tag_set FROM {events} e
     WHERE e.sign = 1 AND NOT EXISTS (
        SELECT 1 FROM {events} later
         WHERE later.key = e.key AND (later.revision > e.revision
            OR (later.revision = e.revision AND later.sign = -1)))
), joined AS (
    SELECT t.id, t.name, e.tag_set, '' AS experiment FROM told t
      JOIN {keys} k ON k.source = t.source AND k.event_id = t.event_id
      JOIN live e ON e.key = k.key
     WHERE t.event_id <> ''
    UNION ALL
    SELECT t.id, t.name, min(e.tag_set), '' FROM told t
      JOIN live e ON e.trace_id = t.trace_id
     WHERE t.event_id = '' AND t.trace_id <> '' GROUP BY t.id, t.name
    UNION ALL
    SELECT t.id, t.name, NULL, t.experiment FROM told t
     WHERE t.event_id = '' AND t.trace_id = '' AND t.experiment <> ''
)
SELECT j.name, j.experiment, s.tags::text, s.account, s.credential, s.operation, count(*)
  FROM joined j LEFT JOIN {tag_sets} s ON s.id = j.tag_set
 GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2, 3, 4, 5, 6
"""


@dataclass(frozen=True, slots=True)
class Successes:
    """Successful outcomes of one name of uses with the same tags."""

    name: str
    tags: Mapping[str, str]
    count: int


def successes(*, start: datetime, end: datetime) -> list[Successes]:
    """Return the successful outcomes that occurred in [start, end), by name and tags; one query.

    An outcome of an event counts for the event's tags as they are now, one of a trace once for the
    tags of its first event, one of an experiment for that experiment. What names no event that is
    there, or one that was voided, counts for nobody.
    """
    names = {
        "outcomes": table("usage_outcome"),
        "events": table("usage_event"),
        "keys": table("usage_eventkey"),
        "tag_sets": table("usage_tagset"),
    }
    with connection.cursor() as cursor:
        cursor.execute(_SUCCESSES.format(**names), [start, end])
        rows = cursor.fetchall()
    return [
        Successes(name, {"experiment": experiment} if experiment else _tags(*of), count)
        for name, experiment, *of, count in rows
    ]


def _tags(tags: str, account: str, credential: str, operation: str) -> dict[str, str]:
    """Return tags with the reserved ones, as attribution reads them."""
    reserved = {"account": account, "credential": credential, "operation": operation}
    return {**json.loads(tags), **{key: value for key, value in reserved.items() if value}}
