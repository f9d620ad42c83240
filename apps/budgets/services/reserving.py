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
from apps.budgets.services import rooms, swift
from apps.budgets.services.cases import Case, Sheet, fresh_sheet, judged, kept_sheet, tried
from apps.budgets.services.counters import Place, qualified
from apps.budgets.services.rooms import Window
from apps.budgets.services.swift import Served
from apps.core.domain.access import Actor
from apps.core.domain.errors import Refusal
from apps.rating import selectors as rating
from apps.usage import services as usage

JSON: Final = "application/json"
_ATTEMPTS: Final = 4
_STOPPING: Final = frozenset({Verdict.NEEDS_APPROVAL, Verdict.DENY})

_VERSION: Final = "SELECT version FROM {schema}.budgets_registry WHERE id = 1"
_KEEP: Final = f"""
WITH held AS ({swift.HOLD} RETURNING id, public_id),
     parts AS ({swift.PARTS}),
     room AS ({swift.ROOM})
{swift.DECIDE}
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
    if not connection.in_atomic_block:
        outcomes = _swiftly(asked)
        if outcomes is not None:
            return outcomes
    sheet = kept_sheet()
    for _ in range(_ATTEMPTS - 1):
        try:
            return _attempt(asked, sheet)
        except SheetMoved:
            sheet = fresh_sheet()
        except OperationalError as error:
            if connection.in_atomic_block or not swift.is_passing(error):
                raise
    return _attempt(asked, sheet)


def _swiftly(asked: Sequence[Asked]) -> list[Outcome] | None:
    """Serve those who all have room for certain; None when they have to go the other way."""
    sheet = kept_sheet()
    cases: list[Case] = []
    for one in asked:
        case = tried(ask=one.ask, actor=one.actor, now=one.now, sheet=sheet)
        if not isinstance(case, Case) or worst(each.verdict for each in case.reasons) in _STOPPING:
            return None
        cases.append(case)
    wanted = swift.wanted_of(cases)
    keys = None if wanted is None else swift.memory.room_for(wanted)
    names = [one.claim.name for one in asked if one.claim is not None]
    if wanted is None or keys is None or len(set(names)) < len(names):
        return None
    served = [_served(one, case) for one, case in zip(asked, cases, strict=True)]
    if not swift.take(served, sheet=sheet, wanted=wanted, keys=keys):
        return None
    return [Answered(one.decision, one.answer) for one in served]


def _served(asked: Asked, case: Case) -> Served:
    decision = decided(case, case.reasons, id=uuid.uuid4(), holds=True)
    return Served(case, decision, asked.claim, _answer(asked.claim, decision))


def decided(
    case: Case, reasons: Iterable[Reason], *, id: UUID | None = None, holds: bool = False
) -> Decision:
    """Return the decision on a use that has these reasons against it."""
    listed = tuple(reasons)
    verdict = worst(one.verdict for one in listed)
    is_held = holds and verdict not in _STOPPING and any(one.need is not None for one in case.parts)
    return Decision(
        id=id,
        verdict=verdict,
        reasons=listed,
        estimate=case.rated.estimate,
        hold=uuid.uuid4() if is_held else None,
        expires_at=case.now + timedelta(seconds=case.ask.ttl_seconds) if is_held else None,
        on_failure=case.on_failure.value,
    )


def _attempt(asked: Sequence[Asked], sheet: Sheet) -> list[Outcome]:
    cases = [tried(ask=one.ask, actor=one.actor, now=one.now, sheet=sheet) for one in asked]
    is_nested = connection.in_atomic_block
    with transaction.atomic():
        desk = _hold(asked, cases, sheet, is_nested=is_nested)
        outcomes = [desk.settled(one, case) for one, case in zip(asked, cases, strict=True)]
        desk.write()
    return outcomes


@dataclass(slots=True)
class _Desk:
    """Serves those who wait one after another, while their windows are locked."""

    windows: Mapping[Place, Window]
    claims: accounts.Claims
    is_nested: bool
    served: list[Served] = field(default_factory=list)
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
        answer = _answer(asked.claim, decision)
        self.served.append(Served(case, decision, asked.claim, answer))
        return Answered(decision, answer)

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
        return decision

    def write(self) -> None:
        """Write down decisions, holds, what windows hold, and answers, and commit; one exchange."""
        for place, window in self.windows.items():
            swift.memory.note(place, window.key, window.counters.left)
        if not self.served:
            return
        latest = max(one.case.now for one in self.served)
        keys = {place: window.key for place, window in self.windows.items()}
        moved = {place: one.more for place, one in self.windows.items() if one.more}
        rows = swift.rows_of(self.served, keys=keys, moved=moved)
        answers = [
            (one.claim, one.answer)
            for one in self.served
            if one.claim is not None and one.answer is not None
        ]
        with usage.asking() as questions:
            questions.ask(qualified(_KEEP), rows)
            if answers:
                questions.ask(*accounts.keep_answers(answers, now=latest))
            if not self.is_nested:
                questions.commit()


def _answer(claim: accounts.Claim | None, decision: Decision) -> accounts.Answer | None:
    if claim is None:
        return None
    return accounts.Answer(200, JSON, orjson.dumps(decision.as_dict()))


def _hold(
    asked: Sequence[Asked], cases: Sequence[Case | Refusal], sheet: Sheet, *, is_nested: bool
) -> _Desk:
    """Take keys and lock windows until the transaction ends; one exchange.

    The books are looked at last: a change that was committed while the windows were waited for is
    one that has to be decided by.

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
        if claims:
            taken = questions.ask(*accounts.take_claims(claims))
            answered = questions.ask(*accounts.find_answers(claims, now=now))
        if places:
            rows = rooms.ask_locked(questions, places, now)
        book = questions.ask(qualified(_VERSION))
        prices = questions.ask(rating.version_asked())
    if [(sheet.book.version,)] != list(book) or [sheet.adopted] != list(prices):
        raise SheetMoved
    today = max((one.today for one in good), default=now.date())
    windows = rooms.locked(list(rows), places, today=today, now=now)
    return _Desk(windows, accounts.read_claims(claims, taken, answered), is_nested)
