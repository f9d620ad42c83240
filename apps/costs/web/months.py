"""Which month a page shows."""

from __future__ import annotations

from typing import Final

from django.utils import timezone

from apps.core import presentation
from apps.core.domain.months import Month, local_day
from apps.core.web.lists import Filter, ListState
from apps.core.web.page import Tab
from apps.periods import selectors as periods
from apps.tenants import selectors as tenants

_TABS: Final = 4


def month_asked(state: ListState) -> Month:
    """Return the month of the query string, the present one when it names none.

    :raises Invalid: when it names what is no month.
    """
    asked = state.get("month")
    if asked:
        return Month.parse(asked)
    return Month.of(local_day(timezone.now(), tenants.current().timezone))


def month_filter() -> Filter:
    """Return the choice among the months up to the present one, the newest first."""
    present = Month.of(local_day(timezone.now(), tenants.current().timezone))
    months = [each.month for each in periods.calendar().periods if each.month <= present]
    return Filter(
        key="month",
        label="Month",
        options=[(str(month), presentation.month(str(month))) for month in reversed(months)],
    )


def month_tabs(state: ListState) -> list[Tab]:
    """Return the last months up to the present one and the one shown, the oldest first."""
    shown = month_asked(state)
    present = Month.of(local_day(timezone.now(), tenants.current().timezone))
    known = {each.month for each in periods.calendar().periods}
    months = {present - back for back in range(_TABS)} | {shown}
    return [
        Tab(
            label=presentation.month(str(month)),
            url=state.url(month=str(month)),
            active=month == shown,
        )
        for month in sorted(months & known)
    ]
