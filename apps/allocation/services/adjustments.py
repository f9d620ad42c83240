"""Moves cost by hand: one person asks, another one decides, the month's runs book it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import IntegrityError, transaction

from apps.accounts import selectors as accounts
from apps.allocation.domain.transfers import AdjustmentDraft, check_adjustment
from apps.allocation.models import Adjustment, AdjustmentFile, AdjustmentState
from apps.allocation.selectors.adjustments import (
    AdjustmentFacts,
    AdjustmentMissing,
    adjustment_facts,
)
from apps.allocation.selectors.inputs import known_receivers
from apps.allocation.services.turns import take_turn
from apps.audit import services as audit
from apps.core.domain.access import Actor, Scope
from apps.core.domain.errors import Conflict, FieldError, Forbidden, Invalid
from apps.core.domain.months import Month
from apps.documents import services as documents
from apps.documents.domain.uploads import CheckedUpload, checked_uploads
from apps.periods import services as periods
from apps.tenants import selectors as tenants


class AdjustmentDecided(Conflict):
    """The adjustment is decided already; a decision is made once."""

    default_code = "adjustment_decided"


class AdjustmentMonthClosed(Conflict):
    """Nothing is adjusted in a closed month; adjust the open one and name what it corrects."""

    default_code = "period_closed"


class SamePerson(Forbidden):
    """Whoever asked for an adjustment may not decide it."""

    default_code = "same_person"


@transaction.atomic
def request_adjustment(
    *, month: Month, draft: AdjustmentDraft, actor: Actor, now: datetime
) -> AdjustmentFacts:
    """Ask for an amount to be moved in a month; nothing is booked until another person approves.

    :raises AdjustmentRefused: naming every wrong field.
    :raises FilesRefused: when a file is too large, or of no known kind.
    :raises AdjustmentMonthClosed: when the month is closed.
    :raises Forbidden: when the actor lacks allocation:write.
    """
    actor.require(Scope.ALLOCATION_WRITE)
    files = checked_uploads(draft.files)
    _hold(month)
    currency = tenants.current().currency
    check_adjustment(draft=draft, currency=currency, known=known_receivers(month))
    row = _insert(month, draft, currency, actor, now)
    _attach(row, files, month, now)
    _record("adjustment.requested", row, actor, now)
    return adjustment_facts(row)


@transaction.atomic
def approve_adjustment(*, id: UUID, comment: str, actor: Actor, now: datetime) -> AdjustmentFacts:
    """Approve an adjustment as another person; the next run of its month books it.

    :raises SamePerson: when the actor asked for it.
    :raises AdjustmentDecided: when it is decided.
    :raises AdjustmentMonthClosed: when its month is closed.
    """
    return _decide(id, AdjustmentState.APPROVED, comment, actor, now)


@transaction.atomic
def reject_adjustment(*, id: UUID, comment: str, actor: Actor, now: datetime) -> AdjustmentFacts:
    """Reject an adjustment as another person, with a reason.

    :raises SamePerson: when the actor asked for it.
    :raises AdjustmentDecided: when it is decided.
    """
    if not comment.strip():
        message = "Say why it is rejected."
        raise Invalid(
            message, code="reason_required", errors=(FieldError("comment", "required", message),)
        )
    return _decide(id, AdjustmentState.REJECTED, comment, actor, now)


@transaction.atomic
def withdraw_adjustment(*, id: UUID, actor: Actor, now: datetime) -> AdjustmentFacts:
    """Take back a request that is not decided yet; anybody who may ask may do it.

    :raises AdjustmentDecided: when it is decided.
    """
    actor.require(Scope.ALLOCATION_WRITE)
    row = _locked(id)
    row.decide(AdjustmentState.WITHDRAWN, by=actor.label, user=actor.user_id, at=now, comment="")
    _record("adjustment.withdrawn", row, actor, now)
    return adjustment_facts(row)


def _decide(
    id: UUID, state: AdjustmentState, comment: str, actor: Actor, now: datetime
) -> AdjustmentFacts:
    actor.require(Scope.APPROVALS_DECIDE)
    if actor.user_id is None:
        raise Forbidden("A person has to decide; a service key cannot.", code="approver_no_person")
    found = Adjustment.objects.filter(public_id=id).first()
    if found is None:
        raise AdjustmentMissing("There is no such adjustment.")
    _hold(Month.of(found.month))
    row = _locked(id)
    if actor.user_id == row.requested_by_user or actor.label == row.requested_by:
        raise SamePerson(f"{row.requested_by} asked for it; another person has to decide.")
    row.decide(state, by=actor.label, user=actor.user_id, at=now, comment=comment.strip()[:1000])
    _record(f"adjustment.{state.value}", row, actor, now)
    return adjustment_facts(row)


def _hold(month: Month) -> None:
    """Keep the month from being closed or run meanwhile: a run books all that is approved."""
    take_turn(month)
    if periods.hold_open(months=[month])[month].value == "closed":
        raise AdjustmentMonthClosed(
            f"{month} is closed and never changes; adjust the open month and say what it corrects."
        )


def _locked(id: UUID) -> Adjustment:
    row = Adjustment.objects.select_for_update().filter(public_id=id).first()
    if row is None:
        raise AdjustmentMissing("There is no such adjustment.")
    if row.state != AdjustmentState.REQUESTED:
        raise AdjustmentDecided(f"{row.code} is {row.state} already.")
    return row


def _insert(
    month: Month, draft: AdjustmentDraft, currency: str, actor: Actor, now: datetime
) -> Adjustment:
    """Insert under the month's next number; two at once take one after the other."""
    for number in range(Adjustment.objects.filter(month=month.first_day).count() + 1, 100_000):
        row = Adjustment(
            code=f"adj-{month}-{number}",
            month=month.first_day,
            axis=draft.axis.value,
            sender=draft.sender,
            receiver=draft.receiver,
            amount=draft.amount,
            currency=currency,
            reason=draft.reason.strip(),
            reference=draft.reference.strip(),
            requested_by=actor.label,
            requested_by_user=accounts.person_behind(actor),
            requested_at=now,
        )
        try:
            with transaction.atomic():
                row.save(force_insert=True)
        except IntegrityError as error:
            if "code" not in str(error):
                raise
            continue
        return row
    raise AdjustmentDecided(f"{month} has too many adjustments.")


def _attach(row: Adjustment, files: Sequence[CheckedUpload], month: Month, now: datetime) -> None:
    """Keep what came with the request."""
    for number, file in enumerate(files, start=1):
        kept = documents.keep_file(
            month=month,
            name=f"adjustment-{row.public_id}-{number}",
            suffix=file.kind,
            content=file.content,
        )
        AdjustmentFile.objects.create(
            adjustment=row,
            name=file.name,
            media_type=file.media_type,
            size=kept.size,
            sha256=kept.sha256,
            storage_key=kept.key,
            created_at=now,
        )


def _record(action: str, row: Adjustment, actor: Actor, now: datetime) -> None:
    audit.record(
        actor=actor,
        action=action,
        subject="adjustment",
        subject_id=row.code,
        detail={
            "month": str(Month.of(row.month)),
            "axis": row.axis,
            "from": row.sender,
            "to": row.receiver,
            "amount": row.amount,
            "currency": row.currency,
            "reason": row.reason,
            "reference": row.reference,
            "comment": row.comment,
            "files": [file.sha256 for file in row.files.all()],
        },
        at=now,
    )
