"""Drafts: documents that may still be given up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson
from django.db import transaction

from apps.core.domain.canonical import canonical_json, digest_of
from apps.core.domain.months import Month
from apps.documents.adapters.rendering import template_version
from apps.documents.domain.facts import LineDraft, Subject
from apps.documents.domain.states import DocumentNotDraft, Kind, State
from apps.documents.models import Document, DocumentLine
from apps.documents.selectors import row_of


def draft(
    *,
    kind: Kind,
    month: Month,
    subject: Subject,
    title: str,
    currency: str,
    total: Decimal,
    payload: Mapping[str, Any],
    lines: Sequence[LineDraft],
    now: datetime,
    supersedes: UUID | None = None,
) -> UUID:
    """Store a document that has no number yet and return its id.

    The payload is kept in its canonical form, and hashed in it. An earlier draft of the same kind,
    month and subject has to be given up first.

    :raises LayoutMissing: when documents of the kind cannot be drawn.
    """
    frozen = orjson.loads(canonical_json(payload))
    with transaction.atomic():
        row = Document.objects.create(
            kind=kind.value,
            month=month.first_day,
            subject_code=subject.code,
            subject_name=subject.name[:200],
            title=title[:300],
            currency=currency,
            total=total,
            payload=frozen,
            data_hash=digest_of(frozen),
            template_version=template_version(kind),
            supersedes=row_of(supersedes) if supersedes else None,
            created_at=now,
        )
        DocumentLine.objects.bulk_create([_line(row, line) for line in lines], batch_size=1000)
    return row.public_id


def row_id(document: UUID) -> int:
    """Return the key by which another app's row may point at a document.

    :raises DocumentMissing: when there is none.
    """
    return int(row_of(document).pk)


def give_up(*, documents: Iterable[UUID]) -> int:
    """Make drafts void and return how many; they stay readable and get no number.

    :raises DocumentNotDraft: when one of them is no draft any more; then none is changed.
    """
    wanted = set(documents)
    with transaction.atomic():
        rows = Document.objects.filter(public_id__in=wanted, state=State.DRAFT.value)
        changed = rows.update(state=State.VOID.value)
        if changed != len(wanted):
            raise DocumentNotDraft("A document was sealed or given up meanwhile; look again.")
    return changed


def _line(row: Document, line: LineDraft) -> DocumentLine:
    return DocumentLine(
        document=row,
        position=line.position,
        key=line.key,
        section=line.section,
        heading=line.heading,
        quantity=line.quantity,
        unit=line.unit,
        exact=line.exact,
        amount=line.amount,
        facts=dict(line.facts),
    )
