"""What a changed directory would change: which cost would move from whom to whom."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from apps.core.domain.money import EXACT
from apps.costs.domain.grouping import OwnedLine
from apps.costs.domain.lines import ZERO


@dataclass(frozen=True, slots=True)
class Move:
    """Cost that would go from one owner of a dimension to another; empty is nobody."""

    dimension: str
    before: str
    after: str
    effective: Decimal
    lines: int


_DIMENSIONS = ("cost_center", "team", "product", "feature", "customer", "experiment")


def moves(before: Sequence[OwnedLine], after: Sequence[OwnedLine]) -> tuple[Move, ...]:
    """Return what moves between two attributions of the same lines, the dearest first."""
    sums: dict[tuple[str, str, str], tuple[Decimal, int]] = {}
    for one, other in zip(before, after, strict=True):
        for key in _changes(one, other):
            cost, lines = sums.get(key, (ZERO, 0))
            sums[key] = (EXACT.add(cost, one.line.effective), lines + 1)
    found = [Move(*key, cost, lines) for key, (cost, lines) in sums.items()]
    return tuple(
        sorted(found, key=lambda move: (-abs(move.effective), move.dimension, move.before))
    )


def _changes(one: OwnedLine, other: OwnedLine) -> Iterable[tuple[str, str, str]]:
    if one.owner is other.owner:
        return
    for dimension in _DIMENSIONS:
        was, becomes = getattr(one.owner, dimension), getattr(other.owner, dimension)
        if was != becomes:
            yield dimension, was, becomes
