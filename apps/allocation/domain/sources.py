"""The cost that a run starts from, counted in the published quantum."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Final, NamedTuple

from apps.allocation.domain.rules import Facts
from apps.core.domain.money import EXACT

PUBLISHED_DECIMALS: Final = 12


class Source(NamedTuple):
    """One line of the cost base; `billed` and `effective` are whole numbers of 1e-12.

    `saving` is what a commitment takes off the contracted cost, in the same; below zero it is the
    cost of a commitment that nobody used.
    """

    key: str
    facts: Facts
    billed: int
    effective: int
    quantity: Decimal = Decimal(0)
    saving: int = 0


def in_quanta(amounts: Sequence[Decimal]) -> list[int]:
    """Return exact amounts as whole numbers of 1e-12 whose sum is the rounded sum.

    The only rounding of a source: the total is rounded once, half to even, and the difference is
    handed out by largest remainder in the order given (the caller sorts by a stable key). So the
    sum of a run's sources is the cost base to within half a quantum, however many there are.
    """
    scaled = [EXACT.scaleb(amount, PUBLISHED_DECIMALS) for amount in amounts]
    whole = [int(amount) for amount in scaled]
    if whole == scaled:
        return whole
    places = max((_decimals(amount) for amount in amounts), default=0)
    extra = max(places - PUBLISHED_DECIMALS, 0)
    finest = [int(EXACT.scaleb(amount, PUBLISHED_DECIMALS + extra)) for amount in amounts]
    return finest if not extra else _rounded(finest, 10**extra)


def _decimals(amount: Decimal) -> int:
    exponent = amount.as_tuple().exponent
    assert isinstance(exponent, int), "an amount is finite"
    return -exponent


def _rounded(finest: Sequence[int], quantum: int) -> list[int]:
    """Round integers to multiples of `quantum`, as `core.domain.shares.apportion` would."""
    target = round(Fraction(sum(finest), quantum))
    sign = -1 if target < 0 else 1
    units = [sign * value // quantum for value in finest]
    rests = [unit * quantum - sign * value for unit, value in zip(units, finest, strict=True)]
    missing = sign * target - sum(units)
    for place in sorted(range(len(units)), key=rests.__getitem__)[:missing]:
        units[place] += 1
    return [sign * unit for unit in units]
