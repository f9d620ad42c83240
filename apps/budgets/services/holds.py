"""Holds: money set aside, resized, released. Windows are locked before any hold changes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from apps.budgets.models import Hold, HoldPart, State
from apps.budgets.services.counters import Draw, Place, carry_on, over, rows_of, run

_RELEASE: Final = """
UPDATE {schema}.budgets_hold SET state = %s, ended_at = %s
 WHERE id = ANY (%s) AND state IN ('open', 'settled')
RETURNING id
"""
_NAME: Final = """
UPDATE {schema}.budgets_hold AS h SET event_ref = n.event
  FROM unnest(%s::bigint[], %s::text[]) AS n(id, event) WHERE h.id = n.id
"""
_HANDS_ON: Final = """
EXISTS (SELECT 1 FROM {schema}.budgets_budgetwindow l JOIN {schema}.budgets_budget b
            ON b.id = l.budget_id AND (b.unused_cap IS NOT NULL OR b.carry_overspend)
         WHERE l.budget_id = kept.budget_id AND l.starts_on > kept.starts_on)
"""
_FREE: Final = f"""
UPDATE {{schema}}.budgets_budgetwindow AS kept
   SET held = kept.held - freed.amount, overrun = {over(held="(kept.held - freed.amount)")}
  FROM (SELECT window_id, sum(amount) AS amount FROM {{schema}}.budgets_holdpart
         WHERE hold_id = ANY (%s) GROUP BY window_id) AS freed
 WHERE kept.id = freed.window_id AND freed.amount <> 0
RETURNING kept.budget_id, {_HANDS_ON}
"""  # noqa: S608 - names of ours only
_RESIZE: Final = f"""
UPDATE {{schema}}.budgets_budgetwindow AS kept
   SET held = kept.held + new.more, overrun = {over(held="(kept.held + new.more)")}
  FROM unnest(%s::bigint[], %s::numeric[]) AS new(id, more)
 WHERE kept.id = new.id
RETURNING kept.budget_id, {_HANDS_ON}
"""  # noqa: S608 - names of ours only
_GROWN: Final = f"""
UPDATE {{schema}}.budgets_budgetwindow AS kept SET overrun = {over(held="(kept.held + new.more)")}
  FROM unnest(%s::bigint[], %s::numeric[]) AS new(id, more)
 WHERE kept.id = new.id AND new.more > 0
"""  # noqa: S608 - names of ours only
_PAST: Final = """
SELECT p.window_id, sum(p.amount) FROM {schema}.budgets_holdpart p
  JOIN {schema}.budgets_hold h ON h.id = p.hold_id
 WHERE p.window_id = ANY (%s) AND h.state IN ('open', 'settled') AND h.expires_at <= %s
 GROUP BY p.window_id
"""
_LOCK: Final = """
SELECT w.id FROM {schema}.budgets_budgetwindow w
 WHERE w.id IN (
       SELECT l.id FROM unnest(%s::bigint[], %s::date[]) AS o(budget, start)
         JOIN {schema}.budgets_budget b ON b.id = o.budget
         JOIN {schema}.budgets_budgetwindow l ON l.budget_id = o.budget
          AND (l.starts_on = o.start OR (l.starts_on > o.start
               AND (b.unused_cap IS NOT NULL OR b.carry_overspend))))
 ORDER BY w.budget_id, w.starts_on
   FOR UPDATE OF w
"""
LIVE: Final = [State.OPEN.value, State.SETTLED.value]

__all__ = [
    "LIVE",
    "State",
    "expire",
    "expired",
    "held_past_time",
    "live_holds",
    "lock_places",
    "named_event",
    "release",
    "resize",
    "windows_held",
]


def named_event(source: str, event_id: str) -> str:
    """Return the name of an event as holds keep it: a JSON pair, as both parts are free text."""
    return json.dumps([source, event_id], ensure_ascii=False)


def live_holds(wanted: Iterable[UUID]) -> dict[int, Hold]:
    """Return those holds that hold money, by key; not locked."""
    rows = Hold.objects.filter(public_id__in=list(wanted), state__in=LIVE)
    return {row.pk: row for row in rows.order_by("id")}


def expired(*, now: datetime) -> dict[int, Hold]:
    """Return the holds that hold money past their time; not locked."""
    rows = Hold.objects.filter(state__in=LIVE, expires_at__lte=now)
    return {row.pk: row for row in rows.order_by("id")}


def held_past_time(*, now: datetime, windows: Iterable[int]) -> dict[int, Decimal]:
    """Return by window what is held past its time, which an authorization would release first."""
    rows = rows_of(_PAST, [sorted(windows), now])
    return dict(rows)


def expire(gone: Mapping[int, Hold], *, now: datetime) -> int:
    """Release holds past their time, locking their windows in order."""
    lock_places(sorted({(one.budget.key, one.window.start) for one in windows_held(gone)}))
    return release(gone, state=State.EXPIRED, now=now, events={})


def lock_places(places: Sequence[Place]) -> None:
    """Lock windows, given in order, and those that they hand on to, until the transaction ends."""
    if places:
        rows_of(_LOCK, [list(column) for column in zip(*places, strict=True)])


def windows_held(live: Mapping[int, Hold]) -> list[Draw]:
    """Return the windows in which holds hold money, as draws of nothing: for locking them."""
    parts = HoldPart.objects.filter(hold_id__in=live).select_related("window__budget")
    return [Draw(one.window.budget.facts, one.window.days) for one in parts.order_by("window_id")]


def release(
    live: Mapping[int, Hold], *, state: State, now: datetime, events: Mapping[UUID, str]
) -> int:
    """End holds whose windows are locked, and free what they held; return how many still held.

    Of two who end the same hold one finds it ended, so money is freed once.
    """
    ended = [row[0] for row in rows_of(_RELEASE, [state.value, now, sorted(live)])]
    if ended:
        _hand_on(rows_of(_FREE, [ended]))
    named = [(key, events[live[key].public_id]) for key in ended if live[key].public_id in events]
    if named:
        run(_NAME, [list(column) for column in zip(*named, strict=True)])
    return len(ended)


def resize(more: Mapping[int, Decimal]) -> None:
    """Change what is held in locked windows after use: it counts, even above a hard limit.

    The overrun is raised before what is held, as no statement may raise both.
    """
    keys = sorted(more)
    values = [keys, [more[key] for key in keys]]
    run(_GROWN, values)
    _hand_on(rows_of(_RESIZE, values))


def _hand_on(freed: Iterable[tuple[int, bool]]) -> None:
    carry_on({budget for budget, hands_on in freed if hands_on})
