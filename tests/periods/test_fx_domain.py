"""Rates of one month: which counts, and that none is ever invented."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from apps.core.domain.months import Month
from apps.periods.domain.fx import (
    FxRateFacts,
    FxTable,
    MissingRate,
    RateKind,
    rates_in_force,
    refusals_of_rate,
)

OCTOBER = Month(2026, 10)


def rate(text: str, *, month=OCTOBER, kind=RateKind.BUDGET, revision=1, base="USD", quote="EUR"):
    return FxRateFacts(
        month, base, quote, Decimal(text), kind, "demo rates", date(2026, 10, 1), revision
    )


def test_of_several_revisions_the_last_counts():
    entered = [rate("0.92", revision=2), rate("0.90"), rate("0.91", revision=3)]
    assert rates_in_force(entered, month=OCTOBER, kind=RateKind.BUDGET) == (entered[2],)


def test_a_budget_rate_stays_until_another_is_set_and_a_frozen_one_does_not():
    september = rate("0.90", month=OCTOBER - 1)
    frozen = rate("0.93", month=OCTOBER - 1, kind=RateKind.FROZEN)
    november = rate("0.99", month=OCTOBER + 1)
    entered = [november, frozen, september]
    assert rates_in_force(entered, month=OCTOBER, kind=RateKind.BUDGET) == (september,)
    assert rates_in_force(entered, month=OCTOBER, kind=RateKind.FROZEN) == ()


def test_a_currency_to_itself_is_one_and_nothing_is_inverted_or_crossed():
    table = FxTable(OCTOBER, RateKind.FROZEN, (rate("0.92", kind=RateKind.FROZEN),))
    assert table.rate("EUR", "EUR").rate == 1
    assert table.rate("USD", "EUR").rate == Decimal("0.92")
    assert not table.provisional
    for base, quote in (("EUR", "USD"), ("GBP", "EUR")):
        with pytest.raises(MissingRate) as missing:
            table.rate(base, quote)
        assert missing.value.message.startswith(
            f"2026-10 has no frozen rate from {base} to {quote}"
        )
        assert (missing.value.base, missing.value.quote) == (base, quote)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (rate("0"), "rate"),
        (rate("-1"), "rate"),
        (rate("NaN"), "rate"),
        (rate("1e12"), "rate"),
        (rate("0.1234567890123"), "rate"),
        (rate("1", base="usd"), "base"),
        (rate("1", quote="EURO"), "quote"),
        (rate("1", base="EUR"), "quote"),
    ],
)
def test_a_rate_that_cannot_be_right_names_its_field(wrong, field):
    assert [error.field for error in refusals_of_rate(wrong)] == [field]


def test_twelve_decimals_are_kept():
    assert refusals_of_rate(rate("0.123456789012")) == ()
