"""The chain of equal sums from events to statements, link by link."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from apps.core.domain.money import EXACT
from apps.core.domain.months import Month


@dataclass(frozen=True, slots=True)
class Link:
    """Two sums of one currency that must be equal once what is named in `allowed` is taken off.

    `allowed` is a rounding of ours that is stated, at 1e-12 or to the minor unit (rule 15).
    """

    name: str
    left: Decimal
    right: Decimal
    currency: str
    allowed: Decimal = Decimal(0)

    @property
    def difference(self) -> Decimal:
        """Return left minus right minus what is allowed for, exact."""
        return EXACT.subtract(EXACT.subtract(self.left, self.right), self.allowed)


@dataclass(frozen=True, slots=True)
class Proof:
    """Every link of a month's chain; `faults` are findings that are no sums."""

    month: Month
    currency: str
    links: tuple[Link, ...]
    notes: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Tell whether nothing was lost and nothing was found."""
        return not self.faults and not any(link.difference for link in self.links)
