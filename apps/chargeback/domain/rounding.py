"""The second of the two roundings (rule 15b): from exact lines to the currency's minor unit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from fractions import Fraction

from apps.core.domain.money import EXACT, minor_quantum
from apps.core.domain.shares import apportion

ROUNDING_KEY = "~rounding"
"""Key of the named line that carries the sub-cent difference; sorts after every other."""


def exact_sum(amounts: Iterable[Decimal]) -> Decimal:
    """Add decimals without rounding."""
    total = Decimal(0)
    for amount in amounts:
        total = EXACT.add(total, amount)
    return total


def in_minor_units(exact: Mapping[str, Decimal | Fraction], currency: str) -> dict[str, Decimal]:
    """Round the sum of all parts once and give every part its share of it, in the minor unit.

    Used for a period over its cost centers (key: their code). No part, no result.
    """
    quantum = minor_quantum(currency)
    units = {key: Fraction(amount) / Fraction(quantum) for key, amount in exact.items()}
    return apportion(units, quantum) if units else {}


def over_rows(exact: Mapping[str, Decimal], total: Decimal, currency: str) -> dict[str, Decimal]:
    """Give every row of a statement its part of the statement's `total`, in the minor unit.

    The difference between `total` and the exact sum is a part of its own under `ROUNDING_KEY`;
    it is absent when the difference is zero.
    """
    difference = EXACT.subtract(total, exact_sum(exact.values()))
    parts: dict[str, Decimal | Fraction] = dict(exact)
    if difference:
        parts[ROUNDING_KEY] = difference
    return in_minor_units(parts, currency)
