"""What a rolling window will hold on each coming day: what stays in it, and what is foreseen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Final

from apps.core.domain.money import EXACT
from apps.forecasting.domain.burn_down import Forecast, Point

_DAY: Final = timedelta(days=1)
_NONE: Final = Decimal(0)


def reach_of(days: int) -> int:
    """Return how many days, today among them, a rolling window of `days` is foreseen for.

    As many as it is long, so that nothing that is only foreseen has left it again; 31 at most.
    """
    return min(days, 31)


def rolling(*, counted: Mapping[date, Decimal], ahead: Forecast, days: int) -> tuple[Point, ...]:
    """Return what a window of `days` will hold at the end of each day that is foreseen.

    `counted` is what counted by day, the first foreseen day so far among them: where that day has
    spent more than foreseen, it stands with what it has spent. The forecast is no longer than the
    window.
    """
    if not ahead.points:
        return ()
    today = ahead.points[0].day
    so_far = counted.get(today, _NONE)
    first = ahead.points[0]
    more = [_above(so_far, part) for part in (first.expected, first.low, first.high)]
    found = []
    for point in ahead.points:
        start = point.day - _DAY * (days - 1)
        kept = _total(amount for day, amount in counted.items() if start <= day < today)
        expected, low, high = (
            None if part is None else EXACT.add(kept, EXACT.add(part, extra))
            for part, extra in zip((point.expected, point.low, point.high), more, strict=True)
        )
        assert expected is not None
        found.append(Point(point.day, expected, low, high))
    return tuple(found)


def stood(
    *, counted: Mapping[date, Decimal], first: date, last: date, days: int
) -> dict[date, Decimal]:
    """Return what a window of `days` held at the end of each day from `first` to `last`."""
    found: dict[date, Decimal] = {}
    total = _total(amount for day, amount in counted.items() if first - _DAY * days <= day < first)
    day = first
    while day <= last:
        gone = counted.get(day - _DAY * days, _NONE)
        total = EXACT.subtract(EXACT.add(total, counted.get(day, _NONE)), gone)
        found[day] = total
        day += _DAY
    return found


def _above(so_far: Decimal, foreseen: Decimal | None) -> Decimal:
    return _NONE if foreseen is None else max(EXACT.subtract(so_far, foreseen), _NONE)


def _total(amounts: Iterable[Decimal]) -> Decimal:
    total = _NONE
    for amount in amounts:
        total = EXACT.add(total, amount)
    return total
