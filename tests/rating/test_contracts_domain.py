"""The unit slip and the difference of two books, without a database."""

from __future__ import annotations

import itertools
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.rating.domain.contracts import unit_slip
from apps.rating.domain.diff import quote_changes
from apps.rating.domain.prices import FOREVER, SkuKey
from tests.rating.book_of import book_of, moment, row

GPT = SkuKey("openai", "gpt-4o")
START, END = moment("2026-10-01T00:00:00"), moment("2026-11-01T00:00:00")


@pytest.mark.parametrize(
    ("amount", "unit_size", "slips"),
    [
        ("2.5", 10**6, False),
        ("249.99", 10**6, False),
        ("250", 10**6, True),
        ("0.0250001", 10**6, False),
        ("0.025", 10**6, True),
        ("0.0025", 1000, False),
        ("2.5", 1000, True),
        ("0.0000025", 1, False),
        ("0", 10**6, True),
    ],
)
def test_a_hundred_times_is_a_slip(draft, amount, unit_size, slips):
    fault = unit_slip(draft(amount=Decimal(amount), unit_size=unit_size), [row()])
    assert (fault is not None) == slips


def test_one_near_peer_is_enough_and_other_currencies_say_nothing(draft):
    cheap = draft(amount=Decimal("0.02"))
    assert unit_slip(cheap, [row(), row(amount="0.15", model="gpt-4o-mini")]) is None
    assert unit_slip(cheap, [row(currency="EUR")]) is None
    assert unit_slip(cheap, [row(amount="0")]) is None
    assert unit_slip(cheap, []) is None
    assert unit_slip(cheap, [row()]) is not None
    assert unit_slip(draft(amount=Decimal("0.02"), confirm_unit_slip=True), [row()]) is None


@given(
    old=st.lists(st.tuples(st.integers(0, 700), st.integers(1, 3)), max_size=5),
    new=st.lists(st.tuples(st.integers(0, 700), st.integers(1, 3)), max_size=5),
    asked=st.lists(st.integers(0, 743), min_size=1, max_size=20),
)
def test_changes_cover_exactly_where_two_books_differ(old, new, asked):
    books = [book_of(*_rows(steps)) for steps in (old, new)]
    changes = list(
        quote_changes(
            before=books[0], after=books[1], used=[(GPT, "input_tokens")], start=START, end=END
        )
    )
    assert all(a.end <= b.start for a, b in itertools.pairwise(changes))
    for hours in asked:
        at = START + timedelta(hours=hours)
        quotes = [book.quote(sku=GPT, meter="input_tokens", at=at) for book in books]
        keys = [quote and quote.key for quote in quotes]
        within = [change for change in changes if change.start <= at < change.end]
        assert len(within) == (keys[0] != keys[1])
        for change in within:
            assert [change.before and change.before.key, change.after and change.after.key] == keys


def _rows(steps):
    """Return prices that follow each other, changing at hours of the month."""
    edges = sorted(dict(steps).items())
    ends = [*(START + timedelta(hours=hour) for hour, _ in edges[1:]), FOREVER][: len(edges)]
    return [
        row(amount=str(amount), valid_from=START + timedelta(hours=hour), valid_to=end)
        for (hour, amount), end in zip(edges, ends, strict=True)
    ]


def test_a_sku_whose_tiers_moved_is_named_even_at_equal_prices():
    from apps.catalog.domain.conditions import Conditions

    plain = book_of(row())
    tiered = book_of(row(), row(amount="5", conditions=Conditions(context_gt=1000)))
    (change,) = quote_changes(
        before=plain, after=tiered, used=[(GPT, "input_tokens")], start=START, end=END
    )
    assert change.retiered
    assert (change.start, change.end) == (START, END)
