"""Token classes are disjoint, whatever the provider calls them; properties and worked examples."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.usage.domain.drafts import Draft, Exact, UsageCounts
from apps.usage.domain.normalize import NotDisjoint, meters_json, meters_of


def draft(usage: UsageCounts | None = None, **fields: Any) -> Draft:
    return Draft(id="a", time=datetime(2026, 1, 1, tzinfo=UTC), usage=usage, **fields)


def meters(**counts: Any) -> tuple[dict[str, Any], int]:
    return meters_of(draft(UsageCounts(**counts)))


def test_cached_and_written_are_taken_out_of_the_input() -> None:
    assert meters(
        input_tokens=1200,
        cached_input_tokens=800,
        cache_write_tokens=100,
        output_tokens=300,
        reasoning_tokens=120,
    ) == (
        {
            "input_tokens": 300,
            "cached_input_tokens": 800,
            "cache_write_tokens": 100,
            "output_tokens": 300,
        },
        1200,
    )


def test_a_cache_beside_the_input_adds_to_the_context() -> None:
    expected = (
        {"input_tokens": 3, "cache_write_1h_tokens": 4, "cache_write_5m_tokens": 12_300},
        12_307,
    )
    counts = {"input_tokens": 3, "cache_write_tokens": {"5m": 12_300, "1h": 4}}
    assert meters(**counts, input_excludes_cache=True) == expected
    outside = draft(UsageCounts(**counts), input_excludes_cache=True)
    assert meters_of(outside) == expected


def test_audio_is_taken_out_of_both_sides() -> None:
    assert meters(
        input_tokens=1000,
        cached_input_tokens=300,
        input_audio_tokens=400,
        cached_input_audio_tokens=100,
        output_tokens=200,
        output_audio_tokens=150,
    ) == (
        {
            "input_audio_tokens": 300,
            "cached_input_audio_tokens": 100,
            "output_audio_tokens": 150,
            "input_tokens": 400,
            "cached_input_tokens": 200,
            "output_tokens": 50,
        },
        1000,
    )


def test_zeros_are_left_out() -> None:
    assert meters(input_tokens=0, cache_write_tokens={"5m": 0}) == ({}, 0)
    assert meters_of(draft(meters={"pages": Exact.of("0")})) == ({}, 0)


def test_free_meters_stay_exact() -> None:
    quantities, _ = meters_of(
        draft(meters={"gpu_seconds": Exact.of("120.500"), "pages": Exact.of("3.0")})
    )
    assert quantities == {"gpu_seconds": Decimal("120.5"), "pages": 3}
    assert meters_json(quantities) == b'{"gpu_seconds":120.5,"pages":3}'


@pytest.mark.parametrize(
    ("counts", "field"),
    [
        ({"input_tokens": 1, "cached_input_tokens": 2}, "usage.cached_input_tokens"),
        ({"input_tokens": 1, "cache_write_tokens": 2}, "usage.cache_write_tokens"),
        ({"output_tokens": 1, "reasoning_tokens": 2}, "usage.reasoning_tokens"),
        ({"output_tokens": 1, "output_audio_tokens": 2}, "usage.output_audio_tokens"),
        ({"input_tokens": 1, "input_audio_tokens": 2}, "usage.input_audio_tokens"),
        (
            {"input_tokens": 9, "input_audio_tokens": 5, "cached_input_audio_tokens": 1},
            "usage.cached_input_audio_tokens",
        ),
    ],
)
def test_contradictions_are_named(counts: dict[str, int], field: str) -> None:
    with pytest.raises(NotDisjoint) as caught:
        meters(**counts)
    assert caught.value.problem.field == field


counts = st.integers(0, 10**17)


@given(
    fresh=counts,
    cached=counts,
    written=st.dictionaries(st.sampled_from(["5m", "1h", "30m"]), counts),
    heard=counts,
    recalled=counts,
    spoken=counts,
    text=counts,
    beside=st.booleans(),
)
def test_parts_sum_to_the_whole(
    fresh: int,
    cached: int,
    written: dict[str, int],
    heard: int,
    recalled: int,
    spoken: int,
    text: int,
    beside: bool,
) -> None:
    """Rated input meters sum to all input, output meters to all output; none is negative."""
    inside = cached + recalled + sum(written.values())
    uncached = fresh + heard
    usage = UsageCounts(
        input_tokens=uncached if beside else uncached + inside,
        cached_input_tokens=cached + recalled,
        cache_write_tokens=written,
        input_audio_tokens=heard + recalled,
        cached_input_audio_tokens=recalled,
        output_tokens=text + spoken,
        output_audio_tokens=spoken,
        input_excludes_cache=beside,
    )
    quantities, context = meters_of(draft(usage))
    assert all(quantity > 0 for quantity in quantities.values())
    outputs = {meter: q for meter, q in quantities.items() if meter.startswith("output")}
    inputs = sum(q for meter, q in quantities.items() if meter not in outputs)
    assert inputs == context == uncached + inside
    assert sum(outputs.values()) == text + spoken
