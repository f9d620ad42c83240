"""Reopens the latest closed month: one person asks with a reason, another one does it."""

from __future__ import annotations

from datetime import datetime

from django.db import IntegrityError, transaction

from apps.audit import services as audit
from apps.closing.domain.reopening import ReopenFacts
from apps.closing.models import ReopenRequest
from apps.closing.selectors import reopen_facts
from apps.closing.services.decisions import ReasonMissing, SamePerson
from apps.closing.services.live import STEP_SCOPES
from apps.closing.services.telling import tell_reopened
from apps.core.domain.access import Actor, Scope
from apps.core.domain.errors import Conflict, Forbidden, Missing
from apps.core.domain.months import Month
from apps.periods import selectors as periods
from apps.periods import services as period_services
from apps.periods.domain.calendar import State


class ReopenPending(Conflict):
    """Somebody has already asked to reopen the month."""

    default_code = "reopen_pending"


class NothingToReopen(Conflict):
    """The month is not the latest closed one."""

    default_code = "period_order"


class ReopenMissing(Missing):
    """Nobody has asked to reopen the month."""

    default_code = "reopen_not_found"


@transaction.atomic
def request_reopen(*, month: Month, reason: str, actor: Actor, now: datetime) -> ReopenFacts:
    """Ask to reopen the latest closed month; nothing changes until another person agrees.

    :raises Forbidden: when the actor may not close months, or is a service key.
    :raises ReasonMissing: when the reason is blank.
    :raises NothingToReopen: when the month is not closed, or a later one is.
    :raises ReopenPending: when a request is pending.
    """
    actor.require(Scope.CLOSE_RUN)
    if actor.kind == "key" and not actor.is_person:
        raise Forbidden("A service key never reopens a month; a person has to.", code="no_person")
    if not reason.strip():
        raise ReasonMissing("Say why; the reason is kept in the audit log.")
    _require_latest(month)
    try:
        with transaction.atomic():
            row = ReopenRequest.objects.create(
                month=month.first_day,
                reason=reason.strip(),
                requested_by_kind=actor.kind,
                requested_by=actor.label,
                requested_by_user=actor.user_id,
                requested_at=now,
            )
    except IntegrityError as error:
        if "closing_reopenrequest_one_pending_a_month" not in str(error):
            raise
        raise ReopenPending(f"A request to reopen {month} is already pending.") from None
    _record("reopen.requested", row, actor, now)
    return reopen_facts(row)


@transaction.atomic
def reopen(*, month: Month, actor: Actor, now: datetime) -> ReopenFacts:
    """Agree to a pending request as another person: the month is open again.

    Sealed statements stay; closing the month again issues replacements that name them.

    :raises ReopenMissing: when nobody has asked.
    :raises Forbidden: when the actor may not decide or is no person.
    :raises SamePerson: when the actor asked.
    :raises NotLatestClosed: when a later month was closed meanwhile.
    """
    actor.require(Scope.APPROVALS_DECIDE)
    if actor.user_id is None:
        raise Forbidden("A person has to agree; a service key cannot.", code="approver_no_person")
    row = _pending(month)
    if actor.user_id == row.requested_by_user or actor.label == row.requested_by:
        raise SamePerson(f"{row.requested_by} asked for it; another person has to agree.")
    period_services.reopen(
        month=month, actor=_requester(row), approver=actor, reason=row.reason, now=now
    )
    _decide(row, "done", actor, now)
    tell_reopened(month=month, reason=row.reason, by=actor.label, now=now)
    _record("reopen.done", row, actor, now)
    return reopen_facts(row)


@transaction.atomic
def withdraw_reopen(*, month: Month, actor: Actor, now: datetime) -> ReopenFacts:
    """Take a pending request back; anybody who may close months may.

    :raises ReopenMissing: when nobody has asked.
    """
    actor.require(Scope.CLOSE_RUN)
    row = _pending(month)
    _decide(row, "withdrawn", actor, now)
    _record("reopen.withdrawn", row, actor, now)
    return reopen_facts(row)


def _require_latest(month: Month) -> None:
    if periods.period(month).state is not State.CLOSED:
        raise NothingToReopen(f"{month} is not closed.")
    latest = periods.latest_closed()
    if latest is not None and latest.month != month:
        raise NothingToReopen(f"{latest.month} is closed after {month}; reopen that one first.")


def _pending(month: Month) -> ReopenRequest:
    row = (
        ReopenRequest.objects.select_for_update()
        .filter(month=month.first_day, state="pending")
        .first()
    )
    if row is None:
        raise ReopenMissing(f"Nobody has asked to reopen {month}.")
    return row


def _requester(row: ReopenRequest) -> Actor:
    return Actor(
        kind=row.requested_by_kind,  # type: ignore[arg-type]
        label=row.requested_by,
        scopes=STEP_SCOPES,
        user_id=row.requested_by_user,
    )


def _decide(row: ReopenRequest, state: str, actor: Actor, now: datetime) -> None:
    row.state, row.decided_at = state, now
    row.decided_by, row.decided_by_user = actor.label, actor.user_id
    row.save()


def _record(action: str, row: ReopenRequest, actor: Actor, now: datetime) -> None:
    audit.record(
        actor=actor,
        action=action,
        subject="period",
        subject_id=str(Month.of(row.month)),
        detail={"reason": row.reason, "requested_by": row.requested_by},
        at=now,
    )
