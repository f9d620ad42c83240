"""Sealing: a document gets its number and never changes again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from uuid import UUID

from django.db import connection, transaction

from apps.core.db import current_schema
from apps.documents.domain.facts import IssueFacts
from apps.documents.domain.numbers import checked_series, number_of
from apps.documents.domain.states import DocumentNotDraft, State
from apps.documents.models import Document

_TAKE = """
INSERT INTO {schema}.documents_numberseries AS series (code, last) VALUES (%s, %s)
ON CONFLICT (code) DO UPDATE SET last = series.last + excluded.last
RETURNING last
"""


def seal(*, document: UUID, series: str, issue: IssueFacts, now: datetime) -> str:
    """Seal one draft and return its number; see `seal_all`.

    :raises DocumentNotDraft: when it is no draft any more.
    """
    return seal_all(documents=[document], series=series, issue=issue, now=now)[0]


def seal_all(
    *, documents: Sequence[UUID], series: str, issue: IssueFacts, now: datetime
) -> list[str]:
    """Seal drafts in the order given and return their numbers, which follow each other.

    Call it late in a transaction, before the audit record: from here on others who seal in the
    same series wait (rule 9). A rollback gives the numbers back, so the series keeps no gap.

    :raises DocumentNotDraft: when one of them is no draft any more; then none is sealed.
    :raises SeriesInvalid: when the series has another form than STM-2026-10.
    """
    checked_series(series)
    if not documents:
        return []
    with transaction.atomic():
        rows = _locked_drafts(documents)
        first = _take(series, len(rows)) - len(rows) + 1
        for ordinal, row in enumerate(rows, start=first):
            number = number_of(series, ordinal)
            row.take_number(
                series=series, ordinal=ordinal, number=number, at=now, issue=asdict(issue)
            )
    return [str(row.number) for row in rows]


def _locked_drafts(documents: Sequence[UUID]) -> list[Document]:
    """Return the drafts in the order given, locked in the order of their rows."""
    rows = Document.objects.select_for_update().filter(
        public_id__in=documents, state=State.DRAFT.value
    )
    found = {row.public_id: row for row in rows.order_by("id")}
    if len(found) != len(set(documents)) or len(found) != len(documents):
        raise DocumentNotDraft("A document was sealed or given up meanwhile; look again.")
    return [found[id] for id in documents]


def _take(series: str, count: int) -> int:
    """Take numbers from a series and return the last of them; holds the series until COMMIT."""
    schema = connection.ops.quote_name(current_schema())
    with connection.cursor() as cursor:
        cursor.execute(_TAKE.format(schema=schema), [series, count])
        last: int = cursor.fetchone()[0]
    return last
