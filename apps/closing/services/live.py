"""The rows of a close: found, locked, and the people behind it."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from apps.closing.domain.steps import Step
from apps.closing.models import CloseRun, CloseStep
from apps.core.domain.access import Actor, Scope
from apps.core.domain.errors import Conflict, Missing

STEP_SCOPES: Final = frozenset(
    {
        Scope.CLOSE_RUN,
        Scope.ALLOCATION_WRITE,
        Scope.COSTS_READ,
        Scope.USAGE_READ,
        Scope.BILLING_READ,
        Scope.BILLING_WRITE,
    }
)
"""What the steps of a close do on behalf of the person who was allowed to start it."""


class CloseMissing(Missing):
    """There is no such close."""

    default_code = "close_not_found"


class CloseState(Conflict):
    """The close is not in the state that the action starts from."""

    default_code = "close_state"


def locked(run: UUID) -> CloseRun:
    """Return a close and hold its row until the transaction ends; waits for a working step.

    :raises CloseMissing: when there is none.
    """
    row = CloseRun.objects.select_for_update().filter(public_id=run).first()
    if row is None:
        raise CloseMissing("There is no such close.")
    return row


def locked_unless_busy(run: UUID) -> CloseRun | None:
    """Return a close and hold its row, or nothing when somebody is working on it.

    :raises CloseMissing: when there is none.
    """
    row = CloseRun.objects.select_for_update(skip_locked=True).filter(public_id=run).first()
    if row is None and not CloseRun.objects.filter(public_id=run).exists():
        raise CloseMissing("There is no such close.")
    return row


def step_of(run: CloseRun, name: Step) -> CloseStep:
    """Return one step of a close as it is now."""
    return CloseStep.objects.get(run=run, name=name.value)


def preparer_of(run: CloseRun) -> Actor:
    """Return who started the close, or prepared it again last, with what its steps need."""
    kind, label, user = run.preparer
    return Actor(kind=kind, label=label, scopes=STEP_SCOPES, user_id=user)  # type: ignore[arg-type]


def approver_of(run: CloseRun) -> Actor:
    """Return who approved what the close is about to publish.

    :raises CloseState: when nobody did.
    """
    approval = run.approvals.filter(result_hash=run.result_hash).first()
    if approval is None:
        raise CloseState("Nobody has approved this result yet.", code="not_approved")
    return Actor(
        kind="user",
        label=approval.approver,
        scopes=frozenset({Scope.APPROVALS_DECIDE}),
        user_id=approval.approver_user,
    )
