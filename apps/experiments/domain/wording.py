"""Amounts in sentences: every digit that there is, and at least those of the minor unit."""

from __future__ import annotations

from decimal import Decimal

from apps.core.domain.money import EXACT, minor_digits


def money(amount: Decimal, currency: str) -> str:
    """Return an amount as `USD 1,234.50`, exact."""
    whole, _, digits = f"{amount.normalize(EXACT):,f}".partition(".")
    digits = digits.ljust(minor_digits(currency), "0")
    return f"{currency} {whole}.{digits}" if digits else f"{currency} {whole}"


def people_in_words(count: int) -> str:
    """Return so many people in words."""
    return "1 person" if count == 1 else f"{count} people"
