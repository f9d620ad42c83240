"""Reads single cells of a bill: numbers, moments, enumerations, tags."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Final

import orjson

from apps.core.domain.money import EXACT
from apps.core.domain.months import Month

COST_DIGITS: Final = 20
"""Digits before the point of a cost, price or quantity (numeric(44,24))."""

COST_DECIMALS: Final = 24
TEXT_LIMIT: Final = 4096
TAG_LIMIT: Final = 200
"""More tags than any provider allows on one resource."""

_NUMBER: Final = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)
_STRICT_NUMBER: Final = re.compile(r"-?\d+(?:\.\d+)?(?:[eE]-?\d{1,3})?", re.ASCII)
_MOMENT: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?)?"
    r"(?: ?(Z|UTC|[+-]\d\d:?\d\d))?",
    re.ASCII,
)


class CellRefused(ValueError):
    """The cell cannot be read; `code` is stable, the text names the remedy."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def read_decimal(text: str) -> tuple[Decimal, bool]:
    """Return the exact number, and whether it is written as the standard allows.

    :raises CellRefused: when it is no number, or has more digits than can be kept exactly.
    """
    if not _NUMBER.fullmatch(text):
        raise CellRefused("number", f"{text[:40]!r} is no number; write it as 1234.56.")
    if len(text) > EXACT.prec:
        raise CellRefused("decimals", f"Give at most {COST_DECIMALS} decimals.")
    number = Decimal(text)
    if number and number.adjusted() >= COST_DIGITS:
        raise CellRefused("too_large", f"Give a number below 10^{COST_DIGITS}.")
    exponent = number.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -COST_DECIMALS:
        number = number.normalize(EXACT)
        exponent = number.as_tuple().exponent
        if isinstance(exponent, int) and exponent < -COST_DECIMALS:
            raise CellRefused("decimals", f"Give at most {COST_DECIMALS} decimals.")
    return number, _STRICT_NUMBER.fullmatch(text) is not None


def read_moment(text: str) -> tuple[datetime, bool]:
    """Return the moment in UTC, and whether it is written as the standard wants.

    Without an offset the moment is taken as UTC, which the standard prescribes.

    :raises CellRefused: when it is no date and time.
    """
    if len(text) == 20 and text[10] == "T" and text[19] == "Z":
        return _moment(text, text[:19]), True
    found = _MOMENT.fullmatch(text)
    if not found:
        raise CellRefused("moment", f"{text[:40]!r} is no time; write 2024-09-01T00:00:00Z.")
    year, month, day, hour, minute, second, fraction, offset = found.groups()
    plain = f"{year}-{month}-{day}T{hour or '00'}:{minute or '00'}:{second or '00'}"
    if fraction:
        plain += f".{fraction[:6].ljust(6, '0')}"
    moment = _moment(text, plain)
    if offset and offset[0] in "+-":
        moment -= _offset(text, offset)
    return moment, False


def read_enum(text: str, allowed: tuple[str, ...]) -> tuple[str, str]:
    """Return the value in the standard's spelling, and the code of what was odd about it."""
    if text in allowed:
        return text, ""
    for value in allowed:
        if value.casefold() == text.casefold():
            return value, "case"
    return text, "unknown_value"


def read_tags(text: str) -> tuple[Mapping[str, str], str]:
    """Return tags as text by text, and the code of what was odd about them.

    :raises CellRefused: when there are too many, or one is too long or holds a NUL.
    """
    try:
        tags = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}, "tags_unreadable"
    if not isinstance(tags, dict):
        return {}, "tags_unreadable"
    if len(tags) > TAG_LIMIT:
        raise CellRefused("tags", f"Give at most {TAG_LIMIT} tags.")
    odd = ""
    read: dict[str, str] = {}
    for key, value in tags.items():
        if value is None:
            continue
        if not isinstance(value, str):
            odd = "tag_value"
        written = value if isinstance(value, str) else orjson.dumps(value).decode()
        read[check_text(key)] = check_text(written)
    return read, odd


def check_text(text: str) -> str:
    """Return a text that the database can keep.

    :raises CellRefused: when it is too long or holds a NUL.
    """
    if len(text) > TEXT_LIMIT or "\x00" in text:
        raise CellRefused("text", f"Give at most {TEXT_LIMIT} characters without NUL.")
    return text


@lru_cache(maxsize=10_000)
def shift_moment(moment: datetime, months: int) -> datetime:
    """Move a moment by whole months; a day that the target month lacks becomes its last day."""
    if not months:
        return moment
    target = Month(moment.year, moment.month) + months
    return moment.replace(
        year=target.year, month=target.month, day=min(moment.day, target.last_day.day)
    )


def _moment(text: str, plain: str) -> datetime:
    try:
        return datetime.fromisoformat(plain).replace(tzinfo=UTC)
    except ValueError:
        raise CellRefused(
            "moment", f"{text[:40]!r} is no time; write 2024-09-01T00:00:00Z."
        ) from None


def _offset(text: str, offset: str) -> timedelta:
    sign = -1 if offset[0] == "-" else 1
    hours, minutes = int(offset[1:3]), int(offset[-2:])
    if hours > 18 or minutes > 59:
        raise CellRefused("moment", f"{text[:40]!r} has no such offset from UTC.")
    return sign * timedelta(hours=hours, minutes=minutes)
