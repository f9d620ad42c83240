"""How much a window may spend: its amount, what it takes over, what it was raised by."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final

from apps.core.domain.money import EXACT


class Limit(StrEnum):
    """What happens at the limit: a hard one refuses authorizations, a soft one warns."""

    HARD = "hard"
    SOFT = "soft"


@dataclass(frozen=True, slots=True)
class Rollover:
    """What a window hands to the next one.

    Of unused money up to `unused_cap`; None hands over nothing, and a very large cap everything.
    `overspend` takes what was spent above the limit off the next window. A temporary raise is not
    handed on: it covers spend of its own window and falls back. What is held is not unused: it is
    handed on when it is given back, as two windows would promise it otherwise.
    """

    unused_cap: Decimal | None = None
    overspend: bool = False

    @property
    def moves(self) -> bool:
        """Tell whether a window depends on the one before."""
        return self.unused_cap is not None or self.overspend

    def carried(self, *, limit: Decimal, raised: Decimal, spent: Decimal, held: Decimal) -> Decimal:
        """Return what the next window gets (above zero) or loses (below); `raised` is in limit."""
        rest = EXACT.subtract(limit, spent)
        if rest >= 0:
            own = max(EXACT.subtract(EXACT.subtract(rest, held), raised), Decimal(0))
            return Decimal(0) if self.unused_cap is None else min(own, self.unused_cap)
        return rest if self.overspend else Decimal(0)


NO_ROLLOVER: Final = Rollover()
"""Every window starts with its amount."""


@dataclass(frozen=True, slots=True)
class Counters:
    """The money of one window, in the budget's currency.

    `limit` is what it may spend with everything carried over and raised; `spent` is rated usage,
    `held` is set aside by authorizations, and `overrun` is used above a hard limit.
    """

    limit: Decimal
    spent: Decimal
    held: Decimal
    overrun: Decimal

    @property
    def used(self) -> Decimal:
        """Return what is spent or held."""
        return EXACT.add(self.spent, self.held)

    @property
    def left(self) -> Decimal:
        """Return what may still be authorized; below zero when overspent."""
        return EXACT.subtract(self.limit, self.used)

    def share(self, amount: Decimal) -> Decimal | None:
        """Return an amount as a share of the limit; None of a limit of nothing."""
        return EXACT.divide(amount, self.limit) if self.limit > 0 else None
