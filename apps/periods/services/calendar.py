"""Open months, and hold them open while something is written into them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from django.db import connection, transaction

from apps.core.domain.errors import Conflict, Invalid
from apps.core.domain.months import Month, local_day
from apps.periods.domain.calendar import (
    MONTHS_AHEAD,
    PeriodMissing,
    State,
    default_span,
    months_between,
)
from apps.periods.models import Period
from apps.tenants import selectors as tenants

_HELD: Final = (
    "SELECT month, state FROM {schema}.periods_period WHERE month = ANY(%s) "
    "ORDER BY month FOR SHARE"
)


class PeriodNotOpen(Conflict):
    """The month is frozen or closed and takes no entries."""

    default_code = "period_not_open"


@transaction.atomic
def open_calendar(*, first: Month, last: Month) -> tuple[Month, ...]:
    """Open every month from `first` to `last` that the calendar lacks; return the new ones.

    The calendar stays without gaps: months between the span and what exists are opened too. A
    month before one that is closed is never added. Safe to repeat. Months are bounded by the
    tenant's timezone.

    :raises Invalid: when the span is reversed.
    :raises PeriodNotOpen: when a month of the span would come before a closed one.
    """
    if last < first:
        raise Invalid(f"The span ends with {last} before it starts with {first}.", code="span")
    existing = {period.key: period for period in Period.objects.select_for_update().order_by("pk")}
    span = months_between(min(first, *existing, last), max(last, *existing, first))
    wanted = [month for month in span if month not in existing]
    _refuse_before_closed(wanted, existing)
    zone = tenants.current().timezone
    Period.objects.bulk_create(
        [Period.for_month(month, zone=zone) for month in wanted], ignore_conflicts=True
    )
    return tuple(wanted)


@transaction.atomic
def extend_calendar(*, now: datetime) -> tuple[Month, ...]:
    """Open the months up to six ahead of `now`, and thirteen back when there is no calendar yet.

    Whoever calls this creates the partitions of the returned months as well. Safe to repeat.
    """
    today = local_day(now, tenants.current().timezone)
    if Period.objects.exists():
        current = Month.of(today)
        return open_calendar(first=current, last=current + MONTHS_AHEAD)
    first, last = default_span(today)
    return open_calendar(first=first, last=last)


def hold_open(*, months: Iterable[Month]) -> Mapping[Month, State]:
    """Share the rows of `months` until the transaction ends and return their states.

    A freeze waits for every holder, and a holder waits for a running freeze and then sees it
    (rule 10). Rows are locked in the order of the months. One query.

    :raises PeriodMissing: when the calendar lacks a month.
    :raises TransactionManagementError: when no transaction is open that could hold them.
    """
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("a month is held until a transaction ends")
    wanted = sorted(set(months))
    statement = _HELD.format(schema=connection.ops.quote_name(_schema()))
    with connection.cursor() as cursor:
        cursor.execute(statement, [[month.first_day for month in wanted]])
        states = {Month.of(first_day): State(state) for first_day, state in cursor.fetchall()}
    for month in wanted:
        if month not in states:
            raise PeriodMissing(f"The calendar has no period {month}.")
    return states


def months_held() -> str:
    """Return the statement that `hold_open` holds months with, in the order of the months.

    It takes an array of first days, and gives month and state of each.
    """
    return _HELD.format(schema=connection.ops.quote_name(_schema())).replace("%s", "%b")


def _schema() -> str:
    schema: str = connection.schema_name  # type: ignore[attr-defined]
    return schema


def _refuse_before_closed(wanted: Iterable[Month], existing: Mapping[Month, Period]) -> None:
    closed = [month for month, period in existing.items() if period.state == State.CLOSED.value]
    late = [month for month in wanted if closed and month < max(closed)]
    if late:
        raise PeriodNotOpen(
            f"{late[0]} cannot be opened: {max(closed)} is closed and months close in order."
        )
