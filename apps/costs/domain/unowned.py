"""What nobody owns, and which values senders use that nobody registered."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from apps.core.domain.money import EXACT
from apps.costs.domain.grouping import OwnedLine
from apps.costs.domain.lines import ZERO

_HINTS: Final = ("credential", "account", "service")
"""By what a line without a team is told apart, the most telling first."""


@dataclass(frozen=True, slots=True)
class LooseValue:
    """A value of a tag that leads to no entry of a dimension, and what it costs.

    `tag` is the key to map by: the dimension's own tag, or a reserved key where that is absent.
    An empty `tag` stands for lines that carry nothing to tell them by.
    """

    dimension: str
    tag: str
    value: str
    effective: Decimal
    lines: int

    @property
    def is_unowned(self) -> bool:
        """Tell whether the cost falls to nobody for it."""
        return self.dimension == "team"


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of a month's effective cost has an owner."""

    total: Decimal
    owned: Decimal
    unowned: Decimal
    unregistered: Decimal
    """Cost of lines that carry a value which is not in its register, a team's or another's."""

    @property
    def share(self) -> Decimal | None:
        """Return the owned part, 0 to 1, to four decimals; absent when nothing was spent."""
        if not self.total:
            return None
        return EXACT.divide(self.owned, self.total).quantize(Decimal("0.0001"), context=EXACT)


def coverage(owned: Iterable[OwnedLine]) -> Coverage:
    """Return how much of some lines' cost has an owner."""
    whole, loose, flagged = ZERO, ZERO, ZERO
    for each in owned:
        cost = each.line.effective
        whole = EXACT.add(whole, cost)
        if each.owner.is_unowned:
            loose = EXACT.add(loose, cost)
        if each.owner.unregistered:
            flagged = EXACT.add(flagged, cost)
    return Coverage(whole, EXACT.subtract(whole, loose), loose, flagged)


def loose_values(owned: Iterable[OwnedLine]) -> tuple[LooseValue, ...]:
    """Return every value that could be mapped, the dearest first."""
    sums: dict[tuple[str, str, str], tuple[Decimal, int]] = {}
    for each in owned:
        for key in _keys(each):
            cost, lines = sums.get(key, (ZERO, 0))
            sums[key] = (EXACT.add(cost, each.line.effective), lines + 1)
    found = [LooseValue(*key, cost, lines) for key, (cost, lines) in sums.items()]
    return tuple(
        sorted(found, key=lambda each: (-each.effective, each.dimension, each.tag, each.value))
    )


def _keys(owned: OwnedLine) -> Iterable[tuple[str, str, str]]:
    tags, owner = owned.line.tags, owned.owner
    for dimension in sorted(owner.unregistered & {"team", "product", "feature", "customer"}):
        value = tags.get(dimension, "") or str(getattr(owner, dimension))
        if value:
            yield dimension, dimension, value
    if owner.is_unowned and not owner.team and "team" not in owner.unregistered:
        hint = next((key for key in _HINTS if tags.get(key)), "")
        yield "team", hint, tags.get(hint, "")
