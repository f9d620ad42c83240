"""The statements that write usage: keys, events and rollups, thousands of rows at a time.

Every statement names schema and partition. Rows are written in the order of their keys, which is
the order of locks for all writers (rule 9).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

import psycopg
from django.db import IntegrityError, connection

from apps.core.db import current_schema
from apps.core.domain.errors import Conflict
from apps.core.domain.months import Month
from apps.usage.adapters import packed
from apps.usage.adapters.packed import NULL, Blobs, Days, Longs, Moments, Texts, server_cursor
from apps.usage.domain.cells import Cell
from apps.usage.domain.digest import VERSION
from apps.usage.domain.drafts import Draft
from apps.usage.domain.normalize import meters_json
from apps.usage.domain.placed import Placed
from apps.usage.sql import partition_name

BLOCK: Final = 16_384
"""Keys come in blocks: one number of the sequence is this many keys."""


class KeyTaken(Conflict):
    """Somebody else stored one of the ids while this transaction ran."""

    default_code = "key_taken"


class KnownKey(NamedTuple):
    """An id that was stored before, with every digest it ever had."""

    key: int
    digests: frozenset[bytes]


def reserve_keys(count: int) -> list[int]:
    """Return that many numbers that no other event has or will have, ascending."""
    if count == 0:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT nextval('{table('usage_keyblock_seq')}') FROM generate_series(1, %s)",  # noqa: S608
            [-(-count // BLOCK)],
        )
        blocks = sorted(row[0] for row in cursor.fetchall())
    keys = [block * BLOCK + offset for block in blocks for offset in range(BLOCK)]
    return keys[:count]


class Writes:
    """Statements sent to the database one after another while their results are not waited for."""

    def __init__(self, binding: psycopg.Cursor[Any]) -> None:
        self._binding = binding

    def insert_keys(self, keys: Sequence[int], items: Sequence[Placed]) -> None:
        """Insert keys that nobody has; `items` are distinct and in the order of names."""
        self._binding.execute(_insert_keys(), _key_columns(keys, items))

    def add_cells(self, month: Month, cells: Sequence[Cell]) -> None:
        """Add cells, distinct and in the order of locks, to the rollups of a month."""
        if cells:
            self._binding.execute(_add_cells(month), _cell_columns(cells))


@contextmanager
def writing() -> Iterator[Writes]:
    """Write while the block runs, which must not use the database otherwise.

    :raises KeyTaken: when somebody stored one of the keys meanwhile; the transaction is then lost.
    """
    try:
        with _binding() as binding, binding.connection.pipeline():
            yield Writes(binding)
    except IntegrityError as error:
        if not isinstance(error.__cause__, psycopg.errors.UniqueViolation):
            raise
        raise KeyTaken("An id of the batch was stored by another request meanwhile.") from error


def insert_keys_if_absent(keys: Sequence[int], items: Sequence[Placed]) -> set[int]:
    """Insert the keys that nobody has, waiting for others who are at it; return the inserted."""
    with _binding() as binding:
        statement = f"{_insert_keys()} ON CONFLICT DO NOTHING RETURNING key"
        binding.execute(statement, _key_columns(keys, items), binary=True)
        return {row[0] for row in binding}


def known_keys(items: Sequence[Placed]) -> dict[tuple[str, str], KnownKey]:
    """Return by name the keys of items that are stored, with all their digests; one query."""
    with looking_up([item.source for item in items], [item.id_part for item in items]) as known:
        pass
    return known


@contextmanager
def looking_up(
    sources: Sequence[str], id_parts: Sequence[bytes]
) -> Iterator[dict[tuple[str, str], KnownKey]]:
    """Look keys up while the block runs; the mapping is filled when it is left.

    The block must not use the database. The limit in the statement keeps the planner at one
    index probe a name, whatever it believes of the table.
    """
    statement = (
        "SELECT k.source, k.event_id, k.key, k.digest, "  # noqa: S608 - quoted identifiers only
        f"ARRAY(SELECT d.digest FROM {table('usage_eventdigest')} d WHERE d.key = k.key) "
        "FROM unnest(%b, %b) AS name(source, event_id) CROSS JOIN LATERAL ("
        f"SELECT * FROM {table('usage_eventkey')} WHERE source = name.source "
        "AND event_id = name.event_id LIMIT 1) k"
    )
    known: dict[tuple[str, str], KnownKey] = {}
    with _binding() as binding:
        with binding.connection.pipeline():
            binding.execute(statement, [_sources(sources), Texts.of(id_parts)], binary=True)
            yield known
        for source, event_id, key, digest, more in binding:
            known[source, event_id] = KnownKey(key, frozenset((digest, *more)))


def lock_key(source: str, event_id: str) -> int | None:
    """Lock one key against other corrections and return its number, or None when unknown."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT key FROM {table('usage_eventkey')} "  # noqa: S608
            "WHERE source = %s AND event_id = %s FOR UPDATE",
            [source, event_id],
        )
        row = cursor.fetchone()
    return None if row is None else int(row[0])


