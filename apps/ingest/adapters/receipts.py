"""The receipts of requests that went through one transaction, stored by one statement."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import orjson
from django.db import connection

from apps.core.db import current_schema
from apps.usage.services import packed

Row = tuple[
    UUID, datetime, str, int | None, int | None, int, int, int, int, int, list[dict[str, Any]]
]
"""Batch, arrival, sender (label, key, person), accepted, duplicates, conflicts, rejected, unpriced,
errors."""

_COLUMNS: Final = (
    "public_id, received_at, received_from, of_key, of_user, accepted, duplicates, conflicts, "
    "rejected, unpriced, errors"
)
_NO_ERRORS: Final = packed.jsonb(b"[]")


def packed_receipts(rows: Sequence[Row]) -> tuple[str, list[packed.Packed]]:
    """Return the statement that stores receipts, with its arrays, to be sent beside others.

    It is the model's own columns; a group of small requests has dozens of receipts.
    """
    places = ", ".join(["%b"] * len(_COLUMNS.split(",")))
    ids, times, senders, keys, people, *counts, errors = zip(*rows, strict=True)
    return f"INSERT INTO {_table()} ({_COLUMNS}) SELECT * FROM unnest({places})", [  # noqa: S608
        packed.Uuids.of([packed.uuid(one) for one in ids]),
        packed.Moments.pack(times),
        packed.Texts.pack(senders),
        *(packed.Longs.of([_number(one) for one in column]) for column in (keys, people)),
        *(packed.Ints.pack(column) for column in counts),
        packed.Jsonbs.of(
            [packed.jsonb(orjson.dumps(one)) if one else _NO_ERRORS for one in errors]
        ),
    ]


def _number(value: int | None) -> bytes:
    return packed.NULL if value is None else packed.long(value)


def _table() -> str:
    return f"{connection.ops.quote_name(current_schema())}.ingest_ingestbatch"
