"""The statements that write usage: keys, events and rollups, thousands of rows at a time.

Every statement names schema and partition. Rows are written in the order of their keys, which is
the order of locks for all writers (rule 9).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from django.db import connection

from apps.core.domain.months import Month
from apps.usage.adapters import packed
from apps.usage.adapters.packed import Blobs, Days, Longs, Moments, Texts, server_cursor
from apps.usage.domain.cells import Cell
from apps.usage.domain.digest import VERSION
from apps.usage.sql import partition_name


class Claim(NamedTuple):
    """One id that wants to be stored: who it is, and what it says."""

    source: str
    event_id: str
    digest: bytes
    occurred_at: Any


class KnownKey(NamedTuple):
    """An id that was stored before, with every digest it ever had."""

    key: int
    digests: frozenset[bytes]


class EventRow(NamedTuple):
    """One row of an event partition, in the order of the COPY; period comes from the partition.

    `meters` and `booked` are JSON text behind the version byte of jsonb.
    """

    key: int
    revision: int
    sign: int
    source: str
    event_id: str
    original_period: Any
    occurred_at: Any
    received_at: Any
    batch: Any
    tag_set: int
    sent_sku: int
    context_tokens: int
    meters: bytes
    reasoning_tokens: int | None
    trace_id: str | None
    end_user: bytes | None
    status: str
    reported_amount: Any
    reported_currency: str | None
    hold: Any
    booked: bytes | None


_TYPES: Final = tuple(
    "int8 int2 int2 text text date timestamptz timestamptz uuid int8 int8 int8 bytea int8 text "  # noqa: SIM905
    "bytea text numeric text uuid bytea".split()
)

JSONB: Final = b"\x01"
"""The version byte before the text of a jsonb value in binary form."""


def claim_keys(claims: Sequence[Claim]) -> dict[tuple[str, str], int]:
    """Insert the keys that are new, in order, and return their numbers; waits for other claims.

    `claims` are sorted by (source, id) and distinct. An id that somebody else stored, also one
    that commits while this waits, is not in the answer.
    """
    statement = (
        f"INSERT INTO {_table('usage_eventkey')} "  # noqa: S608 - quoted identifiers only
        "(source, event_id, digest, digest_version, occurred_at) "
        "SELECT source, event_id, digest, %b, occurred_at FROM unnest(%b, %b, %b, %b) "
        "AS claim(source, event_id, digest, occurred_at) "
        "ON CONFLICT DO NOTHING RETURNING source, event_id, key"
    )
    with connection.cursor() as cursor:
        binding = server_cursor(cursor)
        binding.execute(
            statement,
            [
                VERSION,
                Texts.pack([claim.source for claim in claims]),
                Texts.pack([claim.event_id for claim in claims]),
                Blobs.pack([claim.digest for claim in claims]),
                Moments.pack([claim.occurred_at for claim in claims]),
            ],
            binary=True,
        )
        return {(source, event_id): key for source, event_id, key in binding}


def known_keys(names: Sequence[tuple[str, str]]) -> dict[tuple[str, str], KnownKey]:
    """Return the stored keys of (source, id) pairs with all their digests; one query."""
    statement = (
        "SELECT k.source, k.event_id, k.key, k.digest, "  # noqa: S608 - quoted identifiers only
        f"ARRAY(SELECT d.digest FROM {_table('usage_eventdigest')} d WHERE d.key = k.key) "
        f"FROM unnest(%b, %b) AS name(source, event_id) "
        f"JOIN {_table('usage_eventkey')} k USING (source, event_id)"
    )
    with connection.cursor() as cursor:
        binding = server_cursor(cursor)
        binding.execute(
            statement,
            [Texts.pack([name[0] for name in names]), Texts.pack([name[1] for name in names])],
            binary=True,
        )
        return {
            (source, event_id): KnownKey(key, frozenset(bytes(one) for one in (digest, *more)))
            for source, event_id, key, digest, more in binding
        }


def lock_key(source: str, event_id: str) -> int | None:
    """Lock one key against other corrections and return its number, or None when unknown."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT key FROM {_table('usage_eventkey')} "  # noqa: S608
            "WHERE source = %s AND event_id = %s FOR UPDATE",
            [source, event_id],
        )
        row = cursor.fetchone()
    return None if row is None else int(row[0])


def copy_events(month: Month, rows: Iterable[EventRow]) -> None:
    """Append event rows to the partition of an accounting month by binary COPY."""
    table = _table(partition_name("usage_event", month))
    columns = ", ".join(EventRow._fields)
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY {table} ({columns}) FROM STDIN (FORMAT BINARY)") as copy,
    ):
        copy.set_types(_TYPES)
        write = copy.write_row
        for row in rows:
            write(row)


def add_cells(month: Month, cells: Sequence[Cell]) -> None:
    """Add cells, distinct and in the order of locks, to the rollups of an accounting month."""
    if not cells:
        return
    table = _table(partition_name("usage_rollup", month))
    statement = (
        f"INSERT INTO {table} AS kept "  # noqa: S608 - quoted identifiers only
        "(day, utc_day, tag_set, sku, price, meter, feed, quantity, cost, currency) "
        "SELECT day, utc_day, tag_set, sku, price, meter, 'request', quantity::numeric, "
        "cost::numeric, currency FROM unnest(%b, %b, %b, %b, %b, %b, %b, %b, %b) AS cell("
        "day, utc_day, tag_set, sku, price, meter, quantity, cost, currency) "
        "ON CONFLICT (period, day, utc_day, tag_set, sku, meter, price, feed) DO UPDATE "
        "SET quantity = kept.quantity + excluded.quantity, cost = kept.cost + excluded.cost"
    )
    with connection.cursor() as cursor:
        server_cursor(cursor).execute(statement, _columns(cells), binary=True)


def drop_empty_cells(month: Month, cells: Iterable[Cell]) -> None:
    """Delete those of the given cells that came back to zero, so that a void leaves no trace."""
    table = _table(partition_name("usage_rollup", month))
    keys = list(cells)
    statement = (
        f"DELETE FROM {table} r USING unnest(%b, %b, %b, %b, %b, %b) "  # noqa: S608
        "AS cell(day, utc_day, tag_set, sku, price, meter) "
        "WHERE r.quantity = 0 AND r.day = cell.day AND r.utc_day = cell.utc_day "
        "AND r.tag_set = cell.tag_set AND r.sku = cell.sku AND r.price = cell.price "
        "AND r.meter = cell.meter"
    )
    with connection.cursor() as cursor:
        server_cursor(cursor).execute(statement, _columns(keys)[:6], binary=True)


def _columns(cells: Sequence[Cell]) -> list[packed.Packed]:
    days = {cell.day: packed.day(cell.day) for cell in cells}
    days |= {cell.utc_day: packed.day(cell.utc_day) for cell in cells}
    words = {word: packed.text(word) for cell in cells for word in (cell.meter, cell.currency)}
    return [
        Days.of([days[cell.day] for cell in cells]),
        Days.of([days[cell.utc_day] for cell in cells]),
        Longs.pack([cell.tag_set for cell in cells]),
        Longs.pack([cell.sku for cell in cells]),
        Longs.pack([cell.price for cell in cells]),
        Texts.of([words[cell.meter] for cell in cells]),
        Texts.pack([str(cell.quantity) for cell in cells]),
        Texts.pack([None if cell.cost is None else str(cell.cost) for cell in cells]),
        Texts.of([words[cell.currency] for cell in cells]),
    ]


def _table(name: str) -> str:
    schema = connection.ops.quote_name(connection.schema_name)
    return f"{schema}.{connection.ops.quote_name(name)}"
