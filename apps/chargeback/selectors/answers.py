"""Questions to what was said to statements; limited to the owner, the named and finance."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.fields.json import KeyTextTransform, KeyTransform

from apps.accounts import selectors as accounts
from apps.allocation.domain.sight import require_everything
from apps.chargeback.domain.acceptance import (
    Acceptance,
    AcceptanceState,
    AttachmentFacts,
    DisputeFacts,
    DisputeMissing,
    Lapse,
    Policy,
    ResolutionFacts,
    ResponseFacts,
    Verdict,
    due_at,
    lapses_at,
    state_of,
)
from apps.chargeback.domain.results import StatementMissing
from apps.chargeback.models import AcceptancePolicy, Attachment, Responder, Response, Statement
from apps.core.domain.access import Actor, Scope
from apps.core.domain.money import minor_quantum
from apps.core.domain.months import Month
from apps.costs.domain.sight import sees_everything
from apps.documents import selectors as documents
from apps.documents.domain.states import State

__all__ = [
    "acceptance",
    "acceptances",
    "answers_for",
    "attachment",
    "disputes",
    "may_respond",
    "open_disputes",
    "policy",
    "responders",
]


def policy() -> Policy:
    """Return what silence means now; one query."""
    row = AcceptancePolicy.objects.order_by("-id").first()
    return Policy(Lapse(row.lapse), row.reminder_days) if row is not None else Policy()


def responders() -> dict[str, tuple[str, ...]]:
    """Return whom finance named beside the owners, by cost center; one query."""
    last: dict[tuple[str, str], bool] = {}
    rows = Responder.objects.order_by("id").values_list("cost_center", "email", "is_named")
    for cost_center, email, is_named in rows:
        last[cost_center, email.lower()] = is_named
    found: dict[str, list[str]] = {}
    for (cost_center, email), is_named in sorted(last.items()):
        if is_named:
            found.setdefault(cost_center, []).append(email)
    return {code: tuple(emails) for code, emails in found.items()}


def centers_named(email: str) -> frozenset[str]:
    """Return the cost centers for which finance named a person; one query."""
    return frozenset(code for code, emails in responders().items() if email.lower() in emails)


def email_of(actor: Actor) -> str:
    """Return the address of the person behind an actor, empty for service keys and the system."""
    return accounts.person(actor.user_id).email.lower() if actor.user_id is not None else ""


def may_respond(found: Acceptance, *, actor: Actor) -> bool:
    """Tell whether an actor is the cost center's owner, or was named to answer for it."""
    email = email_of(actor)
    return bool(email) and email in {found.owner_email.lower(), *found.responders}


def answers_for(*, cost_center: str, owner_email: str, actor: Actor) -> bool:
    """Tell whether an actor answers for a cost center with such an owner; up to two queries."""
    email = email_of(actor)
    return bool(email) and (email == owner_email.lower() or cost_center in centers_named(email))


def acceptance(id: UUID, *, actor: Actor, now: datetime) -> Acceptance:
    """Return where a statement stands and what was said; seven queries whatever was said.

    :raises Forbidden: when the actor may not read costs.
    :raises StatementMissing: when there is none, or its answers are not the actor's to read.
    """
    actor.require(Scope.COSTS_READ)
    row = statement_rows().filter(document__public_id=id).first()
    found = _acceptances([row], now=now)[0] if row is not None else None
    reads_all = actor.may(Scope.BILLING_READ) and sees_everything(actor)
    if found is None or not (reads_all or may_respond(found, actor=actor)):
        raise StatementMissing("There is no such statement, or its answers are not yours to read.")
    return found


