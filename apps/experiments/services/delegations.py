"""Stand-ins: who decides in the place of somebody who is away, and on which days."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import IntegrityError, transaction

from apps.audit import services as audit
from apps.core.domain.access import Actor, Scope
from apps.core.domain.errors import Conflict, FieldError, Forbidden, Unprocessable
from apps.core.domain.months import local_day
from apps.experiments.domain.seats import Decider
from apps.experiments.models import Delegation
from apps.experiments.selectors import people
from apps.tenants import selectors as tenants

MOST_DAYS: Final = timedelta(days=180)


class DelegationInvalid(Unprocessable):
    """Somebody cannot stand in like this."""

    default_code = "delegation_invalid"


class DelegationOverlaps(Conflict):
    """Somebody stands in on some of these days already."""

    default_code = "delegation_overlaps"


class DelegationEnded(Conflict):
    """It is over already."""

    default_code = "delegation_ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class DelegationDraft:
    """Who is away, who decides meanwhile, on which days, the last one included."""

    absent: str
    delegate: str
    starts_on: date
    ends_on: date
    reason: str = ""


@transaction.atomic
def delegate(*, draft: DelegationDraft, actor: Actor, now: datetime) -> Delegation:
    """Let somebody stand in for an approver; approvers say so themselves, or an owner does.

    :raises Forbidden: when the actor is neither that person nor an owner.
    :raises DelegationInvalid: naming the wrong field.
    :raises DelegationOverlaps: when somebody stands in on one of the days.
    """
    _require(actor, draft.absent)
    on = local_day(now, tenants.current().timezone)
    absent, stand_in = _checked(draft, on)
    try:
        with transaction.atomic():
            row = Delegation.objects.create(
                absent=absent.id,
                absent_email=absent.email,
                delegate=stand_in.id,
                delegate_email=stand_in.email,
                starts_on=draft.starts_on,
                ends_on=draft.ends_on,
                reason=draft.reason.strip()[:200],
                created_at=now,
                created_by=actor.label,
            )
    except IntegrityError:
        raise DelegationOverlaps(
            f"Somebody stands in for {absent.email} on some of these days; end that first."
        ) from None
    _record("delegation.made", row, actor, now)
    return row


@transaction.atomic
def end_delegation(*, id: UUID, actor: Actor, now: datetime) -> None:
    """End a delegation before its last day.

    :raises Forbidden: when the actor is neither the person who is away nor an owner.
    :raises DelegationEnded: when it is over.
    """
    row = people.delegation(id=id)
    _require(actor, row.absent_email)
    row = Delegation.objects.select_for_update().get(pk=row.pk)
    if row.ended_at is not None:
        raise DelegationEnded("It is over already.")
    row.end(at=now)
    _record("delegation.ended", row, actor, now)


def _require(actor: Actor, absent: str) -> None:
    own = actor.is_person and actor.label.lower() == absent.strip().lower()
    if not (own and actor.may(Scope.APPROVALS_DECIDE)) and not (
        actor.is_person and actor.may(Scope.ADMIN)
    ):
        raise Forbidden(
            "Say who stands in for yourself; for others an owner does.", code="not_the_absent"
        )


def _checked(draft: DelegationDraft, on: date) -> tuple[Decider, Decider]:
    known = {one.email: one for one in people.deciders(on=on)}
    absent = known.get(draft.absent.strip().lower())
    stand_in = known.get(draft.delegate.strip().lower())
    if absent is None:
        raise _wrong("absent", "Name an approver or owner, by e-mail address.")
    if stand_in is None or stand_in.id == absent.id:
        raise _wrong("delegate", "Name another approver or owner, by e-mail address.")
    if draft.ends_on < draft.starts_on or draft.ends_on < on:
        raise _wrong("ends_on", "Let it end today or later, on the first day or after.")
    if draft.ends_on - draft.starts_on > MOST_DAYS:
        raise _wrong("ends_on", f"Somebody stands in for at most {MOST_DAYS.days} days at once.")
    return absent, stand_in


def _wrong(field: str, message: str) -> DelegationInvalid:
    return DelegationInvalid(
        f"{field}: {message}", errors=(FieldError(field, "delegation", message),)
    )


def _record(action: str, row: Delegation, actor: Actor, now: datetime) -> None:
    audit.record(
        actor=actor,
        action=action,
        subject="delegation",
        subject_id=str(row.public_id),
        detail={
            "absent": row.absent_email,
            "delegate": row.delegate_email,
            "starts_on": row.starts_on,
            "ends_on": row.ends_on,
            "reason": row.reason,
        },
        at=now,
    )
