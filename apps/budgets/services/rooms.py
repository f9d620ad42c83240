"""How much room budgets have at a moment: read without a lock, or locked to be taken."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from apps.budgets.domain.limits import Counters
from apps.budgets.models import Hold, State
from apps.budgets.selectors.budgets import in_windows, raises_in_force
from apps.budgets.services import counters, holds
from apps.budgets.services.cases import Case, Part
from apps.budgets.services.counters import Place, qualified, rows_of
from apps.core.domain.money import EXACT
from apps.rating import selectors as rating
from apps.usage import services as usage

_COLUMNS: Final = """
SELECT w.id, w.budget_id, w.starts_on, w.amount + w.carried + w.raised, w.spent, w.held, w.overrun,
       w.as_of, w.raised, CASE WHEN w.raised = 0 THEN 0 ELSE
           (SELECT coalesce(sum(r.amount), 0) FROM {schema}.budgets_budgetraise r
             WHERE r.budget_id = w.budget_id AND r.created_at <= %s AND r.expires_at > %s) END,
"""
"""A window, and what it is to be raised by at a moment."""

_READ: Final = f"""
SELECT b.version, p.id, p.adopted_at, w.*
  FROM ({{prices}}) AS p(id, adopted_at)
  JOIN {{schema}}.budgets_registry b ON b.id = 1
  LEFT JOIN LATERAL (
{_COLUMNS}
       coalesce(gone.held, 0)
  FROM {{schema}}.budgets_budgetwindow w
  JOIN unnest(%s::bigint[], %s::date[]) AS o(budget, start)
    ON w.budget_id = o.budget AND w.starts_on = o.start
  LEFT JOIN (SELECT p.window_id, sum(p.amount) AS held
               FROM {{schema}}.budgets_hold h
               JOIN {{schema}}.budgets_holdpart p ON p.hold_id = h.id
              WHERE h.state IN ('open', 'settled') AND h.expires_at <= %s
              GROUP BY p.window_id) AS gone ON gone.window_id = w.id
  ) AS w ON true
"""  # noqa: S608 - names of ours only
"""What is in force, windows, and what expired holds still hold in them: an authorization releases
that first."""

_LOCK: Final = f"""
WITH asked AS MATERIALIZED (
    SELECT w.id FROM {{schema}}.budgets_budgetwindow w
      JOIN unnest(%s::bigint[], %s::date[]) AS o(budget, start)
        ON w.budget_id = o.budget AND w.starts_on = o.start
), gone AS MATERIALIZED (
    SELECT p.hold_id FROM {{schema}}.budgets_hold h
      JOIN {{schema}}.budgets_holdpart p ON p.hold_id = h.id
     WHERE h.state IN ('open', 'settled') AND h.expires_at <= %s
       AND p.window_id IN (SELECT id FROM asked)
)
{_COLUMNS}
       (SELECT count(*) FROM gone)
  FROM {{schema}}.budgets_budgetwindow w
 WHERE w.id IN (SELECT id FROM asked UNION
                SELECT p.window_id FROM {{schema}}.budgets_holdpart p JOIN gone USING (hold_id))
 ORDER BY w.budget_id, w.starts_on
   FOR UPDATE OF w
"""  # noqa: S608 - names of ours only
"""The windows that are asked for, and those in which holds past their time hold money, too."""

_PAST: Final = """
SELECT h.id FROM {schema}.budgets_hold h
 WHERE h.state IN ('open', 'settled') AND h.expires_at <= %s
   AND EXISTS (SELECT 1 FROM {schema}.budgets_holdpart p
                WHERE p.hold_id = h.id AND p.window_id = ANY (%s))
   AND NOT EXISTS (SELECT 1 FROM {schema}.budgets_holdpart p
                    WHERE p.hold_id = h.id AND p.window_id <> ALL (%s))
