"""Where a statement's figures lead: its pages, its files, the events behind it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlencode
from uuid import UUID

from django.urls import reverse

from apps.core.domain.access import Scope
from apps.core.domain.errors import Invalid, Missing
from apps.core.domain.months import Month
from apps.core.web.page import Tab

HOME: Final = "Statements"
READ: Final[Mapping[str, Scope | None]] = {"GET": Scope.COSTS_READ}


def month_of(text: str) -> Month:
    """Return the month of an address.

    :raises Missing: when there is no such month.
    """
    try:
        return Month.parse(text)
    except Invalid as refusal:
        raise Missing(refusal.message) from None


def month_url(month: Month) -> str:
    """Return the page of a month's statements."""
    return reverse("chargeback:month", kwargs={"month": str(month)})


def statement_url(month: Month, cost_center: str, tab: str = "overview") -> str:
    """Return a tab of a statement's page."""
    return reverse(f"chargeback:{tab}", kwargs={"month": str(month), "cost_center": cost_center})


def line_url(month: Month, cost_center: str, position: int) -> str:
    """Return the explanation of a printed line."""
    return reverse(
        "chargeback:line",
        kwargs={"month": str(month), "cost_center": cost_center, "position": position},
    )


def file_url(id: UUID, suffix: str) -> str:
    """Return the address of a statement's file."""
    return reverse("statement_file", kwargs={"id": str(id), "suffix": suffix})


def rollups_url(month: Month) -> str:
    """Return the page of a month's roll-ups."""
    return reverse("chargeback:rollups", kwargs={"month": str(month)})


def rollup_url(id: UUID) -> str:
    """Return the page of a roll-up."""
    return reverse("chargeback:rollup", args=[id])


def rollup_file_url(id: UUID, suffix: str) -> str:
    """Return the address of a roll-up's file."""
    return reverse("rollup_file", kwargs={"id": str(id), "suffix": suffix})


def month_tabs(month: Month, active: str) -> list[Tab]:
    """Return the two ways to look at a month's statements."""
    return [
        Tab(label="By cost center", url=month_url(month), active=active == "month"),
        Tab(
            label="By parent, product, customer",
            url=rollups_url(month),
            active=active == "rollups",
        ),
    ]


def events_url(*, month: Month, tag_set_id: int, model: str) -> str:
    """Return the usage log, limited to the events behind a source line.

    `month` is the accounting month, also of late usage: that is where its events are booked.
    """
    wanted = {"period": str(month), "tag_set": str(tag_set_id), "model": model}
    return f"/usage/?{urlencode({key: value for key, value in wanted.items() if value})}"
