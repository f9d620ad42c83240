"""The only place where money is rounded: largest remainder over exact shares (rule 15)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any, Protocol, TypeVar


class _Sortable(Protocol):
    def __lt__(self, other: Any, /) -> bool: ...


Key = TypeVar("Key", bound=_Sortable)


def split_exactly(
    total: Decimal, weights: Mapping[Key, Fraction | Decimal | int], quantum: Decimal
) -> dict[Key, Decimal]:
    """Split `total` over `weights` in multiples of `quantum`, so that the parts sum to it.

    Every part is its exact share rounded toward zero; what is left goes, one quantum each, to
    the largest remainders, ties to the smaller key. Order of the mapping is irrelevant. A zero
    weight gets zero. Negative totals mirror positive ones.

    :raises ValueError: when all weights are zero, one is negative, or `total` is no multiple of
        `quantum`.
    """
    units = Fraction(total) / Fraction(quantum)
    if units.denominator != 1:
        raise ValueError(f"{total} is not a multiple of {quantum}")
    exact = {key: Fraction(weight) for key, weight in weights.items()}
    whole = sum(exact.values(), Fraction(0))
    if whole <= 0 or any(weight < 0 for weight in exact.values()):
        raise ValueError("weights must be non-negative and not all zero")
    return apportion({key: units * weight / whole for key, weight in exact.items()}, quantum)


def apportion(exact_units: Mapping[Key, Fraction], quantum: Decimal) -> dict[Key, Decimal]:
    """Round exact parts, counted in quanta, so that they sum to their rounded total.

    The total is rounded half to even first; the parts are floored in the direction of zero and
    the difference is handed out by largest remainder, ties to the smaller key. Parts of mixed
    sign are allowed: the remainder is then taken toward minus infinity for each part.

    :raises ValueError: when there is no part.
    """
    if not exact_units:
        raise ValueError("nothing to apportion to")
    target = round(sum(exact_units.values(), Fraction(0)))
    sign = -1 if target < 0 else 1
    floors = {key: (sign * value).__floor__() for key, value in exact_units.items()}
    missing = sign * target - sum(floors.values())
    by_remainder = sorted(
        exact_units, key=lambda key: (floors[key] - sign * exact_units[key], _Ordered(key))
    )
    eligible = [key for key in by_remainder if exact_units[key] != 0] or by_remainder
    for position in range(missing):
        floors[eligible[position % len(eligible)]] += 1
    return {key: quantum * (sign * floors[key]) for key in exact_units}


def split_units(total: int, weights: Sequence[int], whole: int) -> list[int]:
    """Split whole units over integer weights that sum to `whole`; the parts sum to `total`.

    The same largest remainder as `split_exactly`, ties to the earlier place, for callers that
    sort their keys once and then split many totals.
    """
    sign = -1 if total < 0 else 1
    size = sign * total
    parts = [size * weight // whole for weight in weights]
    missing = size - sum(parts)
    if missing:
        rests = [part * whole - size * weight for part, weight in zip(parts, weights, strict=True)]
        for place in sorted(range(len(parts)), key=rests.__getitem__)[:missing]:
            parts[place] += 1
    return parts if sign > 0 else [-part for part in parts]


class _Ordered:
    """Orders keys by themselves, only after the remainder has been compared."""

    __slots__ = ("key",)

    def __init__(self, key: _Sortable) -> None:
        self.key = key

    def __lt__(self, other: _Ordered) -> bool:
        return self.key < other.key

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Ordered) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)
