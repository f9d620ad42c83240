"""Turns the cells of one column into values, remembering what repeats from row to row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from apps.costs.domain.cells import (
    CellRefused,
    check_text,
    read_decimal,
    read_enum,
    read_moment,
    read_tags,
)
from apps.costs.domain.focus_columns import ENUMS, NOT_NULL_IN_FOCUS, Column, Kind

Reading = tuple[Any, tuple[str, ...]]
"""A value, and the codes of what was odd about its cell."""

_REMEMBERED: Final = 10_000
_PLAIN: Final = ()


class ColumnReader:
    """Reads the cells of one column; bills repeat most of them thousands of times."""

    __slots__ = ("_column", "_known", "_read")

    def __init__(self, column: Column) -> None:
        self._column = column
        self._read = _READERS[column.kind]
        self._known: dict[str, Reading] = {}

    def read(self, text: str) -> Reading:
        """Return the value of a cell.

        :raises CellRefused: when it cannot be read, or is empty and a charge needs it.
        """
        known = self._known.get(text)
        if known is None:
            known = self._convert(text.strip())
            if len(self._known) < _REMEMBERED:
                self._known[text] = known
        return known

    @property
    def absent(self) -> Any:
        """Return the value of a column that the file does not have."""
        return _EMPTY[self._column.kind]

    def _convert(self, text: str) -> Reading:
        if text and text != "NULL":
            return self._read(self._column, text)
        if self._column.required:
            raise CellRefused("required", f"{self._column.name} is empty; a charge needs it.")
        odd = ("literal_null",) if text else _PLAIN
        if self._column.name in NOT_NULL_IN_FOCUS:
            odd = (*odd, "empty")
        return self.absent, odd


def _text(column: Column, text: str) -> Reading:
    return check_text(text), _PLAIN


def _enum(column: Column, text: str) -> Reading:
    value, odd = read_enum(check_text(text), ENUMS[column.name])
    if odd == "unknown_value" and column.required:
        allowed = ", ".join(ENUMS[column.name])
        raise CellRefused("unknown_value", f"{text[:40]!r} is none of {allowed}.")
    return value, (odd,) if odd else _PLAIN


def _currency(column: Column, text: str) -> Reading:
    code = text.upper()
    if len(code) != 3 or not (code.isascii() and code.isalpha()):
        raise CellRefused("currency", f"{text[:40]!r} is no ISO 4217 code, as USD.")
    return code, _PLAIN if code == text else ("case",)


def _decimal(column: Column, text: str) -> Reading:
    number, is_strict = read_decimal(text)
    return number, _PLAIN if is_strict else ("number_format",)


def _moment(column: Column, text: str) -> Reading:
    moment, is_strict = read_moment(text)
    return moment, _PLAIN if is_strict else ("timestamp_format",)


def _tags(column: Column, text: str) -> Reading:
    tags, odd = read_tags(text)
    return tags, (odd,) if odd else _PLAIN


_READERS: Final[Mapping[Kind, Callable[[Column, str], Reading]]] = {
    Kind.TEXT: _text,
    Kind.ENUM: _enum,
    Kind.CURRENCY: _currency,
    Kind.DECIMAL: _decimal,
    Kind.MOMENT: _moment,
    Kind.TAGS: _tags,
}
_EMPTY: Final[Mapping[Kind, Any]] = {
    Kind.TEXT: "",
    Kind.ENUM: "",
    Kind.CURRENCY: "",
    Kind.DECIMAL: None,
    Kind.MOMENT: None,
    Kind.TAGS: {},
}
