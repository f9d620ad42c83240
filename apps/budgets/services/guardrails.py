"""Answers about planned uses: policies first, then room in every budget; holds all or nothing.

Those who ask at the same time are answered together (`core.together`): checks by one reading,
authorizations by one transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, TypeVar

from django.db import connection

from apps.accounts.services import Answer, Claim
from apps.budgets.domain.decisions import Ask, Decision
from apps.budgets.services import rooms
from apps.budgets.services.cases import Case, Sheet, fresh_sheet, judged, kept_sheet, tried
from apps.budgets.services.reserving import (
    Answered,
    Asked,
    SheetMoved,
    decided,
    reserve,
)
from apps.core.domain.access import Actor, Scope
from apps.core.together import GroupCommit
from apps.tenants import selectors as tenants
from apps.tenants.domain.facts import TenantFacts

_ATTEMPTS: Final = 4
_PATIENCE: Final = 0.0003
"""Seconds that those who ask at once wait for each other: a fraction of what a commit takes."""

Result = TypeVar("Result")


def check(*, ask: Ask, actor: Actor, now: datetime, tenant: TenantFacts | None = None) -> Decision:
    """Return what an authorization would be answered now; nothing is written or held.

    `tenant` is the one at hand, for those who know it before the database does.

    :raises Invalid: when a field cannot be; names it.
    :raises Forbidden: when tags are not the actor's to use.
    """
    actor.require(Scope.BUDGETS_AUTHORIZE)
    asked = Asked(ask, actor, now)
    if tenant is None and connection.in_atomic_block:
        return _alone(_look([asked]))
    return _readers.accept(tenant or tenants.current(), asked)


def authorize(*, ask: Ask, actor: Actor, now: datetime) -> Decision:
    """Decide on a use and hold its cost in every budget that it draws, or in none.

    1. Holds that expired in these windows are released.
    2. The windows are locked by (budget, first day), and each is asked for room.
    3. The decision is kept with every reason, and with it the hold.

    :raises Invalid: when a field cannot be; names it.
    :raises Forbidden: when tags are not the actor's to use.
    """
    answered = _reserved(Asked(ask, actor, now), None)
    assert answered.decision is not None
    return answered.decision


def authorize_once(
    *, ask: Ask, actor: Actor, now: datetime, claim: Claim, tenant: TenantFacts | None = None
) -> Answer:
    """Authorize under an Idempotency-Key; return what is answered, now and whenever it is repeated.

    `tenant` is the one at hand, for those who know it before the database does.

    :raises Invalid: when a field cannot be; names it.
    :raises Forbidden: when tags are not the actor's to use.
    :raises KeyReused: when the key came with another request.
    :raises KeyInFlight: when the first request is still being worked on.
    """
    answered = _reserved(Asked(ask, actor, now, claim), tenant)
    assert answered.answer is not None
    return answered.answer


def _reserved(asked: Asked, tenant: TenantFacts | None) -> Answered:
    asked.actor.require(Scope.BUDGETS_AUTHORIZE)
    if tenant is None and connection.in_atomic_block:
        return _alone(reserve([asked]))
    return _writers.accept(tenant or tenants.current(), asked)


def _alone(outcomes: Sequence[Result | Exception]) -> Result:
    (outcome,) = outcomes
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def _look(asked: Sequence[Asked]) -> list[Decision | Exception]:
    """Check uses of one tenant by one reading of all their windows."""
    sheet = kept_sheet()
    for _ in range(_ATTEMPTS - 1):
        try:
            return _looked(asked, sheet)
        except SheetMoved:
            sheet = fresh_sheet()
    return _looked(asked, sheet)


def _looked(asked: Sequence[Asked], sheet: Sheet) -> list[Decision | Exception]:
    cases = [tried(ask=one.ask, actor=one.actor, now=one.now, sheet=sheet) for one in asked]
    places = {part.place: part for case in cases if isinstance(case, Case) for part in case.parts}
    now = max(one.now for one in asked)
    version, adopted, rows = rooms.read_room(places, now)
    if (version, adopted) != (sheet.book.version, sheet.adopted):
        raise SheetMoved
    return [
        decided(case, judged(case, rooms.room_of(case, rows))) if isinstance(case, Case) else case
        for case in cases
    ]


_readers: Final = GroupCommit(_look, name="guardrail-reader", patience=_PATIENCE)
_writers: Final = GroupCommit(reserve, name="guardrail-writer", patience=_PATIENCE)
