"""Decides on uses that wait at the same time, and holds their money, in one transaction.

A durable reservation is bound by round trips and by the one row that everybody wants. So those
who wait together lock their windows in one exchange with the database, are decided on one after
another in the order in which they came, and are written down in a second one. What is kept in the
process (budgets, prices) is held against the database within the transaction, and read anew when
it does not hold any more.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

import orjson
from django.db import OperationalError, connection, transaction

from apps.accounts import services as accounts
from apps.budgets.domain.decisions import Ask, Decision, Reason, Verdict, worst
from apps.budgets.services import rooms
from apps.budgets.services.cases import Case, Sheet, fresh_sheet, judged, kept_sheet, tried
from apps.budgets.services.counters import Place, qualified
from apps.budgets.services.rooms import Window
from apps.core.domain.access import Actor
from apps.core.domain.canonical import canonical_json
from apps.core.domain.errors import Refusal
from apps.rating import selectors as rating
from apps.usage import services as usage

JSON: Final = "application/json"
_ATTEMPTS: Final = 4
_RETRYABLE: Final = frozenset({"40P01", "40001"})
_HOLDING: Final = frozenset({Verdict.ALLOW, Verdict.WARN})

VERSION: Final = "SELECT version FROM {schema}.budgets_registry WHERE id = 1"
_KEEP: Final = """
WITH held AS (
    INSERT INTO {schema}.budgets_hold (public_id, state, scope, provider, model, amount, currency,
           made_by, made_by_identity, created_at, expires_at, event_ref)
    SELECT n.id, 'open', n.scope::jsonb, n.provider, n.model, n.amount, n.currency, n.made_by,
           n.identity, n.made_at, n.expires_at, ''
      FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::numeric[], %s::text[],
                  %s::text[], %s::text[], %s::timestamptz[], %s::timestamptz[])
        AS n(id, scope, provider, model, amount, currency, made_by, identity, made_at, expires_at)
    RETURNING id, public_id
), parts AS (
    INSERT INTO {schema}.budgets_holdpart (hold_id, window_id, amount)
    SELECT held.id, p.id, p.amount
      FROM unnest(%s::uuid[], %s::bigint[], %s::numeric[]) AS p(hold, id, amount)
      JOIN held ON held.public_id = p.hold
), room AS (
    UPDATE {schema}.budgets_budgetwindow AS w SET held = w.held + p.amount
      FROM unnest(%s::bigint[], %s::numeric[]) AS p(id, amount)
     WHERE w.id = p.id
)
INSERT INTO {schema}.budgets_guardraildecision
       (public_id, at, actor, request, verdict, reasons, amount, currency, hold)
SELECT n.id, n.at, n.actor, n.request::jsonb, n.verdict, n.reasons::jsonb, n.amount, n.currency,
       n.hold
  FROM unnest(%s::uuid[], %s::timestamptz[], %s::text[], %s::text[], %s::text[], %s::text[],
              %s::numeric[], %s::text[], %s::uuid[])
    AS n(id, at, actor, request, verdict, reasons, amount, currency, hold)
"""


class SheetMoved(Exception):
    """Budgets or prices changed after the process read them."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A use that somebody asks about, with the Idempotency-Key of the request, if it has one."""

    ask: Ask
    actor: Actor
    now: datetime
    claim: accounts.Claim | None = None


class Answered(NamedTuple):
    """What came of it: the decision, unless it was given before, and the answer under the key."""

    decision: Decision | None
    answer: accounts.Answer | None


Outcome = Answered | Exception


def reserve(asked: Sequence[Asked]) -> list[Outcome]:
    """Decide on uses of one tenant in the order given, and hold their cost, in one transaction.

    1. What each use takes, by the books that are at hand; no queries.
    2. Keys taken, versions of the books looked at, windows locked by (budget, first day).
    3. Each is judged by what those before it left, and written down: all of its holds or none.
    """
    sheet = kept_sheet()
    for _ in range(_ATTEMPTS - 1):
        try:
            return _attempt(asked, sheet)
        except SheetMoved:
            sheet = fresh_sheet()
        except OperationalError as error:
            if connection.in_atomic_block or not _goes_away(error):
                raise
    return _attempt(asked, sheet)


def decided(
    case: Case, reasons: Iterable[Reason], *, id: UUID | None = None, holds: bool = False
) -> Decision:
    """Return the decision on a use that has these reasons against it."""
    listed = tuple(reasons)
    verdict = worst(one.verdict for one in listed)
    is_held = holds and verdict in _HOLDING and any(one.need is not None for one in case.parts)
    return Decision(
        id=id,
        verdict=verdict,
        reasons=listed,
        estimate=case.rated.estimate,
        hold=uuid.uuid4() if is_held else None,
        expires_at=case.now + timedelta(seconds=case.ask.ttl_seconds) if is_held else None,
        on_failure=case.on_failure.value,
    )


def _goes_away(error: OperationalError) -> bool:
    """Tell whether the whole transaction is to be done again: a deadlock or the like."""
    return getattr(error.__cause__, "sqlstate", None) in _RETRYABLE


def _attempt(asked: Sequence[Asked], sheet: Sheet) -> list[Outcome]:
    cases = [tried(ask=one.ask, actor=one.actor, now=one.now, sheet=sheet) for one in asked]
    with transaction.atomic():
        desk = _hold(asked, cases, sheet)
        outcomes = [desk.settled(one, case) for one, case in zip(asked, cases, strict=True)]
        desk.write()
    return outcomes


