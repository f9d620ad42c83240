"""Rates an open month again with the price book in force (rule 4)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import transaction

from apps.audit import services as audit
from apps.core.domain.access import Actor
from apps.core.domain.months import Month
from apps.periods import selectors as periods
from apps.periods import services as period_services
from apps.periods.domain.calendar import State
from apps.rating import selectors as rating
from apps.rating import services as rating_services
from apps.usage import store
from apps.usage.domain.cells import Cell
from apps.usage.domain.feeds import FEEDS
from apps.usage.services.rebuild import Difference, compare, kept_cells, rebuilt_cells, sheet_for


@dataclass(frozen=True, slots=True)
class Rerating:
    """What rating a month again changed: cells, and cost by currency before and after."""

    month: Month
    cells: int
    before: dict[str, Decimal]
    after: dict[str, Decimal]


def rerate(*, month: Month, actor: Actor, now: datetime) -> Rerating:
    """Bring the rollups of an open month in line with the price book in force.

    Cells are rebuilt from the month's events; only those that differ are written. Holds the
    version, then the period, then the rollups in order (rule 9). Repeating it changes nothing.

    :raises PeriodNotOpen: when the month is frozen or closed; its prices stay as they are.
    """
    with transaction.atomic():
        rating_services.check_version(version=rating.current_version().version)
        _hold(month)
        result = _rated_again(month)
        if result.cells:
            _record(result, actor, now)
    return result


def _rated_again(month: Month) -> Rerating:
    sheet = sheet_for(version=None)
    kept: list[Cell] = []
    rebuilt: list[Cell] = []
    changed = 0
    for feed in FEEDS:
        before = kept_cells(month=month, feed=feed)
        after = rebuilt_cells(month=month, sheet=sheet, feed=feed)
        differences = compare(month=month, kept=before, rebuilt=after)
        store.replace_cells(month, *_changes(differences), feed)
        kept += before
        rebuilt += after
        changed += len(differences)
    return Rerating(month, changed, _costs(kept), _costs(rebuilt))


def open_months_in_use() -> list[Month]:
    """Return the open months that hold usage."""
    return [month for month in periods.open_months() if store.has_rollups(month)]


def holds_usage(*, month: Month) -> bool:
    """Tell whether any usage is booked in a month."""
    return store.has_rollups(month)


def _hold(month: Month) -> None:
    state = period_services.hold_open(months=[month])[month]
    if state is not State.OPEN:
        raise period_services.PeriodNotOpen(f"{month} is {state.value}; its prices stay.")


def _changes(differences: Iterable[Difference]) -> tuple[list[Cell], list[Cell]]:
    gone: list[Cell] = []
    written: list[Cell] = []
    for difference in differences:
        if difference.kept is not None:
            gone.append(difference.kept)
        if difference.rebuilt is not None:
            written.append(difference.rebuilt)
    return gone, written


def _costs(cells: Iterable[Cell]) -> dict[str, Decimal]:
    costs: dict[str, Decimal] = {}
    for cell in cells:
        if cell.cost is not None:
            costs[cell.currency] = costs.get(cell.currency, Decimal(0)) + cell.cost
    return costs


def _record(result: Rerating, actor: Actor, now: datetime) -> None:
    audit.record(
        actor=actor,
        action="usage.rerated",
        subject="period",
        subject_id=str(result.month),
        detail={"cells": result.cells, "before": result.before, "after": result.after},
        at=now,
    )
