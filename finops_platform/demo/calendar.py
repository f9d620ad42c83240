"""Spreads a trace's hour over a month the way offices work: busy weekdays, quiet nights."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate
from zoneinfo import ZoneInfo

from apps.core.domain.months import Month

_HOUR_WEIGHTS = (2, 1, 1, 1, 1, 2, 4, 8, 14, 18, 20, 20, 16, 18, 20, 19, 17, 13, 9, 7, 6, 5, 4, 3)
_WEEKEND_DIVISOR = 4
_HOUR_MICROSECONDS = 3_600_000_000


@dataclass(frozen=True, slots=True)
class MonthShape:
    """The cumulative weight of every hour of one month in one timezone."""

    start: datetime
    edges: tuple[int, ...]

    @classmethod
    def of(cls, month: Month, zone: ZoneInfo) -> MonthShape:
        """Weigh each hour of the month by the local time of day and the day of the week."""
        start, end = month.bounds(zone)
        hours = (end - start) // timedelta(hours=1)
        weights = (
            _weight((start + timedelta(hours=index)).astimezone(zone)) for index in range(hours)
        )
        return cls(start, tuple(accumulate(weights, initial=0)))

    def moment(self, position: int, whole: int) -> datetime:
        """Return when `position / whole` of the month's work is done, to the microsecond."""
        target = position * self.edges[-1]
        hour = bisect_right(self.edges, target // whole) - 1
        inside = target - self.edges[hour] * whole
        weight = (self.edges[hour + 1] - self.edges[hour]) * whole
        offset = hour * _HOUR_MICROSECONDS + inside * _HOUR_MICROSECONDS // weight
        return self.start + timedelta(microseconds=offset)


def _weight(local: datetime) -> int:
    weight = 4 * _HOUR_WEIGHTS[local.hour]
    return weight // _WEEKEND_DIVISOR if local.weekday() >= 5 else weight
