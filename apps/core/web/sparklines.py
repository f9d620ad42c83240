"""Draws the small lines of KPI cards as SVG paths in a box of 100 by 30."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

Point = tuple[Decimal, Decimal]

_TOP: Final = Decimal(4)
_BOTTOM: Final = Decimal(26)


@dataclass(frozen=True, slots=True)
class Sparkline:
    """The paths: the line, the area under it (empty when there are gaps), the dot at its end."""

    line: str
    area: str
    end: str


def draw(values: Sequence[Decimal | None]) -> Sparkline | None:
    """Draw values from left to right; a missing one leaves a gap, fewer than two draw nothing."""
    known = [value for value in values if value is not None]
    if len(known) < 2:
        return None
    low, high = min(known), max(known)
    spread = (high - low) or Decimal(1)
    width = Decimal(100) / (len(values) - 1)
    points = [
        None if value is None else (width * at, _BOTTOM - (value - low) / spread * (_BOTTOM - _TOP))
        for at, value in enumerate(values)
    ]
    line = _path(points)
    x, y = next(point for point in reversed(points) if point is not None)
    area = "" if None in points else f"{line}L{x:.1f} 30L0 30Z"
    return Sparkline(line=line, area=area, end=f"M{x:.1f} {y:.1f}h0")


def _path(points: Sequence[Point | None]) -> str:
    steps: list[str] = []
    pen_down = False
    for point in points:
        if point is not None:
            steps.append(f"{'L' if pen_down else 'M'}{point[0]:.1f} {point[1]:.1f}")
        pen_down = point is not None
    return "".join(steps)
