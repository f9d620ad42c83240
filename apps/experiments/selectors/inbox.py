"""What waits for a person, and what cannot go on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from apps.core.domain.access import Actor, Scope
from apps.core.domain.months import local_day
from apps.experiments.domain.facts import RequestFacts, StepView, SubmissionFacts
from apps.experiments.domain.seats import NoSeat, OpenStep, SamePerson, seat_of
from apps.experiments.domain.states import RoundState, StepState
from apps.experiments.models import Submission
from apps.experiments.selectors import people
from apps.experiments.selectors.requests import (
    approvers_of,
    barred_from,
    facts_of,
    submission_facts,
    visible,
    with_everything,
)
from apps.tenants import selectors as tenants


@dataclass(frozen=True, slots=True)
class Waiting:
    """A round that waits: its request, the open step, and whether the reader may decide it."""

    request: RequestFacts
    round: SubmissionFacts
    mine: bool

    @property
    def id(self) -> UUID:
        """Return the request's id."""
        return self.request.id

    @property
    def step(self) -> StepView | None:
        """Return the first step that is open."""
        return next((one for one in self.round.steps if one.state is StepState.OPEN), None)

    def is_late(self, now: datetime) -> bool:
        """Tell whether its time is over."""
        step = self.step
        return step is not None and step.due_at is not None and step.due_at <= now


def waiting(*, actor: Actor, now: datetime) -> list[Waiting]:
    """Return the rounds that wait and that the actor may see, own ones first, then by due time."""
    found = Submission.objects.filter(state=RoundState.OPEN.value, request__in=visible(actor))
    rows = list(with_everything(found).order_by("id"))
    requests = {one.id: one for one in facts_of([row.request for row in rows])}
    rounds = submission_facts(rows, now=now)
    seats = _Seats(actor, now)
    shown = [
        Waiting(requests[row.request.public_id], facts, seats.may_decide(row))
        for row, facts in zip(rows, rounds, strict=True)
    ]
    return sorted(shown, key=lambda one: (not one.mine, _due(one, now), one.request.code))


def count_for(*, actor: Actor, now: datetime) -> int:
    """Return how many rounds wait for the actor's decision."""
    if actor.user_id is None or not actor.may(Scope.APPROVALS_DECIDE):
        return 0
    found = Submission.objects.filter(state=RoundState.OPEN.value, request__in=visible(actor))
    rows = list(with_everything(found))
    if not rows:
        return 0
    seats = _Seats(actor, now)
    return sum(seats.may_decide(row) for row in rows)


def may_decide(*, submission: UUID, actor: Actor, now: datetime) -> bool:
    """Tell whether the actor may decide a round now."""
    rows = Submission.objects.filter(public_id=submission, state=RoundState.OPEN.value)
    row = with_everything(rows).first()
    return row is not None and _Seats(actor, now).may_decide(row)


class _Seats:
    """Asks for many rounds whether a person has a seat."""

    def __init__(self, actor: Actor, now: datetime) -> None:
        self._actor = actor
        self._on = local_day(now, tenants.current().timezone)
        self._asks = actor.user_id is not None and actor.may(Scope.APPROVALS_DECIDE)
        self._people = people.deciders(on=self._on) if self._asks else []
        self._away = people.away(on=self._on) if self._asks else []

    def may_decide(self, row: Submission) -> bool:
        if not self._asks:
            return False
        assert self._actor.user_id is not None
        steps = [
            OpenStep(step.pk, step.name, approvers_of(step))
            for step in sorted(row.steps.all(), key=lambda step: step.position)
            if step.state == StepState.OPEN.value
        ]
        spoken = {one for d in row.decisions.all() for one in (d.user_id, d.principal)}
        try:
            seat_of(
                self._actor.user_id,
                steps=steps,
                team=row.team,
                people=self._people,
                barred=barred_from(row),
                spoken=frozenset(spoken),
                away=self._away,
                on=self._on,
            )
        except (SamePerson, NoSeat):
            return False
        return True


def _due(one: Waiting, now: datetime) -> datetime:
    step = one.step
    return step.due_at if step is not None and step.due_at is not None else now
