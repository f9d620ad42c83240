"""Hands out statements and roll-ups as files."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from apps.chargeback import selectors
from apps.core.domain.access import Actor
from apps.documents import selectors as documents
from apps.documents import services as document_services
from apps.documents.domain.states import Format, State


def hand_out(
    *, id: UUID, format: Format, locale: str, actor: Actor, now: datetime
) -> documents.DocumentFile:
    """Return a statement as a file.

    Of an issued statement the bytes on record are served; they are drawn and kept now when no
    task has done so yet. A draft is drawn for reading and marked as one.

    :raises Forbidden: when the actor may not read billing.
    :raises StatementMissing: when there is none, or the actor may not see it.
    :raises DocumentAltered: when the stored bytes or the content are not what was put on record.
    """
    detail = selectors.statement(id, actor=actor)
    if detail.facts.state == State.SEALED.value:
        document_services.render(document=id, format=format, locale=locale, now=now)
    return documents.file_of(document=id, format=format, locale=locale)


def hand_out_rollup(
    *, id: UUID, format: Format, locale: str, actor: Actor, now: datetime
) -> documents.DocumentFile:
    """Return a roll-up as a file: the bytes on record, drawn and kept now when there are none.

    :raises Forbidden: when the actor may not read costs, or sees only some of them.
    :raises RollupMissing: when there is none.
    :raises DocumentAltered: when the stored bytes or the content are not what was put on record.
    """
    selectors.rollup(id, actor=actor)
    document_services.render(document=id, format=format, locale=locale, now=now)
    return documents.file_of(document=id, format=format, locale=locale)
