"""The cost that a run starts from, counted in the published quantum."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from apps.allocation.domain.rules import Facts
from apps.core.domain.money import PUBLISHED_QUANTUM
from apps.core.domain.shares import apportion


class Source(NamedTuple):
    """One line of the cost base; `billed` and `effective` are whole numbers of 1e-12."""

    key: str
    facts: Facts
    billed: int
    effective: int
    quantity: Decimal = Decimal(0)


def in_quanta(amounts: Sequence[Decimal]) -> list[int]:
    """Return exact amounts as whole numbers of 1e-12 whose sum is the rounded sum.

    The only rounding of a source: the total is rounded once, half to even, and the difference is
    handed out by largest remainder in the order given (the caller sorts by a stable key). So the
    sum of a run's sources is the cost base to within half a quantum, however many there are.
    """
    exact = [Fraction(amount) / Fraction(PUBLISHED_QUANTUM) for amount in amounts]
    if all(value.denominator == 1 for value in exact):
        return [value.numerator for value in exact]
    parts = apportion(dict(enumerate(exact)), Decimal(1))
    return [int(parts[index]) for index in range(len(exact))]