def acceptances(
    *, month: Month | None, state: AcceptanceState | None, actor: Actor, now: datetime
) -> list[Acceptance]:
    """Return the newest issued statements with where they stand, newest month first.

    :raises Forbidden: when the actor may not read billing, or sees only some teams or tags.
    """
    actor.require(Scope.BILLING_READ)
    require_everything(actor)
    rows = statement_rows().filter(document__state=State.SEALED.value, is_replaced=False)
    if month is not None:
        rows = rows.filter(month=month.first_day)
    found = _acceptances(rows.order_by("-month", "cost_center"), now=now)
    return [one for one in found if state is None or one.state is state]


def disputes(*, month: Month | None = None, state: str = "", actor: Actor) -> list[DisputeFacts]:
    """Return disputes, newest first; `state` is open, rejected, corrected or withdrawn.

    :raises Forbidden: when the actor may not read billing, or sees only some teams or tags.
    """
    actor.require(Scope.BILLING_READ)
    require_everything(actor)
    rows = Response.objects.filter(verdict=Verdict.DISPUTED.value)
    if month is not None:
        rows = rows.filter(statement__month=month.first_day)
    found = _disputes(rows.order_by("-created_at", "-id"))
    return [one for one in found if not state or one.response.state == state]


def open_disputes(*, month: Month) -> list[DisputeFacts]:
    """Return the disputes of a month and of months before that nobody ended, oldest first.

    For the close's checklist: three queries. A dispute of a replaced statement does not count.
    """
    rows = Response.objects.filter(
        verdict=Verdict.DISPUTED.value,
        resolution__isnull=True,
        statement__month__lte=month.first_day,
    ).order_by("created_at", "id")
    return [one for one in _disputes(rows) if not one.is_replaced]


def attachment(
    *, statement: UUID, id: UUID, actor: Actor, now: datetime
) -> tuple[AttachmentFacts, bytes]:
    """Return a file that came with a dispute, its bytes checked against the record.

    :raises StatementMissing: when the statement's answers are not the actor's to read.
    :raises DisputeMissing: when the statement has no such file.
    """
    acceptance(statement, actor=actor, now=now)
    row = Attachment.objects.filter(
        public_id=id, response__statement__document__public_id=statement
    ).first()
    if row is None:
        raise DisputeMissing("There is no such file.")
    return _attachment(row), documents.kept_file(key=row.storage_key, sha256=row.sha256)


def window_of(found: Acceptance, *, days: int) -> datetime:
    """Return until when an issued statement may be disputed."""
    assert found.issued_at is not None
    return due_at(issued_at=found.issued_at, days=days)


def acceptances_of(rows: Iterable[Any], *, now: datetime) -> list[Acceptance]:
    """Return where statements of `statement_rows` stand; four queries besides theirs."""
    return _acceptances(rows, now=now)


def waiting_rows() -> QuerySet[Any]:
    """Return the newest issued statements that nobody accepted and that did not lapse."""
    settled = Response.objects.exclude(verdict=Verdict.DISPUTED.value).values("statement")
    issued = statement_rows().filter(document__state=State.SEALED.value, is_replaced=False)
    return issued.exclude(pk__in=settled)


def statement_rows() -> QuerySet[Any]:
    """Return statements, told whether a later one replaced them; their content, which may be
    large, stays in the database.
    """
    later = Statement.objects.filter(
        month=OuterRef("month"),
        cost_center=OuterRef("cost_center"),
        id__gt=OuterRef("id"),
        document__state=State.SEALED.value,
    )
    recipient = KeyTransform("recipient", "document__payload")
    terms = KeyTransform("terms", "document__payload")
    return (
        Statement.objects.select_related("document")
        .defer("document__payload")
        .annotate(
            is_replaced=Exists(later),
            owner_name=KeyTextTransform("owner_name", recipient),
            owner_email=KeyTextTransform("owner_email", recipient),
            dispute_days=KeyTextTransform("dispute_days", terms),
        )
        .order_by("month", "cost_center", "id")
    )


