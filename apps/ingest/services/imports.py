"""Imports files: events through the one path, FOCUS bills through the costs'."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import IO, Final

from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import Q

from apps.core.db import current_schema
from apps.core.domain.access import Actor, Scope
from apps.core.domain.errors import Conflict, Forbidden, Invalid, Missing, Refusal, TooLarge
from apps.costs import services as costs
from apps.ingest.adapters import files
from apps.ingest.domain.layouts import FOCUS, LAYOUTS, Row, drafts_of, layout_of
from apps.ingest.domain.receipt import Receipt
from apps.ingest.models import Import, IngestBatch, Part
from apps.ingest.selectors import own
from apps.ingest.services.accept import accept_events

ROWS: Final = 5_000
"""Rows of one transaction."""

MOST_WEIGHT: Final = 16 * 1024 * 1024
"""Characters of one transaction: logs may carry whole conversations."""

SILENCE: Final = timedelta(minutes=10)
"""After so long without a sign of life the worker of an import is taken for dead."""

MOST_ATTEMPTS: Final = 5
"""So often an import is begun without storing a part before it is given up."""

_NO_PROGRESS: Final = (
    "The import broke off five times after row {rows}; the log of the workers says why. Send the "
    "file again when that is mended: what is stored counts as duplicates."
)
MOST_BYTES: Final = 1024 * 1024 * 1024
ERRORS_KEPT: Final = 1_000
"""Errors that the row of an import shows; `ImportProblem` keeps every one."""


class ImportUnknown(Missing):
    """There is no such import."""

    default_code = "import_not_found"


class ImportRefused(Invalid):
    """What was asked for fits no import."""

    default_code = "import_refused"


class ImportOver(Conflict):
    """The import has ended; there is nothing left to cancel."""

    default_code = "import_over"


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that came in, and what it is; a kind of "" is told by the file's first row."""

    name: str
    file: IO[bytes]
    size: int
    form: str = ""
    kind: str = "native"
    source: str = ""
    provider_account: str = ""


@dataclass(frozen=True, slots=True)
class Stored:
    """A part of a file that was stored: what was read of it, and what became of it."""

    part: Part
    receipt: Receipt


def start_import(*, upload: Upload, actor: Actor, now: datetime) -> uuid.UUID:
    """Store a file and queue its import; return the id. The door enqueues `run_import`.

    :raises FileRefused: when its form cannot be told.
    :raises ImportRefused: when a FOCUS file names no provider account, or is no CSV.
    :raises TooLarge: when it is longer than 1 GiB.
    """
    form = files.form_of(upload.name, upload.form)
    if upload.size > MOST_BYTES:
        raise TooLarge("The file is longer than 1 GiB; send it in parts.", code="file_too_large")
    kind = upload.kind or _told_kind(upload.file, form)
    _check(kind, form, upload, actor)
    bound = _bound_tags(actor)
    public_id = uuid.uuid4()
    key = f"{current_schema()}/imports/{public_id}.{form}"
    row = Import.objects.create(
        public_id=public_id,
        name=upload.name[-254:],
        kind=kind,
        form=form,
        source=upload.source,
        provider_account=upload.provider_account,
        storage_key=default_storage.save(key, upload.file),
        size=upload.size,
        bound_tags=bound,
        created_by=actor.label,
        of_key=actor.key_id,
        of_user=actor.user_id,
        created_at=now,
    )
    return row.public_id


def cancel_import(*, import_id: uuid.UUID, actor: Actor) -> None:
    """Ask a running import to begin no further part; what is stored stays.

    :raises ImportUnknown: when there is none, or none that the actor may see.
    :raises ImportOver: when it has ended.
    """
    actor.require(Scope.USAGE_WRITE)
    row = own(Import.objects.filter(public_id=import_id), actor=actor).first()
    if row is None:
        raise ImportUnknown(f"There is no import {import_id}.")
    if row.kind == FOCUS or not row.cancel():
        raise ImportOver("The import has ended, or is a bill, which is taken whole.")


