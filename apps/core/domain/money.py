"""Currencies, their minor units, and the only decimal constants that money uses."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Final

PUBLISHED_QUANTUM: Final = Decimal("1e-12")
"""Quantum of published lines and of amounts in the API (rule 14)."""

EXACT: Final = Context(prec=80, rounding=ROUND_HALF_EVEN)
"""Wide enough that numeric(44,24) times numeric(28,6) never rounds."""

_MINOR_UNITS: Final = {
    **dict.fromkeys(
        (
            "BIF",
            "CLP",
            "DJF",
            "GNF",
            "ISK",
            "JPY",
            "KMF",
            "KRW",
            "PYG",
            "RWF",
            "UGX",
            "VND",
            "VUV",
            "XAF",
            "XOF",
            "XPF",
        ),
        0,
    ),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
}


def minor_digits(currency: str) -> int:
    """Return the decimals of the currency's minor unit (ISO 4217): JPY 0, USD 2, KWD 3."""
    return _MINOR_UNITS.get(currency, 2)


def minor_quantum(currency: str) -> Decimal:
    """Return one minor unit of the currency: Decimal("0.01") for USD."""
    return Decimal(1).scaleb(-minor_digits(currency))


@dataclass(frozen=True, slots=True, order=True)
class Money:
    """An exact amount in one currency; adding two currencies is refused."""

    amount: Decimal
    currency: str

    def __add__(self, other: Money) -> Money:
        return Money(EXACT.add(self.amount, self._same(other)), self.currency)

    def __sub__(self, other: Money) -> Money:
        return Money(EXACT.subtract(self.amount, self._same(other)), self.currency)

    def __neg__(self) -> Money:
        return Money(-self.amount, self.currency)

    def _same(self, other: Money) -> Decimal:
        if other.currency != self.currency:
            raise ValueError(f"{other.currency} cannot be combined with {self.currency}")
        return other.amount


def published(amount: Decimal) -> str:
    """Render an amount as the API shows money: plain notation with 12 decimals."""
    return f"{amount.quantize(PUBLISHED_QUANTUM, context=EXACT):f}"
