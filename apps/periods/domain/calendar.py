"""The tenant's accounting months, and which of them a moment is booked in."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final

from apps.core.domain.errors import Missing, Unprocessable
from apps.core.domain.months import Month

MONTHS_BACK: Final = 13
MONTHS_AHEAD: Final = 6


class State(StrEnum):
    """How far a month has come on its way to the books."""

    OPEN = "open"
    SOFT_CLOSED = "soft_closed"
    CLOSED = "closed"


class TimeBeforeFirstPeriod(Unprocessable):
    """The moment lies before the tenant's first period."""

    default_code = "time_before_first_period"


class NoOpenPeriod(Unprocessable):
    """No month at or after the moment takes entries."""

    default_code = "no_open_period"


class PeriodMissing(Missing):
    """The calendar has no such month."""

    default_code = "period_not_found"


@dataclass(frozen=True, slots=True)
class PeriodFacts:
    """One accounting month; [starts_at, ends_at) is in UTC."""

    month: Month
    state: State
    starts_at: datetime
    ends_at: datetime
    price_book_version: int | None = None
    frozen_at: datetime | None = None
    closed_at: datetime | None = None
    closed_by: str = ""
    approved_by: str = ""

    @property
    def is_open(self) -> bool:
        """Tell whether new usage and cost may be booked in the month."""
        return self.state is State.OPEN


@dataclass(frozen=True, slots=True)
class Calendar:
    """Every period of a tenant, in order and without gaps."""

    periods: tuple[PeriodFacts, ...]

    @classmethod
    def of(cls, periods: Iterable[PeriodFacts]) -> Calendar:
        """Build the calendar from periods in any order."""
        return cls(tuple(sorted(periods, key=lambda period: period.month)))

    def period(self, month: Month) -> PeriodFacts:
        """Return the period of a month.

        :raises PeriodMissing: when the calendar has none.
        """
        for period in self.periods:
            if period.month == month:
                return period
        raise PeriodMissing(f"The calendar has no period {month}.")

    def period_of(self, moment: datetime) -> PeriodFacts:
        """Return the period in which a moment lies, whatever its state.

        :raises TimeBeforeFirstPeriod: when the moment is too old.
        :raises NoOpenPeriod: when the moment lies after the last period.
        """
        index = self._index(moment)
        if moment >= self.periods[index].ends_at:
            raise NoOpenPeriod(
                f"The calendar ends with {self.periods[-1].month}; later use cannot be booked yet."
            )
        return self.periods[index]

    def booking_month(self, moment: datetime) -> Month:
        """Return the month that takes the use of a moment: its own, else the next open one.

        :raises TimeBeforeFirstPeriod: when the moment is too old.
        :raises NoOpenPeriod: when no month from there on is open.
        """
        index = self._index(self.period_of(moment).starts_at)
        for period in self.periods[index:]:
            if period.is_open:
                return period.month
        raise NoOpenPeriod(
            "Every later month is frozen or closed; open further months to book this use."
        )

    @property
    def open_months(self) -> tuple[Month, ...]:
        """Return the months that take new entries, oldest first."""
        return tuple(period.month for period in self.periods if period.is_open)

    def _index(self, moment: datetime) -> int:
        index = bisect_right(self.periods, moment, key=lambda period: period.starts_at) - 1
        if index < 0:
            first = f"; the first is {self.periods[0].month}" if self.periods else ""
            raise TimeBeforeFirstPeriod(
                f"The time lies before the first period of the calendar{first}."
            )
        return index


def default_span(today: date) -> tuple[Month, Month]:
    """Return the first and last month that a new tenant's calendar holds (rule 7)."""
    current = Month.of(today)
    return current - MONTHS_BACK, current + MONTHS_AHEAD


def months_between(first: Month, last: Month) -> tuple[Month, ...]:
    """Return every month from `first` to `last`, both included; empty when they are reversed."""
    months: list[Month] = []
    while first <= last:
        months.append(first)
        first = first + 1
    return tuple(months)
