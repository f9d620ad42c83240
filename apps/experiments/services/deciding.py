"""Decisions: one person, one step, once; the database holds the four eyes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import transaction

from apps.core.domain.access import Actor, Scope
from apps.core.domain.errors import FieldError, Forbidden, Invalid
from apps.experiments.domain.facts import RequestFacts
from apps.experiments.domain.seats import Decider, OpenStep, Seat, seat_of
from apps.experiments.domain.states import NotInState, RoundState, StepState, Verdict, words
from apps.experiments.models import Decision, Submission
from apps.experiments.selectors import people
from apps.experiments.selectors.requests import approvers_of, barred_from, facts_of
from apps.experiments.services.holding import locked, open_round
from apps.experiments.services.rounds import count_votes, today
from apps.experiments.services.telling import tell_decided, tell_waiting
from apps.experiments.services.writing import record

_LONGEST: Final = 2000
_SAID: Final = {
    Verdict.APPROVE: "approved",
    Verdict.REJECT: "rejected",
    Verdict.REQUEST_CHANGES: "changes_requested",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ballot:
    """What somebody says to what waits of a request; `via` is web, api or link."""

    request: UUID
    verdict: Verdict
    comment: str = ""
    via: str = "api"


@transaction.atomic
def decide(*, ballot: Ballot, actor: Actor, now: datetime) -> RequestFacts:
    """Say yes, no, or what has to change, to the step that waits for this person.

    With the last approval that is needed the money is granted in the same transaction.

    :raises Forbidden: when no person stands behind the actor or the scope is missing.
    :raises SamePerson: when it is the person's own request.
    :raises NoSeat: when the step is somebody else's.
    :raises NotInState: when nothing of it waits.
    :raises Invalid: when a no does not say why.
    """
    return cast(ballot=ballot, actor=actor, now=now)[0]


def cast(*, ballot: Ballot, actor: Actor, now: datetime) -> tuple[RequestFacts, Decision]:
    """Do what `decide` does within a transaction, and return the decision too."""
    _require_person(actor)
    comment = _comment_of(ballot)
    row = locked(id=ballot.request, actor=actor)
    judged = open_round(row)
    if judged is None:
        raise NotInState(f"{row.code} is {words(row.state)}; nothing of it waits for a decision.")
    decision = _vote(judged, replace(ballot, comment=comment), actor, now)
    before = {step.pk for step in judged.steps.filter(state=StepState.OPEN.value)}
    state = count_votes(row, judged, actor, now)
    if state is RoundState.OPEN:
        tell_waiting(row, judged, now=now, without=before)
    else:
        tell_decided(row, judged, decision=decision, now=now)
    record(
        f"experiment.{_SAID[ballot.verdict]}",
        row,
        actor,
        now,
        step=decision.step.name,
        comment=comment,
        via=ballot.via,
        on_behalf_of=decision.on_behalf_of,
        amount=judged.amount,
        round=judged.number,
        state=state.value,
    )
    return facts_of([row])[0], decision


def _require_person(actor: Actor) -> None:
    actor.require(Scope.APPROVALS_DECIDE)
    if actor.user_id is None:
        raise Forbidden("A person has to decide; a service key cannot.", code="approver_no_person")


def _comment_of(ballot: Ballot) -> str:
    comment = ballot.comment.strip()
    message = ""
    if ballot.verdict is not Verdict.APPROVE and not comment:
        message = "Say why, so that it can be put right."
    elif len(comment) > _LONGEST or "\x00" in comment:
        message = f"Write up to {_LONGEST} characters."
    if message:
        errors = (FieldError("comment", "required", message),)
        raise Invalid(f"comment: {message}", code="comment", errors=errors)
    return comment


def _vote(judged: Submission, ballot: Ballot, actor: Actor, now: datetime) -> Decision:
    assert actor.user_id is not None
    on = today(now)
    everybody = people.deciders(on=on)
    seat = _seat(judged, actor.user_id, everybody, now)
    principal = next(one for one in everybody if one.id == seat.principal)
    own = principal.id == actor.user_id
    return Decision.objects.create(
        submission=judged,
        step=judged.steps.get(pk=seat.step),
        verdict=ballot.verdict.value,
        comment=ballot.comment,
        via=ballot.via,
        user_id=actor.user_id,
        principal=principal.id,
        decided_by=actor.label,
        on_behalf_of="" if own else principal.email,
        decided_at=now,
    )


def _seat(judged: Submission, person: int, everybody: list[Decider], now: datetime) -> Seat:
    steps = [
        OpenStep(step.pk, step.name, approvers_of(step))
        for step in judged.steps.filter(state=StepState.OPEN.value).order_by("position")
    ]
    spoken: set[int] = set()
    for user, principal in judged.decisions.values_list("user_id", "principal"):
        spoken |= {user, principal}
    return seat_of(
        person,
        steps=steps,
        team=judged.team,
        people=everybody,
        barred=barred_from(judged),
        spoken=frozenset(spoken),
        away=people.away(on=today(now)),
        on=today(now),
    )
