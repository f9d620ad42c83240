"""Discounts on plain rows: exactness, precedence, ties, and where they begin and end."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.catalog.domain.conditions import Conditions
from apps.rating.domain.discounts import Discount, reduced
from apps.rating.domain.prices import BEGINNING, FOREVER, SkuKey
from tests.rating.book_of import book_of, moment, row

GPT = SkuKey("openai", "gpt-4o")
AT = moment("2026-10-15T12:00:00")


def discount(percent: str = "15", **changes: Any) -> Discount:
    """Make a discount: 15 % off everything that openai lists, unless said otherwise."""
    terms: dict[str, Any] = {
        "provider": "openai",
        "family": "",
        "model": "",
        "meter": "",
        "service_tier": "",
        "batch": None,
        "region": "",
        "context_gt": None,
        "percent": Decimal(percent),
        "valid_from": BEGINNING,
        "valid_to": FOREVER,
        "source": f"{percent} percent",
    }
    return Discount(**(terms | changes))


def price(book: Any, sku: SkuKey = GPT, meter: str = "input_tokens", at: datetime = AT) -> Any:
    quote = book.quote(sku=sku, meter=meter, at=at)
    return None if quote is None else (quote.amount, quote.row.kind)


def test_a_share_off_the_list_price_names_both():
    book = book_of(row(amount="2.5"), discounts=[discount("15")])
    quote = book.quote(sku=GPT, meter="input_tokens", at=AT)
    assert quote is not None
    assert (quote.amount, quote.unit_size) == (Decimal("2.125"), 1_000_000)
    applied = quote.row.applied
    assert (applied.percent, applied.list_amount, applied.name) == (
        15,
        Decimal("2.5"),
        "15 percent",
    )
    assert quote.source == "test less 15 percent"


def test_a_fixed_price_goes_over_a_discount():
    fixed = row(amount="3", kind="contract")
    book = book_of(row(amount="2.5"), fixed, discounts=[discount("50")])
    assert price(book) == (3, "contract")


@pytest.mark.parametrize(
    ("narrow", "wide"),
    [
        ({"model": "gpt-4o"}, {"model": "gpt-4*"}),
        ({"model": "gpt-4*"}, {"model": "gpt*"}),
        ({"model": "gpt*"}, {"family": "gpt"}),
        ({"family": "gpt"}, {}),
        ({}, {"provider": ""}),
        ({"meter": "input_tokens"}, {}),
        ({"batch": False}, {}),
        ({"service_tier": "standard"}, {}),
        ({"model": "gpt-4o"}, {"meter": "input_tokens"}),
    ],
)
def test_the_more_specific_discount_holds(narrow, wide):
    both = [discount("10", **narrow), discount("40", **wide)]
    for order in (both, both[::-1]):
        assert price(book_of(row(amount="2"), discounts=order)) == (Decimal("1.8"), "discount")


def test_equally_specific_discounts_tie_and_are_named():
    book = book_of(
        row(amount="2"),
        discounts=[discount("10", batch=False), discount("20", service_tier="standard")],
    )
    assert price(book) is None
    rivals = book.rivals(sku=GPT, meter="input_tokens", at=AT)
    assert sorted(one.applied.name for one in rivals) == ["10 percent", "20 percent"]


@pytest.mark.parametrize(
    ("terms", "sku", "expected"),
    [
        ({"meter": "output_tokens"}, GPT, 2),
        ({"model": "gpt-4o-mini"}, GPT, 2),
        ({"family": "o"}, GPT, 2),
        ({"provider": "azure"}, GPT, 2),
        ({"batch": True}, GPT, 2),
        ({"service_tier": "flex"}, GPT, 2),
        ({"region": "eu"}, GPT, 2),
        ({"region": "eu"}, GPT._replace(region="eu"), 1),
        ({"context_gt": 1000}, GPT, 2),
    ],
)
def test_what_a_discount_is_not_for_keeps_its_list_price(terms, sku, expected):
    book = book_of(row(amount="2"), discounts=[discount("50", **terms)])
    assert price(book, sku)[0] == expected


def test_the_list_price_is_chosen_before_the_discount():
    """A discount on the flat price must not pull long requests out of their context tier."""
    long = row(amount="5", conditions=Conditions(context_gt=200_000))
    regional = discount("50", region="eu", context_gt=0)
    book = book_of(row(amount="2"), long, discounts=[regional])
    sku = GPT._replace(region="eu", context_tier="200000")
    assert price(book, sku) == (5, "list")
    assert price(book, sku._replace(context_tier="")) == (1, "discount")


def test_a_list_price_change_inside_the_discount_splits_exactly_there():
    change = moment("2026-10-10T08:30:15")
    rows = [row(amount="4", valid_to=change), row(amount="3", valid_from=change)]
    start, end = moment("2026-10-01T00:00:00"), moment("2026-11-01T00:00:00")
    book = book_of(*rows, discounts=[discount("50", valid_from=start, valid_to=end)])
    ticks = [start, change, end]
    before = [
        at.replace(microsecond=0) - (moment("2026-01-01T00:00:01") - moment("2026-01-01T00:00:00"))
        for at in ticks
    ]
    assert [price(book, at=at)[0] for at in before] == [4, 2, Decimal("1.5")]
    assert [price(book, at=at)[0] for at in ticks] == [2, Decimal("1.5"), 3]
    points = book.breakpoints(
        provider="openai", model="gpt-4o", service_tier="", batch=False, region=""
    )
    assert points.instants == tuple(ticks)


def test_the_keys_of_two_discounts_to_the_same_amount_differ():
    halved = book_of(row(amount="4"), discounts=[discount("50")])
    fifth = book_of(row(amount="2.5"), discounts=[discount("20")])
    quotes = [book.quote(sku=GPT, meter="input_tokens", at=AT) for book in (halved, fifth)]
    assert quotes[0].amount == quotes[1].amount == 2
    assert quotes[0].key != quotes[1].key
    listed = book_of(row(amount="2")).quote(sku=GPT, meter="input_tokens", at=AT)
    assert listed is not None and listed.key not in {quotes[0].key, quotes[1].key}


amounts = st.decimals(min_value=0, max_value=Decimal("999999999999"), places=18, allow_nan=False)
percents = st.decimals(min_value=Decimal("0.000001"), max_value=100, places=6, allow_nan=False)


@given(amounts, st.integers(0, 18), percents)
def test_a_discounted_price_loses_no_digit_or_prices_nothing(amount, power, percent):
    size = 10**power
    found = reduced(amount=amount, unit_size=size, percent=percent)
    if found.exact:
        wanted = Fraction(amount) / size * (1 - Fraction(percent) / 100)
        assert Fraction(found.amount) / found.unit_size == wanted
        assert -int(found.amount.as_tuple().exponent) <= 18
        assert 0 <= found.amount < 10**12 and found.unit_size <= 10**18
    else:
        assert power > 10 or amount >= 1000


def test_a_discount_that_cannot_be_kept_prices_nothing():
    tiny = row(amount="0.000000000000000001", unit_size=10**18)
    book = book_of(tiny, discounts=[discount("0.5")])
    assert price(book) is None
