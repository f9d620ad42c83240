"""Exports in the background: asked for once, written with progress, kept, handed out by link."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from tempfile import TemporaryFile
from typing import BinaryIO, Final
from uuid import UUID

from django.db import transaction

from apps.allocation import selectors as allocation
from apps.allocation.selectors import Axis
from apps.audit import services as audit
from apps.chargeback.domain.focus_columns import columns_of
from apps.chargeback.models import Export, ExportState
from apps.chargeback.selectors import focus
from apps.chargeback.selectors.focus import ExportFacts, FocusFile, Wanted
from apps.core.domain.access import Actor, system_actor
from apps.core.domain.errors import Refusal
from apps.core.tokens import open_link, sign_link
from apps.documents import services as documents

_PURPOSE: Final = "chargeback.export"
_LIFETIME: Final = timedelta(hours=24)


def request_export(*, wanted: Wanted, actor: Actor, now: datetime) -> ExportFacts:
    """Ask for a file of a month; the same one of the same run is written once.

    The door enqueues `tasks.write_export` when the answer is not done.

    :raises Forbidden: when the actor may not read billing, or sees only own teams.
    :raises RunMissing: when the month was not allocated.
    :raises DatasetUnknown: when the version has no such dataset.
    """
    focus.require_whole(actor)
    columns_of(wanted.dataset, wanted.version)
    run = allocation.published(wanted.month)
    same = {
        "month": wanted.month.first_day,
        "dataset": wanted.dataset.value,
        "version": wanted.version.value,
        "format": wanted.format.value,
        "draft_keys": wanted.draft_keys,
        "run": run.id,
    }
    # What the rows say of invoices changes when statements are issued; only then is it rewritten.
    known = Export.objects.filter(**same).exclude(state=ExportState.FAILED).order_by("-id").first()
    if known is not None and not _is_stale(known):
        return focus.export_facts(known)
    with transaction.atomic():
        row = Export.objects.create(
            **same,
            rows_total=allocation.count_lines(run=run.id, axis=Axis.TEAM),
            requested_at=now,
            requested_by=actor.label,
        )
        audit.record(
            actor=actor,
            action="export.requested",
            subject="period",
            subject_id=str(wanted.month),
            detail={"export": row.public_id, "file": wanted.filename},
            at=now,
        )
    return focus.export_facts(row)


def write_export(*, id: UUID, now: datetime) -> ExportFacts:
    """Write a file and keep it, in pieces of a bounded size; doing it twice does it once.

    A worker that dies leaves a row that the next one takes up. A refusal is noted on the row.

    :raises ExportMissing: when there is no such export.
    """
    actor = system_actor("exports")
    facts = focus.export(id=id, actor=actor)
    if facts.state == ExportState.DONE:
        return facts
    Export.objects.filter(public_id=id).update(state=ExportState.RUNNING, rows=0, error="")
    try:
        file = focus.focus_file(wanted=facts.wanted, actor=actor)
        with TemporaryFile() as spooled:
            spooled.writelines(_counted(id, file))
            kept = documents.keep_stream(
                month=facts.wanted.month,
                name=f"export-{id}",
                suffix=facts.wanted.format.value,
                file=spooled,
            )
    except Refusal as refusal:
        Export.objects.filter(public_id=id).update(
            state=ExportState.FAILED, error=refusal.message, finished_at=now
        )
        return focus.export(id=id, actor=actor)
    Export.objects.filter(public_id=id).update(
        state=ExportState.DONE,
        rows=file.total,
        rows_total=file.total,
        sha256=kept.sha256,
        size=kept.size,
        storage_key=kept.key,
        run=file.run,
        finished_at=now,
    )
    return focus.export(id=id, actor=actor)


def export_link(*, id: UUID, actor: Actor) -> str:
    """Return a path that downloads a finished export for a day without a sign-in.

    :raises Forbidden: when the actor may not read billing, or sees only own teams.
    :raises ExportMissing: when there is none.
    """
    facts = focus.export(id=id, actor=actor)
    return f"/exports/file/{sign_link(purpose=_PURPOSE, value=str(facts.id))}/"


def open_export(*, token: str) -> tuple[ExportFacts, BinaryIO]:
    """Return the export that a link names, with its file to be read.

    :raises LinkInvalid: when the link was altered, is another tenant's or has expired.
    :raises ExportMissing: when its file is not ready.
    """
    value = open_link(purpose=_PURPOSE, token=token, lifetime=_LIFETIME)
    return focus.export_file(UUID(value))


def _counted(id: UUID, file: FocusFile) -> Iterator[bytes]:
    """Pass pieces on and note how many rows they hold."""
    for number, piece in enumerate(file.pieces, start=1):
        rows = min(number * file.piece_rows, file.total)
        Export.objects.filter(public_id=id).update(rows=rows)
        yield piece


def _is_stale(known: Export) -> bool:
    """Tell whether statements were issued after a file was asked for."""
    issued = focus.issued_at(known.run)
    return issued is not None and known.requested_at < issued
