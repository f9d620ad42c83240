"""Which stretch of days a budget's money is for: months, quarters, years, fixed dates, rolling."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Final, NamedTuple

from apps.core.domain.months import Month

_DAY: Final = timedelta(days=1)
LONGEST_ROLLING: Final = 366


class Window(StrEnum):
    """How a budget's windows follow each other."""

    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"
    FIXED = "fixed"
    ROLLING = "rolling"


_MONTHS: Final = {Window.MONTH: 1, Window.QUARTER: 3, Window.YEAR: 12}


class Days(NamedTuple):
    """The days [start, end) of a window, in the tenant's timezone; a rolling one has no end."""

    start: date
    end: date | None

    def holds(self, day: date) -> bool:
        """Tell whether a day lies in it."""
        return self.start <= day and (self.end is None or day < self.end)


@dataclass(frozen=True, slots=True)
class WindowRule:
    """The windows of one budget.

    `starts_on` is the first day that counts: of a repeating window the first day of one. `ends_on`
    is the last day of a fixed window, or None. `days` is the length of a rolling one.
    """

    kind: Window
    starts_on: date
    ends_on: date | None = None
    days: int | None = None

    @property
    def is_rolling(self) -> bool:
        """Tell whether the window moves on every day."""
        return self.kind is Window.ROLLING

    def window_of(self, day: date) -> Days | None:
        """Return the window that takes the spend of a day; None where the budget counts nothing.

        A rolling budget has a single window that never ends; what counts of it is `counted`.
        """
        if day < self.starts_on:
            return None
        if self.kind is Window.ROLLING:
            return Days(self.starts_on, None)
        if self.kind is Window.FIXED:
            assert self.ends_on is not None
            fixed = Days(self.starts_on, self.ends_on + _DAY)
            return fixed if fixed.holds(day) else None
        return _repeating(self.kind, day)

    def counted(self, as_of: date) -> Days:
        """Return the days that count for a rolling budget on a day, that day among them."""
        assert self.days is not None
        return Days(as_of - timedelta(days=self.days - 1), as_of + _DAY)

    def told_from(self, on: date) -> date:
        """Return the first day of the stretch in which alerts are told once, of a rolling budget.

        Its window never ends, so stretches of its length follow each other from its first day.
        """
        assert self.days is not None
        return on - timedelta(days=(on - self.starts_on).days % self.days)

    def before(self, window: Days) -> Days | None:
        """Return the window before a repeating one; None for the first, and for other kinds."""
        if self.kind not in _MONTHS:
            return None
        return self.window_of(window.start - _DAY)

    def after(self, window: Days) -> Days | None:
        """Return the window after a repeating one; None for other kinds."""
        if self.kind not in _MONTHS or window.end is None:
            return None
        return self.window_of(window.end)

    def windows(self, *, through: date) -> Iterator[Days]:
        """Yield the windows from the first one to that of a day."""
        found = self.window_of(self.starts_on)
        while found is not None and found.start <= through:
            yield found
            found = self.after(found)


def first_day_of(kind: Window, day: date) -> date:
    """Return the first day of the repeating window that holds a day; other kinds: the day."""
    return _repeating(kind, day).start if kind in _MONTHS else day


def _repeating(kind: Window, day: date) -> Days:
    length = _MONTHS[kind]
    first = Month(day.year, (day.month - 1) // length * length + 1)
    return Days(first.first_day, (first + length).first_day)
