"""Make the partitions of bill lines; runs as the owner of the tables."""

from __future__ import annotations

from django.db import connection

from apps.core.domain.months import Month
from apps.costs.sql import partition_name, partition_statements
from apps.periods.domain.calendar import months_between


def ensure_partitions(*, first: Month, last: Month) -> list[Month]:
    """Create the partitions that are missing from `first` to `last`; return their months.

    Needs the role that owns the tables (`apps.core.db.as_owner`). Safe to repeat.
    """
    made: list[Month] = []
    with connection.cursor() as cursor:
        for month in months_between(first, last):
            cursor.execute(
                "SELECT to_regclass(format('%%I.%%I', current_schema(), %s::text)) IS NOT NULL",
                [partition_name(month)],
            )
            if cursor.fetchone()[0]:
                continue
            for statement in partition_statements(month):
                cursor.execute(statement)
            made.append(month)
    return made