"""

_NONE: Final = Decimal(0)

Places = Mapping[Place, Part]
"""The windows that uses draw, by budget and first day."""


@dataclass(slots=True)
class Window:
    """A locked window: its key, and its money as those who were served left it."""

    key: int
    counters: Counters
    more: Decimal = Decimal(0)

    def take(self, amount: Decimal) -> None:
        """Set an amount aside."""
        counted = self.counters
        held = EXACT.add(counted.held, amount)
        self.counters = Counters(counted.limit, counted.spent, held, counted.overrun)
        self.more = EXACT.add(self.more, amount)


def read_room(
    places: Places, now: datetime
) -> tuple[UUID, tuple[int, datetime], list[tuple[Any, ...]]]:
    """Return the versions of budgets and prices in force, and the money of windows; no lock."""
    statement = _READ.replace("{prices}", rating.version_asked())
    rows = usage.answers_to(qualified(statement), [now, now, *_columns(places), now])
    version, number, adopted_at = rows[0][:3]
    return version, (number, adopted_at), [row[3:] for row in rows if row[3] is not None]


def room_of(case: Case, rows: Iterable[tuple[Any, ...]]) -> dict[Place, Counters]:
    """Return the money of a use's windows, as an authorization would find it.

    What is held past its time is left out, as an authorization releases it first. A window that
    is not open yet, or not as of now, is worked out.
    """
    places = {part.place: part for part in case.parts}
    by_place = {(row[1], row[2]): row for row in rows}
    if all(place in by_place and _is_current(by_place[place], case.today) for place in places):
        return {
            place: _without(_counters(by_place[place]), by_place[place][10]) for place in places
        }
    standings = in_windows([part.budget for part in case.parts], case.today)
    past = holds.held_past_time(
        now=case.now, windows=[one.key for one in standings if one.key is not None]
    )
    by_budget = {
        one.budget.key: _without(one.counters, past.get(one.key or 0, Decimal(0)))
        for one in standings
    }
    unopened = {key for key, start in places if (key, start) not in by_place}
    raised = raises_in_force(unopened, case.now) if unopened else {}
    more = {place: row[9] - row[8] for place, row in by_place.items()}
    return {
        place: _raised(by_budget[place[0]], more.get(place, raised.get(place[0], _NONE)))
        for place in places
    }


def ask_locked(questions: usage.Questions, places: Places, now: datetime) -> Iterable[Any]:
    """Lock windows in their order, and ask for their money."""
    return questions.ask(qualified(_LOCK), [*_columns(places), now, now, now])


def locked(
    rows: list[tuple[Any, ...]], places: Places, *, today: date, now: datetime
) -> dict[Place, Window]:
    """Return the locked windows, open, as of now, and without holds that are past their time."""
    if rows and rows[0][10]:
        _release([row[0] for row in rows], now)
        rows = _again(places, now)
    found = _windows(rows, places, today)
    if len(found) < len(places):
        _open(places, {(row[1], row[2]) for row in rows}, today, now)
        found = _windows(_again(places, now), places, today)
    return found


def _release(windows: list[int], now: datetime) -> None:
    """Let holds past their time go, whose windows are all locked."""
    keys = [row[0] for row in rows_of(_PAST, [now, windows, windows])]
    gone = {row.pk: row for row in Hold.objects.filter(pk__in=keys).order_by("id")}
    holds.release(gone, state=State.EXPIRED, now=now, events={})


def _again(places: Places, now: datetime) -> list[tuple[Any, ...]]:
    return rows_of(_LOCK, [*_columns(places), now, now, now])


def _open(places: Places, known: Collection[Place], today: date, now: datetime) -> None:
    """Open windows that nobody drew yet, and bring all to the day and to the raises in force.

    Windows that are there stay as they are: those before them, which hand on, come first in the
    order of locks.
    """
    draws = {
        place: counters.Draw(part.budget, part.window)
        for place, part in places.items()
        if place not in known or part.budget.rule.is_rolling
    }
    if draws:
        counters.take(draws, today=today, now=now)
    counters.refresh_raises({budget for budget, _ in places}, today=today, now=now)


def _windows(rows: Iterable[tuple[Any, ...]], places: Places, today: date) -> dict[Place, Window]:
    return {
        (row[1], row[2]): Window(row[0], _counters(row))
        for row in rows
        if (row[1], row[2]) in places and _is_current(row, today)
    }


def _is_current(row: tuple[Any, ...], today: date) -> bool:
    """Tell whether a window is raised by what is in force, and a rolling one rolled to the day."""
    return row[8] == row[9] and (row[7] is None or row[7] >= today)


def _counters(row: tuple[Any, ...]) -> Counters:
    return Counters(row[3], row[4], row[5], row[6])


def _columns(places: Places) -> list[list[Any]]:
    ordered = sorted(places)
    return [[budget for budget, _ in ordered], [start for _, start in ordered]]


def _raised(counted: Counters, more: Decimal) -> Counters:
    """Return counters with the raises that are in force; more may be below zero."""
    limit = EXACT.add(counted.limit, more)
    return Counters(limit, counted.spent, counted.held, counted.overrun)


def _without(counted: Counters, past: Decimal) -> Counters:
    """Return counters without what is held past its time."""
    if not past:
        return counted
    held = EXACT.subtract(counted.held, past)
    return Counters(counted.limit, counted.spent, held, counted.overrun)
