"""Three views of one figure: if all goes cheaply, as expected, and if it grows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final

from apps.core.domain.money import EXACT


class Point(StrEnum):
    """Which of the three."""

    LOW = "low"
    LIKELY = "likely"
    HIGH = "high"


@dataclass(frozen=True, slots=True)
class Counts:
    """Whole things, such as runs or tokens of one run."""

    low: int
    likely: int
    high: int

    @classmethod
    def exactly(cls, count: int) -> Counts:
        """Return a count that is known for certain."""
        return cls(count, count, count)

    @property
    def is_ordered(self) -> bool:
        """Tell whether low is at most likely, and likely at most high."""
        return self.low <= self.likely <= self.high

    def at(self, point: Point) -> int:
        """Return one of the three."""
        return int(getattr(self, point.value))


@dataclass(frozen=True, slots=True)
class Band:
    """Exact amounts or quantities of one unit."""

    low: Decimal
    likely: Decimal
    high: Decimal

    def __add__(self, other: Band) -> Band:
        return Band(
            EXACT.add(self.low, other.low),
            EXACT.add(self.likely, other.likely),
            EXACT.add(self.high, other.high),
        )

    def at(self, point: Point) -> Decimal:
        """Return one of the three."""
        return Decimal(getattr(self, point.value))


NOTHING: Final = Band(Decimal(0), Decimal(0), Decimal(0))


def total(bands: Iterable[Band]) -> Band:
    """Return the sum; of none it is nothing."""
    return sum(bands, NOTHING)
