"""Where spend will stand at the end of a window: recent level and drift, weekdays, a band.

Nothing is assumed of how spend is distributed: the band comes from how far the same procedure was
off on the series' own past, origin by origin. With little history it says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Final

from apps.core.domain.money import EXACT, PUBLISHED_QUANTUM

FEWEST_DAYS: Final = 14
"""Complete days of history below which nothing is foretold."""

FEWEST_ORIGINS: Final = 8
"""Past forecasts below which no band is given."""

_LEVEL_DAYS: Final = 14
_INDEPENDENT: Final = 5
"""Stretches that must fit beside each other into the past for a horizon to have ratios of its own.

Overlapping stretches tell the same thing twice. A longer horizon takes the ratios of the longest
that has them: shorter stretches deviate more, so that its band errs to the wide side.
"""

_PROFILE_DAYS: Final = 56
_MOST_ORIGINS: Final = 40
_KNOTS: Final = 24
_WIDER: Final = Decimal("1.5")
"""How much further than ever before it may be off: few past forecasts have not seen everything."""

_MOST_DRIFT: Final = Decimal("0.5")
_NONE: Final = Decimal(0)
_ONE: Final = Decimal(1)
_DAY: Final = timedelta(days=1)
_SHRINK: Final = 2
"""Weeks of an even profile that stand beside the weekdays' own, so that one odd day says little."""


@dataclass(frozen=True, slots=True)
class Point:
    """What is foreseen to have been spent from the day after the history through a day.

    `low` and `high` are one and a half times as far off as past forecasts were at most; None
    without enough of them. docs/budgets.md says how often they held on recorded traffic.
    """

    day: date
    expected: Decimal
    low: Decimal | None
    high: Decimal | None


@dataclass(frozen=True, slots=True)
class Crossing:
    """The day on which a limit is passed; None within no day foreseen, or without a band.

    `earliest` is the day of the ninetieth percentile, `latest` that of the tenth.
    """

    earliest: date | None
    likely: date | None
    latest: date | None


@dataclass(frozen=True, slots=True)
class Forecast:
    """Foreseen spend by day, cumulative; `history_days` it rests on, `origins` the band rests on.

    `points` is empty when there is not enough history, and `reason` says so in words; `run_rate`,
    the mean of the last two weeks' days or of those that there are, is told all the same.
    """

    points: tuple[Point, ...]
    history_days: int
    origins: int
    reason: str = ""
    run_rate: Decimal = _NONE

    @property
    def end(self) -> Point | None:
        """Return what is foreseen through the last day, if anything."""
        return self.points[-1] if self.points else None

    def crossing(self, *, left: Decimal) -> Crossing:
        """Return the first days on which what was left after the history is foreseen to be used up.

        Already used up: the first day of the forecast.
        """
        return Crossing(
            earliest=self._first(left, [point.high for point in self.points]),
            likely=self._first(left, [point.expected for point in self.points]),
            latest=self._first(left, [point.low for point in self.points]),
        )

    def _first(self, left: Decimal, spent: Sequence[Decimal | None]) -> date | None:
        passed = (
            point.day
            for point, amount in zip(self.points, spent, strict=True)
            if amount is not None and amount > left
        )
        return next(passed, None)


def forecast(*, history: Mapping[date, Decimal], through: date, until: date) -> Forecast:
    """Return what is foreseen to be spent after `through`, day by day to `until`, inclusive.

    `history` is spend by day; days that it lacks between its first and `through` spent nothing.
    A day that is not over should not be part of it.
    """
    first = min((day for day, amount in history.items() if amount and day <= through), default=None)
    days = 0 if first is None else (through - first).days + 1
    ahead = (until - through).days
    if first is None:
        return Forecast((), 0, 0, f"Not enough history: 0 complete days of {FEWEST_DAYS}.")
    series = [history.get(first + _DAY * n, _NONE) for n in range(days)]
    run_rate = _run_rate(series)
    if days < FEWEST_DAYS:
        text = f"Not enough history: {days} complete days of {FEWEST_DAYS}."
        return Forecast((), days, 0, text, run_rate)
    if ahead <= 0:
        return Forecast((), days, 0, "The window is over.", run_rate)
    expected = _cumulative(_predicted(series, first.weekday(), ahead))
    ratios = _past_ratios(series, first.weekday(), ahead)
    origins = min((len(found) for found in ratios.values()), default=0)
    bands = {horizon: _band(found) for horizon, found in ratios.items()}
    points = tuple(
        _point(through + _DAY * (n + 1), expected[n], _between(bands, n + 1)) for n in range(ahead)
    )
    return Forecast(points, days, origins, run_rate=run_rate)


def _run_rate(series: Sequence[Decimal]) -> Decimal:
    recent = series[-_LEVEL_DAYS:]
    return _shown(EXACT.divide(_total(recent), Decimal(len(recent))))


