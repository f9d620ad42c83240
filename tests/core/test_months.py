"""Months follow the tenant's timezone, daylight saving included."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from apps.core.domain.errors import Invalid
from apps.core.domain.months import Month, local_day

NEW_YORK = ZoneInfo("America/New_York")
BERLIN = ZoneInfo("Europe/Berlin")


def test_bounds_follow_daylight_saving() -> None:
    assert Month(2026, 11).bounds(NEW_YORK) == (
        datetime(2026, 11, 1, 4, tzinfo=UTC),
        datetime(2026, 12, 1, 5, tzinfo=UTC),
    )
    assert Month(2026, 10).bounds(BERLIN) == (
        datetime(2026, 9, 30, 22, tzinfo=UTC),
        datetime(2026, 10, 31, 23, tzinfo=UTC),
    )


def test_months_meet_without_gap() -> None:
    for zone in (NEW_YORK, BERLIN):
        for step in range(24):
            month = Month(2026, 1) + step
            assert month.bounds(zone)[1] == (month + 1).bounds(zone)[0]


def test_arithmetic_and_text() -> None:
    assert str(Month(2026, 1) - 1) == "2025-12"
    assert Month.parse("2026-10").last_day.isoformat() == "2026-10-31"
    assert Month(2026, 10) < Month(2026, 11)


@pytest.mark.parametrize("text", ["2026", "2026-13", "october", "2026-10-01", ""])
def test_bad_text_is_refused(text: str) -> None:
    with pytest.raises(Invalid) as refusal:
        Month.parse(text)
    assert refusal.value.code == "month"


def test_local_day() -> None:
    assert local_day(datetime(2026, 11, 1, 3, tzinfo=UTC), NEW_YORK).isoformat() == "2026-10-31"
