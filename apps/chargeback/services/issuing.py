"""Issues the statements of a month: numbered, sealed, checked against the run."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from apps.accounts import selectors as accounts
from apps.allocation import selectors as allocation
from apps.allocation.selectors import RunFacts
from apps.audit import selectors as audit_trail
from apps.audit import services as audit
from apps.chargeback.domain.results import (
    ApproverIsPreparer,
    NothingToIssue,
    StatementSet,
    TotalsDiffer,
)
from apps.chargeback.selectors.sets import preparers, set_of
from apps.chargeback.services.holding import hold
from apps.chargeback.services.telling import tell_issued
from apps.core.domain.access import Actor, Scope
from apps.core.domain.money import EXACT, minor_quantum
from apps.core.domain.months import Month
from apps.documents import services as document_services
from apps.documents.domain.numbers import month_series
from apps.documents.domain.states import Kind


def issue_statements(*, month: Month, actor: Actor, approver: Actor, now: datetime) -> StatementSet:
    """Seal the drafts of the month's published run and return them with their numbers.

    Idempotent: statements that are issued already are returned as they are. Numbers follow the
    cost centers' codes without a gap. Numbers and audit come last (rule 9). Owners are told.

    :raises Forbidden: when the actor may not run a close.
    :raises ApproverIsPreparer: when the approver is no person, or prepared the statements.
    :raises NothingToIssue: when the published run has no drafts.
    :raises MonthIsClosed: when the month is in the books and the drafts are left over.
    :raises TotalsDiffer: when the drafts do not sum to the run.
    """
    actor.require(Scope.CLOSE_RUN)
    with transaction.atomic():
        run = allocation.published(month)
        drafted = set_of(run.id)
        if drafted is None:
            raise NothingToIssue(f"{month} has no drafted statements of its published run.")
        if len(drafted.numbers) == drafted.count:
            return drafted
        hold(month)
        _check_people(run, actor, approver)
        _check_totals(run, drafted)
        numbers = _seal(drafted, actor, approver, now)
        tell_issued(run=run.id, now=now)
        _record(drafted, numbers, actor, approver, now)
    issued = set_of(run.id)
    assert issued is not None
    return issued


def _check_people(run: RunFacts, actor: Actor, approver: Actor) -> None:
    same_person = approver.user_id is not None and approver.user_id == actor.user_id
    if not approver.is_person or same_person or approver.label in preparers(run.id):
        raise ApproverIsPreparer(
            "Statements are approved by another person than the one who prepared them."
        )


def _check_totals(run: RunFacts, drafted: StatementSet) -> None:
    quantum = minor_quantum(run.currency)
    for name, base, stated in (
        ("effective", run.sources.effective, drafted.total),
        ("billed", run.sources.billed, drafted.billed),
    ):
        rounded = base.quantize(quantum, context=EXACT)
        if rounded != stated:
            raise TotalsDiffer(
                f"The statements of {run.month} sum to {stated} {run.currency} {name}, the run to "
                f"{rounded}."
            )


def _seal(drafted: StatementSet, actor: Actor, approver: Actor, now: datetime) -> list[str]:
    head = audit_trail.head()
    return document_services.seal_all(
        documents=drafted.documents,
        series=month_series(Kind.STATEMENT, drafted.month),
        issue=document_services.IssueFacts(
            prepared_by=_name(actor),
            approved_by=_name(approver),
            audit_sequence=head.sequence,
            audit_hash=head.hash,
        ),
        now=now,
    )


def _name(actor: Actor) -> str:
    if actor.user_id is None:
        return actor.label
    return accounts.person(actor.user_id).name or actor.label


def _record(
    drafted: StatementSet, numbers: list[str], actor: Actor, approver: Actor, now: datetime
) -> None:
    audit.record(
        actor=actor,
        action="statements.issued",
        subject="period",
        subject_id=str(drafted.month),
        detail={
            "run": drafted.run,
            "statements": drafted.count,
            "total": drafted.total,
            "currency": drafted.currency,
            "first": numbers[0],
            "last": numbers[-1],
            "data_hash": drafted.output_hash,
            "approved_by": approver.label,
        },
        at=now,
    )
