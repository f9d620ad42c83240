"""One canonical text for frozen payloads, and the digests taken of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from uuid import UUID

import orjson


def plain_decimal(value: Decimal) -> str:
    """Render a decimal without exponent and without trailing zeros: 1E+3 -> 1000, 0.10 -> 0.1."""
    if value == 0:
        return "0"
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def canonical_json(value: object) -> bytes:
    """Render as JSON with sorted keys; decimals, fractions and times become plain strings.

    :raises TypeError: when the value holds a float or an unknown type.
    """
    return orjson.dumps(_plain(value), option=orjson.OPT_SORT_KEYS)


def digest_of(value: object) -> str:
    """Return the SHA-256 of the canonical JSON, in hex."""
    return hashlib.sha256(canonical_json(value)).hexdigest()


def chained_digest(parts: Iterable[bytes]) -> str:
    """Return one SHA-256 over many parts, each preceded by its length; streams."""
    seal = hashlib.sha256()
    for part in parts:
        seal.update(len(part).to_bytes(8, "big"))
        seal.update(part)
    return seal.hexdigest()


def _plain(value: object) -> object:
    """Take the types that most values have first; asking an abstract class costs much more."""
    kind = type(value)
    if kind is str or kind is int or value is None:
        return value
    if kind is dict:
        return {str(key): _plain(item) for key, item in value.items()}  # type: ignore[attr-defined]
    if kind is list or kind is tuple:
        return [_plain(item) for item in value]  # type: ignore[attr-defined]
    return _plain_of_any(value)


def _plain_of_any(value: object) -> object:  # noqa: PLR0911 - one return a type reads best
    match value:
        case None | bool() | int() | str():
            return value.value if isinstance(value, Enum) else value
        case Decimal():
            return plain_decimal(value)
        case Fraction():
            return f"{value.numerator}/{value.denominator}"
        case datetime():
            return value.astimezone(UTC).isoformat(timespec="microseconds")
        case date():
            return value.isoformat()
        case UUID():
            return str(value)
        case Mapping():
            return {str(key): _plain(item) for key, item in value.items()}
        case bytes() | bytearray():
            raise TypeError("bytes have no canonical form")
        case Sequence() | frozenset() | set():
            items = sorted(value) if isinstance(value, frozenset | set) else value
            return [_plain(item) for item in items]
        case _:
            raise TypeError(f"{type(value).__name__} has no canonical form")
