"""Questions to the calendar and to the exchange rates."""

from __future__ import annotations

from datetime import datetime

from django.db import connection

from apps.core.db import current_schema
from apps.core.domain.months import Month
from apps.periods.domain.calendar import Calendar, PeriodFacts, PeriodMissing, State
from apps.periods.domain.fx import FxRateFacts, FxTable, RateKind, rates_in_force
from apps.periods.models import FxRate, Period


def calendar() -> Calendar:
    """Return every period of the tenant, oldest first; one query."""
    return Calendar.of(row.facts for row in Period.objects.order_by("month"))


def calendar_state() -> str:
    """Return a text that is another one whenever the calendar is; one query.

    It costs a tenth of the calendar, so that who keeps one can ask whether it still holds.
    """
    with connection.cursor() as cursor:
        cursor.execute(calendar_state_asked())
        return str(cursor.fetchone()[0])


def calendar_state_asked() -> str:
    """Return the statement of `calendar_state`, for those who ask several things at once."""
    schema = connection.ops.quote_name(current_schema())
    return f"SELECT string_agg(p::text, ' ' ORDER BY p.month) FROM {schema}.periods_period p"  # noqa: S608


def period(month: Month) -> PeriodFacts:
    """Return one period; one query.

    :raises PeriodMissing: when the calendar has none.
    """
    row = Period.objects.filter(month=month.first_day).first()
    if row is None:
        raise PeriodMissing(f"The calendar has no period {month}.")
    return row.facts


def open_months() -> tuple[Month, ...]:
    """Return the months that take new entries, oldest first; one query."""
    return calendar().open_months


def booking_month(occurred_at: datetime) -> Month:
    """Return the month that takes a use: its own, else the next open one; one query.

    :raises TimeBeforeFirstPeriod: when the moment lies before the calendar.
    :raises NoOpenPeriod: when no month from there on is open.
    """
    return calendar().booking_month(occurred_at)


def latest_closed() -> PeriodFacts | None:
    """Return the last month in the books, if any is; one query."""
    row = Period.objects.filter(state=State.CLOSED.value).order_by("-month").first()
    return row.facts if row is not None else None


def fx(month: Month) -> FxTable:
    """Return the rates that convert the costs of a month: budget until its freeze; two queries.

    :raises PeriodMissing: when the calendar has no such month.
    """
    return fx_of(period(month))


def fx_of(of: PeriodFacts) -> FxTable:
    """Return the rates of a period that was just read; one query."""
    kind = RateKind.BUDGET if of.is_open else RateKind.FROZEN
    rows = FxRate.objects.filter(kind=kind.value, month__lte=of.month.first_day)
    if kind is RateKind.FROZEN:
        rows = rows.filter(month=of.month.first_day)
    rates = rates_in_force((row.facts for row in rows), month=of.month, kind=kind)
    return FxTable(of.month, kind, rates)


def entered_rates(*, first: Month, last: Month) -> tuple[FxRateFacts, ...]:
    """Return every entered rate of a span, newest month first, all revisions; one query."""
    rows = FxRate.objects.filter(month__gte=first.first_day, month__lte=last.first_day)
    ordered = rows.order_by("-month", "base", "quote", "kind", "-revision")
    return tuple(row.facts for row in ordered)