@dataclass(slots=True)
class _Desk:
    """Serves those who wait one after another, while their windows are locked."""

    windows: Mapping[Place, Window]
    claims: accounts.Claims
    served: list[tuple[Case, Decision]] = field(default_factory=list)
    answers: list[tuple[accounts.Claim, accounts.Answer]] = field(default_factory=list)
    _taken: set[tuple[str, str]] = field(default_factory=set)

    def settled(self, asked: Asked, case: Case | Refusal) -> Outcome:
        """Return what comes of one, and remember what is to be written."""
        try:
            before = self._answered_before(asked.claim)
        except Refusal as refusal:
            return refusal
        if before is not None:
            return Answered(None, before)
        if isinstance(case, Refusal):
            return case
        decision = self._decide(case)
        return Answered(decision, self._answer(asked.claim, decision))

    def _answered_before(self, claim: accounts.Claim | None) -> accounts.Answer | None:
        """Return what was answered under the key; of two in one group the second has to wait."""
        if claim is None:
            return None
        if claim.name in self._taken:
            raise accounts.key_in_flight()
        self._taken.add(claim.name)
        return self.claims.settled(claim)

    def _decide(self, case: Case) -> Decision:
        found = {place: window.counters for place, window in self.windows.items()}
        decision = decided(case, judged(case, found), id=uuid.uuid4(), holds=True)
        if decision.hold is not None:
            for part in case.parts:
                if part.need is not None:
                    self.windows[part.place].take(part.need)
        self.served.append((case, decision))
        return decision

    def _answer(self, claim: accounts.Claim | None, decision: Decision) -> accounts.Answer | None:
        if claim is None:
            return None
        answer = accounts.Answer(200, JSON, orjson.dumps(decision.as_dict()))
        self.answers.append((claim, answer))
        return answer

    def write(self) -> None:
        """Write down decisions, holds, what windows hold, and answers; one exchange."""
        if not self.served:
            return
        latest = max(case.now for case, _ in self.served)
        with usage.asking() as questions:
            questions.ask(qualified(_KEEP), [*self._holds(), *self._parts(), *self._decisions()])
            if self.answers:
                questions.ask(*accounts.keep_answers(self.answers, now=latest))

    def _holds(self) -> list[list[Any]]:
        rows = [
            (
                decision.hold,
                canonical_json(case.ask.tags).decode(),
                case.rated.provider,
                case.rated.model,
                decision.estimate.amount,
                decision.estimate.currency,
                case.actor.label,
                case.actor.identity,
                case.now,
                decision.expires_at,
            )
            for case, decision in self.served
            if decision.hold is not None
        ]
        return _columns(rows, 10)

    def _parts(self) -> list[list[Any]]:
        rows = [
            (decision.hold, self.windows[part.place].key, part.need)
            for case, decision in self.served
            if decision.hold is not None
            for part in case.parts
            if part.need is not None
        ]
        moved = sorted((one.key, one.more) for one in self.windows.values() if one.more)
        return [*_columns(rows, 3), *_columns(moved, 2)]

    def _decisions(self) -> list[list[Any]]:
        rows = [
            (
                decision.id,
                case.now,
                case.actor.label,
                canonical_json(case.ask.as_json()).decode(),
                decision.verdict.value,
                canonical_json([one.as_dict() for one in decision.reasons]).decode(),
                decision.estimate.amount,
                decision.estimate.currency,
                decision.hold,
            )
            for case, decision in self.served
        ]
        return _columns(rows, 9)


def _columns(rows: Sequence[tuple[Any, ...]], count: int) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[]] * count


def _hold(asked: Sequence[Asked], cases: Sequence[Case | Refusal], sheet: Sheet) -> _Desk:
    """Take keys and lock windows until the transaction ends; one exchange.

    :raises SheetMoved: when budgets or prices are others than those of the sheet.
    """
    claims = [one.claim for one in asked if one.claim is not None]
    now = max(one.now for one in asked)
    good = [one for one in cases if isinstance(one, Case)]
    places = {part.place: part for case in good for part in case.parts}
    taken: Iterable[Any] = ()
    answered: Iterable[Any] = ()
    rows: Iterable[Any] = ()
    with usage.asking() as questions:
        state = ask_versions(questions)
        if claims:
            taken = questions.ask(*accounts.take_claims(claims))
            answered = questions.ask(*accounts.find_answers(claims, now=now))
        if places:
            rows = rooms.ask_locked(questions, places, now)
    check_versions(sheet, *state)
    today = max((one.today for one in good), default=now.date())
    windows = rooms.locked(list(rows), places, today=today, now=now)
    return _Desk(windows, accounts.read_claims(claims, taken, answered))


def ask_versions(questions: usage.Questions) -> tuple[Iterable[Any], Iterable[Any]]:
    """Ask which budgets and prices are in force."""
    return questions.ask(qualified(VERSION)), questions.ask(rating.version_asked())


def check_versions(sheet: Sheet, book: Iterable[Any], prices: Iterable[Any]) -> None:
    """Hold a sheet against what the database said.

    :raises SheetMoved: when it is another.
    """
    if [(sheet.book.version,)] != list(book) or [sheet.adopted] != list(prices):
        raise SheetMoved
