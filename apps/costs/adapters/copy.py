"""Writes bill lines by COPY, a file of any length in constant memory."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import orjson
from django.db import connection
from psycopg import sql

from apps.core.db import current_schema
from apps.costs.domain.focus import FIELDS, FocusRow
from apps.costs.models import Bill

_COLUMNS: Final = ("period", "bill_id", "line", *FIELDS)
_JSON: Final = tuple(FIELDS.index(name) for name in ("tags", "extra"))


def copy_lines(rows: Iterable[FocusRow], *, bills: dict[str, Bill]) -> int:
    """Copy rows under the bill of their month (`2026-10`); return how many there were.

    Rows of a month without a bill are left out.
    """
    statement = sql.SQL("COPY {}.{} ({}) FROM STDIN").format(
        sql.Identifier(_schema()),
        sql.Identifier("costs_billline"),
        sql.SQL(", ").join(map(sql.Identifier, _COLUMNS)),
    )
    written = 0
    with connection.cursor() as cursor, cursor.copy(statement) as target:
        for row in rows:
            bill = bills.get(str(row.month))
            if bill is None:
                continue
            values = list(row.values)
            for index in _JSON:
                values[index] = orjson.dumps(values[index]).decode()
            target.write_row((bill.period, bill.pk, row.line, *values))
            written += 1
    return written


def _schema() -> str:
    return current_schema()
