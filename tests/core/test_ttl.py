"""The in-process cache."""

from __future__ import annotations

import pytest

from apps.core.ttl import TtlCache


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def cache(clock):
    return TtlCache(seconds=30, limit=3, clock=clock)


def test_an_entry_is_loaded_once_within_its_time(cache, clock):
    loads = []
    load = lambda: loads.append(1)  # noqa: E731
    assert [cache.get("a", load) for _ in range(3)] == [None] * 3
    assert len(loads) == 1  # None is remembered as well
    clock.now = 29.9
    cache.get("a", load)
    assert len(loads) == 1
    clock.now = 30
    cache.get("a", load)
    assert len(loads) == 2


def test_the_oldest_entry_goes_first(cache):
    for key in "abcd":
        cache.get(key, lambda key=key: key)
    assert len(cache) == 3
    assert cache.get("b", lambda: "again") == "b"
    assert cache.get("a", lambda: "again") == "again"


def test_a_loader_that_raises_leaves_nothing(cache):
    with pytest.raises(ZeroDivisionError):
        cache.get("a", lambda: 1 / 0)
    assert cache.get("a", lambda: 2) == 2


def test_what_was_read_before_a_change_is_not_kept_after_it(cache):
    def load():
        cache.forget()  # somebody changes the row while it is being read
        return "old"

    assert cache.get("a", load) == "old"
    assert cache.get("a", lambda: "new") == "new"
