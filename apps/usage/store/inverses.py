"""Inverses of many event rows at once, copied where they lie."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db import connection

from apps.core.domain.months import Month
from apps.usage.models import Event
from apps.usage.sql import partition_name
from apps.usage.store.binding import table

_OWN = frozenset({"period", "revision", "sign", "batch", "received_at", "booked"})
"""Columns that an inverse does not take from its row."""


class Inverse(NamedTuple):
    """The inverse of the row (key, revision, sign): its own revision, and what fixes its rating."""

    key: int
    revision: int
    sign: int
    number: int
    booked: str | None


def copy_inverses(
    *,
    month: Month,
    period: Month,
    inverses: Sequence[Inverse],
    batch: UUID,
    received_at: datetime,
) -> None:
    """Append the inverses of rows of one month to another month, or the same; one statement."""
    same = ", ".join(
        str(field.column) for field in Event._meta.concrete_fields if field.column not in _OWN
    )
    statement = (
        f"INSERT INTO {table(partition_name('usage_event', month))} "  # noqa: S608
        f"({same}, revision, sign, batch, received_at, booked) "
        f"SELECT {', '.join(f'e.{name}' for name in same.split(', '))}, "
        "i.number, -e.sign, %s, %s, i.booked::jsonb "
        "FROM unnest(%s::bigint[], %s::smallint[], %s::smallint[], %s::smallint[], %s::text[]) "
        "AS i(key, revision, sign, number, booked) "
        f"JOIN {table(partition_name('usage_event', period))} e "
        "ON e.key = i.key AND e.revision = i.revision AND e.sign = i.sign"
    )
    columns = [list(column) for column in zip(*inverses, strict=True)]
    with connection.cursor() as cursor:
        cursor.execute(statement, [batch, received_at, *columns])


def copy_raw_usages(copies: Sequence[tuple[int, int, int]]) -> None:
    """Keep usage objects for revisions that say the same again: (key, revision, its repeat)."""
    if not copies:
        return
    raw = table("usage_rawusage")
    statement = (
        f"INSERT INTO {raw} (key, revision, raw) "  # noqa: S608 - quoted identifiers only
        "SELECT r.key, c.number, r.raw "
        "FROM unnest(%s::bigint[], %s::smallint[], %s::smallint[]) AS c(key, revision, number) "
        f"JOIN {raw} r ON r.key = c.key AND r.revision = c.revision"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, [list(column) for column in zip(*copies, strict=True)])
