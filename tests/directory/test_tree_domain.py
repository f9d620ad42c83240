"""Spans of validity and the tree over time."""

from __future__ import annotations

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from apps.directory.domain.spans import Span, reassign, target_on
from apps.directory.domain.tree import Edge, ring

FIRST = date(2026, 1, 1)
bounds = st.one_of(st.none(), st.integers(0, 40).map(lambda n: FIRST + timedelta(days=n)))


def test_a_new_target_holds_from_its_day_on_and_the_past_stays():
    change = reassign([Span(None, None, "A")], target="B", since=date(2026, 1, 10))
    assert change.superseded == (Span(None, None, "A"),)
    assert change.added == (
        Span(None, date(2026, 1, 10), "A"),
        Span(date(2026, 1, 10), None, "B"),
    )


def test_what_holds_already_changes_nothing():
    spans = [Span(None, date(2026, 1, 10), "A"), Span(date(2026, 1, 10), None, "B")]
    change = reassign(spans, target="B", since=date(2026, 2, 1))
    assert (change.superseded, change.added) == ((), ())


def test_always_replaces_everything_and_nothing_ends_it():
    spans = [Span(None, date(2026, 1, 10), "A"), Span(date(2026, 1, 10), None, "B")]
    assert reassign(spans, target="C", since=None).added == (Span(None, None, "C"),)
    assert reassign(spans, target="", since=date(2026, 1, 20)).added == (
        Span(date(2026, 1, 10), date(2026, 1, 20), "B"),
    )


@given(st.lists(st.tuples(st.sampled_from("AB"), bounds), max_size=6), st.dates(FIRST))
def test_after_any_moves_one_target_holds_at_most_and_the_last_move_wins(moves, day):
    spans: list[Span] = []
    for target, since in moves:
        change = reassign(spans, target=target, since=since)
        spans = [span for span in spans if span not in change.superseded] + list(change.added)
        assert sum(span.holds(day) for span in spans) <= 1
        assert target_on(spans, max(day, since or day)) == target


def test_a_ring_is_named_along_its_way():
    known = [Edge("A", Span(None, None, "B")), Edge("B", Span(None, None, "C"))]
    assert ring(known, Edge("C", Span(None, None, "A"))) == ("C", "A", "B", "C")
    assert ring(known, Edge("D", Span(None, None, "A"))) == ()


def test_edges_on_different_days_close_no_ring():
    known = [Edge("A", Span(None, date(2026, 1, 10), "B"))]
    assert ring(known, Edge("B", Span(date(2026, 1, 10), None, "A"))) == ()
    assert ring(known, Edge("B", Span(date(2026, 1, 9), None, "A"))) == ("B", "A", "B")
