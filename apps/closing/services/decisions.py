"""What people decide about a close that waits: approve, prepare again, cancel."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import transaction

from apps.accounts import selectors as accounts
from apps.allocation import selectors as allocation
from apps.audit import services as audit
from apps.closing.domain.steps import LIVE, CloseRunFacts, RunState, Step, StepState, from_on
from apps.closing.models import Approval, CloseRun
from apps.closing.services.live import CloseState, locked, preparer_of, step_of
from apps.core.domain.access import Actor, Scope
from apps.core.domain.errors import Conflict, Forbidden, Invalid
from apps.core.domain.months import Month
from apps.periods import selectors as periods
from apps.periods import services as period_services
from apps.periods.domain.calendar import State


class SamePerson(Forbidden):
    """The person who prepared the close may not approve it."""

    default_code = "same_person"


class PreviewStale(Conflict):
    """What the reviewer saw is no longer what would be published."""

    default_code = "preview_stale"


class ReasonMissing(Invalid):
    """The decision is recorded with a reason, and none was given."""

    default_code = "reason_required"


@transaction.atomic
def approve(
    *,
    run: UUID,
    approver: Actor,
    comment: str,
    now: datetime,
    through: Actor | None = None,
    seen: str = "",
) -> CloseRunFacts:
    """Approve a waiting close as another person than the one who prepared it.

    The door enqueues `closing.tasks.advance` afterwards. `through` is the shell that speaks for
    the approver and is what the audit log names. `seen` is the result hash that the approver
    looked at; without it whatever waits is approved.

    :raises Forbidden: when the approver may not decide or is no person.
    :raises SamePerson: when the approver prepared the close.
    :raises CloseState: when the close does not wait for approval.
    :raises EarlierMonthOpen: when an earlier month that was used is not closed yet.
    :raises PreviewStale: when rules, drivers or costs changed since the preview, or the close was
        prepared again since the approver looked.
    """
    approver.require(Scope.APPROVALS_DECIDE)
    if approver.user_id is None:
        raise Forbidden("A person has to approve; a service key cannot.", code="approver_no_person")
    row = locked(run)
    if row.state != RunState.WAITING.value:
        raise CloseState(f"The close is {row.state}; only a waiting one can be approved.")
    _kind, preparer, preparer_user = row.preparer
    if approver.user_id == preparer_user or approver.label == preparer:
        raise SamePerson(_why_not(approver, preparer))
    _require_in_order(Month.of(row.month))
    _require_seen(row, seen)
    _require_fresh(row)
    Approval.objects.create(
        run=row,
        preparer=preparer,
        preparer_user=preparer_user,
        approver=approver.label,
        approver_user=approver.user_id,
        via=(through or approver).kind,
        comment=comment.strip(),
        result_hash=row.result_hash,
        created_at=now,
    )
    step = step_of(row, Step.REVIEW)
    step.state, step.done, step.finished_at = StepState.DONE.value, 1, now
    step.message, step.output_hash = f"Approved by {approver.label}.", row.result_hash
    step.save()
    row.turn(RunState.RUNNING, at=now)
    _record(
        "close.approved",
        row,
        through or approver,
        {"approver": approver.label, "comment": comment.strip(), "result_hash": row.result_hash},
        now,
    )
    return row.facts


@transaction.atomic
def prepare_again(*, run: UUID, actor: Actor, now: datetime) -> CloseRunFacts:
    """Do a waiting or failed close again from the checks on, with what has changed since.

    Whoever does that is the preparer from then on: nobody approves what they had made anew.
    The door enqueues `closing.tasks.advance` afterwards.

    :raises CloseState: when the month is already closed, or the close is neither.
    """
    actor.require(Scope.CLOSE_RUN)
    row = locked(run)
    if row.state not in (RunState.WAITING.value, RunState.FAILED.value):
        raise CloseState(f"The close is {row.state}; it cannot be prepared again now.")
    _require_not_locked(row)
    again = [step.value for step in from_on(Step.RECONCILE)]
    row.steps.filter(name__in=again).update(
        state=StepState.PENDING.value,
        done=0,
        total=0,
        message="",
        remedy="",
        input_hash="",
        output_hash="",
        started_at=None,
        finished_at=None,
    )
    row.allocation_run, row.result_hash, row.checklist = None, "", []
    row.prepared_again(actor=actor, person=accounts.person_behind(actor))
    row.turn(RunState.RUNNING, at=now)
    _record("close.prepared_again", row, actor, {}, now)
    return row.facts


@transaction.atomic
def cancel(*, run: UUID, actor: Actor, reason: str, now: datetime) -> CloseRunFacts:
    """Give a close up: the month takes entries again.

    Waits for a step at work. Drafted statements stay drafts; the next close replaces them.

    :raises ReasonMissing: when the reason is blank.
    :raises CloseState: when the close is over, or the month already closed.
    """
    actor.require(Scope.CLOSE_RUN)
    if not reason.strip():
        raise ReasonMissing("Say why; the reason is kept in the audit log.")
    row = locked(run)
    if row.state not in [state.value for state in LIVE]:
        raise CloseState(f"The close is {row.state} already.")
    _require_not_locked(row)
    month = Month.of(row.month)
    if periods.period(month).state is State.SOFT_CLOSED:
        period_services.unfreeze(month=month, actor=preparer_of(row), reason=reason, now=now)
    row.cancelled_by, row.cancel_reason = actor.label, reason.strip()
    row.turn(RunState.CANCELLED, at=now)
    _record("close.cancelled", row, actor, {"reason": reason.strip()}, now)
    return row.facts


def _why_not(approver: Actor, preparer: str) -> str:
    """Say why the preparer does not approve, and what then helps."""
    if approver.label == preparer:
        return f"{preparer} prepared this close; another person has to approve it."
    return (
        f"The {preparer} that {approver.label} set prepared this close; let another person "
        "approve it, or prepare it again before you do."
    )


def _require_seen(row: CloseRun, seen: str) -> None:
    """Pass when the result that waits is the one that the approver looked at."""
    if seen and seen != row.result_hash:
        raise PreviewStale(
            f"You looked at the result {seen[:12]}; meanwhile {row.preparer[1]} prepared the close "
            f"again, and {row.result_hash[:12]} waits. Look at it, then approve."
        )


def _require_fresh(row: CloseRun) -> None:
    month = Month.of(row.month)
    published = allocation.published_or_none(month)
    fresh = (
        published is not None
        and published.id == row.allocation_run
        and published.input_hash == allocation.gather(month=month).digest
    )
    if not fresh:
        raise PreviewStale(
            "Rules, drivers, owners or costs changed since the preview. Prepare the close again, "
            "then approve."
        )


def _require_not_locked(row: CloseRun) -> None:
    if step_of(row, Step.LOCK).state == StepState.DONE.value:
        raise CloseState("The month is closed already; request to reopen it instead.")


def _record(
    action: str, row: CloseRun, actor: Actor, detail: dict[str, object], now: datetime
) -> None:
    audit.record(
        actor=actor,
        action=action,
        subject="period",
        subject_id=str(Month.of(row.month)),
        detail={"close": row.public_id, **detail},
        at=now,
    )


def _require_in_order(month: Month) -> None:
    """Pass when the month is the next to be closed: nobody approves what cannot be locked."""
    earlier = period_services.earlier_to_close(month=month)
    if earlier is not None:
        raise period_services.EarlierMonthOpen(
            f"Months close in order: close {earlier} before {month}, then approve this one."
        )
