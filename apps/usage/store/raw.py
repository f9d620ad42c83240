"""The usage objects that events came with, beside the events."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import connection

from apps.usage.domain.placed import Placed
from apps.usage.domain.raw import raw_json
from apps.usage.store.binding import table


def insert_raw_usage(events: Sequence[tuple[int, Placed]], *, revision: int = 0) -> None:
    """Keep the usage objects of those new events that came with one; nothing for all others."""
    kept = [(key, item.draft.raw_usage) for key, item in events if item.draft.raw_usage is not None]
    if not kept:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table('usage_rawusage')} (key, revision, raw) "  # noqa: S608
            "SELECT t.key, %s, t.raw::jsonb FROM unnest(%s::bigint[], %s::text[]) AS t (key, raw)",
            [revision, [key for key, _ in kept], [raw_json(raw).decode() for _, raw in kept]],
        )


def copy_raw_usage(key: int, *, revision: int, to: int) -> None:
    """Keep the usage object of a revision for another one that says the same again."""
    raw = table("usage_rawusage")
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {raw} (key, revision, raw) SELECT key, %s, raw FROM {raw} "  # noqa: S608
            "WHERE key = %s AND revision = %s",
            [to, key, revision],
        )
