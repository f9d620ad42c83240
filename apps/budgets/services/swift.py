"""Holds money in one statement for those who have room for certain, as most do.

Whoever has room is answered without a figure of any budget, so that the figures need not be read
before: one statement locks the windows, and holds the money of a group, if there still is room for
all of it and nothing moved that it was decided by. Otherwise it writes nothing, and the group goes
the way on which everything is read (`reserving`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple

import orjson
import structlog
from django.db import IntegrityError
from django.db.utils import OperationalError

from apps.accounts import services as accounts
from apps.budgets.domain.decisions import Decision
from apps.budgets.services.cases import Case, Sheet
from apps.budgets.services.counters import Place, qualified
from apps.core.db import current_schema
from apps.core.domain.money import EXACT
from apps.rating import selectors as rating
from apps.usage import services as usage

log = structlog.get_logger(__name__)

_MOST_WINDOWS: Final = 20_000
_USED_BEFORE: Final = "23505"
"""A key of a request that was answered before."""

_PASSING: Final = frozenset({"40P01", "40001"})

SERVED: Final = """
jsonb_to_recordset(%(served)s::jsonb)
     AS n(id uuid, hold uuid, scope jsonb, provider text, model text, amount numeric, currency text,
          actor text, identity text, at timestamptz, expires_at timestamptz, request jsonb,
          verdict text, reasons jsonb)
"""
HOLD: Final = f"""
INSERT INTO {{schema}}.budgets_hold (public_id, state, scope, provider, model, amount, currency,
       made_by, made_by_identity, created_at, expires_at, event_ref)
SELECT n.hold, 'open', n.scope, n.provider, n.model, n.amount, n.currency, n.actor, n.identity,
       n.at, n.expires_at, ''
  FROM {SERVED} WHERE n.hold IS NOT NULL
"""  # noqa: S608 - names of ours only
PARTS: Final = """
INSERT INTO {schema}.budgets_holdpart (hold_id, window_id, amount)
SELECT held.id, p.id, p.amount
  FROM jsonb_to_recordset(%(parts)s::jsonb) AS p(hold uuid, id bigint, amount numeric)
  JOIN held ON held.public_id = p.hold
"""
ROOM: Final = """
UPDATE {schema}.budgets_budgetwindow AS w SET held = w.held + p.amount
  FROM jsonb_to_recordset(%(moved)s::jsonb) AS p(id bigint, amount numeric)
 WHERE w.id = p.id AND w.id = ANY (%(ids)s::bigint[])
"""
DECIDE: Final = f"""
INSERT INTO {{schema}}.budgets_guardraildecision
       (public_id, at, actor, request, verdict, reasons, amount, currency, hold)
SELECT n.id, n.at, n.actor, n.request, n.verdict, n.reasons, n.amount, n.currency, n.hold
  FROM {SERVED}
"""  # noqa: S608 - names of ours only
"""What is written of those who were served. Each list is one JSON: arrays of every column took half
of the time of a group to be adapted."""

_TAKE: Final = f"""
WITH basis AS MATERIALIZED (
    SELECT EXISTS (SELECT 1 FROM {{schema}}.budgets_registry
                    WHERE id = 1 AND version = %(version)s)
       AND EXISTS (SELECT 1 FROM ({{prices}}) AS p(id, adopted_at)
                    WHERE p.id = %(prices)s AND p.adopted_at = %(adopted)s)
       AND {{claimed}} AS stands
), locked AS MATERIALIZED (
    SELECT w.id, w.amount + w.carried + w.raised - w.spent - w.held - p.amount AS rest,
           (w.as_of IS NULL OR w.as_of >= %(today)s) AND w.raised = CASE WHEN w.raised = 0 THEN 0
           ELSE (SELECT coalesce(sum(r.amount), 0) FROM {{schema}}.budgets_budgetraise r
                  WHERE r.budget_id = w.budget_id AND r.created_at <= %(now)s
                    AND r.expires_at > %(now)s) END AS is_current
      FROM jsonb_to_recordset(%(moved)s::jsonb) AS p(id bigint, amount numeric, budget bigint,
                                                           start date)
      JOIN {{schema}}.budgets_budgetwindow w
        ON w.id = p.id AND w.budget_id = p.budget AND w.starts_on = p.start
     WHERE (SELECT stands FROM basis) AND w.id = ANY (%(ids)s::bigint[])
     ORDER BY w.budget_id, w.starts_on
       FOR UPDATE OF w
), fit AS MATERIALIZED (
    SELECT (SELECT stands FROM basis) AND count(*) = %(windows)s
           AND coalesce(bool_and(rest >= 0 AND is_current), true) AS is_fit
      FROM locked
), held AS (
    {HOLD} AND (SELECT is_fit FROM fit)
    RETURNING id, public_id
), parts AS (
    {PARTS} WHERE (SELECT is_fit FROM fit)
), room AS (
    {ROOM} AND (SELECT is_fit FROM fit)
), decided AS (
    {DECIDE} WHERE (SELECT is_fit FROM fit)
), answered AS (
    {{kept}}
)
SELECT is_fit, id, rest FROM fit LEFT JOIN locked ON true
"""  # noqa: S608 - names of ours only


class _Known(NamedTuple):
    """A window as it was last seen: its key, and what was left."""

    key: int
    left: Decimal


class Memory:
    """What windows of this process's tenants had left when they were last seen.

    A hint, never a reason: it says which way a group goes, and what it finds there decides.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[str, Place], _Known] = {}

    def note(self, place: Place, key: int, left: Decimal) -> None:
        """Remember a window of the current schema."""
        if len(self._known) >= _MOST_WINDOWS:
            self._known.clear()
        self._known[current_schema(), place] = _Known(key, left)

    def room_for(self, wanted: Mapping[Place, Decimal]) -> dict[Place, int] | None:
        """Return the keys of windows that all had room for that; None when one had not."""
        schema = current_schema()
        keys: dict[Place, int] = {}
        for place, amount in wanted.items():
            known = self._known.get((schema, place))
            if known is None or known.left < amount:
                return None
            keys[place] = known.key
        return keys


