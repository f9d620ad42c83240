"""Imports files: events through the one path, FOCUS bills through the costs'."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import IO, Any, Final

from django.core.files.storage import default_storage

from apps.core.db import current_schema
from apps.core.domain.access import Actor, Scope
from apps.core.domain.errors import Forbidden, Invalid, Missing, Refusal, TooLarge
from apps.costs import services as costs
from apps.ingest.adapters import files
from apps.ingest.domain.receipt import Receipt
from apps.ingest.domain.rows import event_of
from apps.ingest.models import Import
from apps.ingest.services.accept import accept_events
from apps.usage.domain.decode import draft_of
from apps.usage.domain.drafts import Draft, Problem, Rejected

ROWS: Final = 5_000
"""Rows of one transaction."""

MOST_BYTES: Final = 1024 * 1024 * 1024
ERRORS_KEPT: Final = 1_000


class ImportUnknown(Missing):
    """There is no such import."""

    default_code = "import_not_found"


class ImportRefused(Invalid):
    """What was asked for fits no import."""

    default_code = "import_refused"


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that came in, and what it is."""

    name: str
    file: IO[bytes]
    size: int
    form: str = ""
    kind: str = "native"
    source: str = ""
    provider_account: str = ""


def start_import(*, upload: Upload, actor: Actor, now: datetime) -> uuid.UUID:
    """Store a file and queue its import; return the id. The door enqueues `run_import`.

    :raises FileRefused: when its form cannot be told.
    :raises ImportRefused: when a FOCUS file names no provider account, or is no CSV.
    :raises TooLarge: when it is longer than 1 GiB.
    """
    form = _check(upload, actor)
    if upload.size > MOST_BYTES:
        raise TooLarge("The file is longer than 1 GiB; send it in parts.", code="file_too_large")
    bound = _bound_tags(actor)
    public_id = uuid.uuid4()
    key = f"{current_schema()}/imports/{public_id}.{form}"
    row = Import.objects.create(
        public_id=public_id,
        name=upload.name[-254:],
        kind=upload.kind,
        form=form,
        source=upload.source,
        provider_account=upload.provider_account,
        storage_key=default_storage.save(key, upload.file),
        size=upload.size,
        bound_tags=bound,
        created_by=actor.label,
        created_at=now,
    )
    return row.public_id


def _bound_tags(actor: Actor) -> dict[str, str]:
    """Return the tags that every row will carry: a file is read later, by nobody in particular."""
    if actor.teams is None:
        return dict(actor.bound_tags)
    if len(actor.teams) != 1:
        raise Forbidden(
            "A file is imported for one team; import with a key bound to it.", code="sight_limited"
        )
    return {"team": next(iter(actor.teams)), **actor.bound_tags}


def run_import(*, import_id: uuid.UUID, clock: Callable[[], datetime]) -> None:
    """Import a queued file to its end; running it again goes on where it broke off.

    Every part is a transaction of its own. Rows of a part that was stored and not yet counted
    are found to be duplicates.

    :raises ImportUnknown: when there is no such import.
    """
    row = Import.objects.filter(public_id=import_id).first()
    if row is None:
        raise ImportUnknown(f"There is no import {import_id}.")
    if row.finished_at is not None:
        return
    try:
        with default_storage.open(row.storage_key) as file:
            if row.kind == "focus":
                _import_bills(row, file, clock())
            else:
                _import_events(row, file, clock)
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
) -> Iterator[tuple[int, Receipt]]:
    """Import a file of events part by part; yield rows read and the receipt of each part.

    Indexes of errors count the rows of the file from 0. The first `skip` rows are passed over.

    :raises FileRefused: when the file cannot be read.
    """
    form = files.form_of(upload.name, upload.form)
    read = islice(files.rows(upload.file, form), skip, None)
    lax = form == "csv"
    first = skip
    while part := list(islice(read, ROWS)):
        drafts = [_draft(row, index, upload.source, lax=lax) for index, row in enumerate(part)]
        receipt = accept_events(drafts=drafts, actor=actor, received_at=clock())
        yield len(part), _counted_from(receipt, first)
        first += len(part)


def _import_events(row: Import, file: IO[bytes], clock: Callable[[], datetime]) -> None:
    actor = Actor(
        kind="key",
        label=row.created_by,
        scopes=frozenset({Scope.USAGE_WRITE}),
        bound_tags=row.bound_tags,
    )
    upload = Upload(row.name, file, row.size, form=row.form, source=row.source)
    for rows, receipt in import_events(upload=upload, actor=actor, clock=clock, skip=row.rows_done):
        row.advance(receipt, rows=rows, keep=ERRORS_KEPT)


def _import_bills(row: Import, file: IO[bytes], now: datetime) -> None:
    actor = Actor(kind="key", label=row.created_by, scopes=frozenset({Scope.BILLING_WRITE}))
    report = costs.import_focus(
        file=file,
        provider_account=row.provider_account,
        actor=actor,
        now=now,
        file_name=row.name,
    )
    row.rows_done = report.rows + report.rejected
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


def _check(upload: Upload, actor: Actor) -> str:
    form = files.form_of(upload.name, upload.form)
    if upload.kind == "native":
        actor.require(Scope.USAGE_WRITE)
        return form
    if upload.kind != "focus":
        raise ImportRefused(f"The kind is native or focus, not {upload.kind[:20]!r}.")
    actor.require(Scope.BILLING_WRITE)
    if not upload.provider_account or form != "csv":
        raise ImportRefused("A FOCUS file is a CSV, and names the provider_account it bills.")
    return form


def _draft(row: Mapping[str, Any] | str, index: int, source: str, *, lax: bool) -> Draft | Rejected:
    if isinstance(row, str):
        return Rejected(index, None, Problem(None, "row", row))
    return draft_of(event_of(row), index=index, source=source or None, lax=lax)


def _counted_from(receipt: Receipt, first: int) -> Receipt:
    """Return the receipt of a part with indexes that count from the file's first row."""
    errors = tuple(replace(error, index=error.index + first) for error in receipt.errors)
    return replace(receipt, errors=errors)
