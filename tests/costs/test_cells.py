"""Single cells: exact or refused, never rounded."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.costs.domain.cells import (
    CellRefused,
    read_decimal,
    read_enum,
    read_moment,
    read_tags,
    shift_moment,
)


@pytest.mark.parametrize(
    ("text", "value", "is_strict"),
    [
        ("0.00000080000", "0.00000080000", True),
        ("-12", "-12", True),
        ("1e-7", "1E-7", True),
        ("1E+3", "1E+3", False),
        ("+5", "5", False),
        (".5", "0.5", False),
        ("0.1230000000000000000000000000000000", "0.123", True),
    ],
)
def test_numbers_are_read_exactly(text, value, is_strict):
    number, strict = read_decimal(text)
    assert number == Decimal(value)
    assert strict is is_strict


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("1,234.5", "number"),
        ("12 EUR", "number"),
        ("1_000", "number"),
        ("NaN", "number"),
        ("Infinity", "number"),
        ("0x10", "number"),
        ("1e999", "too_large"),
        ("1e99999999", "number"),
        ("100000000000000000000", "too_large"),
        ("0.1234567890123456789012345", "decimals"),
        ("1e-25", "decimals"),
        ("0." + "1" * 5000, "decimals"),
        ("٣", "number"),
    ],
)
def test_what_cannot_be_kept_exactly_is_refused(text, code):
    with pytest.raises(CellRefused) as refused:
        read_decimal(text)
    assert refused.value.code == code


@given(
    st.decimals(min_value=Decimal("-1e19"), max_value=Decimal("1e19"), allow_nan=False, places=24)
)
def test_every_amount_that_fits_the_column_comes_back_unchanged(amount):
    assert read_decimal(f"{amount:f}")[0] == amount


@pytest.mark.parametrize(
    ("text", "moment", "is_strict"),
    [
        ("2024-09-01T00:00:00Z", datetime(2024, 9, 1), True),
        ("2024-09-01 00:00:00", datetime(2024, 9, 1), False),
        ("2024-09-01", datetime(2024, 9, 1), False),
        ("2024-09-01T02:30", datetime(2024, 9, 1, 2, 30), False),
        ("2024-09-01T02:00:00+02:00", datetime(2024, 9, 1), False),
        ("2024-09-01 00:00:00.1234567 UTC", datetime(2024, 9, 1, 0, 0, 0, 123456), False),
        ("2024-08-31T20:00:00-0400", datetime(2024, 9, 1), False),
    ],
)
def test_moments_are_read_as_utc(text, moment, is_strict):
    assert read_moment(text) == (moment.replace(tzinfo=UTC), is_strict)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2024-13-01",
        "2024-02-30T00:00:00Z",
        "20240901",
        "2024-09-01T25:00:00Z",
        "2024-09-01T00:00:00+99:00",
        "0000-01-01T00:00:00Z",
    ],
)
def test_what_is_no_moment_is_refused(text):
    with pytest.raises(CellRefused):
        read_moment(text)


def test_enumerations_are_corrected_in_case_only():
    allowed = ("One-Time", "Usage-Based")
    assert read_enum("Usage-Based", allowed) == ("Usage-Based", "")
    assert read_enum("Usage-based", allowed) == ("Usage-Based", "case")
    assert read_enum("Sometimes", allowed) == ("Sometimes", "unknown_value")


def test_tags_become_text():
    assert read_tags('{"team": "search", "n": 1, "b": true, "none": null}') == (
        {"team": "search", "n": "1", "b": "true"},
        "tag_value",
    )
    assert read_tags('{"team": "search"}') == ({"team": "search"}, "")
    assert read_tags("team=search") == ({}, "tags_unreadable")
    assert read_tags("[1]") == ({}, "tags_unreadable")
    with pytest.raises(CellRefused):
        read_tags('{"a": "\\u0000"}')
    with pytest.raises(CellRefused):
        read_tags("{" + ",".join(f'"k{n}": "v"' for n in range(201)) + "}")
    assert read_tags("[" * 100_000)[1] == "tags_unreadable"


def test_shifting_keeps_the_hour_and_bends_the_day_at_the_end_of_a_month():
    moment = datetime(2024, 8, 31, 22, 15, tzinfo=UTC)
    assert shift_moment(moment, 6) == datetime(2025, 2, 28, 22, 15, tzinfo=UTC)
    assert shift_moment(moment, -1) == datetime(2024, 7, 31, 22, 15, tzinfo=UTC)
    assert shift_moment(moment, 0) is moment


@given(st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)), st.integers(-60, 60))
def test_shifting_keeps_months_apart(moment, months):
    moved = shift_moment(moment, months)
    assert (moved.year * 12 + moved.month) - (moment.year * 12 + moment.month) == months