@dataclass(frozen=True, slots=True)
class BatchHeader:
    """What the events of one batch have in common, and how their end users are hashed."""

    batch: UUID
    received_at: datetime
    hash_of: Callable[[str], bytes]


@dataclass(frozen=True, slots=True)
class Revision:
    """Which revision of an event a row is, and what fixes its rating if anything does."""

    number: int = 0
    sign: int = 1
    booked: bytes | None = None


FIRST: Final = Revision()

_EVENT_COLUMNS: Final = (
    "key, tag_set, context_tokens, event_id, occurred_at, source, original_period, sent_sku, "
    "meters, reasoning_tokens, trace_id, end_user, status, reported_amount, reported_currency, "
    "hold, received_at, batch, revision, sign, booked"
)
_FIELDS: Final = len(_EVENT_COLUMNS.split(","))
_CHUNK: Final = 512
_ROW_START: Final = struct.Struct("!hiqiqiq")
_JSONB_START: Final = struct.Struct("!ib")


def copy_events(
    month: Month,
    header: BatchHeader,
    events: Sequence[tuple[int, Placed]],
    revision: Revision = FIRST,
) -> None:
    """Append one revision of events to the partition of an accounting month by binary COPY.

    Rows are sent in pieces, so that the database works while the next ones are made.
    """
    name = table(partition_name("usage_event", month))
    tail = _row_end(header, revision)
    places: dict[tuple[str, date, int], bytes] = {}
    with (
        connection.cursor() as cursor,
        connection.wrap_database_errors,
        cursor.copy(f"COPY {name} ({_EVENT_COLUMNS}) FROM STDIN (FORMAT BINARY)") as copy,
    ):
        copy.write(packed.COPY_HEADER)
        for start in range(0, len(events), _CHUNK):
            part = events[start : start + _CHUNK]
            copy.write(_event_rows(part, header.hash_of, tail, places))
        copy.write(packed.COPY_TRAILER)


def _row_end(header: BatchHeader, revision: Revision) -> bytes:
    return b"".join(
        (
            packed.moment(header.received_at),
            packed.uuid(header.batch),
            packed.short(revision.number),
            packed.short(revision.sign),
            NULL if revision.booked is None else packed.jsonb(revision.booked),
        )
    )


def _event_rows(
    events: Sequence[tuple[int, Placed]],
    hash_of: Callable[[str], bytes],
    tail: bytes,
    places: dict[tuple[str, date, int], bytes],
) -> bytes:
    """Return rows in the form of a binary COPY; a hot loop."""
    start, jsonb = _ROW_START.pack, _JSONB_START.pack
    rows: list[bytes] = []
    for key, item in events:
        place = (item.source, item.span.day, item.sent_sku)
        middle = places.get(place)
        if middle is None:
            middle = places[place] = _place_part(item)
        meters = meters_json(item.quantities)
        rows += (
            start(_FIELDS, 8, key, 8, item.tag_set, 8, item.context_tokens),
            item.id_part,
            item.time_part,
            middle,
            jsonb(len(meters) + 1, 1),
            meters,
            _rare_parts(item.draft, hash_of),
            tail,
        )
    return b"".join(rows)


