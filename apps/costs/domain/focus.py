"""Reads a FOCUS file row by row: tolerant of known defects, exact about money."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from apps.core.domain.errors import FieldError, Invalid
from apps.core.domain.months import Month
from apps.costs.domain.cells import CellRefused, check_text, shift_moment
from apps.costs.domain.convert import ColumnReader
from apps.costs.domain.diagnostics import Notebook
from apps.costs.domain.focus_columns import (
    COLUMNS,
    NOT_NULL_IN_FOCUS,
    OTHER_FOCUS,
    Column,
    Kind,
)

FIELDS: Final = (*(column.field for column in COLUMNS), "extra")
"""The fields of a bill line in the order of `FocusRow.values`."""

_BILLED: Final = FIELDS.index("billed_cost")
_EFFECTIVE: Final = FIELDS.index("effective_cost")
_CURRENCY: Final = FIELDS.index("currency")
_BILLING_START: Final = FIELDS.index("billing_period_start")
_CHARGE: Final = (FIELDS.index("charge_period_start"), FIELDS.index("charge_period_end"))
_MOMENTS: Final = tuple(i for i, column in enumerate(COLUMNS) if column.kind is Kind.MOMENT)


class HeaderRefused(Invalid):
    """The file lacks columns without which nothing can be booked."""

    default_code = "focus_header"


@dataclass(frozen=True, slots=True)
class FocusRow:
    """One charge; `values` follow `FIELDS`, `line` is the line of the file (the header is 1)."""

    line: int
    values: tuple[Any, ...]

    @property
    def month(self) -> Month:
        """Return the month of its BillingPeriodStart, as the provider counts it, in UTC."""
        start: datetime = self.values[_BILLING_START]
        return Month(start.year, start.month)

    @property
    def currency(self) -> str:
        """Return the billing currency."""
        return str(self.values[_CURRENCY])

    @property
    def billed(self) -> Decimal:
        """Return what the provider invoices, in the billing currency."""
        amount: Decimal = self.values[_BILLED]
        return amount

    @property
    def effective(self) -> Decimal:
        """Return the amortized cost, in the billing currency."""
        amount: Decimal = self.values[_EFFECTIVE]
        return amount

    def shifted(self, months: int) -> FocusRow:
        """Return the row moved by whole months; amounts are untouched."""
        if not months:
            return self
        values = list(self.values)
        for index in _MOMENTS:
            values[index] = shift_moment(values[index], months)
        return FocusRow(self.line, tuple(values))


@dataclass(frozen=True, slots=True)
class RowRefused:
    """A row that cannot be booked, with every reason."""

    line: int
    errors: tuple[FieldError, ...]


class FocusReader:
    """Turns cells into rows by the layout that the header gives.

    :raises HeaderRefused: when required columns are absent; names them all.
    """

    def __init__(self, header: Sequence[str], notebook: Notebook) -> None:
        self._notes = notebook
        self._places = _places(header, notebook)
        self._width = len(header)
        used = {place for place in self._places if place is not None}
        self._extra = [
            (index, name) for index, name in enumerate(header) if index not in used and name
        ]
        self._plan = tuple(
            (column.name, place, ColumnReader(column))
            for column, place in zip(COLUMNS, self._places, strict=True)
        )

    def read(self, cells: Sequence[str], line: int) -> FocusRow | RowRefused:
        """Return the row, or everything that is wrong with it."""
        if len(cells) != self._width:
            message = f"The row has {len(cells)} cells, the header {self._width}."
            return RowRefused(line, (FieldError("row", "width", message),))
        values: list[Any] = []
        errors: list[FieldError] = []
        for name, place, reader in self._plan:
            if place is None:
                values.append(reader.absent)
                continue
            try:
                value, odd = reader.read(cells[place])
            except CellRefused as refused:
                errors.append(FieldError(name, refused.code, str(refused)))
                continue
            values.append(value)
            for code in odd:
                self._notes.note(code, name, line)
        if errors:
            return RowRefused(line, tuple(errors))
        return self._checked(values, cells, line)

    def _checked(self, values: list[Any], cells: Sequence[str], line: int) -> FocusRow | RowRefused:
        start, end = values[_CHARGE[0]], values[_CHARGE[1]]
        if end < start:
            message = "The charge period ends before it starts."
            return RowRefused(line, (FieldError("ChargePeriodEnd", "order", message),))
        if end == start:
            self._notes.note("period_empty", "ChargePeriodEnd", line)
        try:
            values.append(self._extras(cells))
        except CellRefused as refused:
            return RowRefused(line, (FieldError("row", refused.code, str(refused)),))
        return FocusRow(line, tuple(values))

    def _extras(self, cells: Sequence[str]) -> Mapping[str, str]:
        return {
            name: check_text(cells[index])
            for index, name in self._extra
            if cells[index] and cells[index] != "NULL"
        }


def _places(header: Sequence[str], notebook: Notebook) -> tuple[int | None, ...]:
    exact = {name.strip(): index for index, name in enumerate(header)}
    folded = {name.casefold(): (index, name) for name, index in exact.items()}
    places = tuple(_place(column, exact, folded, notebook) for column in COLUMNS)
    missing = [
        column.name
        for column, place in zip(COLUMNS, places, strict=True)
        if place is None and column.required
    ]
    if missing:
        raise HeaderRefused(
            f"The file lacks the columns {', '.join(missing)}. Export it as FOCUS 1.0 or later, "
            "as CSV with a header.",
            errors=tuple(FieldError(name, "required", "Add this column.") for name in missing),
        )
    _note_columns(exact, places, notebook)
    return places


def _place(
    column: Column,
    exact: Mapping[str, int],
    folded: Mapping[str, tuple[int, str]],
    notebook: Notebook,
) -> int | None:
    for name in (column.name, *column.earlier):
        if name in exact:
            return exact[name]
        if name.casefold() in folded:
            notebook.note("case", name, 1)
            return folded[name.casefold()][0]
    if column.name in NOT_NULL_IN_FOCUS:
        notebook.note("missing_column", column.name, 1)
    return None


def _note_columns(
    exact: Mapping[str, int], places: Sequence[int | None], notebook: Notebook
) -> None:
    for name, index in exact.items():
        known = index in places or name in OTHER_FOCUS or name.startswith("x_")
        if not known:
            notebook.note("unknown_column", name or f"column {index + 1}", 1)
