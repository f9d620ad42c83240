"""How fast a tenant or a key may call: token buckets in whole numbers, and what limits may be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from apps.core.domain.errors import FieldError

MICRO: Final = 1_000_000
"""Levels are millionths of a token and times millionths of a second, so that nothing is rounded."""

MOST_PER_SECOND: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Limits:
    """Requests and events a second; None is the platform's default."""

    requests_per_second: int | None = None
    events_per_second: int | None = None

    def problems(self, *, at_most: Limits | None = None) -> list[FieldError]:
        """Return what is wrong with them, field by field; `at_most` is what stands above."""
        found = []
        for name in ("requests_per_second", "events_per_second"):
            value: int | None = getattr(self, name)
            most: int = getattr(at_most, name, None) or MOST_PER_SECOND
            if value is not None and not 1 <= value <= most:
                above = "the organization's own limit" if at_most else "the most there is"
                text = f"Write a whole number from 1 to {most:,} ({above}), or leave it empty."
                found.append(FieldError(name, "limit", text))
        return found

    def over(self, defaults: Limits) -> Limits:
        """Return the limits in force: these, and the defaults where these say nothing."""
        return Limits(
            self.requests_per_second or defaults.requests_per_second,
            self.events_per_second or defaults.events_per_second,
        )


@dataclass(frozen=True, slots=True)
class Pace:
    """A bucket's speed: tokens that flow in a second, and how many it holds when full."""

    per_second: int
    capacity: int

    @classmethod
    def of(cls, per_second: int, *, burst_seconds: int) -> Pace:
        """Return the pace of a limit that may be saved up for some seconds."""
        return cls(per_second, per_second * burst_seconds)

    def level_after(self, level: int, elapsed: int) -> int:
        """Return a level (millionths) after some time (millionths of a second), never over full.

        Time that ran backwards adds nothing.
        """
        return min(self.capacity * MICRO, level + max(0, elapsed) * self.per_second)

    def seconds_until(self, level: int, *, tokens: int) -> int:
        """Return the whole seconds until a level has risen to so many tokens, rounded up."""
        missing = tokens * MICRO - level
        return max(0, -(-missing // (self.per_second * MICRO)))


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a caller stands with one bucket; the numbers of the three headers.

    `reset` is whole seconds: until the bucket is full, or when refused until it admits again.
    """

    resource: str
    limit: int
    remaining: int
    reset: int

    @classmethod
    def of(cls, resource: str, pace: Pace, level: int) -> Standing:
        """Return the standing at a level; a bucket in debt has nothing left."""
        return cls(
            resource=resource,
            limit=pace.capacity,
            remaining=max(0, level // MICRO),
            reset=pace.seconds_until(level, tokens=pace.capacity),
        )


def admits(level: int) -> bool:
    """Tell whether a bucket admits something: a whole token is there.

    What is admitted may take more than is there; the debt is waited off. So a batch larger than a
    bucket gets in, and the rate holds over time.
    """
    return level >= MICRO
