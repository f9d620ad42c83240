"""The receipts of requests that went through one transaction, stored by one statement."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import orjson
from django.db import connection

from apps.core.db import current_schema

Row = tuple[
    UUID, datetime, str, int | None, int | None, int, int, int, int, int, list[dict[str, Any]]
]
"""Batch, arrival, sender (label, key, person), accepted, duplicates, conflicts, rejected, unpriced,
errors."""

_COLUMNS: Final = (
    "public_id, received_at, received_from, of_key, of_user, accepted, duplicates, conflicts, "
    "rejected, unpriced, errors"
)


def store_receipts(rows: Sequence[Row]) -> None:
    """Store receipts, the model's own columns; a group of small requests has dozens of them."""
    table = f"{connection.ops.quote_name(current_schema())}.ingest_ingestbatch"
    places = ", ".join(["(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s::jsonb)"] * len(rows))
    values: list[Any] = []
    for row in rows:
        values += (*row[:-1], orjson.dumps(row[-1]).decode())
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO {table} ({_COLUMNS}) VALUES {places}", values)  # noqa: S608
