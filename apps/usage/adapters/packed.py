"""Binary values for PostgreSQL, joined from parts instead of adapted one by one.

psycopg's own adapters are asked for every element of an array and every field of a row, which
costs more than the insert; `unnest` over text arrays was measured four times slower. A part is a
value with its length before it, and serves an array and a COPY alike.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID
from weakref import WeakSet

import psycopg
from psycopg.adapt import Dumper
from psycopg.pq import Format

_HEADER: Final = struct.Struct("!iiIii")
_EMPTY: Final = struct.Struct("!iiI")
_LENGTH: Final = struct.Struct("!i")
LONG: Final = struct.Struct("!iq")
_INT: Final = struct.Struct("!ii")
_SHORT: Final = struct.Struct("!ih")
_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
_EPOCH_DAY: Final = date(2000, 1, 1).toordinal()
_MICROSECOND: Final = timedelta(microseconds=1)

NULL: Final = _LENGTH.pack(-1)
COPY_HEADER: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
COPY_TRAILER: Final = b"\xff\xff"


class Packed(bytes):
    """The binary form of an array of one element type."""

    element = 0
    array = 0

    @classmethod
    def of(cls, parts: Sequence[bytes]) -> Packed:
        """Join parts into an array."""
        if not parts:
            return cls(_EMPTY.pack(0, 0, cls.element))
        return cls(_HEADER.pack(1, 1, cls.element, len(parts), 1) + b"".join(parts))


class Longs(Packed):
    """bigint[]"""

    element, array = 20, 1016

    @classmethod
    def pack(cls, values: Iterable[int]) -> Packed:
        """Pack whole numbers of 64 bits."""
        pack = LONG.pack
        return cls.of([pack(8, value) for value in values])


class Texts(Packed):
    """text[]"""

    element, array = 25, 1009

    @classmethod
    def pack(cls, values: Iterable[str | None]) -> Packed:
        """Pack texts; None is NULL."""
        return cls.of([NULL if value is None else text(value) for value in values])


class Blobs(Packed):
    """bytea[]"""

    element, array = 17, 1001

    @classmethod
    def pack(cls, values: Sequence[bytes]) -> Packed:
        """Pack byte strings that are all as long as the first."""
        if not values:
            return cls.of([])
        length = _LENGTH.pack(len(values[0]))
        header = _HEADER.pack(1, 0, cls.element, len(values), 1)
        return cls(header + length + length.join(values))


class Uuids(Packed):
    """uuid[]"""

    element, array = 2950, 2951


class Jsonbs(Packed):
    """jsonb[]"""

    element, array = 3802, 3807


class Shorts(Packed):
    """smallint[]"""

    element, array = 21, 1005


class Ints(Packed):
    """integer[]"""

    element, array = 23, 1007

    @classmethod
    def pack(cls, values: Iterable[int]) -> Packed:
        """Pack whole numbers of 32 bits."""
        return cls.of([_INT.pack(4, value) for value in values])


class Moments(Packed):
    """timestamptz[]"""

    element, array = 1184, 1185

    @classmethod
    def pack(cls, values: Iterable[datetime]) -> Packed:
        """Pack moments."""
        return cls.of([moment(value) for value in values])


class Days(Packed):
    """date[]"""

    element, array = 1082, 1182


class Numerics(Packed):
    """numeric[]"""

    element, array = 1700, 1231


def text(value: str) -> bytes:
    """Return the part of a text."""
    encoded = value.encode()
    return _LENGTH.pack(len(encoded)) + encoded


def blob(value: bytes) -> bytes:
    """Return the part of a byte string."""
    return _LENGTH.pack(len(value)) + value


def jsonb(value: bytes) -> bytes:
    """Return the part of a jsonb value from its JSON text."""
    return _LENGTH.pack(len(value) + 1) + b"\x01" + value


def long(value: int) -> bytes:
    """Return the part of a bigint."""
    return LONG.pack(8, value)


def short(value: int) -> bytes:
    """Return the part of a smallint."""
    return _SHORT.pack(2, value)


def day(value: date) -> bytes:
    """Return the part of a date."""
    return _INT.pack(4, value.toordinal() - _EPOCH_DAY)


def moment(value: datetime) -> bytes:
    """Return the part of a timestamptz."""
    return LONG.pack(8, (value - _EPOCH) // _MICROSECOND)


def uuid(value: UUID) -> bytes:
    """Return the part of a uuid."""
    return blob(value.bytes)


def numeric(value: Decimal) -> bytes:
    """Return the part of a numeric, digit groups of four around the decimal point."""
    sign, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        raise ValueError(f"{value} is not finite")
    scale = max(0, -exponent)
    shown = ("".join(map(str, digits)) + "0" * max(0, exponent)).rjust(scale, "0")
    whole, decimals = shown[: len(shown) - scale], shown[len(shown) - scale :]
    whole = whole.zfill(-(-len(whole) // 4) * 4)
    decimals = decimals.ljust(-(-len(decimals) // 4) * 4, "0")
    groups = [int((whole + decimals)[at : at + 4]) for at in range(0, len(whole + decimals), 4)]
    weight = len(whole) // 4 - 1
    body = struct.pack(
        f"!HhHH{len(groups)}H", len(groups), weight, 0x4000 if sign else 0, scale, *groups
    )
    return blob(body)


def _dumper(kind: type[Packed]) -> type[Dumper]:
    class PackedDumper(Dumper):
        format = Format.BINARY
        oid = kind.array

        def dump(self, obj: Any) -> Any:
            return bytes(obj)

    return PackedDumper


_KINDS: Final = (*(Longs, Texts, Blobs, Moments, Days, Numerics, Uuids, Jsonbs, Shorts, Ints),)
_DUMPERS: Final = {kind: _dumper(kind) for kind in _KINDS}
_PREPARED_AFTER: Final = 2
"""Times that a connection runs a statement before it keeps the plan; only cursors that bind on the
server do, and Django's never."""

_taught: Final[WeakSet[psycopg.Connection[Any]]] = WeakSet()


def server_cursor(cursor: Any) -> psycopg.Cursor[Any]:
    """Return a cursor that binds on the server, on the connection of an open Django cursor.

    Django's own binds on the client, as text. Its search path was set when it was opened;
    statements run here name their schema all the same (rule 11).
    """
    connection: psycopg.Connection[Any] = cursor.connection
    if connection not in _taught:
        for kind, dumper in _DUMPERS.items():
            connection.adapters.register_dumper(kind, dumper)
        connection.prepare_threshold = _PREPARED_AFTER
        _taught.add(connection)
    return psycopg.Cursor(connection)
