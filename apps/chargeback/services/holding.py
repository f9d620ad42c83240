"""Holds a month open for statements while a service works on them."""

from __future__ import annotations

from apps.chargeback.domain.results import MonthIsClosed
from apps.core.domain.months import Month
from apps.periods import services as periods
from apps.periods.domain.calendar import State


def hold(month: Month) -> None:
    """Share the month's row until the transaction ends; the first lock that is taken (rule 9).

    :raises MonthIsClosed: when the month is in the books.
    :raises PeriodMissing: when the calendar has no such month.
    """
    if periods.hold_open(months=[month])[month] is State.CLOSED:
        raise MonthIsClosed(f"{month} is closed; reopen it to issue other statements.")
