"""How much of what was committed for a month was used, and what is missing; exact."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Final

from apps.core.domain.money import EXACT, PUBLISHED_QUANTUM

_ZERO: Final = Decimal(0)


@dataclass(frozen=True, slots=True)
class InForce:
    """A level in force over [start, end): what it commits for a whole month."""

    position: int
    commit: Decimal
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Standing:
    """A month of a commitment: what was committed, what was used, and what is missing.

    `levels` are the positions in force; `committed` is laid out by time where a level holds for a
    part of the month only, to 1e-12.
    """

    levels: tuple[int, ...]
    committed: Decimal
    used: Decimal

    @property
    def shortfall(self) -> Decimal:
        """Return what is missing; never below zero."""
        return max(_ZERO, EXACT.subtract(self.committed, self.used))

    @property
    def ratio(self) -> Decimal | None:
        """Return how much of the commitment is used, as a ratio; None without a commitment."""
        if not self.committed:
            return None
        return EXACT.divide(self.used, self.committed).quantize(Decimal("0.000001"))


def standing(
    *, levels: Iterable[InForce], start: datetime, end: datetime, used: Decimal
) -> Standing:
    """Return how a month [start, end) stands, given what was used while a level was in force."""
    inside = [level for level in levels if max(level.start, start) < min(level.end, end)]
    return Standing(
        levels=tuple(dict.fromkeys(level.position for level in inside)),
        committed=_committed(inside, start, end),
        used=used,
    )


def _committed(levels: Sequence[InForce], start: datetime, end: datetime) -> Decimal:
    whole = _microseconds(start, end)
    total = sum(
        (
            Fraction(level.commit)
            * Fraction(_microseconds(max(level.start, start), min(level.end, end)), whole)
            for level in levels
        ),
        Fraction(0),
    )
    exact = EXACT.divide(Decimal(total.numerator), Decimal(total.denominator))
    return exact.quantize(PUBLISHED_QUANTUM, context=EXACT)


def _microseconds(start: datetime, end: datetime) -> int:
    lasts = end - start
    return (lasts.days * 86_400 + lasts.seconds) * 1_000_000 + lasts.microseconds
