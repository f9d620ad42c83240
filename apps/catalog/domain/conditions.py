"""What must hold of a request for a price to apply to it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final, NamedTuple

STANDARD_TIERS: Final = frozenset({"", "standard", "default"})
_DAY: Final = timedelta(days=1)
_TIME: Final = "([01][0-9]|2[0-3]):([0-5][0-9])"
_WINDOW: Final = re.compile(f"(?:([1-7]{{1,7}})@)?{_TIME}-{_TIME}", re.ASCII)


class Conditions(NamedTuple):
    """The request conditions of one price; the defaults mean an ordinary request.

    `context_gt` is in tokens: the price holds for requests whose whole context is longer, and
    then for all their tokens (a cliff). `window` is a daily UTC window, "01:00-04:00" or, on
    some ISO weekdays only, "12345@01:00-04:00". `other` holds conditions that usage does not
    carry (a reseller's route); such a price is kept and never chosen.
    """

    service_tier: str = ""
    batch: bool = False
    region: str = ""
    context_gt: int = 0
    window: str = ""
    other: str = ""

    def in_words(self) -> str:
        """Say the conditions; an ordinary request says nothing."""
        parts = [
            f"{self.service_tier} tier" if self.service_tier else "",
            "batch" if self.batch else "",
            f"region {self.region}" if self.region else "",
            f"context over {self.context_gt:,} tokens" if self.context_gt else "",
            f"{self.window} UTC" if self.window else "",
            self.other,
        ]
        return ", ".join(part for part in parts if part)


ORDINARY: Final = Conditions()


def canonical_tier(sent: str | None, batch: bool) -> tuple[str, bool]:
    """Return tier and batch as prices know them; an unknown tier stays as it was sent."""
    tier = (sent or "").strip().lower()
    if tier in STANDARD_TIERS:
        return "", batch
    if tier == "batch":
        return "", True
    return tier, batch


class Window(NamedTuple):
    """A daily UTC window in seconds of the day; `end` before `start` runs past midnight."""

    start: int
    end: int
    weekdays: frozenset[int]

    def holds(self, at: datetime) -> bool:
        """Tell whether a moment lies in the window; half-open."""
        moment = at.astimezone(UTC)
        second = moment.hour * 3600 + moment.minute * 60 + moment.second
        if self.start < self.end:
            return self.start <= second < self.end and moment.isoweekday() in self.weekdays
        if second >= self.start:
            return moment.isoweekday() in self.weekdays
        return second < self.end and (moment - _DAY).isoweekday() in self.weekdays

    def edges_around(self, at: datetime) -> list[datetime]:
        """Return the moments near `at` where the window may open or close, both sides of it."""
        return list(self.edges_between(at - _DAY, at + _DAY))

    def edges_between(self, start: datetime, end: datetime) -> Iterator[datetime]:
        """Yield the moments, from the day of `start` through that of `end`, as above."""
        midnight = start.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        seconds = {self.start, self.end} | ({0} if len(self.weekdays) < 7 else set())
        while midnight <= end:
            yield from (midnight + timedelta(seconds=second) for second in seconds)
            midnight += _DAY


@lru_cache(maxsize=256)
def parse_window(text: str) -> Window:
    """Read "01:00-04:00" or "12345@01:00-04:00" (ISO weekdays).

    :raises ValueError: when the text is no window, or the window is empty.
    """
    found = _WINDOW.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no daily window; write it as 01:00-04:00")
    days, *edges = found.groups()
    opens, closes = (int(edges[i]) * 3600 + int(edges[i + 1]) * 60 for i in (0, 2))
    if opens == closes:
        raise ValueError(f"{text!r} is no daily window: it is empty")
    return Window(opens, closes, frozenset(map(int, days or "1234567")))


def other_conditions(when: Mapping[str, str]) -> str:
    """Return conditions that usage does not carry in one canonical text: "route=mistral/eu"."""
    return "&".join(f"{key}={when[key]}" for key in sorted(when))
