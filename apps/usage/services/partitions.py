"""Makes the month partitions of events and rollups."""

from __future__ import annotations

from django.db import connection

from apps.core.db import current_schema
from apps.core.domain.months import Month
from apps.periods.domain.calendar import months_between
from apps.usage.sql import partition_name, partition_statements


def ensure_partitions(*, first: Month, last: Month) -> tuple[Month, ...]:
    """Make what partitions of the months from `first` to `last` are missing; return those made.

    Needs the role that owns the tables (`apps.core.db.as_owner`). Months that exist are left
    alone, so that repeating it changes nothing.
    """
    made: list[Month] = []
    with connection.cursor() as cursor:
        for month in months_between(first, last):
            if _exists(cursor, month):
                continue
            for statement in partition_statements(month):
                cursor.execute(statement)
            made.append(month)
    return tuple(made)


def _exists(cursor: object, month: Month) -> bool:
    name = f"{current_schema()}.{partition_name('usage_rollup', month)}"
    cursor.execute("SELECT to_regclass(%s)", [name])  # type: ignore[attr-defined]
    return cursor.fetchone()[0] is not None  # type: ignore[attr-defined]
