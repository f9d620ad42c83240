"""Undoes what closing a backfill did, event by event."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction

from apps.budgets import services as budgets
from apps.core.domain.access import Actor
from apps.core.domain.errors import Conflict
from apps.ingest.models import Backfill, BackfillChange, Correction
from apps.ingest.services.backfill_close import some
from apps.ingest.services.backfills import BackfillUnknown, record, require_corrector
from apps.ingest.services.correct import ReasonMissing, hold_all
from apps.ingest.services.locks import again_when_moved, booking_transaction
from apps.usage import services as usage
from apps.usage.services import StoredRow


class BackfillNotClosed(Conflict):
    """Only what a backfill changed can be reverted: it is still open, or reverted, or abandoned."""

    default_code = "backfill_not_closed"


class BackfillOverlaid(Conflict):
    """Events that the backfill changed were corrected since; names some of them."""

    default_code = "backfill_overlaid"


def revert_backfill(*, backfill: UUID, reason: str, actor: Actor, now: datetime) -> None:
    """Undo what closing a backfill did, event by event; every rollup is what it was.

    :raises ReasonMissing: when the reason is blank.
    :raises BackfillNotClosed: when it is not closed, or was reverted.
    :raises BackfillOverlaid: when one of its events was corrected since; revert that first.
    """
    require_corrector(actor)
    if not reason.strip() or "\x00" in reason:
        raise ReasonMissing("Say why; the reason is kept with the backfill.")
    again_when_moved(lambda: _revert(backfill, reason.strip(), actor, now))


def _revert(backfill: UUID, reason: str, actor: Actor, now: datetime) -> None:
    sheet, calendar = usage.current_sheet()
    entry = usage.Entry(uuid.uuid4(), now)
    with transaction.atomic():
        row = Backfill.objects.select_for_update().filter(public_id=backfill).first()
        if row is None:
            raise BackfillUnknown(f"There is no backfill {backfill}.")
        if row.state != Backfill.State.CLOSED:
            raise BackfillNotClosed(f"The backfill is {row.state}; nothing of it can be undone.")
        with booking_transaction(sheet):
            book_in = hold_all(calendar)
            changes = list(BackfillChange.objects.filter(backfill=row).order_by("event_id"))
            taken, corrections = _undone(row, changes, reason, actor, now)
            Correction.objects.bulk_create(corrections, batch_size=2_000)
            usage.replace_events(taken=taken, brought=[], book_in=book_in, entry=entry)
            budgets.recount(now=now)
            Backfill.objects.filter(pk=row.pk).update(
                state=Backfill.State.REVERTED,
                reverted_by=actor.label,
                reverted_at=now,
                revert_reason=reason,
            )
            record(row, "reverted", actor=actor, now=now, reason=reason, events=len(changes))


def _undone(
    row: Backfill, changes: Sequence[BackfillChange], reason: str, actor: Actor, now: datetime
) -> tuple[list[usage.Taken], list[Correction]]:
    """Return what takes every change back, under the locks of its events."""
    names = [change.event_id for change in changes]
    usage.stored_keys(source=row.source, ids=names, lock="FOR UPDATE")
    rows = usage.rows_of_keys(keys=[change.key for change in changes])
    overlaid = [c.event_id for c in changes if not _is_as_left(c, rows[c.key])]
    if overlaid:
        raise BackfillOverlaid(some("Were corrected since; revert that first", overlaid))
    taken: list[usage.Taken] = []
    corrections: list[Correction] = []
    for change in changes:
        of = rows[change.key]
        number: int | None = None
        live = usage.standing(of)
        if live is not None:
            taken.append(usage.Taken(live, live.revision))
        if change.from_revision is not None:
            number = of[-1].revision + 1
            taken.append(usage.Taken(_signed(of, change.from_revision, -1), number))
        corrections.append(
            Correction(
                public_id=uuid.uuid4(),
                source=row.source,
                event_id=change.event_id,
                key=change.key,
                kind="void" if number is None else "revert",
                from_revision=of[-1].revision,
                to_revision=number,
                reason=f"backfill {row.public_id} reverted: {reason}",
                made_by=actor.label,
                made_at=now,
            )
        )
    return taken, corrections


def _is_as_left(change: BackfillChange, rows: Sequence[StoredRow]) -> bool:
    """Tell whether an event says what the backfill left it saying, or is void as it left it."""
    live = usage.standing(rows)
    if change.to_revision is None or live is None:
        return change.to_revision is None and live is None
    return _said(live) == _said(_signed(rows, change.to_revision, 1))


def _said(row: StoredRow) -> tuple[object, ...]:
    return row.occurred_at, row.tag_set, row.sent_sku, row.context_tokens, row.quantities


def _signed(rows: Sequence[StoredRow], revision: int, sign: int) -> StoredRow:
    return next(row for row in rows if (row.revision, row.sign) == (revision, sign))
