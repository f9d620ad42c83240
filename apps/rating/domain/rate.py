"""The cost of a quantity at a price; exact, and the same function wherever a cost is derived."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

from apps.core.domain.money import EXACT

COST_QUANTUM: Final = Decimal("1e-24")
"""Quantum of a stored rated cost, numeric(44,24) (rule 14)."""

_EXPONENTS: Final = {10**power: -power for power in range(19)}


def cost_of(*, quantity: Decimal, amount: Decimal, unit_size: int) -> Decimal:
    """Return quantity x amount / unit_size, without rounding for every price that is published.

    Only an amount and a quantity that together have more than 24 decimals per unit are rounded,
    half to even, at 1e-24: whole tokens never are.

    :raises KeyError: when `unit_size` is no power of ten up to 10^18.
    """
    cost = EXACT.multiply(quantity, amount).scaleb(_EXPONENTS[unit_size], EXACT)
    return cost.quantize(COST_QUANTUM, ROUND_HALF_EVEN, EXACT)


def is_power_of_ten(size: int) -> bool:
    """Tell whether a unit size is one that prices may have: 1, 10, ... 10^18."""
    return size in _EXPONENTS
