"""What all terms in two times share: they stop being known, and an equal or other row begins."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, TypeVar
from uuid import UUID

from django.db import IntegrityError, models, transaction

from apps.core.domain.access import Actor
from apps.core.domain.errors import Conflict, FieldError, Missing

_Term = TypeVar("_Term", bound=models.Model)
_OWN: Final = ("id", "public_id", "valid_to", "known_from", "known_to", "created_by", "replaces")


def believed(kind: type[_Term], public_id: UUID, unknown: type[Missing]) -> _Term:
    """Return the term that is believed now.

    :raises Missing: of the kind `unknown`, when there is none of that id.
    """
    row = kind._default_manager.filter(public_id=public_id, known_to__isnull=True).first()
    if row is None:
        name = kind._meta.verbose_name
        raise unknown(f"There is no {name} {public_id} that is believed now.")
    return row


def forget(row: models.Model, known_at: datetime) -> None:
    """Let a term stop being known; the one change that the database lets through."""
    type(row)._default_manager.filter(pk=row.pk).update(known_to=known_at)


def copy_of(row: _Term, *, valid_to: datetime | None, known_at: datetime, actor: Actor) -> _Term:
    """Return an equal term with another end, known from a moment on; it is not saved yet."""
    terms: dict[str, Any] = {
        field.attname: getattr(row, field.attname)
        for field in row._meta.concrete_fields
        if field.name not in _OWN
    }
    return type(row)(
        **terms, valid_to=valid_to, known_from=known_at, created_by=actor.label, replaces=row
    )


def insert(row: _Term, overlaps: type[Conflict], message: str) -> _Term:
    """Save a new term.

    :raises Conflict: of the kind `overlaps`, when one for the same holds at some of its time.
    """
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError as error:
        if "_no_overlap" not in str(error):
            raise
        raise overlaps(message) from error
    return row


def make_room(
    replaced: Any, *, start: datetime, end: datetime | None, known_at: datetime, actor: Actor
) -> None:
    """Keep a replaced term for its time before and after [start, end)."""
    forget(replaced, known_at)
    if replaced.valid_from < start:
        before = min(start, replaced.valid_to or start)
        copy_of(replaced, valid_to=before, known_at=known_at, actor=actor).save(force_insert=True)
    if end is not None and (replaced.valid_to is None or end < replaced.valid_to):
        tail = copy_of(replaced, valid_to=replaced.valid_to, known_at=known_at, actor=actor)
        tail.valid_from = max(end, replaced.valid_from)
        tail.save(force_insert=True)


def end_fault(row: Any, valid_to: datetime) -> FieldError | None:
    """Return what is wrong with an end: it lies after the beginning, before the present end."""
    if valid_to.tzinfo is None:
        return FieldError("valid_to", "timezone", "Write the moment with its offset.")
    if row.valid_from < valid_to and (row.valid_to is None or valid_to < row.valid_to):
        return None
    return FieldError("valid_to", "order", "End it after it began, before its present end.")


def reason_fault(reason: str) -> FieldError | None:
    """Return what is wrong with the reason of a withdrawal."""
    if reason.strip() and "\x00" not in reason:
        return None
    return FieldError("reason", "required", "Say in plain text why it was wrong.")
