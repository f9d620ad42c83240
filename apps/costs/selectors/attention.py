"""What in a month wants an owner, and what a rule would change."""

from __future__ import annotations

from apps.core.domain.access import Actor, Scope
from apps.core.domain.months import Month
from apps.costs.domain.grouping import OwnedLine
from apps.costs.domain.unowned import Coverage, LooseValue
from apps.costs.domain.unowned import coverage as coverage_of
from apps.costs.domain.unowned import loose_values as loose_values_of
from apps.costs.domain.whatif import Move, moves
from apps.costs.selectors.answers import owned_lines
from apps.costs.selectors.assembly import assembly_of
from apps.directory.domain.rules import Rule


def coverage(*, month: Month) -> Coverage:
    """Return how much of a month's effective cost has an owner."""
    return coverage_of(_owned(month))


def loose_values(*, month: Month, actor: Actor) -> tuple[Coverage, tuple[LooseValue, ...]]:
    """Return the coverage of a month and every value that could be mapped, the dearest first."""
    actor.require(Scope.DIRECTORY_WRITE)
    owned = _owned(month)
    return coverage_of(owned), loose_values_of(owned)


def preview_rule(*, month: Month, rule: Rule, actor: Actor) -> tuple[Move, ...]:
    """Return which cost of a month would move if a rule took the place of those of its name."""
    actor.require(Scope.DIRECTORY_WRITE)
    assembly = assembly_of(month)
    base, now = assembly.base(), assembly.attribution
    return moves(owned_lines(base, now), owned_lines(base, now.with_rule(rule)))


def _owned(month: Month) -> list[OwnedLine]:
    assembly = assembly_of(month)
    return owned_lines(assembly.base(), assembly.attribution)
