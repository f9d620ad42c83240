"""Event keys: reserved in blocks, looked up, inserted in the order of names, locked."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import Any, Final, NamedTuple

import psycopg
from django.db import IntegrityError, connection

from apps.core.db import current_schema
from apps.core.domain.errors import Conflict
from apps.usage.adapters import packed
from apps.usage.adapters.packed import Blobs, Longs, Moments, Texts
from apps.usage.domain.digest import SIZE, VERSION
from apps.usage.domain.placed import Placed
from apps.usage.store.binding import binding_cursor, packed_once, table

BLOCK: Final = 16_384
"""Keys come in blocks: one number of the sequence is this many keys."""

_FEW: Final = 16

Pairs = Sequence[tuple[int, Placed]]
"""Events with their keys."""

_COLUMNS: Final = "source, event_id, key, digest, digest_version, occurred_at"
_FIELDS: Final = len(_COLUMNS.split(","))
_ROW_START: Final = struct.Struct("!h")
_ROW_END: Final = struct.Struct(f"!iqi{SIZE}sih")


class KeyTaken(Conflict):
    """Somebody else stored one of the ids while this transaction ran."""

    default_code = "key_taken"


class KnownKey(NamedTuple):
    """An id that was stored before, with every digest it ever had."""

    key: int
    digests: frozenset[bytes]


def reserve_keys(count: int) -> list[range]:
    """Return that many numbers that no other event has or will have, ascending, in ranges."""
    if count == 0:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT nextval('{table('usage_keyblock_seq')}') FROM generate_series(1, %s)",  # noqa: S608
            [-(-count // BLOCK)],
        )
        blocks = sorted(row[0] for row in cursor.fetchall())
    last = count - BLOCK * (len(blocks) - 1)
    sizes = [BLOCK] * (len(blocks) - 1) + [last]
    return [range(at * BLOCK, at * BLOCK + size) for at, size in zip(blocks, sizes, strict=True)]


class KeyStock:
    """What is left of each tenant's last block of keys, so that small groups need not ask.

    Leftovers are used for a second: witnesses of events count on keys that follow the order of
    arrival but for a little, and lists of events do so more or less.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._left: dict[str, tuple[float, range]] = {}

    def draw(self, count: int) -> Sequence[int] | None:
        """Return that many keys of the current schema; None when there is no fresh stock."""
        schema = current_schema()
        with self._lock:
            until, left = self._left.get(schema, (0.0, range(0)))
            if len(left) < count or until < self._clock():
                return None
            self._left[schema] = until, left[count:]
            return left[:count]

    def fill(self) -> None:
        """Reserve a block for the current schema."""
        (reserved,) = reserve_keys(BLOCK)
        until = self._clock() + _FRESH_SECONDS
        with self._lock:
            if len(self._left) >= _MOST_STOCKS:
                self._left.clear()
            self._left[current_schema()] = until, reserved


_FRESH_SECONDS: Final = 1.0
_MOST_STOCKS: Final = 1_024
stock: Final = KeyStock()


@contextmanager
def storing_keys() -> Iterator[Callable[[Pairs], None]]:
    """Open a COPY of keys that nobody has; give what sends some, in the order of names.

    The block must not use the database, which stores what was sent meanwhile.

    :raises KeyTaken: when somebody stored one of the keys meanwhile; the transaction is then lost.
    """
    statement = f"COPY {table('usage_eventkey')} ({_COLUMNS}) FROM STDIN (FORMAT BINARY)"
    sources: dict[str, bytes] = {}
    with (
        keys_untaken(),
        connection.cursor() as cursor,
        connection.wrap_database_errors,
        cursor.copy(statement) as copy,
    ):
        copy.write(packed.COPY_HEADER)
        yield lambda pairs: copy.write(_key_rows(pairs, sources))
        copy.write(packed.COPY_TRAILER)


