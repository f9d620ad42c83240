"""Timelines, agreement within a percent, and prices a hundred times away, in plain numbers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.catalog.domain.published import Rate
from apps.catalog.domain.review import (
    Statement,
    Step,
    agree,
    by_model,
    caution,
    changes_of_dated,
    changes_of_undated,
    counted,
    is_confirmed,
    per_unit,
    predecessor_of,
    rate_at,
    same_price,
    spliced,
)

MILLION = 10**6
START = datetime(2026, 11, 1, tzinfo=UTC)
NOW = START + timedelta(days=10)


def usd(amount: str | int, unit_size: int = MILLION, currency: str = "USD") -> Rate:
    return Rate(Decimal(amount), unit_size, currency)


def day(number: int | None) -> datetime | None:
    return None if number is None else START + timedelta(days=number)


def step(amount, start=None, end=None) -> Step:
    return Step(None if amount is None else usd(amount), day(start), day(end))


# -- timelines --------------------------------------------------------------------------------

days = st.none() | st.integers(0, 20)
steps = st.tuples(st.integers(1, 3) | st.none(), days, days).filter(
    lambda s: s[1] is None or s[2] is None or s[1] < s[2]
)


@given(st.lists(steps, max_size=6), st.integers(-1, 21))
def test_splicing_is_overwriting(written, at):
    timeline = ()
    for one in written:
        timeline = spliced(timeline, step(*one))
    moment = START + timedelta(days=at)
    wanted = None
    for amount, start, end in written:
        if (start is None or start <= at) and (end is None or at < end):
            wanted = amount
    found = rate_at(timeline, moment)
    assert found == (None if wanted is None else usd(wanted))
    assert all(one.end <= other.start for one, other in pairwise(timeline))


@given(st.lists(steps, max_size=5), st.lists(steps, max_size=5))
def test_what_a_dated_source_changes_makes_the_list_say_what_it_says(said, was):
    stated = listed = ()
    for one in said:
        stated = spliced(stated, step(*one))
    for one in was:
        listed = spliced(listed, step(*one))
    after = listed
    for change in changes_of_dated(
        stated=stated, before=listed, listed=listed, is_still_known=True
    ):
        after = spliced(after, change)
    moments = [START + timedelta(days=number) for number in range(-1, 22)]
    assert [rate_at(after, at) for at in moments] == [rate_at(stated, at) for at in moments]


def test_silence_withdraws_what_the_source_itself_said_and_nothing_else():
    listed = (step(2),)
    silent = {"stated": (), "listed": listed}
    assert changes_of_dated(**silent, before=(step(2),), is_still_known=True) == [step(None)]
    assert changes_of_dated(**silent, before=(), is_still_known=True) == []
    assert changes_of_dated(**silent, before=(step(2),), is_still_known=False) == []


def test_an_undated_source_speaks_from_now_until_the_next_announced_price():
    listed = (step(10, None, 5), step(2, 5, 20), step(3, 20))
    common = {"before": None, "is_still_known": True, "now": NOW}
    assert changes_of_undated(stated=usd(4), listed=listed, **common) == [step(4, 10, 20)]
    assert changes_of_undated(stated=usd(2), listed=listed, **common) == []
    assert changes_of_undated(stated=usd(4), listed=(), **common) == [step(4)]
    gone = {**common, "before": usd(2)}
    assert changes_of_undated(stated=None, listed=listed, **gone) == [step(None, 10, 20)]


# -- agreement --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other", "agreed"),
    [
        (usd("1.00"), usd("1.00"), True),
        (usd("1.00"), usd("0.99"), True),
        (usd("1.00"), usd("0.989999999999999999"), False),
        (usd("2.5"), usd("0.0025", 1000), True),
        (usd(0), usd(0), True),
        (usd(0), usd("0.000000000000000001"), False),
        (usd(1), usd(1, currency="EUR"), False),
    ],
)
def test_sources_agree_within_a_percent_to_the_last_digit(one, other, agreed):
    assert agree(one, other) is agreed
    assert agree(other, one) is agreed


def said(*timeline, is_dated=True) -> Statement:
    return Statement(timeline, is_dated)


def test_sources_that_know_a_price_are_counted():
    statements = {"a": said(step(2)), "b": said(step(2), is_dated=False), "c": said(step(3))}
    assert counted(step(2), statements, NOW) == (2, 1)
    assert counted(step(3), statements, NOW) == (1, 2)
    assert counted(step(None), statements, NOW) == (0, 3)


def test_an_undated_source_has_no_say_about_past_and_future():
    statements = {"a": said(step(2, 15)), "b": said(step(2), is_dated=False)}
    assert counted(step(2, 15), statements, NOW) == (1, 0)
    assert counted(step(2, 5), {"b": statements["b"]}, NOW) == (1, 0)
    assert counted(step(2, 1, 5), {"b": statements["b"]}, NOW) == (0, 0)


def test_a_listed_price_that_another_source_states_exactly_is_not_moved_by_a_rounding():
    listed, rounded = (step("0.0875"),), step("0.088", 10)
    other = [said(step("0.0875"))]
    assert is_confirmed(rounded, listed=listed, others=other, now=NOW)
    assert not is_confirmed(rounded, listed=listed, others=[said(step("0.088"))], now=NOW)
    assert not is_confirmed(step("0.0890", 10), listed=listed, others=other, now=NOW)
    assert not is_confirmed(step(None, 10), listed=listed, others=other, now=NOW)


# -- a hundred times --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("new", "old", "far"),
    [
        (usd("2.5"), usd("2.5"), False),
        (usd("249.99"), usd("2.5"), False),
        (usd("250"), usd("2.5"), True),
        (usd("0.025"), usd("2.5"), True),
        (usd("0.0250001"), usd("2.5"), False),
        (usd("2.5", 1000), usd("2.5"), True),
        (usd("2.5", 1), usd("2.5", 1), False),
        (usd(0), usd("2.5"), True),
        (usd("2.5"), usd(0), True),
        (usd(0), usd(0), False),
        (usd("2.5", currency="JPY"), usd("2.5"), True),
    ],
)
def test_a_price_far_from_the_one_before_needs_two_people(new, old, far):
    assert bool(caution(new, predecessor=old, peers=None)) is far


def test_a_price_far_from_its_peers_needs_two_people():
    assert caution(usd(300), predecessor=None, peers=per_unit(usd(3))).startswith("100 times")
    assert caution(usd("0.03"), predecessor=usd("0.03"), peers=per_unit(usd(3)))
    assert not caution(usd(299), predecessor=None, peers=per_unit(usd(3)))
    assert not caution(usd(300), predecessor=None, peers=None)
    assert not caution(None, predecessor=usd(3), peers=per_unit(usd(3)))


def test_the_median_leaves_out_the_model_itself_and_what_is_free():
    pairs = [("a", 1), ("b", 2), ("c", 3), ("d", 100), ("free", 0)]
    peers = by_model((model, Fraction(price)) for model, price in pairs)
    assert peers.median_without("d") == 2
    assert peers.median_without("a") == 3
    assert by_model([("a", Fraction(1)), ("b", Fraction(2))]).median_without("c") is None


def test_the_predecessor_is_what_is_listed_then_else_the_last_before():
    listed = (step(10, None, 5), step(2, 7, 20))
    assert predecessor_of(step(3, 8), listed, NOW) == usd(2)
    assert predecessor_of(step(3, 25), listed, NOW) == usd(2)
    assert predecessor_of(step(3, 5, 7), listed, NOW) == usd(10)
    assert predecessor_of(step(3), (), NOW) is None
    assert same_price(None, None)
    assert not same_price(None, usd(1))
