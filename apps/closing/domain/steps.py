"""The steps of a close, the states it goes through, and what follows what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from apps.core.domain.months import Month


class Step(StrEnum):
    """One step of the close, in order."""

    FREEZE = "freeze"
    RECONCILE = "reconcile"
    ATTRIBUTE = "attribute"
    ALLOCATE = "allocate"
    STATEMENTS = "statements"
    REVIEW = "review"
    LOCK = "lock"
    RENDER = "render"


ORDER: Final = tuple(Step)

TITLES: Final = {
    Step.FREEZE: "Freeze the month",
    Step.RECONCILE: "Check the cost base",
    Step.ATTRIBUTE: "Find the owners",
    Step.ALLOCATE: "Allocate direct and shared cost",
    Step.STATEMENTS: "Draft the statements",
    Step.REVIEW: "Review by a second person",
    Step.LOCK: "Number, seal and lock",
    Step.RENDER: "Render the PDFs",
}


class StepState(StrEnum):
    """How far a step has come."""

    PENDING = "pending"
    RUNNING = "running"
    WAITING = "waiting"
    FAILED = "failed"
    DONE = "done"


class RunState(StrEnum):
    """How far a close has come; finished and cancelled are final."""

    RUNNING = "running"
    WAITING = "waiting"
    FAILED = "failed"
    FINISHED = "finished"
    CANCELLED = "cancelled"


LIVE: Final = (RunState.RUNNING, RunState.WAITING, RunState.FAILED)
FINAL: Final = (RunState.FINISHED, RunState.CANCELLED)


@dataclass(frozen=True, slots=True)
class StepFacts:
    """One step of one close; `done` of `total` in the step's own unit."""

    name: Step
    state: StepState
    done: int
    total: int
    message: str
    remedy: str
    input_hash: str
    output_hash: str
    attempts: int
    started_at: datetime | None
    finished_at: datetime | None

    @property
    def title(self) -> str:
        """Return what the step does, in words."""
        return TITLES[self.name]


@dataclass(frozen=True, slots=True)
class CloseRunFacts:
    """One close of a month. `allocation_run` is what the reviewer approves.

    Who prepared it is who started it, until somebody prepares it again.
    """

    id: UUID
    month: Month
    state: RunState
    started_by: str
    prepared_by: str
    prepared_by_user: int | None
    started_at: datetime
    approved_by: str
    approved_at: datetime | None
    comment: str
    finished_at: datetime | None
    cancel_reason: str
    allocation_run: UUID | None
    result_hash: str
    checklist: tuple[dict[str, str], ...]
    steps: tuple[StepFacts, ...]

    def step(self, name: Step) -> StepFacts:
        """Return one step."""
        return next(step for step in self.steps if step.name is name)

    @property
    def current(self) -> StepFacts | None:
        """Return the first step that is not done; none when all are."""
        return next((step for step in self.steps if step.state is not StepState.DONE), None)

    @property
    def is_live(self) -> bool:
        """Tell whether the close is neither finished nor cancelled."""
        return self.state in LIVE

    @property
    def progress(self) -> tuple[int, int]:
        """Return how many steps are done, of how many."""
        return sum(step.state is StepState.DONE for step in self.steps), len(self.steps)


def next_step(states: Sequence[tuple[Step, StepState]]) -> Step | None:
    """Return the first step in order that is not done."""
    by_name = dict(states)
    return next((step for step in ORDER if by_name[step] is not StepState.DONE), None)


def from_on(step: Step) -> tuple[Step, ...]:
    """Return a step and all that follow it."""
    return ORDER[ORDER.index(step) :]
