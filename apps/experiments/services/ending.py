"""Ends of requests: withdrawn, revoked, completed; what is left of the money is given back."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db import transaction

from apps.core.domain.access import Actor, Scope
from apps.core.domain.errors import FieldError, Forbidden, Invalid
from apps.experiments.domain.facts import RequestFacts
from apps.experiments.domain.results import Results, results_payload
from apps.experiments.domain.states import NotInState, RoundState, State, check_move, words
from apps.experiments.models import ExperimentRequest, OutcomeReport
from apps.experiments.selectors.requests import facts_of
from apps.experiments.selectors.results import results
from apps.experiments.services.holding import announce, locked, open_round, require_own
from apps.experiments.services.rounds import release, stop
from apps.experiments.services.telling import tell_ended
from apps.experiments.services.writing import record


@transaction.atomic
def withdraw(*, id: UUID, reason: str, actor: Actor, now: datetime) -> RequestFacts:
    """Take back what is not decided: a request, or the amendment of one that has money.

    :raises NotInState: when nothing of it waits.
    :raises NotYours: when it is another's.
    """
    actor.require(Scope.EXPERIMENTS_WRITE)
    row = locked(id=id, actor=actor)
    require_own(row, actor)
    judged = open_round(row)
    if State(row.state) in (State.APPROVED, State.RUNNING):
        if judged is None:
            raise NotInState(f"{row.code} is {words(row.state)}; no amendment of it waits.")
        stop(judged, RoundState.WITHDRAWN, now)
        record("amendment.withdrawn", row, actor, now, reason=reason.strip()[:1000])
        return facts_of([row])[0]
    check_move(code=row.code, state=State(row.state), to=State.WITHDRAWN)
    if judged is not None:
        stop(judged, RoundState.WITHDRAWN, now)
    said = reason.strip()[:1000]
    row.end(State.WITHDRAWN, at=now, reason=said or "withdrawn", released=None)
    announce(row, now)
    record("experiment.withdrawn", row, actor, now, reason=said)
    return facts_of([row])[0]


@transaction.atomic
def revoke(*, id: UUID, reason: str, actor: Actor, now: datetime) -> RequestFacts:
    """Take the money of an approved experiment away; what is left is given back.

    Approvers may, and whoever writes budgets. What was spent stays spent.

    :raises Forbidden: when the actor is neither.
    :raises NotInState: when it has no money.
    :raises Invalid: when no reason is given.
    """
    require_revoker(actor)
    said = _required(reason, "reason", "Say why the approval is taken back.")
    row = locked(id=id, actor=actor)
    check_move(code=row.code, state=State(row.state), to=State.REVOKED)
    _end(row, State.REVOKED, said, actor, now)
    tell_ended(row, now=now)
    record("experiment.revoked", row, actor, now, reason=said, released=row.released)
    return facts_of([row])[0]


@transaction.atomic
def complete(*, id: UUID, lessons: str, actor: Actor, now: datetime) -> RequestFacts:
    """End an experiment: keep its outcome report, and give back what is left.

    :raises NotInState: when it has no money.
    :raises NotYours: when it is another's.
    """
    actor.require(Scope.EXPERIMENTS_WRITE)
    row = locked(id=id, actor=actor)
    require_own(row, actor)
    check_move(code=row.code, state=State(row.state), to=State.COMPLETED)
    end_with_report(row, lessons=lessons, reason="completed", actor=actor, now=now)
    return facts_of([row])[0]


@transaction.atomic
def add_lessons(*, id: UUID, lessons: str, actor: Actor, now: datetime) -> RequestFacts:
    """Write down what was learned after an experiment has ended, with its figures of now.

    :raises NotInState: when it has not been completed.
    :raises NotYours: when it is another's.
    :raises Invalid: when nothing is said.
    """
    actor.require(Scope.EXPERIMENTS_WRITE)
    row = locked(id=id, actor=actor)
    require_own(row, actor)
    if row.state != State.COMPLETED.value:
        raise NotInState(f"{row.code} is {words(row.state)}; complete it first.")
    said = _required(lessons, "lessons", "Say what was learned.")
    report(row, lessons=said, reason="lessons added", actor=actor, now=now)
    record("experiment.lessons_added", row, actor, now, lessons=said)
    return facts_of([row])[0]


def end_with_report(
    row: ExperimentRequest, *, lessons: str, reason: str, actor: Actor, now: datetime
) -> None:
    """Complete a held request: grant closed, report kept, people told, audit last."""
    _end(row, State.COMPLETED, reason, actor, now)
    kept = report(row, lessons=lessons.strip()[:4000], reason=reason, actor=actor, now=now)
    tell_ended(row, now=now)
    record(
        "experiment.completed",
        row,
        actor,
        now,
        reason=reason,
        released=row.released,
        figures=kept.figures,
    )


def report(
    row: ExperimentRequest,
    *,
    lessons: str,
    reason: str,
    actor: Actor,
    now: datetime,
    found: Results | None = None,
) -> OutcomeReport:
    """Keep the figures of this moment as the next report of a request."""
    figures = results(row=row, now=now) if found is None else found
    return OutcomeReport.objects.create(
        request=row,
        number=row.reports.count() + 1,
        figures=results_payload(figures),
        lessons=lessons,
        reason=reason,
        created_at=now,
        created_by=actor.label,
    )


def may_revoke(actor: Actor) -> bool:
    """Tell whether an actor may take approvals back."""
    decides = actor.may(Scope.APPROVALS_DECIDE) and actor.is_person
    return decides or actor.may(Scope.BUDGETS_WRITE)


def require_revoker(actor: Actor) -> None:
    """Pass when an actor may take approvals back.

    :raises Forbidden: when not.
    """
    if not may_revoke(actor):
        raise Forbidden(
            "Only an approver, or finance, takes an approval back.", code="scope_missing"
        )


def _end(row: ExperimentRequest, to: State, reason: str, actor: Actor, now: datetime) -> None:
    judged = open_round(row)
    if judged is not None:
        stop(judged, RoundState.WITHDRAWN, now)
    released: Decimal = release(row, actor, now)
    row.end(to, at=now, reason=reason, released=released)
    announce(row, now)


def _required(text: str, field: str, message: str) -> str:
    said = text.strip()[:4000]
    if not said or "\x00" in said:
        errors = (FieldError(field, "required", message),)
        raise Invalid(f"{field}: {message}", code="reason_required", errors=errors)
    return said