memory: Final = Memory()


class Served(NamedTuple):
    """A use that was decided on, with what is answered under its key."""

    case: Case
    decision: Decision
    claim: accounts.Claim | None
    answer: accounts.Answer | None


def wanted_of(cases: Iterable[Case]) -> dict[Place, Decimal] | None:
    """Return what uses take together by window; None when nobody knows what one of them takes."""
    wanted: defaultdict[Place, Decimal] = defaultdict(Decimal)
    for case in cases:
        for part in case.parts:
            if part.need is None:
                return None
            wanted[part.place] = EXACT.add(wanted[part.place], part.need)
    return wanted


def take(
    served: Sequence[Served],
    *,
    sheet: Sheet,
    wanted: Mapping[Place, Decimal],
    keys: Mapping[Place, int],
) -> bool:
    """Hold and write down what was decided on, if all of it fits; tell whether it did.

    One statement outside of any transaction, durable when it returns.
    """
    now = max(one.case.now for one in served)
    answers = [
        (one.claim, one.answer)
        for one in served
        if one.claim is not None and one.answer is not None
    ]
    values = rows_of(served, keys=keys, moved=wanted) | {
        "version": sheet.book.version,
        "prices": sheet.adopted[0],
        "adopted": sheet.adopted[1],
        "claims": accounts.claim_names([claim for claim, _ in answers]),
        "answers": orjson.dumps(accounts.answers_shown(answers, now=now)).decode(),
        "windows": len(wanted),
        "today": max(one.case.today for one in served),
        "now": now,
    }
    try:
        listed = usage.answers_to(_statement(current_schema()), values)
    except IntegrityError as error:
        if getattr(error.__cause__, "sqlstate", None) != _USED_BEFORE:
            log.warning("reservation in one statement refused by the database", exc_info=True)
        return False
    except OperationalError as error:
        if not is_passing(error):
            raise
        return False
    places = {key: place for place, key in keys.items()}
    for _, key, left in listed:
        if key is not None:
            memory.note(places[key], key, left)
    return bool(listed[0][0])


def is_passing(error: OperationalError) -> bool:
    """Tell whether the whole transaction is to be done again: a deadlock or the like."""
    return getattr(error.__cause__, "sqlstate", None) in _PASSING


def rows_of(
    served: Iterable[Served], *, keys: Mapping[Place, int], moved: Mapping[Place, Decimal]
) -> dict[str, Any]:
    """Return what is written of those who were served, as HOLD, PARTS, ROOM and DECIDE read it."""
    listed = list(served)
    parts = [
        {"hold": one.decision.hold, "id": keys[part.place], "amount": str(part.need)}
        for one in listed
        if one.decision.hold is not None
        for part in one.case.parts
        if part.need is not None
    ]
    amounts = [
        {"id": keys[budget, start], "amount": str(amount), "budget": budget, "start": start}
        for (budget, start), amount in moved.items()
    ]
    return {
        "served": orjson.dumps([_row(one.case, one.decision) for one in listed]).decode(),
        "parts": orjson.dumps(parts).decode(),
        "moved": orjson.dumps(amounts).decode(),
        "ids": [keys[place] for place in moved],
    }


def _row(case: Case, decision: Decision) -> dict[str, Any]:
    amount = decision.estimate.amount
    return {
        "id": decision.id,
        "hold": decision.hold,
        "scope": case.ask.tags,
        "provider": case.rated.provider,
        "model": case.rated.model,
        "amount": None if amount is None else str(amount),
        "currency": decision.estimate.currency,
        "actor": case.actor.label,
        "identity": case.actor.identity,
        "at": case.now,
        "expires_at": decision.expires_at,
        "request": case.ask.as_json(),
        "verdict": decision.verdict.value,
        "reasons": [one.as_dict() for one in decision.reasons],
    }


def _statement(schema: str) -> str:
    found = _statements.get(schema)
    if found is None:
        text = _TAKE.replace("{prices}", rating.version_asked())
        text = text.replace("{claimed}", accounts.claimed_clause())
        text = text.replace("{kept}", accounts.kept_clause("(SELECT is_fit FROM fit)"))
        found = _statements[schema] = qualified(text)
    return found


_statements: Final[dict[str, str]] = {}
