"""Event keys: reserved in blocks, looked up, inserted in the order of names, locked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final, NamedTuple

from django.db import connection

from apps.core.domain.errors import Conflict
from apps.usage.adapters import packed
from apps.usage.adapters.packed import Blobs, Longs, Moments, Texts
from apps.usage.domain.digest import VERSION
from apps.usage.domain.placed import Placed
from apps.usage.store.binding import binding_cursor, packed_once, table

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


def insert_keys_if_absent(keys: Sequence[int], items: Sequence[Placed]) -> set[int]:
    """Insert the keys that nobody has, waiting for others who are at it; return the inserted."""
    with binding_cursor() as binding:
        statement = f"{insert_keys_statement()} ON CONFLICT DO NOTHING RETURNING key"
        binding.execute(statement, key_columns(keys, items), binary=True)
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
    with binding_cursor() as binding:
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


def insert_keys_statement() -> str:
    """Return the INSERT of keys from five arrays."""
    return (
        f"INSERT INTO {table('usage_eventkey')} "  # noqa: S608 - quoted identifiers only
        "(source, event_id, key, digest, digest_version, occurred_at) "
        f"SELECT source, event_id, key, digest, {VERSION}, occurred_at "
        "FROM unnest(%b, %b, %b, %b, %b) AS claim(source, event_id, key, digest, occurred_at)"
    )


def key_columns(keys: Sequence[int], items: Sequence[Placed]) -> list[packed.Packed]:
    """Return keys and items column by column, for `insert_keys_statement`."""
    return [
        _sources([item.source for item in items]),
        Texts.of([item.id_part for item in items]),
        Longs.pack(keys),
        Blobs.pack([item.digest for item in items]),
        Moments.of([item.time_part for item in items]),
    ]


def _sources(sources: Sequence[str]) -> packed.Packed:
    return Texts.of(packed_once(sources, packed.text))