def responses_of(statements: Iterable[int]) -> dict[int, list[ResponseFacts]]:
    """Return the answers to statements by their keys, oldest first; three queries."""
    found: dict[int, list[ResponseFacts]] = {}
    answers = (
        Response.objects.filter(statement__in=list(statements))
        .select_related("resolution")
        .prefetch_related("attachments")
        .order_by("created_at", "id")
    )
    for row in answers:
        found.setdefault(row.statement_id, []).append(response_facts(row))
    return found


def _acceptances(rows: Iterable[Any], *, now: datetime) -> list[Acceptance]:
    listed = list(rows)
    answers = responses_of(row.pk for row in listed)
    named = responders()
    days = policy().reminder_days
    return [
        _facts(row, answers.get(row.pk, []), named.get(row.cost_center, ()), days, now)
        for row in listed
    ]


def _facts(
    row: Any, said: list[ResponseFacts], named: tuple[str, ...], days: int, now: datetime
) -> Acceptance:
    document, due = row.document, None
    if document.issued_at is not None:
        window = due_at(issued_at=document.issued_at, days=int(row.dispute_days))
        due = lapses_at(due=window, responses=said, reminder_days=days)
    return Acceptance(
        statement=document.public_id,
        month=row.accounting_month,
        cost_center=row.cost_center,
        name=document.subject_name,
        number=document.number or "",
        currency=document.currency,
        total=document.total.quantize(minor_quantum(document.currency)),
        owner_name=row.owner_name or "",
        owner_email=row.owner_email or "",
        state=state_of(
            document_state=document.state,
            is_replaced=row.is_replaced,
            responses=said,
            is_over=due is not None and due <= now,
        ),
        issued_at=document.issued_at,
        due_at=due,
        responses=tuple(said),
        responders=named,
    )


def _disputes(rows: QuerySet[Response]) -> list[DisputeFacts]:
    later = Statement.objects.filter(
        month=OuterRef("statement__month"),
        cost_center=OuterRef("statement__cost_center"),
        id__gt=OuterRef("statement_id"),
        document__state=State.SEALED.value,
    )
    full = (
        rows.select_related("resolution", "statement__document")
        .defer("statement__document__payload")
        .prefetch_related("attachments")
        .annotate(is_replaced=Exists(later))
    )
    return [_dispute(row) for row in full]


def _dispute(row: Any) -> DisputeFacts:
    document = row.statement.document
    return DisputeFacts(
        statement=document.public_id,
        month=row.statement.accounting_month,
        cost_center=row.statement.cost_center,
        name=document.subject_name,
        number=document.number or "",
        currency=document.currency,
        total=document.total.quantize(minor_quantum(document.currency)),
        response=response_facts(row),
        is_replaced=row.is_replaced,
    )


def response_facts(row: Response) -> ResponseFacts:
    """Return an answer as a frozen value."""
    return ResponseFacts(
        id=row.public_id,
        verdict=row.verdict,
        comment=row.comment,
        position=row.position,
        line=row.line,
        amount=row.amount,
        at=row.created_at,
        by=row.created_by,
        by_user_id=row.user_id,
        attachments=tuple(_attachment(file) for file in row.attachments.all()),
        resolution=_resolution(row),
    )


def _resolution(row: Response) -> ResolutionFacts | None:
    ended = getattr(row, "resolution", None)
    if ended is None:
        return None
    return ResolutionFacts(
        outcome=ended.outcome,
        reason=ended.reason,
        reference=ended.reference,
        booked_in=Month.of(ended.booked_in) if ended.booked_in else None,
        at=ended.created_at,
        by=ended.created_by,
    )


def _attachment(row: Attachment) -> AttachmentFacts:
    return AttachmentFacts(
        id=row.public_id,
        name=row.name,
        media_type=row.media_type,
        size=row.size,
        sha256=row.sha256,
    )


def answering(email: str) -> Q:
    """Return the condition of statements that a person answers as owner or as named."""
    owned = Q(document__payload__recipient__owner_email__iexact=email)
    return owned | Q(cost_center__in=centers_named(email))