def _place_part(item: Placed) -> bytes:
    month = packed.day(item.span.month.first_day)
    return packed.text(item.source) + month + packed.long(item.sent_sku)


_OK: Final = packed.text("ok")
_NOTHING: Final = (NULL + NULL + NULL + _OK + NULL + NULL + NULL, NULL + _OK + NULL + NULL + NULL)


def _rare_parts(draft: Draft, hash_of: Callable[[str], bytes]) -> bytes:
    """Return reasoning, trace, end user, status, reported cost and hold."""
    usage, cost, hold, trace = draft.usage, draft.reported_cost, draft.hold, draft.trace_id
    reasoning = usage.reasoning_tokens if usage is not None else 0
    if not (reasoning or draft.end_user or cost or hold) and draft.status == "ok":
        return NULL + packed.text(trace) + _NOTHING[1] if trace else _NOTHING[0]
    return b"".join(
        (
            packed.long(reasoning) if reasoning else NULL,
            packed.text(trace) if trace else NULL,
            packed.blob(hash_of(draft.end_user)) if draft.end_user else NULL,
            packed.text(draft.status or "ok"),
            packed.numeric(cost.amount) if cost else NULL,
            packed.text(cost.currency) if cost else NULL,
            packed.uuid(hold) if hold else NULL,
        )
    )


@dataclass(frozen=True, slots=True)
class InverseRow:
    """The inverse of an event row, yet to be written: a revision of the correction `batch`."""

    of: tuple[Month, int, int, int]
    """Period, key, revision and sign of the row."""

    revision: int
    batch: UUID
    received_at: datetime
    booked: str | None


def copy_inverse(month: Month, inverse: InverseRow) -> None:
    """Append the inverse of one event row to a month, copied where it lies."""
    period, key, number, sign = inverse.of
    same = (
        "key, source, event_id, original_period, occurred_at, tag_set, sent_sku, feed, "
        "context_tokens, meters, reasoning_tokens, trace_id, end_user, status, reported_amount, "
        "reported_currency, hold"
    )
    statement = (
        f"INSERT INTO {table(partition_name('usage_event', month))} "  # noqa: S608
        f"({same}, revision, sign, batch, received_at, booked) "
        f"SELECT {same}, %s, -sign, %s, %s, %s::jsonb "
        f"FROM {table(partition_name('usage_event', period))} "
        "WHERE key = %s AND revision = %s AND sign = %s"
    )
    with connection.cursor() as cursor:
        cursor.execute(
            statement,
            [
                inverse.revision,
                inverse.batch,
                inverse.received_at,
                inverse.booked,
                key,
                number,
                sign,
            ],
        )


def _add_cells(month: Month) -> str:
    name = table(partition_name("usage_rollup", month))
    return (
        f"INSERT INTO {name} AS kept "  # noqa: S608 - quoted identifiers only
        "(day, utc_day, tag_set, sku, price, meter, feed, quantity, cost, currency) "
        "SELECT day, utc_day, tag_set, sku, price, meter, 'request', quantity::numeric, "
        "cost::numeric, currency FROM unnest(%b, %b, %b, %b, %b, %b, %b, %b, %b) AS cell("
        "day, utc_day, tag_set, sku, price, meter, quantity, cost, currency) "
        "ON CONFLICT (period, day, utc_day, tag_set, sku, meter, price, feed) DO UPDATE "
        "SET quantity = kept.quantity + excluded.quantity, cost = kept.cost + excluded.cost"
    )


