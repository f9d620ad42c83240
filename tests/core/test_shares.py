"""Largest remainder: the worked examples of docs/money.md and the properties."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.domain.money import minor_quantum
from apps.core.domain.shares import apportion, split_exactly, split_units

CENT = Decimal("0.01")


@pytest.mark.parametrize(
    ("total", "weights", "expected"),
    [
        ("100", ["1", "1", "1"], ["33.34", "33.33", "33.33"]),
        ("-100", ["1", "1", "1"], ["-33.34", "-33.33", "-33.33"]),
        ("0.05", ["70", "30"], ["0.04", "0.01"]),
        ("0.05", ["30", "70"], ["0.02", "0.03"]),
        ("0.03", ["75", "25"], ["0.02", "0.01"]),
        ("1000", ["37.5", "62.5"], ["375.00", "625.00"]),
        ("0.01", ["0", "1", "0"], ["0", "0.01", "0"]),
    ],
)
def test_worked_examples(total: str, weights: list[str], expected: list[str]) -> None:
    parts = split_exactly(
        Decimal(total), {index: Decimal(weight) for index, weight in enumerate(weights)}, CENT
    )
    assert list(parts.values()) == [Decimal(value) for value in expected]


@pytest.mark.parametrize(("currency", "quantum"), [("JPY", "1"), ("USD", "0.01"), ("KWD", "0.001")])
def test_minor_units(currency: str, quantum: str) -> None:
    assert minor_quantum(currency) == Decimal(quantum)
    parts = split_exactly(minor_quantum(currency) * 10, {"a": 1, "b": 1, "c": 1}, Decimal(quantum))
    assert sum(parts.values()) == minor_quantum(currency) * 10


def test_all_zero_weights_are_refused() -> None:
    with pytest.raises(ValueError, match="not all zero"):
        split_exactly(Decimal(1), {"a": 0, "b": 0}, CENT)


def test_total_off_the_quantum_is_refused() -> None:
    with pytest.raises(ValueError, match="not a multiple"):
        split_exactly(Decimal("0.001"), {"a": 1}, CENT)


weights = st.dictionaries(
    st.text(min_size=1, max_size=4),
    st.fractions(min_value=0, max_value=1000),
    min_size=1,
    max_size=12,
).filter(lambda parts: any(parts.values()))
cents = st.integers(-(10**12), 10**12).map(lambda units: units * CENT)


@given(cents, weights)
def test_parts_sum_to_the_total(total: Decimal, shares: dict[str, Fraction]) -> None:
    assert sum(split_exactly(total, shares, CENT).values()) == total


@given(cents, weights)
def test_no_part_is_off_by_a_quantum(total: Decimal, shares: dict[str, Fraction]) -> None:
    whole = sum(shares.values())
    for key, part in split_exactly(total, shares, CENT).items():
        assert abs(Fraction(part) - Fraction(total) * shares[key] / whole) < Fraction(1, 100)


@given(cents, weights)
def test_order_of_receivers_is_irrelevant(total: Decimal, shares: dict[str, Fraction]) -> None:
    backwards = dict(reversed(list(shares.items())))
    assert split_exactly(total, shares, CENT) == split_exactly(total, backwards, CENT)


@given(cents, weights)
def test_negative_totals_mirror_positive_ones(total: Decimal, shares: dict[str, Fraction]) -> None:
    mirrored = split_exactly(-total, shares, CENT)
    assert {key: -part for key, part in mirrored.items()} == split_exactly(total, shares, CENT)


@given(cents, weights)
def test_zero_weight_gets_zero(total: Decimal, shares: dict[str, Fraction]) -> None:
    parts = split_exactly(total, shares, CENT)
    assert all(parts[key] == 0 for key, weight in shares.items() if weight == 0)


signed = st.dictionaries(
    st.integers(0, 50), st.fractions(min_value=-1000, max_value=1000), min_size=1, max_size=12
)


@given(signed)
def test_apportioned_parts_sum_to_the_rounded_total(parts: dict[int, Fraction]) -> None:
    rounded = apportion(parts, CENT)
    assert sum(rounded.values()) == round(sum(parts.values())) * CENT
    assert all(abs(Fraction(rounded[key]) * 100 - parts[key]) <= 1 for key in parts)


@given(
    st.integers(-(10**15), 10**15),
    st.lists(st.integers(0, 10**6), min_size=1, max_size=8).filter(any),
)
def test_units_split_as_the_general_function_does(total: int, weights: list[int]) -> None:
    expected = split_exactly(Decimal(total), dict(enumerate(weights)), Decimal(1))
    assert split_units(total, weights, sum(weights)) == [int(part) for part in expected.values()]
