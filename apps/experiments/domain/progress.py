"""How far a round of approval has come, from its steps and what was said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from apps.experiments.domain.states import RoundState, StepState, Verdict


@dataclass(frozen=True, slots=True)
class StepFacts:
    """One step of a round; `id` is any value that votes name."""

    id: int
    order: int
    quorum: int


@dataclass(frozen=True, slots=True)
class Vote:
    """What one person said to one step."""

    step: int
    person: int
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Standing:
    """The round and each of its steps."""

    state: RoundState
    steps: dict[int, StepState]


def standing(steps: Sequence[StepFacts], votes: Sequence[Vote]) -> Standing:
    """Return where a round stands; the order of the votes does not matter.

    One rejection ends it, else one wish for changes does. A step passes when its quorum of people
    has approved; steps of the next order open when all earlier ones have passed.
    """
    verdicts = {vote.verdict for vote in votes}
    if Verdict.REJECT in verdicts:
        return _stopped(steps, votes, RoundState.REJECTED, Verdict.REJECT)
    if Verdict.REQUEST_CHANGES in verdicts:
        return _stopped(steps, votes, RoundState.CHANGES_REQUESTED, Verdict.REQUEST_CHANGES)
    passed = {step.id for step in steps if _approvals(step, votes) >= step.quorum}
    waiting = [step.order for step in steps if step.id not in passed]
    now = min(waiting, default=None)
    states = {
        step.id: StepState.PASSED
        if step.id in passed
        else StepState.OPEN
        if step.order == now
        else StepState.WAITING
        for step in steps
    }
    return Standing(RoundState.APPROVED if now is None else RoundState.OPEN, states)


def _approvals(step: StepFacts, votes: Sequence[Vote]) -> int:
    return len({v.person for v in votes if v.step == step.id and v.verdict is Verdict.APPROVE})


def _stopped(
    steps: Sequence[StepFacts], votes: Sequence[Vote], state: RoundState, verdict: Verdict
) -> Standing:
    stopped = {vote.step for vote in votes if vote.verdict is verdict}
    states = {
        step.id: StepState.STOPPED
        if step.id in stopped
        else StepState.PASSED
        if _approvals(step, votes) >= step.quorum
        else StepState.SKIPPED
        for step in steps
    }
    return Standing(state, states)
