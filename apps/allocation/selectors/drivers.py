"""Questions to the driver values that were entered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import groupby

from django.db.models import Count, Max, OuterRef, Q, QuerySet, Subquery, Sum

from apps.allocation.domain.rules import Axis
from apps.allocation.models import Driver
from apps.core.domain.errors import Missing
from apps.core.domain.months import Month


class DriverMissing(Missing):
    """Nothing was entered of such a driver in the month."""

    default_code = "driver_not_found"


@dataclass(frozen=True, slots=True)
class DriverFacts:
    """A driver of a month as it stands: how many receivers have a value, and their sum."""

    code: str
    axis: Axis
    month: Month
    receivers: int
    total: Decimal
    entered_at: datetime
    entered_by: str


@dataclass(frozen=True, slots=True)
class DriverVersion:
    """One entry of values: what it changed, and how all values stood after it."""

    number: int
    entered_at: datetime
    entered_by: str
    changed: Mapping[str, Decimal]
    values: Mapping[str, Decimal]


def drivers() -> list[DriverFacts]:
    """Return every driver of every month, the newest month first; one query.

    A receiver whose value is zero was withdrawn and is not counted.
    """
    found = (
        Driver.objects.filter(pk__in=_latest())
        .values("code", "axis", "month")
        .annotate(
            receivers=Count("pk", filter=Q(value__gt=0)),
            total=Sum("value"),
            entered_at=Max("created_at"),
            entered_by=Subquery(_newest_author()),
        )
        .order_by("-month", "code", "axis")
    )
    return [
        DriverFacts(
            code=row["code"],
            axis=Axis(row["axis"]),
            month=Month.of(row["month"]),
            receivers=row["receivers"],
            total=row["total"],
            entered_at=row["entered_at"],
            entered_by=row["entered_by"],
        )
        for row in found
    ]


def driver_versions(*, code: str, axis: Axis, month: Month) -> list[DriverVersion]:
    """Return what was entered of a driver in a month, newest first; one query.

    :raises DriverMissing: when nothing was.
    """
    rows = Driver.objects.filter(code=code[:64], axis=axis.value, month=month.first_day)
    values: dict[str, Decimal] = {}
    found: list[DriverVersion] = []
    entries = groupby(rows.order_by("created_at", "id"), lambda r: (r.created_at, r.created_by))
    for number, ((at, by), entered) in enumerate(entries, 1):
        changed = {row.receiver: row.value for row in entered}
        values = {**values, **changed}
        found.append(DriverVersion(number, at, by, changed, values))
    if not found:
        raise DriverMissing(f"Nothing is entered of the driver {code[:64]!r} in {month}.")
    return found[::-1]


def _latest() -> QuerySet[Driver, int]:
    by = ("code", "axis", "month", "receiver")
    return Driver.objects.order_by(*by, "-revision").distinct(*by).values_list("pk", flat=True)


def _newest_author() -> QuerySet[Driver, str]:
    same = {name: OuterRef(name) for name in ("code", "axis", "month")}
    rows = Driver.objects.filter(**same).order_by("-created_at", "-id")
    return rows.values_list("created_by", flat=True)[:1]
