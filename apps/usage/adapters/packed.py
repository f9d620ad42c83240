"""Binary arrays for PostgreSQL, packed at once instead of element by element.

psycopg's own list adapter asks an adapter for every element, which costs more than the insert;
`unnest` over text arrays was measured four times slower. Elements are joined from bytes here.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import psycopg
from psycopg.adapt import Dumper
from psycopg.pq import Format

_HEADER: Final = struct.Struct("!iiIii")
_LENGTH: Final = struct.Struct("!i")
_LONG: Final = struct.Struct("!iq")
_INT: Final = struct.Struct("!ii")
_NULL: Final = _LENGTH.pack(-1)
_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
_EPOCH_DAY: Final = date(2000, 1, 1).toordinal()
_MICROSECOND: Final = timedelta(microseconds=1)


class Packed(bytes):
    """The binary form of an array of one element type."""

    element = 0
    array = 0

    @classmethod
    def of(cls, parts: Sequence[bytes]) -> Packed:
        """Join elements that carry their own length."""
        header = _HEADER.pack(1, 1, cls.element, len(parts), 1) if parts else _EMPTY(cls.element)
        return cls(header + b"".join(parts))


def _EMPTY(element: int) -> bytes:
    return struct.pack("!iiI", 0, 0, element)


class Longs(Packed):
    """bigint[]"""

    element, array = 20, 1016

    @classmethod
    def pack(cls, values: Iterable[int]) -> Packed:
        """Pack whole numbers of 64 bits."""
        pack = _LONG.pack
        return cls.of([pack(8, value) for value in values])


class Texts(Packed):
    """text[]"""

    element, array = 25, 1009

    @classmethod
    def pack(cls, values: Iterable[str | None]) -> Packed:
        """Pack texts; None is NULL."""
        return cls.of([text(value) if value is not None else _NULL for value in values])


class Blobs(Packed):
    """bytea[]"""

    element, array = 17, 1001

    @classmethod
    def pack(cls, values: Iterable[bytes]) -> Packed:
        """Pack byte strings."""
        pack = _LENGTH.pack
        return cls.of([pack(len(value)) + value for value in values])


class Moments(Packed):
    """timestamptz[]"""

    element, array = 1184, 1185

    @classmethod
    def pack(cls, values: Iterable[datetime]) -> Packed:
        """Pack moments."""
        pack = _LONG.pack
        return cls.of([pack(8, (value - _EPOCH) // _MICROSECOND) for value in values])


class Days(Packed):
    """date[]"""

    element, array = 1082, 1182


def text(value: str) -> bytes:
    """Return one element of `Texts`."""
    encoded = value.encode()
    return _LENGTH.pack(len(encoded)) + encoded


def long(value: int) -> bytes:
    """Return one element of `Longs`."""
    return _LONG.pack(8, value)


def day(value: date) -> bytes:
    """Return one element of `Days`."""
    return _INT.pack(4, value.toordinal() - _EPOCH_DAY)


def _dumper(kind: type[Packed]) -> type[Dumper]:
    class PackedDumper(Dumper):
        format = Format.BINARY
        oid = kind.array

        def dump(self, obj: Any) -> Any:
            return bytes(obj)

    return PackedDumper


_DUMPERS: Final = {kind: _dumper(kind) for kind in (Longs, Texts, Blobs, Moments, Days)}


def server_cursor(cursor: Any) -> psycopg.Cursor[Any]:
    """Return a cursor that binds on the server, on the connection of an open Django cursor.

    Django's own binds on the client, as text. Its search path was set when it was opened;
    statements run here name their schema all the same (rule 11).
    """
    binding: psycopg.Cursor[Any] = psycopg.Cursor(cursor.connection)
    for kind, dumper in _DUMPERS.items():
        binding.adapters.register_dumper(kind, dumper)
    return binding