def take_up_imports(*, now: datetime) -> list[uuid.UUID]:
    """Return unfinished imports that nobody worked on for ten minutes, once in ten minutes each."""
    silent = Import.objects.filter(finished_at__isnull=True).filter(
        Q(alive_at__lt=now - SILENCE) | Q(alive_at__isnull=True, created_at__lt=now - SILENCE)
    )
    found = list(silent.order_by("pk").values_list("pk", "public_id", "alive_at"))
    noted = {
        pk: Import.objects.filter(pk=pk, alive_at=alive_at).update(alive_at=now)
        for pk, _, alive_at in found
    }
    return [public_id for pk, public_id, _ in found if noted[pk]]


def run_import(
    *,
    import_id: uuid.UUID,
    clock: Callable[[], datetime],
    told: Callable[[Stored], None] | None = None,
) -> None:
    """Import a queued file to its end; running it again goes on where it broke off.

    Every part is a transaction of its own. One that was stored and not yet counted, because the
    worker was killed in between, is found by its receipt and counted once. A worker that still
    has the import loses it to this one. `told` hears of every part.

    :raises ImportUnknown: when there is no such import.
    """
    row = Import.objects.filter(public_id=import_id).first()
    if row is None:
        raise ImportUnknown(f"There is no import {import_id}.")
    if not row.take(at=clock()):
        return
    if row.attempts > MOST_ATTEMPTS:
        row.finish(at=clock(), failure=_NO_PROGRESS.format(rows=row.rows_done))
        return
    try:
        with default_storage.open(row.storage_key) as file:
            if row.kind == FOCUS:
                _import_bills(row, file, clock())
            elif not _import_events(row, file, clock, told):
                return
    except Refusal as refusal:
        row.finish(at=clock(), failure=refusal.message)
        return
    row.finish(at=clock())


def import_events(
    *,
    upload: Upload,
    actor: Actor,
    clock: Callable[[], datetime],
    skip: int = 0,
) -> Iterator[Stored]:
    """Import a file of events part by part; yield what became of each part.

    Indexes of errors count the rows of the file from 0. The first `skip` rows are passed over.

    :raises FileRefused: when the file cannot be read.
    """
    for rows, read in _parts(upload, skip):
        yield _store(rows, upload, actor, clock(), first=skip, read=read)
        skip += len(rows)


def _parts(upload: Upload, skip: int) -> Iterator[tuple[list[Row], int]]:
    """Yield the rows of each part, and the bytes read with it; the same whenever it is begun."""
    rows = files.Rows(upload.file, files.form_of(upload.name, upload.form))
    part: list[Row] = []
    start = 0
    for row in islice(rows, skip, None):
        if not part:
            start = rows.before
        part.append(row)
        if len(part) == ROWS or rows.weight - start > MOST_WEIGHT:
            yield part, rows.read(upload.size)
            part = []
    if part:
        yield part, rows.read(upload.size)


def _store(
    rows: list[Row], upload: Upload, actor: Actor, at: datetime, *, first: int, read: int
) -> Stored:
    lax = files.form_of(upload.name, upload.form) == "csv"
    taken = drafts_of(rows, layout=upload.kind or layout_of(rows[0]), source=upload.source, lax=lax)
    receipt = accept_events(drafts=taken.drafts, actor=actor, received_at=at)
    errors = tuple(
        replace(error, index=first + taken.places[error.index]) for error in receipt.errors
    )
    return Stored(Part(len(rows), read, taken.ignored), replace(receipt, errors=errors))