@contextmanager
def keys_untaken() -> Iterator[None]:
    """Say of a unique violation in the block what it means: a key that somebody else has.

    :raises KeyTaken: then.
    """
    try:
        yield
    except IntegrityError as error:
        if not isinstance(error.__cause__, psycopg.errors.UniqueViolation):
            raise
        raise KeyTaken("An id of the batch was stored by another request meanwhile.") from error


def _key_rows(pairs: Pairs, sources: dict[str, bytes]) -> bytes:
    """Return rows in the form of a binary COPY; a hot loop."""
    start, end = _ROW_START.pack, _ROW_END.pack
    rows: list[bytes] = []
    for key, item in pairs:
        source = sources.get(item.source)
        if source is None:
            source = sources[item.source] = packed.text(item.source)
        rows += (
            start(_FIELDS),
            source,
            item.id_part,
            end(8, key, SIZE, item.digest, 2, VERSION),
            item.time_part,
        )
    return b"".join(rows)


def insert_keys_if_absent(pairs: Pairs) -> set[int]:
    """Insert the keys that nobody has, waiting for others who are at it; return the inserted.

    The pairs are in the order of names.
    """
    statement = (
        f"INSERT INTO {table('usage_eventkey')} "  # noqa: S608 - quoted identifiers only
        "(source, event_id, key, digest, digest_version, occurred_at) "
        f"SELECT source, event_id, key, digest, {VERSION}, occurred_at "
        "FROM unnest(%b, %b, %b, %b, %b) AS claim(source, event_id, key, digest, occurred_at) "
        "ON CONFLICT DO NOTHING RETURNING key"
    )
    items = [item for _, item in pairs]
    columns = [
        _sources([item.source for item in items]),
        Texts.of([item.id_part for item in items]),
        Longs.pack([key for key, _ in pairs]),
        Blobs.pack([item.digest for item in items]),
        Moments.pack([item.draft.time for item in items]),
    ]
    with binding_cursor() as binding:
        binding.execute(statement, columns, binary=True)
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
    index probe a name, whatever it believes of the table. Senders mostly count upwards, so what a
    lone source sends is first held against the greatest stored id up to the greatest one sent:
    names beyond it are not stored, which takes one probe for all of them.
    """
    statement, columns = names_asked(sources, id_parts)
    values: list[Any] = [*columns]
    keys = table("usage_eventkey")
    lone = set(sources)
    if len(lone) == 1 and len(id_parts) > _FEW:
        values += [*lone, max([part[4:] for part in id_parts]).decode()]
        statement += (
            f' WHERE name.event_id COLLATE "C" <= (SELECT event_id FROM {keys} WHERE source = %b '  # noqa: S608
            "AND event_id <= %b ORDER BY event_id DESC LIMIT 1)"
        )
    known: dict[tuple[str, str], KnownKey] = {}
    with binding_cursor() as binding:
        with binding.connection.pipeline():
            binding.execute(statement, values, binary=True)
            yield known
        known |= found_keys(binding)


def names_asked(
    sources: Sequence[str], id_parts: Sequence[bytes]
) -> tuple[str, list[packed.Packed]]:
    """Return the question for the keys of names; its binary answer is read by `found_keys`."""
    statement = (
        "SELECT k.source, k.event_id, k.key, k.digest, "  # noqa: S608 - quoted identifiers only
        f"ARRAY(SELECT d.digest FROM {table('usage_eventdigest')} d WHERE d.key = k.key) "
        "FROM unnest(%b, %b) AS name(source, event_id) CROSS JOIN LATERAL ("
        f"SELECT * FROM {table('usage_eventkey')} WHERE source = name.source "
        "AND event_id = name.event_id LIMIT 1) k"
    )
    return statement, [_sources(sources), Texts.of(id_parts)]


def found_keys(rows: Iterable[Any]) -> dict[tuple[str, str], KnownKey]:
    """Return by name the keys that `names_asked` found."""
    return {
        (source, event_id): KnownKey(key, frozenset((digest, *more)))
        for source, event_id, key, digest, more in rows
    }


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


def _sources(sources: Sequence[str]) -> packed.Packed:
    return Texts.of(packed_once(sources, packed.text))
