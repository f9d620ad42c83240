"""The chain as plain values: whatever is done to it shows."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.audit.domain.chain import GENESIS, Head, Link, faults

TEXT = st.text(max_size=8)


def chain(contents: list[tuple[str, str]]) -> list[Link]:
    links: list[Link] = []
    last = GENESIS
    for number, (actor, detail) in enumerate(contents, start=1):
        link = Link(number, last, "at", "user", actor, "1", "a.b", "s", "1", detail, "")
        links.append(replace(link, hash=link.expected_hash()))
        last = links[-1].hash
    return links


def head_of(links: list[Link]) -> Head:
    return Head(links[-1].sequence, links[-1].hash) if links else Head(0, GENESIS)


CHAINS = st.lists(st.tuples(TEXT, TEXT), max_size=8).map(chain)
FULL = st.lists(st.tuples(TEXT, TEXT), min_size=2, max_size=8).map(chain)


@given(CHAINS)
def test_an_honest_chain_has_no_fault(links):
    assert list(faults(links, head_of(links))) == []


@given(FULL, st.data())
def test_a_changed_field_shows(links, data):
    head = head_of(links)
    at = data.draw(st.integers(0, len(links) - 1))
    names = [one.name for one in fields(Link) if one.name not in ("sequence", "hash")]
    name = data.draw(st.sampled_from(names))
    links[at] = replace(links[at], **{name: (getattr(links[at], name) or "") + "x"})
    assert next(one.sequence for one in faults(links, head)) == at + 1


@given(FULL, st.data())
def test_a_removed_record_shows(links, data):
    head = head_of(links)
    del links[data.draw(st.integers(0, len(links) - 1))]
    assert "removed" in {one.kind for one in faults(links, head)}


@given(FULL, st.data())
def test_two_records_in_each_others_place_show(links, data):
    head = head_of(links)
    first = data.draw(st.integers(0, len(links) - 2))
    one, two = links[first], links[first + 1]
    links[first] = replace(two, sequence=one.sequence)
    links[first + 1] = replace(one, sequence=two.sequence)
    assert list(faults(links, head)) != []


@pytest.mark.parametrize(("left", "right"), [(("ab", "c"), ("a", "bc")), (("", "x"), ("x", ""))])
def test_text_cannot_move_from_one_field_to_the_next_unseen(left, right):
    assert chain([left])[0].hash != chain([right])[0].hash
