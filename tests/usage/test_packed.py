"""Numbers as PostgreSQL reads them in binary: small ones lose no zero before their digits."""

from __future__ import annotations

import struct
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.usage.adapters import packed


def read(part: bytes) -> tuple[Fraction, int]:
    """Read a packed numeric back: its value and its number of decimals."""
    count, weight, sign, scale = struct.unpack_from("!HhHH", part, 4)
    groups = struct.unpack_from(f"!{count}H", part, 12)
    assert struct.unpack_from("!i", part)[0] == len(part) - 4
    assert all(group < 10_000 for group in groups)
    value = sum(
        (Fraction(group) * Fraction(10_000) ** (weight - at) for at, group in enumerate(groups)),
        Fraction(0),
    )
    return (-value if sign else value), scale


@pytest.mark.parametrize("text", ["1.23456789E-7", "2.5E-6", "1E-24", "0", "700", "1E+9", "-0.05"])
def test_a_small_number_keeps_its_place(text: str) -> None:
    value = Decimal(text)
    assert read(packed.numeric(value))[0] == Fraction(value)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=24, min_value=-1, max_value=1))
def test_every_unit_price_is_read_back(value: Decimal) -> None:
    assert read(packed.numeric(value)) == (Fraction(value), 24)
    plain = value.normalize()
    assert read(packed.numeric(plain))[0] == Fraction(value)
