"""What finance does about answers: end disputes, name who answers, say what silence means."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction

from apps.accounts import selectors as accounts
from apps.audit import services as audit
from apps.chargeback.domain.acceptance import (
    AcceptanceState,
    AnswerInvalid,
    Decision,
    Outcome,
    Policy,
    ResponseFacts,
    SamePerson,
    Verdict,
    checked_decision,
)
from apps.chargeback.models import AcceptancePolicy, Responder, Response, Statement
from apps.chargeback.selectors import answers
from apps.chargeback.selectors.adjusting import correction
from apps.chargeback.services.responding import end, held, open_dispute, require_person
from apps.chargeback.services.telling import tell_resolved
from apps.core.domain.access import Actor, Scope, system_actor
from apps.core.domain.errors import FieldError
from apps.directory import selectors as directory


def resolve(
    *, id: UUID, dispute: UUID, decision: Decision, actor: Actor, now: datetime
) -> ResponseFacts:
    """Reject a dispute with a reason, or say which adjustment corrects it, by number or id.

    Nothing on the statement changes: the adjustment, which two people sign, moves the money in
    its own month.

    :raises Forbidden: when the actor may not write billing.
    :raises PersonRequired: when a service key asks (rule 21).
    :raises AnswerInvalid: when there is no reason, or a correction names no adjustment that
        another person approved and that moves cost of the cost center.
    :raises DisputeMissing: when there is no such dispute.
    :raises DisputeSettled: when it has ended.
    :raises SamePerson: when the actor raised it.
    """
    actor.require(Scope.BILLING_WRITE)
    require_person(actor)
    checked = checked_decision(decision)
    with transaction.atomic():
        row = held(id)
        answer = open_dispute(row, dispute)
        if answer.user_id == actor.user_id:
            raise SamePerson("A dispute is decided by another person than the one who raised it.")
        booked = _booked(checked, row)
        end(
            answer,
            outcome=checked.outcome,
            reason=checked.reason,
            actor=actor,
            now=now,
            **booked,
        )
        facts = answers.response_facts(Response.objects.get(pk=answer.pk))
        tell_resolved(
            found=answers.acceptance(id, actor=actor, now=now),
            said=facts,
            raised_by=accounts.person(answer.user_id).email if answer.user_id else "",
            now=now,
        )
        detail = {
            "number": row.document.number,
            "cost_center": row.cost_center,
            "dispute": dispute,
            "outcome": checked.outcome.value,
            "reason": checked.reason,
            "reference": booked.get("reference", ""),
        }
        audit.record(
            actor=actor,
            action="statement.dispute_resolved",
            subject="statement",
            subject_id=str(id),
            detail=detail,
            at=now,
        )
    return facts


def _booked(checked: Decision, row: Statement) -> dict[str, Any]:
    """Return which adjustment corrects a statement, and where it is booked; nothing of a rejection.

    :raises AnswerInvalid: when there is no such adjustment, or it does not move its cost.
    """
    if checked.outcome is not Outcome.CORRECTED:
        return {}
    named = correction(checked.reference, since=row.accounting_month, cost_center=row.cost_center)
    return {"reference": named.code, "booked_in": named.month.first_day}


def name_responder(
    *, cost_center: str, email: str, is_named: bool, actor: Actor, now: datetime
) -> None:
    """Name a person who answers for a cost center beside its owner, or take that back.

    Naming somebody twice names them once.

    :raises Forbidden: when the actor may not write billing.
    :raises AnswerInvalid: when the cost center or the address is none.
    """
    actor.require(Scope.BILLING_WRITE)
    address = email.strip().lower()
    _check_responder(cost_center, address)
    if (address in answers.responders().get(cost_center, ())) is is_named:
        return
    with transaction.atomic():
        Responder.objects.create(
            cost_center=cost_center,
            email=address,
            is_named=is_named,
            created_at=now,
            created_by=actor.label,
        )
        audit.record(
            actor=actor,
            action="responder.named" if is_named else "responder.removed",
            subject="cost_center",
            subject_id=cost_center,
            detail={"email": address},
            at=now,
        )


def set_policy(*, policy: Policy, actor: Actor, now: datetime) -> None:
    """Say what silence means and when readers are reminded, from now on.

    :raises Forbidden: when the actor may not write billing.
    :raises AnswerInvalid: when the days are not 1 to 30.
    """
    actor.require(Scope.BILLING_WRITE)
    if not 1 <= policy.reminder_days <= 30:
        raise AnswerInvalid(
            "Readers are reminded 1 to 30 days before the end.",
            errors=(FieldError("reminder_days", "range", "Give 1 to 30 days."),),
        )
    with transaction.atomic():
        AcceptancePolicy.objects.create(
            lapse=policy.lapse.value,
            reminder_days=policy.reminder_days,
            created_at=now,
            created_by=actor.label,
        )
        audit.record(
            actor=actor,
            action="acceptance_policy.set",
            subject="acceptance_policy",
            subject_id="",
            detail={"lapse": policy.lapse.value, "reminder_days": policy.reminder_days},
            at=now,
        )


def lapse_overdue(*, now: datetime) -> int:
    """Let silence count as acceptance where the policy says so, and return how often it did.

    Each statement in a transaction of its own, after a look at its answers under its lock; safe
    to repeat and to run twice at once.
    """
    if answers.policy().lapse.value != "accept":
        return 0
    actor = system_actor("acceptance")
    overdue = [
        one.statement
        for one in answers.acceptances_of(answers.waiting_rows(), now=now)
        if one.state is AcceptanceState.OVERDUE
    ]
    return sum(_lapse(id, actor, now) for id in overdue)


@transaction.atomic
def _lapse(id: UUID, actor: Actor, now: datetime) -> bool:
    row = held(id)
    found = answers.acceptance(id, actor=actor, now=now)
    if found.state is not AcceptanceState.OVERDUE:
        return False
    Response.objects.create(
        statement=row,
        verdict=Verdict.LAPSED.value,
        created_at=now,
        created_by=actor.label,
    )
    audit.record(
        actor=actor,
        action="statement.lapsed",
        subject="statement",
        subject_id=str(id),
        detail={"number": row.document.number, "cost_center": row.cost_center},
        at=now,
    )
    return True


def _check_responder(cost_center: str, email: str) -> None:
    problems = []
    known = {one.code for one in directory.cost_centers()}
    stated = Statement.objects.filter(cost_center=cost_center).exists()
    if cost_center not in known and not stated:
        message = f"There is no cost center {cost_center[:64]}; see Settings, Organization."
        problems.append(FieldError("cost_center", "choice", message))
    try:
        validate_email(email)
    except ValidationError:
        problems.append(FieldError("email", "email", "Give an e-mail address, as name@host."))
    if problems:
        raise AnswerInvalid(problems[0].message, errors=tuple(problems))
