"""Interleaved rounds: every case once a round, beside the calibration of the same round."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ratio:
    """A case against its calibration: the median over rounds, and the extremes."""

    name: str
    median: float
    low: float
    high: float
    rate: float
    calibration: float

    def __str__(self) -> str:
        return (
            f"{self.name}: ratio {self.median:.3f} ({self.low:.3f}..{self.high:.3f}); "
            f"{self.rate:,.0f}/s against {self.calibration:,.0f}/s"
        )


def interleaved(
    calibration: Callable[[], float], cases: Mapping[str, Callable[[], float]], *, rounds: int
) -> list[Ratio]:
    """Run calibration and cases in turn; each returns its rate per second."""
    rates: dict[str, list[tuple[float, float]]] = {name: [] for name in cases}
    for _ in range(rounds):
        for name, case in cases.items():
            before = calibration()
            rate = case()
            rates[name].append((rate, (before + calibration()) / 2))
    return [_ratio(name, pairs) for name, pairs in rates.items()]


def _ratio(name: str, pairs: list[tuple[float, float]]) -> Ratio:
    ratios = [rate / base for rate, base in pairs]
    return Ratio(
        name,
        statistics.median(ratios),
        min(ratios),
        max(ratios),
        statistics.median(rate for rate, _ in pairs),
        statistics.median(base for _, base in pairs),
    )
