"""Advances a close by one step: claimed, worked and finished under the lock of its row.

Whoever holds the row works; everybody else leaves at once. The work of a step and its being done
are one transaction, so a killed worker leaves a step that simply runs again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from django.db import DatabaseError, OperationalError, transaction

from apps.closing.domain.checklist import ChecklistBlocked
from apps.closing.domain.steps import (
    CloseRunFacts,
    RunState,
    Step,
    StepState,
    next_step,
)
from apps.closing.models import CloseRun, CloseStep
from apps.closing.services.live import locked, locked_unless_busy, step_of
from apps.closing.services.work import WORK, Outcome
from apps.core.domain.errors import Refusal

_RETRIED_STATES: Final = ("40P01", "40001")
_TRIES: Final = 3


class Next(StrEnum):
    """What the door does after an advance."""

    AGAIN = "again"
    RENDER = "render"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Advance:
    """Where a close stands after an advance, and what has to be enqueued."""

    run: CloseRunFacts
    next: Next
    documents: tuple[UUID, ...] = ()


def advance(*, run: UUID, now: datetime) -> Advance:
    """Do the next step of a close, if nobody else is at it; safe to call at any time.

    A refusal fails the step and says what to do; any other error fails it too and is raised.

    :raises CloseMissing: when there is no such close.
    """
    step = _claim(run, now)
    if step is None:
        return Advance(_facts(run), Next.STOP)
    try:
        outcome = _worked(run, step, now)
    except Refusal as refusal:
        _fail(run, step, message=refusal.message, remedy=_remedy(refusal), now=now, cause=refusal)
        return Advance(_facts(run), Next.STOP)
    except Exception as error:
        _fail(
            run,
            step,
            message="The step broke off unexpectedly; nothing of it was kept.",
            remedy="Try again; if it fails again, give the operator the time and this month.",
            now=now,
            cause=error,
        )
        raise
    if outcome is None:
        return Advance(_facts(run), Next.STOP)
    return Advance(_facts(run), _following(outcome), outcome.documents)


def _claim(run: UUID, now: datetime) -> Step | None:
    """Mark the next step as running, visibly, before the work begins."""
    with transaction.atomic():
        row = locked_unless_busy(run)
        if row is None or row.state != RunState.RUNNING.value:
            return None
        step = _next(row)
        if step is None:
            return None
        found = step_of(row, step)
        found.state = StepState.RUNNING.value
        found.attempts += 1
        found.started_at = found.started_at or now
        found.message = found.remedy = ""
        found.save()
        row.turn(RunState.RUNNING, at=now)
        return step


def _worked(run: UUID, step: Step, now: datetime) -> Outcome | None:
    """Do the step and mark it done, all or nothing; deadlocks are tried again."""
    for attempt in range(1, _TRIES + 1):
        try:
            return _work_once(run, step, now)
        except OperationalError as error:
            if _sqlstate(error) not in _RETRIED_STATES or attempt == _TRIES:
                raise
    raise AssertionError("unreachable")


@transaction.atomic
def _work_once(run: UUID, step: Step, now: datetime) -> Outcome | None:
    row = locked_unless_busy(run)
    if row is None or row.state != RunState.RUNNING.value or _next(row) is not step:
        return None
    outcome = WORK[step](row, now)
    _settle(row, step, outcome, now)
    return outcome


def _settle(row: CloseRun, step: Step, outcome: Outcome, now: datetime) -> None:
    """Write what came out of a step, and whether the close goes on, waits or is finished."""
    found = step_of(row, step)
    found.state = outcome.state.value
    found.done, found.total = outcome.done, outcome.total
    found.message = outcome.message
    found.input_hash, found.output_hash = outcome.input_hash, outcome.output_hash
    found.finished_at = now if outcome.state is StepState.DONE else None
    found.save()
    if outcome.state is StepState.WAITING:
        row.turn(RunState.WAITING, at=now)
    elif _next(row) is None:
        row.turn(RunState.FINISHED, at=now)
    else:
        row.turn(RunState.RUNNING, at=now)


def _fail(
    run: UUID, step: Step, *, message: str, remedy: str, now: datetime, cause: Exception
) -> None:
    with transaction.atomic():
        row = locked(run)
        if row.state != RunState.RUNNING.value or _next(row) is not step:
            return
        if isinstance(cause, ChecklistBlocked):
            row.checklist = merged(row.checklist, (check.as_json() for check in cause.checks))
        found = step_of(row, step)
        found.state, found.message, found.remedy = StepState.FAILED.value, message, remedy
        found.save()
        row.turn(RunState.FAILED, at=now)


def merged(known: list[dict[str, str]], found: Iterable[dict[str, str]]) -> list[dict[str, str]]:
    """Return the checklist with checks of the same code replaced by what was found now."""
    by_code = {check["code"]: check for check in known}
    by_code.update({check["code"]: check for check in found})
    return list(by_code.values())


def _remedy(refusal: Refusal) -> str:
    given = getattr(refusal, "remedy", "")
    return given or "Settle what the message names, then start the close again."


def _following(outcome: Outcome) -> Next:
    if outcome.documents:
        return Next.RENDER
    return Next.AGAIN if outcome.state is StepState.DONE else Next.STOP


def _next(row: CloseRun) -> Step | None:
    steps = CloseStep.objects.filter(run=row).order_by("position")
    return next_step([(Step(step.name), StepState(step.state)) for step in steps])


def _facts(run: UUID) -> CloseRunFacts:
    return CloseRun.objects.get(public_id=run).facts


def _sqlstate(error: DatabaseError) -> str:
    return getattr(error.__cause__, "sqlstate", None) or ""
