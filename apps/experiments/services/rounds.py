"""A round of approval as it moves: steps open and close, and at its end the money is granted."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from decimal import Decimal

from apps.budgets import services as budgets
from apps.core.domain.access import Actor
from apps.core.domain.months import local_day
from apps.experiments.domain.progress import StepFacts, Vote, standing
from apps.experiments.domain.proposals import read_payload
from apps.experiments.domain.states import RoundState, State, StepState, Verdict
from apps.experiments.models import ExperimentRequest, Step, Submission
from apps.experiments.services.holding import announce
from apps.tenants import selectors as tenants

_ENDED: dict[RoundState, State] = {
    RoundState.REJECTED: State.REJECTED,
    RoundState.CHANGES_REQUESTED: State.CHANGES_REQUESTED,
}


def open_steps(judged: Submission, now: datetime) -> None:
    """Open the steps whose turn it is, of a round in which nothing was said yet."""
    _follow(judged, list(judged.steps.order_by("position")), [], now)


def count_votes(
    row: ExperimentRequest, judged: Submission, actor: Actor, now: datetime
) -> RoundState:
    """Move steps, round and request to where the decisions have brought them; tells the state."""
    steps = list(judged.steps.select_for_update().order_by("position"))
    votes = [
        Vote(step, person, Verdict(verdict))
        for step, person, verdict in judged.decisions.values_list("step_id", "principal", "verdict")
    ]
    state = _follow(judged, steps, votes, now)
    if state is RoundState.APPROVED:
        finish(row, judged, actor, now)
    elif state is not RoundState.OPEN:
        judged.close(state, at=now)
        _send_back(row, judged, state, now)
    return state


def finish(row: ExperimentRequest, judged: Submission, actor: Actor, now: datetime) -> None:
    """Approve a round all of whose steps have passed, and grant what it asks for."""
    judged.close(RoundState.APPROVED, at=now)
    proposal = read_payload(judged.revision.content)
    if judged.is_amendment:
        assert row.grant is not None
        budgets.change_grant(
            grant=row.grant, amount=judged.amount, ends_on=proposal.ends_on, actor=actor, now=now
        )
        row.amend(revision=judged.revision.number, amount=judged.amount, ends_on=proposal.ends_on)
        return
    grant = budgets.open_grant(
        experiment=row.code,
        name=f"{row.code} {row.title}"[:200],
        team=row.team,
        amount=judged.amount,
        currency=row.currency,
        starts_on=proposal.starts_on,
        ends_on=proposal.ends_on,
        owners=[row.owner],
        limit=proposal.limit.value,
        actor=actor,
        now=now,
    )
    row.fund(
        grant=grant,
        amount=judged.amount,
        starts_on=proposal.starts_on,
        ends_on=proposal.ends_on,
    )
    announce(row, now)
    start_if_due(row, now)


def start_if_due(row: ExperimentRequest, now: datetime) -> bool:
    """Let an approved experiment run once its first day has come; tells whether it does."""
    if row.state != State.APPROVED.value or row.starts_on is None:
        return False
    if row.starts_on > today(now):
        return False
    row.start(at=now)
    return True


def stop(judged: Submission, to: RoundState, now: datetime) -> None:
    """End a round that nobody decided: its steps are skipped."""
    for step in judged.steps.select_for_update().filter(state__in=("waiting", "open")):
        step.close(StepState.SKIPPED, at=now)
    judged.close(to, at=now)


def release(row: ExperimentRequest, actor: Actor, now: datetime) -> Decimal:
    """Close the grant of an experiment; return what was left and is given back."""
    assert row.grant is not None
    return Decimal(budgets.close_grant(grant=row.grant, actor=actor, now=now))


def today(now: datetime) -> date:
    """Return the day of a moment in the tenant's timezone."""
    return local_day(now, tenants.current().timezone)


def _send_back(
    row: ExperimentRequest, judged: Submission, state: RoundState, now: datetime
) -> None:
    """Let a request follow its first round; one with money goes on without the amendment."""
    if judged.is_amendment:
        return
    to = _ENDED[state]
    if to is State.REJECTED:
        row.end(to, at=now, reason="rejected", released=None)
    else:
        row.move(to)
    announce(row, now)


def _follow(
    judged: Submission, steps: Iterable[Step], votes: list[Vote], now: datetime
) -> RoundState:
    listed = list(steps)
    found = standing([StepFacts(one.pk, one.order, one.quorum) for one in listed], votes)
    for step in listed:
        to = found.steps[step.pk]
        if to == step.state:
            continue
        if to is StepState.OPEN:
            step.open(at=now, due_at=now + timedelta(hours=step.rule["hours"]))
        else:
            step.close(to, at=now)
    return found.state