def _predicted(series: Sequence[Decimal], weekday: int, ahead: int) -> list[Decimal]:
    """Return the foreseen spend of the days after a series whose first day is that weekday.

    The level of two weeks, moved by how the second stood against the first, times each weekday's
    share. A drift of one week is carried on once, not compounded: growth rarely lasts a month.
    """
    known = _tamed(series[-_PROFILE_DAYS:])
    first = weekday + len(series) - len(known)
    profile = _profile(known, first)
    recent = known[-_LEVEL_DAYS:]
    start = first + len(known) - len(recent)
    level = _level(recent, profile, start)
    if len(recent) == _LEVEL_DAYS:
        earlier = _level(recent[:7], profile, start)
        later = _level(recent[7:], profile, start + 7)
        level = EXACT.multiply(level, EXACT.add(_ONE, _drift(earlier, later)))
    following = weekday + len(series)
    return [EXACT.multiply(level, profile[(following + n) % 7]) for n in range(ahead)]


def _tamed(series: Sequence[Decimal]) -> list[Decimal]:
    """Return a series whose single largest day is at most twice the next: once is no pattern.

    Spikes that come again stay as they are, each other's measure.
    """
    if len(series) < 2:
        return list(series)
    most = EXACT.multiply(sorted(series)[-2], Decimal(2))
    return [min(amount, most) if most else amount for amount in series]


def _level(series: Sequence[Decimal], profile: Sequence[Decimal], weekday: int) -> Decimal:
    """Return the mean day with the weekdays' shares taken out."""
    weights = _total([profile[(weekday + n) % 7] for n in range(len(series))])
    return EXACT.divide(_total(series), weights) if weights else _NONE


def _drift(earlier: Decimal, later: Decimal) -> Decimal:
    """Return how two weeks differ: a tenth more is about a twentieth; half up or down at most.

    A quiet week is no end of all spend.
    """
    both = EXACT.add(earlier, later)
    drift = EXACT.divide(EXACT.subtract(later, earlier), both) if both else _NONE
    return max(-_MOST_DRIFT, min(_MOST_DRIFT, drift))


def _profile(series: Sequence[Decimal], weekday: int) -> list[Decimal]:
    """Return each weekday's share of the mean day, drawn towards one where weeks are few."""
    mean = EXACT.divide(_total(series), Decimal(len(series)))
    if not mean:
        return [_ONE] * 7
    found = []
    for day in range(7):
        own = [amount for n, amount in enumerate(series) if (weekday + n) % 7 == day]
        told = EXACT.add(_total(own), EXACT.multiply(mean, Decimal(_SHRINK)))
        found.append(EXACT.divide(told, EXACT.multiply(mean, Decimal(len(own) + _SHRINK))))
    return found


def _past_ratios(series: Sequence[Decimal], weekday: int, ahead: int) -> dict[int, list[Decimal]]:
    """Return by horizon what was spent over what would have been foreseen, at past origins."""
    horizons = sorted({max(1, ahead * n // _KNOTS) for n in range(1, _KNOTS + 1)})
    furthest = len(series) - FEWEST_DAYS
    longest = max(1, furthest // _INDEPENDENT)
    horizons = sorted({min(horizon, longest) for horizon in horizons})
    found: dict[int, list[Decimal]] = {horizon: [] for horizon in horizons}
    step = max(1, furthest // _MOST_ORIGINS)
    for origin in range(len(series) - horizons[0], FEWEST_DAYS - 1, -step):
        reach = min(horizons[-1], len(series) - origin)
        foreseen = _cumulative(_predicted(series[:origin], weekday, reach))
        actual = _cumulative(series[origin : origin + reach])
        for horizon in horizons:
            if horizon <= reach and foreseen[horizon - 1] > 0:
                ratio = EXACT.divide(actual[horizon - 1], foreseen[horizon - 1])
                found[horizon].append(ratio)
    return {horizon: sorted(ratios) for horizon, ratios in found.items()}


def _band(ratios: Sequence[Decimal]) -> tuple[Decimal, Decimal] | None:
    if len(ratios) < FEWEST_ORIGINS:
        return None
    low = EXACT.subtract(_ONE, EXACT.multiply(_WIDER, EXACT.subtract(_ONE, ratios[0])))
    high = EXACT.add(_ONE, EXACT.multiply(_WIDER, EXACT.subtract(ratios[-1], _ONE)))
    return max(_NONE, min(low, _ONE)), max(high, _ONE)


def _between(
    bands: Mapping[int, tuple[Decimal, Decimal] | None], horizon: int
) -> tuple[Decimal, Decimal] | None:
    """Return the band of the nearest horizon that has one, the shorter of two."""
    known = [one for one, band in bands.items() if band is not None]
    if not known:
        return None
    return bands[min(known, key=lambda one: (abs(one - horizon), one))]


def _point(day: date, expected: Decimal, band: tuple[Decimal, Decimal] | None) -> Point:
    if band is None:
        return Point(day, _shown(expected), None, None)
    low, high = (EXACT.multiply(expected, ratio) for ratio in band)
    return Point(day, _shown(expected), _shown(min(low, expected)), _shown(max(high, expected)))


def _shown(amount: Decimal) -> Decimal:
    return amount.quantize(PUBLISHED_QUANTUM, context=EXACT)


def _cumulative(amounts: Sequence[Decimal]) -> list[Decimal]:
    found: list[Decimal] = []
    total = _NONE
    for amount in amounts:
        total = EXACT.add(total, amount)
        found.append(total)
    return found


def _total(amounts: Sequence[Decimal]) -> Decimal:
    total = _NONE
    for amount in amounts:
        total = EXACT.add(total, amount)
    return total
