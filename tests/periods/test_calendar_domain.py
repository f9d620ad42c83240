"""The pure calendar: bounds in the tenant's timezone, and where a moment is booked."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.domain.months import Month
from apps.periods.domain.calendar import (
    Calendar,
    NoOpenPeriod,
    PeriodFacts,
    PeriodMissing,
    State,
    TimeBeforeFirstPeriod,
    default_span,
    months_between,
)

BERLIN = ZoneInfo("Europe/Berlin")
NEW_YORK = ZoneInfo("America/New_York")
FIRST = Month(2026, 1)


def calendar(zone: ZoneInfo, states: list[State]) -> Calendar:
    months = months_between(FIRST, FIRST + (len(states) - 1))
    return Calendar.of(
        PeriodFacts(month, state, *month.bounds(zone))
        for month, state in zip(months, states, strict=True)
    )


@pytest.mark.parametrize(
    ("zone", "month", "start", "end"),
    [
        (BERLIN, "2026-03", "2026-02-28T23:00", "2026-03-31T22:00"),
        (BERLIN, "2026-10", "2026-09-30T22:00", "2026-10-31T23:00"),
        (NEW_YORK, "2026-03", "2026-03-01T05:00", "2026-04-01T04:00"),
        (NEW_YORK, "2026-11", "2026-11-01T04:00", "2026-12-01T05:00"),
    ],
)
def test_a_month_of_a_clock_change_is_bounded_by_local_midnights(zone, month, start, end):
    assert Month.parse(month).bounds(zone) == (
        datetime.fromisoformat(start).replace(tzinfo=UTC),
        datetime.fromisoformat(end).replace(tzinfo=UTC),
    )


@pytest.mark.parametrize("zone", [BERLIN, NEW_YORK])
def test_months_touch_without_gap_or_overlap(zone):
    periods = calendar(zone, [State.OPEN] * 12).periods
    for one, two in itertools.pairwise(periods):
        assert one.ends_at == two.starts_at


@pytest.mark.parametrize("zone", [BERLIN, NEW_YORK])
def test_the_last_microsecond_belongs_to_the_month_and_the_next_does_not(zone):
    book = calendar(zone, [State.OPEN] * 12)
    for period in book.periods[:-1]:
        assert book.booking_month(period.ends_at - timedelta(microseconds=1)) == period.month
        assert book.booking_month(period.ends_at) == period.month + 1


def test_the_same_instant_lies_in_two_months_of_two_timezones():
    instant = datetime(2026, 3, 31, 23, 30, tzinfo=UTC)
    assert calendar(BERLIN, [State.OPEN] * 6).booking_month(instant) == Month(2026, 4)
    assert calendar(NEW_YORK, [State.OPEN] * 6).booking_month(instant) == Month(2026, 3)


def test_use_of_a_frozen_or_closed_month_is_booked_in_the_next_open_one():
    book = calendar(BERLIN, [State.CLOSED, State.SOFT_CLOSED, State.OPEN, State.OPEN])
    in_january = datetime(2026, 1, 15, tzinfo=UTC)
    assert book.booking_month(in_january) == Month(2026, 3)
    assert book.period_of(in_january).month == Month(2026, 1)
    assert book.open_months == (Month(2026, 3), Month(2026, 4))


def test_what_lies_outside_the_calendar_is_refused_by_name():
    book = calendar(BERLIN, [State.OPEN, State.CLOSED])
    with pytest.raises(TimeBeforeFirstPeriod) as early:
        book.booking_month(datetime(2025, 12, 31, 22, 59, 59, tzinfo=UTC))
    assert early.value.code == "time_before_first_period"
    assert "2026-01" in early.value.message
    with pytest.raises(NoOpenPeriod):
        book.booking_month(datetime(2026, 3, 1, tzinfo=UTC))
    with pytest.raises(NoOpenPeriod):
        book.booking_month(datetime(2026, 2, 10, tzinfo=UTC))
    with pytest.raises(TimeBeforeFirstPeriod):
        Calendar(()).booking_month(datetime(2026, 2, 10, tzinfo=UTC))
    with pytest.raises(PeriodMissing):
        book.period(Month(2027, 1))


@given(
    st.lists(st.sampled_from(list(State)), min_size=1, max_size=24),
    st.datetimes(datetime(2026, 1, 2), datetime(2027, 12, 30)),
    st.sampled_from([BERLIN, NEW_YORK]),
)
def test_a_moment_is_booked_in_the_first_open_month_from_its_own_on(states, moment, zone):
    book = calendar(zone, states)
    moment = moment.replace(tzinfo=UTC)
    candidates = [
        period.month for period in book.periods if period.is_open and period.ends_at > moment
    ]
    if moment < book.periods[-1].ends_at and candidates:
        assert book.booking_month(moment) == candidates[0]
    else:
        with pytest.raises(NoOpenPeriod):
            book.booking_month(moment)


def test_a_new_calendar_reaches_thirteen_months_back_and_six_ahead():
    first, last = default_span(date(2026, 1, 31))
    assert (str(first), str(last)) == ("2024-12", "2026-07")
    assert len(months_between(first, last)) == 20
    assert months_between(last, first) == ()
