"""The usage objects that events came with."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from django.db import connection

from apps.usage.domain.shapes import ShapeBroken, ShapeUnknown, reading
from apps.usage.store import table

_LATEST: Final = "SELECT raw::text FROM {raw} WHERE key = %s AND revision = %s"


def raw_usage_of(*, key: int, revision: int) -> Mapping[str, Any] | None:
    """Return the usage object that a revision came with, None where it came with none."""
    with connection.cursor() as cursor:
        cursor.execute(_LATEST.format(raw=table("usage_rawusage")), [key, revision])
        row = cursor.fetchone()
    return None if row is None else json.loads(row[0], parse_float=Decimal)


_INNER: Final = """
SELECT raw #>> '{{span,parent}}', raw #>> '{{span,began}}' FROM {raw}
 WHERE raw #>> '{{span,parent}}' = ANY(%s)
"""
_OUTER: Final = """
SELECT keys.event_id, kept.raw #>> '{{span,ended}}'
  FROM {keys} AS keys JOIN {raw} AS kept ON kept.key = keys.key AND kept.revision = 0
 WHERE keys.source = ANY(%s) AND keys.event_id = ANY(%s)
"""


def spans_inside(*, ids: Sequence[str]) -> dict[str, list[int]]:
    """Return when the stored spans began whose parents are named, in nanoseconds, by parent."""
    found: dict[str, list[int]] = {}
    for parent, began in _asked(_INNER, [list(ids)]) if ids else ():
        found.setdefault(parent, []).append(began)
    return found


def spans_around(*, names: Sequence[tuple[str, str]]) -> dict[str, int]:
    """Return when the named spans ended, in nanoseconds, of those that are stored as events."""
    if not names:
        return {}
    sources, ids = sorted({source for source, _ in names}), [name for _, name in names]
    return dict(_asked(_OUTER, [sources, ids]))


def _asked(query: str, values: list[Any]) -> Iterator[tuple[str, int]]:
    statement = query.format(raw=table("usage_rawusage"), keys=table("usage_eventkey"))
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        rows = cursor.fetchall()
    for name, moment in rows:
        if moment is not None and moment.isdecimal():
            yield name, int(moment)


def unknown_in(*, provider: str, raw: Mapping[str, Any] | None) -> tuple[str, ...]:
    """Return the paths of token counts that no reader knows today."""
    if raw is None:
        return ()
    try:
        return reading(provider=provider, usage=raw).unknown
    except (ShapeBroken, ShapeUnknown):
        return ()
