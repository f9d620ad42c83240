"""When in the week a price holds: hours of days, on the wall clock of a zone."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
EVERY_DAY: Final = frozenset(range(7))
MOST_CHARACTERS: Final = 200
_DAY: Final = 86_400
_WEEK: Final = 7 * _DAY
_ONE_DAY: Final = timedelta(days=1)
_ONE_SECOND: Final = timedelta(seconds=1)
_TIME: Final = r"([01]\d|2[0-4]):([0-5]\d)(?::([0-5]\d))?"
_HOURS: Final = re.compile(f"{_TIME}-{_TIME}", re.ASCII)
_TIGHT: Final = re.compile(r"\s*([,-])\s*")
_OLD_DAYS: Final = re.compile(r"([1-7]{1,7})@(.*)", re.ASCII | re.DOTALL)

Span = tuple[int, int]
"""Seconds of a day; an end at or before the start lies on the next day."""


class WindowInvalid(ValueError):
    """A text that says no window; the message says what to write."""


@dataclass(frozen=True, slots=True)
class Window:
    """Stretches of a week on the wall clock of a zone; every one is half-open.

    `bounds` are seconds of the week, ascending: a moment with an odd number of them at or before
    it lies inside. `weekdays_matter` is False when all days are alike. An hour that a clock
    change repeats lies inside both times, one that it skips never comes.
    """

    text: str
    zone: tzinfo
    bounds: tuple[int, ...]
    edges: tuple[int, ...]

    def holds(self, at: datetime) -> bool:
        """Tell whether a moment lies in the window."""
        return bisect_right(self.bounds, _second_of_week(at.astimezone(self.zone))) % 2 == 1

    def edges_around(self, at: datetime) -> list[datetime]:
        """Return the moments near `at` where the window may open or close, both sides of it."""
        return list(self.edges_between(at - _ONE_DAY, at + _ONE_DAY))

    def edges_between(self, start: datetime, end: datetime) -> Iterator[datetime]:
        """Yield every moment from `start` through `end` at which the window may open or close.

        A superset: some lie outside the span, and at some nothing changes. Clock changes of the
        zone are among them, to the second.
        """
        first = start.astimezone(self.zone).date() - _ONE_DAY
        last = end.astimezone(self.zone).date() + _ONE_DAY
        for number in range((last - first).days + 1):
            midnight = datetime.combine(first + timedelta(days=number), datetime.min.time())
            yield from self._edges_of(midnight)

    def _edges_of(self, midnight: datetime) -> Iterator[datetime]:
        if self.zone is UTC:
            aware = midnight.replace(tzinfo=UTC)
            yield from (aware + timedelta(seconds=second) for second in self.edges)
            return
        opens, closes = (_instant(midnight + timedelta(days=day), self.zone) for day in (0, 1))
        if closes - opens != _ONE_DAY:
            yield _clock_change(opens, closes, self.zone)
        for second in self.edges:
            wall = midnight + timedelta(seconds=second)
            yield from {_instant(wall.replace(fold=fold), self.zone) for fold in (0, 1)}


@lru_cache(maxsize=512)
def parse_window(text: str) -> Window:
    """Read when a price holds.

    "16:30-00:30" is daily and in UTC. Days stand before the hours, a zone behind the last of
    them, several hours are divided by commas and several days by semicolons: "mon-fri
    00:00-01:00,10:00-00:00; sat,sun 00:00-24:00 Asia/Shanghai". An end at or before the start is
    on the next day; the weekday is that of the start. "12345@01:00-04:00", as older prices have
    it, names weekdays by number.

    :raises WindowInvalid: when the text says no window, or one that never or always holds.
    """
    body, zone_name = _without_zone(_TIGHT.sub(r"\1", text.strip()))
    spans: dict[int, set[Span]] = {}
    for part in body.split(";"):
        days, hours = _part(part)
        for day in days:
            spans.setdefault(day, set()).update(hours)
    bounds = _bounds(spans)
    if not bounds:
        raise WindowInvalid("The window holds at every hour of the week; leave it empty.")
    return Window(
        text=_canonical(spans, zone_name),
        zone=UTC if zone_name == "UTC" else ZoneInfo(zone_name),
        bounds=bounds,
        edges=tuple(sorted({bound % _DAY for bound in bounds})),
    )


def canonical_window(text: str) -> str:
    """Return the one spelling of a window, so that equal windows are equal texts; "" stays.

    :raises WindowInvalid: as `parse_window` does.
    """
    return parse_window(text).text if text.strip() else ""


def window_of(hours: Iterable[tuple[frozenset[int], Iterable[Span]]], zone: str = "UTC") -> str:
    """Return the canonical text of hours on days (0 is Monday), in seconds of the day.

    :raises WindowInvalid: as `parse_window` does.
    """
    spans: dict[int, set[Span]] = {}
    for days, pieces in hours:
        for day in days:
            spans.setdefault(day, set()).update(pieces)
    return canonical_window(_canonical(spans, zone))


def hours_of(text: str) -> Span:
    """Read "16:30-00:30" or "16:30:15-24:00", in seconds of the day; 24:00 is the end of one.

    :raises WindowInvalid: when the text is nothing of that kind.
    """
    found = _HOURS.fullmatch(text.strip())
    if found is None:
        raise WindowInvalid(f"{text.strip()!r} says no hours; write them as 16:30-00:30.")
    opens, closes = (_seconds(found.groups()[index : index + 3]) for index in (0, 3))
    if opens >= _DAY or closes > _DAY:
        raise WindowInvalid(f"{text.strip()!r} goes beyond 24:00, the end of a day.")
    return opens, closes if opens == 0 else closes % _DAY


def _seconds(parts: tuple[str | None, ...]) -> int:
    hour, minute, second = (int(part or 0) for part in parts)
    return hour * 3600 + minute * 60 + second


def _without_zone(text: str) -> tuple[str, str]:
    body, _, last = text.rpartition(" ")
    if not body or ":" in last:
        return text, "UTC"
    if last != "UTC" and last not in _zones():
        raise WindowInvalid(f"{last!r} is no time zone; write UTC or a name as Europe/Berlin.")
    return body, "UTC" if last in {"UTC", "Etc/UTC"} else last


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _part(text: str) -> tuple[frozenset[int], list[Span]]:
    written = text.strip()
    old = _OLD_DAYS.fullmatch(written)
    if old is not None:
        days, hours = frozenset(int(digit) - 1 for digit in old.group(1)), old.group(2)
    else:
        words, _, hours = written.rpartition(" ") if " " in written else ("", "", written)
        if ":" in words:
            raise WindowInvalid(f"{written!r}: write one zone, behind the last hours of all.")
        days = _days(words) if words else EVERY_DAY
    spans = [hours_of(piece) for piece in hours.split(",")]
    for opens, closes in spans:
        if opens == closes:
            raise WindowInvalid(
                f"{text.strip()!r} is no window: it is empty; write a whole day as 00:00-24:00."
            )
    return days, spans


def _days(words: str) -> frozenset[int]:
    found: set[int] = set()
    for word in words.lower().replace(" ", "").split(","):
        first, _, last = word.partition("-")
        if first not in DAYS or (last or first) not in DAYS:
            raise WindowInvalid(f"{word!r} is no day; write mon-fri, or sat,sun.")
        start, end = DAYS.index(first), DAYS.index(last or first)
        found.update((start + step) % 7 for step in range((end - start) % 7 + 1))
    return frozenset(found)


def _bounds(spans: dict[int, set[Span]]) -> tuple[int, ...]:
    """Return where stretches of the week begin and end; none when all of it is covered."""
    pieces: list[Span] = []
    for day, hours in spans.items():
        for opens, closes in hours:
            start = day * _DAY + opens
            end = day * _DAY + closes + (_DAY if closes <= opens else 0)
            pieces.append((start, min(end, _WEEK)))
            if end > _WEEK:
                pieces.append((0, end - _WEEK))
    merged: list[list[int]] = []
    for start, end in sorted(pieces):
        if merged and start <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], end)
        else:
            merged.append([start, end])
    return () if merged == [[0, _WEEK]] else tuple(bound for piece in merged for bound in piece)


def _canonical(spans: dict[int, set[Span]], zone: str) -> str:
    groups: dict[tuple[Span, ...], list[int]] = {}
    for day in sorted(spans):
        groups.setdefault(tuple(sorted(spans[day])), []).append(day)
    parts = [
        f"{_days_in_words(days)} {_hours_in_words(hours)}".strip() for hours, days in groups.items()
    ]
    return "; ".join(parts) + ("" if zone == "UTC" else f" {zone}")


def _days_in_words(days: list[int]) -> str:
    if len(days) == len(DAYS):
        return ""
    runs: list[list[int]] = []
    for day in days:
        if runs and day == runs[-1][-1] + 1:
            runs[-1].append(day)
        else:
            runs.append([day])
    return ",".join(
        DAYS[run[0]] if len(run) == 1 else f"{DAYS[run[0]]}-{DAYS[run[-1]]}" for run in runs
    )


def _hours_in_words(hours: tuple[Span, ...]) -> str:
    return ",".join(f"{_clock(opens)}-{_clock(closes)}" for opens, closes in hours)


def _clock(second: int) -> str:
    hour, minute, rest = second // 3600, second % 3600 // 60, second % 60
    return f"{hour:02}:{minute:02}" + (f":{rest:02}" if rest else "")


def _second_of_week(local: datetime) -> int:
    return local.weekday() * _DAY + local.hour * 3600 + local.minute * 60 + local.second


def _instant(wall: datetime, zone: tzinfo) -> datetime:
    return wall.replace(tzinfo=zone).astimezone(UTC)


def _clock_change(opens: datetime, closes: datetime, zone: tzinfo) -> datetime:
    """Return the first second from `opens` on at which the zone's offset is another than before."""
    before = (opens - _ONE_SECOND).astimezone(zone).utcoffset()
    low, high = -1, int((closes - opens).total_seconds())
    while high - low > 1:
        middle = (low + high) // 2
        at = opens + timedelta(seconds=middle)
        if at.astimezone(zone).utcoffset() == before:
            low = middle
        else:
            high = middle
    return opens + timedelta(seconds=high)


__all__ = [
    "EVERY_DAY",
    "MOST_CHARACTERS",
    "Span",
    "Window",
    "WindowInvalid",
    "canonical_window",
    "hours_of",
    "parse_window",
    "window_of",
]