def drop_empty_cells(month: Month, cells: Sequence[Cell]) -> None:
    """Delete those of the given cells that came back to zero, so that a void leaves no trace."""
    _delete_cells(month, cells, "AND r.quantity = 0")


def replace_cells(month: Month, gone: Sequence[Cell], written: Sequence[Cell]) -> None:
    """Delete cells and write others in their place, both in the order of locks."""
    _delete_cells(month, gone, "")
    if written:
        with _binding() as binding:
            binding.execute(_add_cells(month), _cell_columns(written))


def has_rollups(month: Month) -> bool:
    """Tell whether any usage is booked in a month."""
    name = table(partition_name("usage_rollup", month))
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT EXISTS (SELECT 1 FROM {name})")  # noqa: S608
        return bool(cursor.fetchone()[0])


def _delete_cells(month: Month, cells: Sequence[Cell], also: str) -> None:
    name = table(partition_name("usage_rollup", month))
    statement = (
        f"DELETE FROM {name} r USING unnest(%b, %b, %b, %b, %b, %b) "  # noqa: S608
        "AS cell(day, utc_day, tag_set, sku, price, meter) "
        "WHERE r.day = cell.day AND r.utc_day = cell.utc_day "
        "AND r.tag_set = cell.tag_set AND r.sku = cell.sku AND r.price = cell.price "
        f"AND r.meter = cell.meter {also}"
    )
    if cells:
        with _binding() as binding:
            binding.execute(statement, _cell_columns(cells)[:6])


def _cell_columns(cells: Sequence[Cell]) -> list[packed.Packed]:
    """Return cells column by column; what repeats is packed once."""
    tag_sets, days, utc_days, skus, meters, prices, quantities, costs, currencies = zip(
        *cells, strict=True
    )
    return [
        Days.of(_parts(days, packed.day)),
        Days.of(_parts(utc_days, packed.day)),
        Longs.of(_parts(tag_sets, packed.long)),
        Longs.of(_parts(skus, packed.long)),
        Longs.of(_parts(prices, packed.long)),
        Texts.of(_parts(meters, packed.text)),
        Texts.pack(map(str, quantities)),
        Texts.pack([None if cost is None else str(cost) for cost in costs]),
        Texts.of(_parts(currencies, packed.text)),
    ]


def _parts(values: Sequence[Any], pack: Callable[[Any], bytes]) -> list[bytes]:
    known = {value: pack(value) for value in set(values)}
    return [known[value] for value in values]


@contextmanager
def _binding() -> Iterator[psycopg.Cursor[Any]]:
    """Open a cursor that binds on the server; its errors are Django's, as everywhere."""
    with connection.cursor() as cursor, connection.wrap_database_errors:
        yield server_cursor(cursor)


def _insert_keys() -> str:
    return (
        f"INSERT INTO {table('usage_eventkey')} "  # noqa: S608 - quoted identifiers only
        "(source, event_id, key, digest, digest_version, occurred_at) "
        f"SELECT source, event_id, key, digest, {VERSION}, occurred_at "
        "FROM unnest(%b, %b, %b, %b, %b) AS claim(source, event_id, key, digest, occurred_at)"
    )


def _key_columns(keys: Sequence[int], items: Sequence[Placed]) -> list[packed.Packed]:
    return [
        _sources([item.source for item in items]),
        Texts.of([item.id_part for item in items]),
        Longs.pack(keys),
        Blobs.pack([item.digest for item in items]),
        Moments.of([item.time_part for item in items]),
    ]


def _sources(sources: Sequence[str]) -> packed.Packed:
    return Texts.of(_parts(sources, packed.text))


def table(name: str) -> str:
    """Return a table of the current schema, qualified and quoted."""
    schema = connection.ops.quote_name(current_schema())
    return f"{schema}.{connection.ops.quote_name(name)}"