def _import_events(
    row: Import,
    file: IO[bytes],
    clock: Callable[[], datetime],
    told: Callable[[Stored], None] | None,
) -> bool:
    """Import what is left of a file; False when another worker has taken it over."""
    actor = Actor(
        kind="key",
        label=row.created_by,
        scopes=frozenset({Scope.USAGE_WRITE}),
        user_id=row.of_user,
        bound_tags=row.bound_tags,
        key_id=row.of_key,
    )
    upload = Upload(row.name, file, row.size, form=row.form, kind=row.kind, source=row.source)
    for rows, read in _parts(upload, row.rows_done):
        row.refresh_from_db(fields=["is_cancelled"])
        if row.is_cancelled:
            return True
        at, was_begun = clock(), row.part_at is not None
        part_at = row.part_at or at
        if not row.begin_part(at=at, part_at=part_at):
            return False
        stored = _store(rows, upload, actor, part_at, first=row.rows_done, read=read)
        if was_begun:
            stored = _as_first_stored(stored, _first_receipt(row, part_at))
        with transaction.atomic():
            if not row.advance(stored.receipt, part=stored.part, keep=ERRORS_KEPT):
                return False
        if told is not None:
            told(stored)
    return True


def _first_receipt(row: Import, part_at: datetime) -> IngestBatch:
    """Return the receipt of a part's first storing, by this worker or one that died or lost it.

    Asked after the part was stored again, which waits for a worker that is storing it still. All
    that was new went in with one of them.
    """
    sent = IngestBatch.objects.filter(received_at=part_at, received_from=row.created_by)
    return sent.filter(of_key=row.of_key, of_user=row.of_user).order_by("-accepted", "pk")[0]


def _as_first_stored(stored: Stored, left: IngestBatch) -> Stored:
    """Return a part that was sent again with the counts of its first receipt.

    What had been stored shows as duplicates now; what was wrong is wrong again.
    """
    receipt = replace(
        stored.receipt,
        accepted=left.accepted,
        duplicates=left.duplicates,
        conflicts=left.conflicts,
        rejected=left.rejected,
        unpriced=left.unpriced,
    )
    return replace(stored, receipt=receipt)


def _bound_tags(actor: Actor) -> dict[str, str]:
    """Return the tags that every row will carry: a file is read later, by nobody in particular."""
    if actor.teams is None:
        return dict(actor.bound_tags)
    if len(actor.teams) != 1:
        raise Forbidden(
            "A file is imported for one team; import with a key bound to it.", code="sight_limited"
        )
    return {"team": next(iter(actor.teams)), **actor.bound_tags}


def _import_bills(row: Import, file: IO[bytes], now: datetime) -> None:
    actor = Actor(kind="key", label=row.created_by, scopes=frozenset({Scope.BILLING_WRITE}))
    report = costs.import_focus(
        file=file,
        provider_account=row.provider_account,
        actor=actor,
        now=now,
        file_name=row.name,
    )
    row.started_at = now
    row.rows_done = report.rows + report.rejected
    row.size_done = row.size
    row.accepted = 0 if report.already_imported else report.rows
    row.duplicates = report.rows if report.already_imported else 0
    row.rejected = report.rejected
    row.errors = [
        {
            "index": refused.line,
            "id": None,
            "code": error.code,
            "field": error.field,
            "message": error.message,
        }
        for refused in report.errors
        for error in refused.errors
    ][:ERRORS_KEPT]


def _told_kind(file: IO[bytes], form: str) -> str:
    """Return what the first row says that a file is, and wind the file back."""
    rows = files.Rows(file, form).__iter__()
    first = next(rows, "")
    rows.close()
    file.seek(0)
    return layout_of(first)


def _check(kind: str, form: str, upload: Upload, actor: Actor) -> None:
    if kind in LAYOUTS:
        actor.require(Scope.USAGE_WRITE)
        return
    if kind != FOCUS:
        raise ImportRefused(f"The kind is {', '.join(LAYOUTS)} or focus, not {kind[:20]!r}.")
    actor.require(Scope.BILLING_WRITE)
    if not upload.provider_account or form != "csv":
        raise ImportRefused("A FOCUS file is a CSV, and names the provider_account it bills.")
