"""What the reader of a statement does: accept it, dispute it, withdraw a dispute."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction

from apps.audit import services as audit
from apps.chargeback.domain.acceptance import (
    Acceptance,
    AcceptanceState,
    AnswerInvalid,
    DisputeDraft,
    DisputeMissing,
    DisputeSettled,
    DisputesOpen,
    NotTheOwner,
    Outcome,
    PersonRequired,
    ResponseFacts,
    SamePerson,
    StatementNotIssued,
    StatementSettled,
    Upload,
    Verdict,
    WindowOver,
    checked_text,
)
from apps.chargeback.domain.attachments import MEDIA_TYPES, checked_files
from apps.chargeback.models import Attachment, Resolution, Response, Statement
from apps.chargeback.selectors import answers
from apps.chargeback.services.telling import tell_answer, tell_resolved
from apps.core.domain.access import Actor
from apps.core.domain.errors import FieldError
from apps.core.domain.money import minor_quantum
from apps.core.domain.months import Month
from apps.documents import services as documents


def accept(*, id: UUID, comment: str, actor: Actor, now: datetime) -> Acceptance:
    """Accept an issued statement, and return where it stands; accepting twice accepts once.

    :raises PersonRequired: when a service key asks.
    :raises StatementMissing: when there is none, or it is not the actor's to answer.
    :raises NotTheOwner: when the actor does not answer for the cost center.
    :raises StatementNotIssued: when it is a draft or was replaced.
    :raises DisputesOpen: when a dispute waits for finance.
    :raises StatementSettled: when the days are over and silence counted.
    """
    words = checked_text(comment, name="comment", required=False)
    with transaction.atomic():
        row, before = _held(id, actor, now)
        if before.state is AcceptanceState.ACCEPTED:
            return before
        _require_answerable(before)
        if before.open_disputes:
            raise DisputesOpen(
                "A dispute of this statement is open; withdraw it or wait for finance to end it."
            )
        answer = _answer(row, verdict=Verdict.ACCEPTED, comment=words, actor=actor, now=now)
        _tell(row, answer, actor, now)
        _record("statement.accepted", row, {"comment": words}, actor, now)
    return answers.acceptance(id, actor=actor, now=now)


def dispute(*, id: UUID, draft: DisputeDraft, actor: Actor, now: datetime) -> ResponseFacts:
    """Dispute an issued statement or one of its lines, and return the dispute.

    The same words of the same person about the same line are one dispute while it is open.

    :raises PersonRequired: when a service key asks.
    :raises StatementMissing: when there is none, or it is not the actor's to answer.
    :raises NotTheOwner: when the actor does not answer for the cost center.
    :raises StatementNotIssued: when it is a draft or was replaced.
    :raises StatementSettled: when it is accepted.
    :raises WindowOver: when the days for questions are over.
    :raises AnswerInvalid: when the comment, the line, the amount or a file is refused.
    """
    words = checked_text(draft.comment, name="comment", required=True)
    files = checked_files(draft.files)
    with transaction.atomic():
        row, before = _held(id, actor, now)
        known = _same(before, draft, words, actor)
        if known is not None:
            return known
        _require_answerable(before)
        days = int(row.document.payload["terms"]["dispute_days"])
        window = answers.window_of(before, days=days)
        if window <= now:
            raise WindowOver(
                f"Questions about {before.number} were taken until {window:%Y-%m-%d %H:%M} UTC; "
                "ask finance for an adjustment."
            )
        line = _line(row, draft.position)
        answer = _answer(
            row,
            verdict=Verdict.DISPUTED,
            comment=words,
            actor=actor,
            now=now,
            position=draft.position,
            line_key=line.get("key", ""),
            line=line.get("heading", ""),
            amount=_amount(draft.amount, row),
        )
        _attach(answer, files, month=row.accounting_month, now=now)
        _tell(row, answer, actor, now)
        _record(
            "statement.disputed",
            row,
            {
                "dispute": answer.public_id,
                "comment": words,
                "line": draft.position,
                "amount": answer.amount,
                "files": len(files),
            },
            actor,
            now,
        )
    return answers.response_facts(Response.objects.get(pk=answer.pk))


def _attach(
    answer: Response, files: Sequence[tuple[Upload, str]], *, month: Month, now: datetime
) -> None:
    """Keep the files that came with a dispute; `files` are checked, with their kinds."""
    for number, (upload, kind) in enumerate(files, start=1):
        kept = documents.keep_file(
            month=month,
            name=f"dispute-{answer.public_id}-{number}",
            suffix=kind,
            content=upload.content,
        )
        Attachment.objects.create(
            response=answer,
            name=upload.name,
            media_type=MEDIA_TYPES[kind],
            size=kept.size,
            sha256=kept.sha256,
            storage_key=kept.key,
            created_at=now,
        )


def withdraw(*, id: UUID, dispute: UUID, reason: str, actor: Actor, now: datetime) -> ResponseFacts:
    """Take one's own dispute back, and return it.

    :raises PersonRequired: when a service key asks.
    :raises DisputeMissing: when there is none, or it is not the actor's to see.
    :raises SamePerson: when somebody else raised it.
    :raises DisputeSettled: when it has ended.
    """
    words = checked_text(reason, name="reason", required=False) or "Withdrawn."
    with transaction.atomic():
        row, _ = _held(id, actor, now)
        answer = open_dispute(row, dispute)
        if answer.user_id != actor.user_id:
            raise SamePerson(
                "Only who raised a dispute withdraws it; finance can reject or correct."
            )
        end(answer, outcome=Outcome.WITHDRAWN, reason=words, actor=actor, now=now)
        tell_resolved(
            found=answers.acceptance(id, actor=actor, now=now),
            said=answers.response_facts(Response.objects.get(pk=answer.pk)),
            raised_by="",
            now=now,
        )
        detail = {"dispute": dispute, "reason": words}
        _record("statement.dispute_withdrawn", row, detail, actor, now)
    return answers.response_facts(Response.objects.get(pk=answer.pk))


def open_dispute(row: Statement, dispute: UUID) -> Response:
    """Return an open dispute of a statement.

    :raises DisputeMissing: when the statement has no such dispute.
    :raises DisputeSettled: when it has ended.
    """
    answer = (
        Response.objects.filter(statement=row, public_id=dispute, verdict=Verdict.DISPUTED.value)
        .select_related("resolution")
        .first()
    )
    if answer is None:
        raise DisputeMissing("The statement has no such dispute.")
    ended = getattr(answer, "resolution", None)
    if ended is not None:
        raise DisputeSettled(f"The dispute was {ended.outcome} on {ended.created_at:%Y-%m-%d}.")
    return answer


def end(
    answer: Response, *, outcome: Outcome, reason: str, actor: Actor, now: datetime, **booked: Any
) -> None:
    """Write how a person ended a dispute; `booked` says where a correction is booked.

    :raises DisputeSettled: when it ended meanwhile.
    """
    assert actor.user_id is not None
    with translated():
        Resolution.objects.create(
            response=answer,
            outcome=outcome.value,
            reason=reason,
            created_at=now,
            created_by=actor.label,
            user_id=actor.user_id,
            **booked,
        )


def require_person(actor: Actor) -> None:
    """Pass when a person stands behind the actor.

    :raises PersonRequired: when none does.
    """
    if not actor.is_person:
        raise PersonRequired(
            "Statements are answered by people: sign in, or use a personal key instead of this one."
        )


def held(id: UUID) -> Statement:
    """Return a statement, which others who answer it wait for until the transaction ends.

    :raises DisputeMissing: when there is none.
    """
    row = (
        Statement.objects.select_for_update(no_key=True, of=("self",))
        .select_related("document")
        .filter(document__public_id=id)
        .first()
    )
    if row is None:
        raise DisputeMissing("There is no such statement.")
    return row


@contextmanager
def translated() -> Iterator[None]:
    """Turn what the database refused into the refusal that its hint names."""
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        diagnostics = getattr(error.__cause__, "diag", None)
        hint = getattr(diagnostics, "message_hint", None) or ""
        constraint = getattr(diagnostics, "constraint_name", None) or ""
        refusal = _HINTS.get(hint) or _HINTS.get(constraint)
        if refusal is None:
            raise
        raise refusal("The statement was answered meanwhile; look again.") from error


_HINTS: dict[str, type[StatementSettled | DisputesOpen | StatementNotIssued | DisputeSettled]] = {
    "statement_settled": StatementSettled,
    "chargeback_settled_once": StatementSettled,
    "disputes_open": DisputesOpen,
    "statement_not_issued": StatementNotIssued,
    "chargeback_resolution_response_id_key": DisputeSettled,
}


def _held(id: UUID, actor: Actor, now: datetime) -> tuple[Statement, Acceptance]:
    require_person(actor)
    answers.acceptance(id, actor=actor, now=now)  # refuses who may not see it, before any lock
    row = held(id)
    found = answers.acceptance(id, actor=actor, now=now)
    if not answers.may_respond(found, actor=actor):
        owner = found.owner_name or found.owner_email
        raise NotTheOwner(
            f"{found.name} is answered by {owner or 'whoever finance names'}"
            f"{' or whoever finance names' if owner else ''}; finance does that under Statements, "
            "Responders."
        )
    return row, found


def _require_answerable(found: Acceptance) -> None:
    if found.state in (AcceptanceState.DRAFT, AcceptanceState.REPLACED):
        word = "a draft" if found.state is AcceptanceState.DRAFT else "replaced by a newer one"
        raise StatementNotIssued(f"The statement is {word}; only the issued one is answered.")
    if found.state in (AcceptanceState.ACCEPTED, AcceptanceState.LAPSED):
        raise StatementSettled(
            f"{found.number} is accepted; ask finance for an adjustment in the open month."
        )


def _same(found: Acceptance, draft: DisputeDraft, words: str, actor: Actor) -> ResponseFacts | None:
    wanted = (words, draft.position, actor.user_id)
    return next(
        (
            one
            for one in found.open_disputes
            if (one.comment, one.position, one.by_user_id) == wanted
        ),
        None,
    )


def _line(row: Statement, position: int | None) -> dict[str, Any]:
    if position is None:
        return {}
    lines = row.document.payload["lines"]
    found = next((line for line in lines if line["position"] == position), None)
    if found is None:
        raise AnswerInvalid(
            f"The statement has no line {position}; its lines are 1 to {len(lines)}.",
            errors=(FieldError("line", "choice", f"There is no line {position}."),),
        )
    return dict(found)


def _amount(amount: Decimal | None, row: Statement) -> Decimal | None:
    if amount is None:
        return None
    quantum = minor_quantum(row.document.currency)
    if not amount.is_finite() or abs(amount) >= 10**18 or amount != amount.quantize(quantum):
        raise AnswerInvalid(
            "The amount has more digits than the statement's currency.",
            errors=(FieldError("amount", "digits", f"Give it in units of {quantum}."),),
        )
    return amount


def _answer(
    row: Statement, *, verdict: Verdict, comment: str, actor: Actor, now: datetime, **about: Any
) -> Response:
    with translated():
        return Response.objects.create(
            statement=row,
            verdict=verdict.value,
            comment=comment,
            created_at=now,
            created_by=actor.label,
            user_id=actor.user_id,
            **about,
        )


def _tell(row: Statement, answer: Response, actor: Actor, now: datetime) -> None:
    """Tell finance, in the transaction, where its questions go."""
    tell_answer(
        found=answers.acceptance(row.document.public_id, actor=actor, now=now),
        said=answers.response_facts(Response.objects.get(pk=answer.pk)),
        contact=row.document.payload["terms"]["dispute_contact"],
        now=now,
    )


def _record(
    action: str, row: Statement, detail: dict[str, object], actor: Actor, now: datetime
) -> None:
    audit.record(
        actor=actor,
        action=action,
        subject="statement",
        subject_id=str(row.document.public_id),
        detail={"number": row.document.number, "cost_center": row.cost_center, **detail},
        at=now,
    )
