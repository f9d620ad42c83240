"""What in a month wants an owner, and what a rule would change."""

from __future__ import annotations

from apps.core.domain.access import Actor, Scope
from apps.core.domain.months import Month
from apps.costs.domain.unowned import Coverage, LooseValue
from apps.costs.domain.unowned import coverage as coverage_of
from apps.costs.domain.unowned import loose_values as loose_values_of
from apps.costs.domain.whatif import Move, moves
from apps.costs.selectors.answers import owned_lines
from apps.costs.selectors.base import attribution_of, cost_base
from apps.directory.domain.rules import Rule


def coverage(*, month: Month) -> Coverage:
    """Return how much of a month's effective cost has an owner."""
    return coverage_of(owned_lines(cost_base(month=month)))


def loose_values(*, month: Month, actor: Actor) -> tuple[Coverage, tuple[LooseValue, ...]]:
    """Return the coverage of a month and every value that could be mapped, the dearest first."""
    actor.require(Scope.DIRECTORY_WRITE)
    owned = owned_lines(cost_base(month=month))
    return coverage_of(owned), loose_values_of(owned)


def preview_rule(*, month: Month, rule: Rule, actor: Actor) -> tuple[Move, ...]:
    """Return which cost of a month would move if a rule took the place of those of its name."""
    actor.require(Scope.DIRECTORY_WRITE)
    base = cost_base(month=month)
    now = attribution_of(month)
    return moves(owned_lines(base, now), owned_lines(base, now.with_rule(rule)))
