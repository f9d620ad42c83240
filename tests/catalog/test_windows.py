"""Hours of days: read, spelled one way, and cut to the second, against a reading by eye."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from apps.catalog.domain.conditions import Conditions, tidy
from apps.catalog.domain.windows import (
    DAYS,
    EVERY_DAY,
    WindowInvalid,
    canonical_window,
    parse_window,
    window_of,
)

ZONES = ("UTC", "Asia/Shanghai", "Europe/Berlin", "America/New_York", "America/Sao_Paulo")
OFF_PEAK = "mon-fri 00:00-01:00,04:00-06:00,10:00-00:00; sat-sun 00:00-24:00"

TWICE = "mon-tue 01:00-04:00,06:00-10:00"

hours = st.tuples(st.integers(0, 86_399), st.integers(0, 86_400)).filter(lambda h: h[0] != h[1])
parts = st.lists(
    st.tuples(
        st.frozensets(st.integers(0, 6), min_size=1), st.lists(hours, min_size=1, max_size=3)
    ),
    min_size=1,
    max_size=3,
)


def spelled(rules, zone):
    """Write a window out plainly, one day at a time."""

    def clock(second):
        return f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"

    texts = [
        f"{DAYS[day]} " + ",".join(f"{clock(opens)}-{clock(closes)}" for opens, closes in pieces)
        for days, pieces in rules
        for day in sorted(days)
    ]
    return "; ".join(texts) + f" {zone}"


def inside(rules, zone, at):
    """Tell by looking at the wall clock, one rule after the other."""
    wall = at.astimezone(ZoneInfo(zone))
    second = wall.hour * 3600 + wall.minute * 60 + wall.second
    today, yesterday = wall.weekday(), (wall.weekday() - 1) % 7
    for days, pieces in rules:
        for opens, closes in pieces:
            if opens < closes and today in days and opens <= second < closes:
                return True
            if closes < opens and (
                (today in days and second >= opens) or (yesterday in days and second < closes)
            ):
                return True
    return False


@given(
    rules=parts,
    zone=st.sampled_from(ZONES),
    at=st.datetimes(datetime(2017, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),
)
@example([(EVERY_DAY, [(7200, 10800)])], "Europe/Berlin", datetime(2026, 10, 25, 0, 30, tzinfo=UTC))
@example([(EVERY_DAY, [(7200, 10800)])], "Europe/Berlin", datetime(2026, 10, 25, 1, 30, tzinfo=UTC))
@example([(EVERY_DAY, [(0, 3600)])], "America/Sao_Paulo", datetime(2018, 11, 4, 3, 0, tzinfo=UTC))
def test_a_window_holds_when_the_wall_clock_says_so(rules, zone, at):
    try:
        window = parse_window(spelled(rules, zone))
    except WindowInvalid as wrong:
        assert "every hour" in str(wrong)
        return
    assert window.holds(at) is inside(rules, zone, at)
    assert parse_window(window.text).holds(at) is inside(rules, zone, at)


@given(
    rules=parts,
    zone=st.sampled_from(ZONES),
    year=st.integers(2017, 2027),
    change=st.sampled_from([(3, 8), (3, 29), (10, 25), (11, 1), (2, 18), (11, 4), (6, 1)]),
    cut=st.integers(0, 5 * 86_400 * 10**6),
)
def test_between_two_edges_nothing_opens_or_closes(rules, zone, year, change, cut):
    try:
        window = parse_window(spelled(rules, zone))
    except WindowInvalid:
        return
    start = datetime(year, *change, tzinfo=UTC) - timedelta(days=2)
    end = start + timedelta(days=5)
    edges = sorted({edge for edge in window.edges_between(start, end) if start <= edge <= end})
    at = start + timedelta(microseconds=cut)
    before = max((edge for edge in edges if edge <= at), default=start)
    assert window.holds(at) is window.holds(before)
    near = window.edges_around(at)
    assert all(edge in near for edge in edges if abs(edge - at) <= timedelta(days=1))


@pytest.mark.parametrize(
    ("zone", "moment"),
    [
        ("Europe/Berlin", datetime(2026, 3, 29, 1, tzinfo=UTC)),
        ("America/New_York", datetime(2026, 11, 1, 6, tzinfo=UTC)),
        ("America/Sao_Paulo", datetime(2018, 11, 4, 3, tzinfo=UTC)),
    ],
)
def test_clock_changes_are_edges_to_the_second(zone, moment):
    window = parse_window(f"23:30-12:00 {zone}")
    assert moment in list(window.edges_between(moment, moment))


def test_off_peak_with_weekends_is_cut_to_the_microsecond():
    window = parse_window(OFF_PEAK)
    held = {
        "2026-11-20T03:59:59.999999": False,  # a Friday
        "2026-11-20T04:00:00": True,
        "2026-11-20T05:59:59.999999": True,
        "2026-11-20T06:00:00": False,
        "2026-11-20T23:59:59.999999": True,
        "2026-11-21T08:00:00": True,  # a Saturday
        "2026-11-22T23:59:59.999999": True,
        "2026-11-23T00:59:59.999999": True,
        "2026-11-23T01:00:00": False,
    }
    at = {text: datetime.fromisoformat(text).replace(tzinfo=UTC) for text in held}
    assert {text: window.holds(moment) for text, moment in at.items()} == held


@pytest.mark.parametrize(
    ("written", "one"),
    [
        ("01:00-04:00", "01:00-04:00"),
        ("22:00-24:00", "22:00-00:00"),
        ("12345@22:00-02:00", "mon-fri 22:00-02:00"),
        ("Fri-Mon 16:30-00:30 UTC", "mon,fri-sun 16:30-00:30"),
        ("mon 06:00-10:00 , 01:00-04:00; tue 01:00-04:00,06:00-10:00", TWICE),
        ("sat, sun 00:00-24:00 Asia/Shanghai", "sat-sun 00:00-24:00 Asia/Shanghai"),
        ("00:00:30-00:01", "00:00:30-00:01"),
        ("", ""),
    ],
)  # fmt: skip
def test_equal_windows_have_one_spelling(written, one):
    assert canonical_window(written) == one
    assert canonical_window(one) == one


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("always", "write them as"),
        ("01:00-01:00", "it is empty"),
        ("00:00-24:00", "leave it empty"),
        ("24:30-01:00", "beyond 24:00"),
        ("1:00-2:00", "write them as"),
        ("mon-fry 01:00-02:00", "no day"),
        ("01:00-02:00 Mars/Base", "no time zone"),
        ("mon-fri", "write them as"),
        ("mon 01:00-02:00 Asia/Tokyo; tue 01:00-02:00 Asia/Tokyo", "one zone"),
        ("8@01:00-02:00", "write them as"),
    ],
)
def test_what_is_no_window_says_what_to_write(written, says):
    with pytest.raises(WindowInvalid, match=says):
        parse_window(written)
    assert tidy(Conditions(window=written)).window == written


def test_windows_are_made_of_parts():
    made = window_of([(frozenset(range(5)), [(0, 3600)]), (frozenset({5, 6}), [(0, 86_400)])])
    assert made == "mon-fri 00:00-01:00; sat-sun 00:00-24:00"
    assert Conditions(window=made).in_words() == f"{made} UTC"
    assert Conditions(window=f"{made} Asia/Shanghai").in_words().endswith("Asia/Shanghai")
