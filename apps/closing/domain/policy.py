"""When months are closed, and from where on a check asks for attention or blocks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

from apps.core.domain.errors import FieldError, Unprocessable
from apps.core.domain.months import Month

ESCALABLE: Final = (
    "coverage",
    "bills",
    "accruals",
    "variance",
    "disputes",
    "imports",
    "backfills",
    "over",
)
"""Checks that ask for attention and that a tenant may let block."""

MOST_WORKING_DAY: Final = 20
MOST_REMINDER_DAYS: Final = 10
_SATURDAY: Final = 5


class PolicyRefused(Unprocessable):
    """The policy cannot be kept; `errors` says what to change in which field."""

    default_code = "close_policy_refused"


@dataclass(frozen=True, slots=True)
class Limits:
    """From where on a check asks for attention, in percent; `blocking` lets some checks block.

    Unpriced usage blocks above its limit whatever else is said.
    """

    unpriced_percent: Decimal = Decimal(1)
    coverage_percent: Decimal = Decimal(95)
    bill_percent: Decimal = Decimal(5)
    change_percent: Decimal = Decimal(20)
    blocking: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Schedule:
    """On which working day after its month a close begins by itself, and by which it is due.

    Working days are Monday to Friday; `at` is on the tenant's clock. Finance is reminded
    `reminder_days` working days before, and every working day from the due day on.
    """

    is_on: bool = False
    working_day: int = 3
    at: time = time(9)
    reminder_days: int = 2
    due_working_day: int = 6

    def starts_at(self, month: Month, zone: ZoneInfo) -> datetime:
        """Return when the close of a month begins."""
        return self._moment(_working_day(month, self.working_day), zone)

    def due_at(self, month: Month, zone: ZoneInfo) -> datetime:
        """Return by when a month is to be closed."""
        return self._moment(_working_day(month, self.due_working_day), zone)

    def reminds_at(self, month: Month, zone: ZoneInfo) -> datetime:
        """Return when finance is reminded of the coming close."""
        day = _working_day(month, self.working_day)
        for _ in range(self.reminder_days):
            day = _previous_working_day(day)
        return self._moment(day, zone)

    def _moment(self, day: date, zone: ZoneInfo) -> datetime:
        """Return the moment in UTC; a time that clocks skip is taken as the hour before."""
        return datetime.combine(day, self.at, tzinfo=zone).astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Policy:
    """A tenant's schedule and limits; `scheduled_since` is since when this schedule is on.

    `set_by` is who said so last: for who set a schedule its closes are no other person's.
    """

    schedule: Schedule = field(default_factory=Schedule)
    limits: Limits = field(default_factory=Limits)
    scheduled_since: datetime | None = None
    set_by: str = ""


def is_working_day(day: date) -> bool:
    """Tell whether a day is one of Monday to Friday."""
    return day.weekday() < _SATURDAY


def _working_day(month: Month, number: int) -> date:
    """Return the working day of that number, from 1, of the month after a month."""
    day = (month + 1).first_day
    while True:
        if is_working_day(day):
            number -= 1
            if number == 0:
                return day
        day += timedelta(days=1)


def _previous_working_day(day: date) -> date:
    day -= timedelta(days=1)
    while not is_working_day(day):
        day -= timedelta(days=1)
    return day


def check_policy(policy: Policy) -> None:
    """Pass when a policy can be kept.

    :raises PolicyRefused: naming every wrong field.
    """
    errors = (*_schedule_errors(policy.schedule), *_limit_errors(policy.limits))
    if errors:
        raise PolicyRefused(errors[0].message, errors=errors)


def _schedule_errors(schedule: Schedule) -> Iterator[FieldError]:
    if not 1 <= schedule.working_day <= MOST_WORKING_DAY:
        yield FieldError("working_day", "range", f"Give a working day, 1 to {MOST_WORKING_DAY}.")
    if not schedule.working_day <= schedule.due_working_day <= MOST_WORKING_DAY:
        message = f"A month is due on or after the day it starts, at most {MOST_WORKING_DAY}."
        yield FieldError("due_working_day", "range", message)
    if not 0 <= schedule.reminder_days <= MOST_REMINDER_DAYS:
        yield FieldError("reminder_days", "range", f"Give 0 to {MOST_REMINDER_DAYS} working days.")
    if schedule.at.tzinfo is not None or schedule.at.second or schedule.at.microsecond:
        yield FieldError("at", "minutes", "Give a time to the minute, as 09:00.")


def _limit_errors(limits: Limits) -> Iterator[FieldError]:
    for name in ("unpriced_percent", "coverage_percent", "bill_percent", "change_percent"):
        value = getattr(limits, name)
        if not value.is_finite() or not 0 <= value <= 1000 or value != round(value, 2):
            yield FieldError(name, "range", "Give a percentage from 0 to 1000, two decimals.")
    if limits.coverage_percent > 100:
        yield FieldError("coverage_percent", "range", "No more than 100 percent has an owner.")
    strange = sorted(limits.blocking - set(ESCALABLE))
    if strange:
        message = f"{', '.join(strange)[:100]} cannot block; choose of {', '.join(ESCALABLE)}."
        yield FieldError("blocking", "choice", message)
