"""How much room budgets have at a moment, read without a lock: what a check decides by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

from apps.budgets.domain.budgets import BudgetFacts
from apps.budgets.domain.limits import Counters
from apps.budgets.domain.windows import Days
from apps.budgets.selectors.budgets import in_windows
from apps.budgets.services import holds
from apps.budgets.services.counters import rows_of
from apps.core.domain.money import EXACT

_READ: Final = """
SELECT w.id, w.budget_id, w.amount + w.carried + w.raised, w.spent, w.held - coalesce(gone.held, 0),
       w.overrun, w.raised, w.as_of
  FROM {schema}.budgets_budgetwindow w
  JOIN unnest(%s::bigint[], %s::date[]) AS o(budget, start)
    ON w.budget_id = o.budget AND w.starts_on = o.start
  LEFT JOIN (SELECT p.window_id, sum(p.amount) AS held
               FROM {schema}.budgets_hold h JOIN {schema}.budgets_holdpart p ON p.hold_id = h.id
              WHERE h.state IN ('open', 'settled') AND h.expires_at <= %s
              GROUP BY p.window_id) AS gone ON gone.window_id = w.id
"""
"""The windows without what expired holds still hold: an authorization releases that first."""


def counters_of(
    budgets: list[BudgetFacts], windows: Mapping[int, Days], *, today: date, now: datetime
) -> dict[int, Counters]:
    """Return the counters of budgets in their windows, as an authorization would find them.

    One query where every window is open and up to date; what is held past its time is left out,
    as an authorization releases it first.
    """
    places = sorted((key, window.start) for key, window in windows.items())
    if not places:
        return {}
    columns = [list(column) for column in zip(*places, strict=True)]
    rows = rows_of(_READ, [*columns, now])
    if len(rows) == len(places) and not is_stale(rows, today):
        return {row[1]: Counters(*row[2:6]) for row in rows}
    standings = in_windows(budgets, today)
    past = holds.held_past_time(
        now=now, windows=[one.key for one in standings if one.key is not None]
    )
    return {one.budget.key: _without(one.counters, past.get(one.key or 0)) for one in standings}


def is_stale(rows: Iterable[tuple[Any, ...]], today: date) -> bool:
    """Tell whether a raise may have ended, or a rolling window was last rolled before today.

    The last columns of a row are what it was raised by, and the day it was rolled on.
    """
    return any(row[6] or (row[7] is not None and row[7] < today) for row in rows)


def _without(counted: Counters, past: Decimal | None) -> Counters:
    """Return counters without what is held past its time."""
    return counted if past is None else replace(counted, held=EXACT.subtract(counted.held, past))
