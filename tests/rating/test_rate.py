"""The cost of quantities: the worked examples, exactness, and unit sizes."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.domain.money import EXACT
from apps.rating.domain.rate import COST_QUANTUM, cost_of, is_power_of_ten

MILLION = 1_000_000


@pytest.mark.parametrize(
    ("meters", "total"),
    [
        ([(128_000, "0.12"), (128_000, "0.36")], "0.06144"),
        ([(18_059_974, "2.50"), (245_896, "10")], "47.608895"),
        ([(22_361_870, "2.50"), (4_088_665, "10")], "96.791325"),
        ([(3, "3"), (12_304, "3.75"), (550, "15")], "0.054399"),
    ],
)
def test_worked_examples_per_million(meters, total):
    cost = sum(
        (cost_of(quantity=Decimal(q), amount=Decimal(p), unit_size=MILLION) for q, p in meters),
        Decimal(0),
    )
    assert cost == Decimal(total)


def test_the_unit_is_part_of_the_price():
    per_thousand = cost_of(quantity=Decimal(128_000), amount=Decimal("0.48"), unit_size=1000)
    assert per_thousand == Decimal("61.44")


def test_a_unit_size_that_is_no_power_of_ten_is_refused():
    assert not is_power_of_ten(3600)
    assert not is_power_of_ten(0)
    with pytest.raises(KeyError):
        cost_of(quantity=Decimal(1), amount=Decimal(1), unit_size=3600)


@given(
    tokens=st.integers(0, 10**18 - 1),
    units=st.integers(0, 10**30 - 1),
    power=st.integers(0, 6),
)
def test_whole_tokens_at_any_storable_price_are_exact(tokens, units, power):
    amount = Decimal(units).scaleb(-18, EXACT)
    cost = cost_of(quantity=Decimal(tokens), amount=amount, unit_size=10**power)
    assert Fraction(cost) == Fraction(tokens) * Fraction(units, 10**18) / 10**power


@given(
    parts=st.lists(st.integers(0, 10**9), min_size=1, max_size=8),
    units=st.integers(0, 10**12),
)
def test_rating_is_linear_over_disjoint_quantities(parts, units):
    amount = Decimal(units).scaleb(-12)
    costs = [cost_of(quantity=Decimal(q), amount=amount, unit_size=MILLION) for q in parts]
    whole = cost_of(quantity=Decimal(sum(parts)), amount=amount, unit_size=MILLION)
    assert sum(costs, Decimal(0)) == whole


def test_only_what_numeric_44_24_cannot_hold_is_rounded_half_even():
    cost = cost_of(
        quantity=Decimal("0.000001"), amount=Decimal("0.000000000000000005"), unit_size=10
    )
    assert cost == 0
    above = cost_of(
        quantity=Decimal("0.000001"), amount=Decimal("0.000000000000000015"), unit_size=10
    )
    assert above == 2 * COST_QUANTUM
