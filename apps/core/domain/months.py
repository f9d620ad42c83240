"""Accounting months: half-open, bounded by a tenant's timezone (rule 3)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from apps.core.domain.errors import Invalid


@dataclass(frozen=True, slots=True, order=True)
class Month:
    """A calendar month, written 2026-10."""

    year: int
    month: int

    @classmethod
    def parse(cls, text: str) -> Month:
        """Read `2026-10`.

        :raises Invalid: when the text is no month.
        """
        try:
            year, month = text.split("-")
            first = date(int(year), int(month), 1)
        except ValueError:
            raise Invalid(f"{text!r} is no month; write it as 2026-10.", code="month") from None
        return cls(first.year, first.month)

    @classmethod
    def of(cls, day: date) -> Month:
        """Return the month in which a day lies."""
        return cls(day.year, day.month)

    def __str__(self) -> str:
        return f"{self.year:04d}-{self.month:02d}"

    @property
    def first_day(self) -> date:
        """Return the first day."""
        return date(self.year, self.month, 1)

    @property
    def last_day(self) -> date:
        """Return the last day."""
        return (self + 1).first_day - timedelta(days=1)

    def __add__(self, months: int) -> Month:
        index = self.year * 12 + self.month - 1 + months
        return Month(index // 12, index % 12 + 1)

    def __sub__(self, months: int) -> Month:
        return self + -months

    def bounds(self, zone: ZoneInfo) -> tuple[datetime, datetime]:
        """Return [start, end) in UTC of the month as that timezone sees it."""
        return _midnight(self.first_day, zone), _midnight((self + 1).first_day, zone)


def local_day(moment: datetime, zone: ZoneInfo) -> date:
    """Return the calendar day of a moment in a timezone."""
    return moment.astimezone(zone).date()


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
