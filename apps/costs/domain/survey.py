"""A first reading of a whole file: months, sums and refusals, in constant memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from apps.core.domain.money import EXACT
from apps.core.domain.months import Month
from apps.costs.domain.diagnostics import Notebook
from apps.costs.domain.focus import FocusReader, FocusRow, HeaderRefused, RowRefused
from apps.costs.domain.reports import Totals

REPORTED_ERRORS: Final = 100
Numbered = Iterable[tuple[int, list[str]]]


@dataclass(slots=True)
class MonthSurvey:
    """What a file holds of one billing month."""

    rows: int = 0
    totals: dict[str, Totals] = field(default_factory=dict)

    def add(self, row: FocusRow) -> None:
        """Count one charge."""
        self.rows += 1
        before = self.totals.get(row.currency, Totals())
        self.totals[row.currency] = Totals(
            EXACT.add(before.billed, row.billed), EXACT.add(before.effective, row.effective)
        )


@dataclass(slots=True)
class Survey:
    """What a file holds."""

    notebook: Notebook = field(default_factory=Notebook)
    months: dict[Month, MonthSurvey] = field(default_factory=dict)
    rejected: int = 0
    errors: list[RowRefused] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """Return how many charges can be booked."""
        return sum(month.rows for month in self.months.values())

    def refuse(self, refused: RowRefused) -> None:
        """Count one refused row; the first hundred are kept."""
        self.rejected += 1
        if len(self.errors) < REPORTED_ERRORS:
            self.errors.append(refused)


def survey(numbered: Numbered, *, shift_months: int) -> Survey:
    """Read every row once and return what the file holds.

    :raises HeaderRefused: when there is no header or it lacks required columns.
    """
    found = Survey()
    for row in _read(numbered, found.notebook):
        if isinstance(row, RowRefused):
            found.refuse(row)
        else:
            shifted = row.shifted(shift_months)
            found.months.setdefault(shifted.month, MonthSurvey()).add(shifted)
    return found


def charges(numbered: Numbered, *, shift_months: int) -> Iterator[FocusRow]:
    """Yield the rows that can be booked, for the second reading."""
    for row in _read(numbered, Notebook()):
        if isinstance(row, FocusRow):
            yield row.shifted(shift_months)


def _read(numbered: Numbered, notebook: Notebook) -> Iterator[FocusRow | RowRefused]:
    lines = iter(numbered)
    _, header = next(lines, (0, []))
    if not header:
        raise HeaderRefused("The file is empty; export it as FOCUS CSV with a header.")
    reader = FocusReader(header, notebook)
    for line, cells in lines:
        yield reader.read(cells, line)
