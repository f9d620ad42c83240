"""Recording commitments, and which of their levels is in force when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet

from apps.audit import services as audit
from apps.core.domain.access import Actor, Scope
from apps.core.domain.errors import Conflict, FieldError, Invalid, Missing
from apps.rating.domain import terms
from apps.rating.domain.terms import CommitmentDraft
from apps.rating.models import Commitment, CommitmentLevel, CommitmentTerm
from apps.rating.selectors.peers import canonical_scope
from apps.rating.services.believed import (
    believed,
    copy_of,
    end_fault,
    forget,
    insert,
    make_room,
    reason_fault,
)
from apps.rating.services.versions import next_knowledge

_OVERLAP = "At some of this time another level of the commitment is in force; try again."


class CommitmentNotValid(Invalid):
    """A commitment, or the term of a level, has wrong fields."""

    default_code = "commitment_not_valid"


class CommitmentExists(Conflict):
    """Another commitment has that name, or its levels moved meanwhile."""

    default_code = "commitment_exists"


class CommitmentUnknown(Missing):
    """There is no such commitment or level, or the term was replaced or withdrawn."""

    default_code = "commitment_unknown"


def record_commitment(*, draft: CommitmentDraft, actor: Actor, now: datetime) -> UUID:
    """Record an agreement with its levels; return its public id. No level is in force yet.

    :raises CommitmentNotValid: when fields are wrong.
    :raises CommitmentExists: when another commitment has that name.
    """
    actor.require(Scope.PRICES_WRITE)
    _refuse(terms.commitment_faults(draft))
    draft = replace(draft, scope=canonical_scope(draft.scope), name=draft.name.strip())
    with transaction.atomic():
        row = _insert(draft, actor, now)
        CommitmentLevel.objects.bulk_create(
            CommitmentLevel(
                commitment=row,
                position=position,
                commit=level.commit,
                percent=level.percent,
                amount=level.amount,
                unit_size=level.unit_size,
            )
            for position, level in enumerate(draft.levels, start=1)
        )
        detail = {"name": row.name, "measure": row.measure, "levels": len(draft.levels)}
        _record("recorded", row, detail, actor, now)
    return row.public_id


def put_level_in_force(
    *,
    commitment: UUID,
    level: int,
    valid_from: datetime,
    valid_to: datetime | None,
    note: str,
    actor: Actor,
    now: datetime,
) -> UUID:
    """Put a level in force over [valid_from, valid_to); return the id of the term.

    Levels in force at some of that time keep their time before and after. The change prices
    nothing until adoption.

    :raises CommitmentNotValid: when the times are wrong.
    :raises CommitmentUnknown: when there is no such commitment or level.
    """
    actor.require(Scope.PRICES_WRITE)
    _refuse([*terms.validity(valid_from, valid_to), *_note(note)])
    with transaction.atomic():
        known_at = next_knowledge(now)
        row = _level(commitment, level)
        others = list(_overlapping(row.commitment, valid_from, valid_to))
        for other in others:
            make_room(other, start=valid_from, end=valid_to, known_at=known_at, actor=actor)
        term = CommitmentTerm(
            commitment=row.commitment,
            level=row,
            valid_from=valid_from,
            valid_to=valid_to,
            known_from=known_at,
            note=note.strip(),
            created_by=actor.label,
            replaces=others[0] if others else None,
        )
        term = insert(term, CommitmentExists, _OVERLAP)
        _record("level_in_force", row.commitment, _detail(term), actor, now)
    return term.public_id


def end_level(*, term: UUID, valid_to: datetime, actor: Actor, now: datetime) -> UUID:
    """End the time of a level; return the id of the term that now says so.

    :raises CommitmentNotValid: when the end is not after the beginning and before the present end.
    :raises CommitmentUnknown: when there is no such term that is believed.
    """
    actor.require(Scope.PRICES_WRITE)
    with transaction.atomic():
        known_at = next_knowledge(now)
        row = believed(CommitmentTerm, term, CommitmentUnknown)
        _refuse([end_fault(row, valid_to)])
        forget(row, known_at)
        ended = copy_of(row, valid_to=valid_to, known_at=known_at, actor=actor)
        ended = insert(ended, CommitmentExists, _OVERLAP)
        _record("level_ended", ended.commitment, _detail(ended), actor, now)
    return ended.public_id


def withdraw_level(*, term: UUID, reason: str, actor: Actor, now: datetime) -> None:
    """Stop believing that a level was in force, from its beginning on.

    :raises CommitmentNotValid: when no reason is given.
    :raises CommitmentUnknown: when there is no such term that is believed.
    """
    actor.require(Scope.PRICES_WRITE)
    _refuse([reason_fault(reason)])
    with transaction.atomic():
        known_at = next_knowledge(now)
        row = believed(CommitmentTerm, term, CommitmentUnknown)
        forget(row, known_at)
        detail = {**_detail(row), "reason": reason.strip()[:500]}
        _record("level_withdrawn", row.commitment, detail, actor, now)


def _refuse(faults: Sequence[FieldError | None]) -> None:
    found = tuple(fault for fault in faults if fault is not None)
    if found:
        raise CommitmentNotValid(found[0].message, errors=found)


def _note(note: str) -> list[FieldError]:
    if len(note) <= 500 and "\x00" not in note:
        return []
    return [FieldError("note", "invalid", "Write at most 500 characters.")]


def _insert(draft: CommitmentDraft, actor: Actor, now: datetime) -> Commitment:
    scope = draft.scope
    row = Commitment(
        name=draft.name,
        provider=scope.provider,
        family=scope.family,
        model=scope.model,
        meter=scope.meter,
        measure=draft.measure,
        currency=draft.currency,
        note=draft.note.strip(),
        created_by=actor.label,
        created_at=now,
    )
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError as error:
        if "rating_commitment_name" not in str(error):
            raise
        message = f"A commitment {draft.name!r} exists; name this one otherwise."
        raise CommitmentExists(message) from error
    return row


def _level(commitment: UUID, position: int) -> CommitmentLevel:
    rows = CommitmentLevel.objects.select_related("commitment")
    row = rows.filter(commitment__public_id=commitment, position=position).first()
    if row is None:
        raise CommitmentUnknown(f"There is no level {position} of a commitment {commitment}.")
    return row


def _overlapping(
    commitment: Commitment, start: datetime, end: datetime | None
) -> QuerySet[CommitmentTerm]:
    rows = CommitmentTerm.objects.filter(
        Q(valid_to__isnull=True) | Q(valid_to__gt=start),
        commitment=commitment,
        known_to__isnull=True,
    ).order_by("valid_from", "id")
    return rows if end is None else rows.filter(valid_from__lt=end)


def _detail(term: CommitmentTerm) -> dict[str, object]:
    return {
        "term": term.public_id,
        "level": term.level.position,
        "commit": term.level.commit,
        "valid_from": term.valid_from,
        "valid_to": term.valid_to,
        "note": term.note,
    }


def _record(
    verb: str, row: Commitment, detail: dict[str, object], actor: Actor, now: datetime
) -> None:
    audit.record(
        actor=actor,
        action=f"commitment.{verb}",
        subject="commitment",
        subject_id=str(row.public_id),
        detail=detail,
        at=now,
    )
