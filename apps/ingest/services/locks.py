"""The first locks of every transaction that books usage: price book, then months (rule 9)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

from django.db import OperationalError, connection, transaction

from apps.core.domain.errors import Conflict
from apps.core.domain.months import Month
from apps.periods import services as periods
from apps.periods.domain.calendar import Calendar, NoOpenPeriod, State
from apps.rating import services as rating
from apps.usage import services as usage

ATTEMPTS: Final = 6
_RETRYABLE: Final = frozenset({"40P01", "40001"})
_Result = TypeVar("_Result")


class PeriodMoved(Conflict):
    """A month was frozen between reading the calendar and holding it; read it again."""

    default_code = "period_moved"


def again_when_moved(attempt: Callable[[], _Result]) -> _Result:
    """Do a whole transaction again when prices or months moved under it, or it deadlocked.

    Inside a transaction of the caller's there is no doing it again, and what happened is raised.
    """
    for number in range(1, ATTEMPTS + 1):
        try:
            return attempt()
        except (rating.PriceBookMoved, PeriodMoved):
            if number == ATTEMPTS:
                raise
        except OperationalError as error:
            if number == ATTEMPTS or not may_retry(error):
                raise
    raise AssertionError("the last attempt returns or raises")


def may_retry(error: OperationalError) -> bool:
    """Tell whether a database error goes away when the transaction is done again."""
    state = getattr(error.__cause__, "sqlstate", None)
    return state in _RETRYABLE and not connection.in_atomic_block


def hold(months: Iterable[Month], calendar: Calendar) -> Callable[[Month], Month]:
    """Hold the months that take the use of given months; return which takes which.

    :raises PeriodMoved: when one of them is no longer open.
    :raises NoOpenPeriod: when every month from one of them on is frozen or closed.
    """
    booked = {month: booking(calendar, month) for month in months}
    if booked:
        for month, state in periods.hold_open(months=set(booked.values())).items():
            if state is not State.OPEN:
                raise PeriodMoved(f"{month} is {state.value} now.")
    return booked.__getitem__


def booking(calendar: Calendar, month: Month) -> Month:
    """Return the month that takes the use of a month: itself, else the next open one.

    :raises NoOpenPeriod: when there is none.
    """
    for period in calendar.periods:
        if period.month >= month and period.is_open:
            return period.month
    raise NoOpenPeriod("Every month from there on is frozen or closed; open further months.")


@contextmanager
def booking_transaction(sheet: usage.RatingSheet) -> Iterator[None]:
    """Open a transaction under the version of the price book that the sheet rates with."""
    with transaction.atomic():
        rating.check_version(version=sheet.book.version)
        yield
