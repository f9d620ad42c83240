"""Questions about what came through the doors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db.models import Count

from apps.core.domain.access import Actor
from apps.core.domain.errors import Forbidden, Missing
from apps.ingest.domain import event_mapping as event_mapping_domain
from apps.ingest.domain.foreign import Door
from apps.ingest.models import (
    Backfill,
    BackfillChange,
    EventMapping,
    Import,
    ImportProblem,
    IngestBatch,
)


class BatchMissing(Missing):
    """There is no such batch, or none that the actor may see."""

    default_code = "batch_not_found"


@dataclass(frozen=True, slots=True)
class BatchFacts:
    """A stored receipt; at most 1,000 errors are kept of a batch."""

    id: UUID
    received_at: datetime
    received_from: str
    accepted: int
    duplicates: int
    conflicts: int
    rejected: int
    unpriced: int
    errors: tuple[dict[str, Any], ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the receipt as the API shows it."""
        return {
            "accepted": self.accepted,
            "duplicates": self.duplicates,
            "conflicts": self.conflicts,
            "rejected": self.rejected,
            "unpriced": self.unpriced,
            "batch": str(self.id),
            "errors": list(self.errors),
            "received_at": self.received_at,
            "received_from": self.received_from,
        }


def batch(*, batch: UUID, actor: Actor) -> BatchFacts:
    """Return a receipt; those limited to teams or tags see their own only.

    :raises BatchMissing: when there is none.
    """
    row = _seen_by(actor).filter(public_id=batch).first()
    if row is None:
        raise BatchMissing(f"There is no batch {batch}.")
    return _facts(row)


def batches(*, before: int | None, limit: int, actor: Actor) -> Sequence[tuple[int, BatchFacts]]:
    """Return receipts with their cursors, the newest first."""
    rows = _seen_by(actor)
    if before is not None:
        rows = rows.filter(pk__lt=before)
    return [(row.pk, _facts(row)) for row in rows.order_by("-id")[:limit]]


@dataclass(frozen=True, slots=True)
class EventMappingFacts:
    """What events of one type mean here, and since when."""

    id: UUID
    door: str
    name: str
    fields: dict[str, str]
    created_by: str
    created_at: datetime
    retired_by: str
    retired_at: datetime | None


def event_mappings(*, retired: bool = False) -> list[EventMappingFacts]:
    """Return the mappings in force, or those retired (the newest first), by door and name."""
    rows = EventMapping.objects.filter(retired_at__isnull=not retired)
    return [_mapping_facts(row) for row in rows.order_by("door", "name", "-id")[:_MOST_MAPPINGS]]


def event_mapping(*, mapping: UUID) -> EventMappingFacts | None:
    """Return a mapping, in force or retired; None when there is none."""
    row = EventMapping.objects.filter(public_id=mapping).first()
    return None if row is None else _mapping_facts(row)


def mappings_in_force(
    *, wanted: Mapping[Door, set[str]]
) -> dict[tuple[Door, str], event_mapping_domain.EventMapping]:
    """Return the mappings of the wanted types, by door and name; one query."""
    found = EventMapping.objects.filter(
        retired_at=None, door__in=list(wanted), name__in=set().union(*wanted.values())
    )
    return {
        (Door(row.door), row.name): event_mapping_domain.EventMapping(row.fields) for row in found
    }


def _mapping_facts(row: EventMapping) -> EventMappingFacts:
    return EventMappingFacts(
        id=row.public_id,
        door=row.door,
        name=row.name,
        fields=row.fields,
        created_by=row.created_by,
        created_at=row.created_at,
        retired_by=row.retired_by,
        retired_at=row.retired_at,
    )


_MOST_MAPPINGS: Final = 1_000


class ImportMissing(Missing):
    """There is no such import, or none that the actor may see."""

    default_code = "import_not_found"


@dataclass(frozen=True, slots=True)
class ImportFacts:
    """How far the import of a file has come; at most 1,000 errors are shown."""

    id: UUID
    name: str
    kind: str
    form: str
    size: int
    size_done: int
    state: str
    rows: int
    ignored: int
    accepted: int
    duplicates: int
    conflicts: int
    rejected: int
    unpriced: int
    errors: tuple[dict[str, Any], ...]
    message: str
    created_by: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    is_cancelled: bool

    def as_dict(self) -> dict[str, Any]:
        """Return the import as the API shows it."""
        return asdict(self) | {"id": str(self.id), "errors": list(self.errors)}


def one_import(*, import_id: UUID, actor: Actor) -> ImportFacts:
    """Return an import; those limited to teams or tags see their own only.

    :raises ImportMissing: when there is none.
    """
    row = _imports_of(actor).filter(public_id=import_id).first()
    if row is None:
        raise ImportMissing(f"There is no import {import_id}.")
    return _import_facts(row)


def imports(*, actor: Actor, limit: int = 500) -> list[ImportFacts]:
    """Return the latest imports, the newest first."""
    return [_import_facts(row) for row in _imports_of(actor).order_by("-id")[:limit]]


def _imports_of(actor: Actor) -> Any:
    return own(Import.objects.all(), actor=actor)


def own(rows: Any, *, actor: Actor) -> Any:
    """Return the batches or imports that the actor may see: all, or what it brought itself.

    A key with bound tags sees its own alone, a member what any of the member's keys brought too.
    """
    if actor.bound_tags and actor.key_id is not None:
        return rows.filter(of_key=actor.key_id)
    if not actor.is_limited:
        return rows
    return rows.filter(of_user=actor.user_id) if actor.is_person else rows.none()


def _import_facts(row: Import) -> ImportFacts:
    return ImportFacts(
        id=row.public_id,
        name=row.name,
        kind=row.kind,
        form=row.form,
        size=row.size,
        size_done=row.size_done,
        state=row.state,
        rows=row.rows_done,
        ignored=row.ignored,
        accepted=row.accepted,
        duplicates=row.duplicates,
        conflicts=row.conflicts,
        rejected=row.rejected,
        unpriced=row.unpriced,
        errors=tuple(row.errors),
        message=row.message,
        created_by=row.created_by,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        is_cancelled=row.is_cancelled,
    )


def import_problems(*, import_id: UUID, actor: Actor) -> Iterator[tuple[int, str, str, str, str]]:
    """Yield every row of a file that was not stored, by row, as `report.HEADS` has it.

    :raises ImportMissing: when there is no such import, or none that the actor may see.
    """
    row = _imports_of(actor).filter(public_id=import_id).first()
    if row is None:
        raise ImportMissing(f"There is no import {import_id}.")
    problems = ImportProblem.objects.filter(of_import=row).order_by("row")
    names = ("row", "event_id", "code", "field", "message")
    return iter(problems.values_list(*names).iterator(chunk_size=2_000))


def _seen_by(actor: Actor) -> Any:
    return own(IngestBatch.objects.all(), actor=actor)


def _facts(row: IngestBatch) -> BatchFacts:
    return BatchFacts(
        id=row.public_id,
        received_at=row.received_at,
        received_from=row.received_from,
        accepted=row.accepted,
        duplicates=row.duplicates,
        conflicts=row.conflicts,
        rejected=row.rejected,
        unpriced=row.unpriced,
        errors=tuple(row.errors),
    )


@dataclass(frozen=True, slots=True)
class BackfillFacts:
    """A backfill: its scope, who opened it and why, how far it has come, what it did."""

    id: UUID
    source: str
    starts_at: datetime
    ends_at: datetime
    tags: Mapping[str, str]
    reason: str
    state: str
    opened_by: str
    opened_at: datetime
    settled_by: str
    settled_at: datetime | None
    reverted_by: str
    reverted_at: datetime | None
    revert_reason: str
    posted: int
    kept: int
    added: int
    amended: int
    voided: int


def pending_imports() -> list[str]:
    """Return the names of files that are still being imported, whoever sent them; one query."""
    rows = Import.objects.filter(state__in=[Import.State.QUEUED, Import.State.RUNNING])
    return list(rows.order_by("id").values_list("name", flat=True))


def open_backfills(*, start: datetime, end: datetime) -> list[str]:
    """Return the sources of open backfills that touch [start, end); one query."""
    rows = Backfill.objects.filter(state=Backfill.State.OPEN, starts_at__lt=end, ends_at__gt=start)
    return list(rows.order_by("id").values_list("source", flat=True))


def backfills(*, actor: Actor) -> list[BackfillFacts]:
    """Return the latest 200 backfills, the newest first.

    :raises Forbidden: when the actor sees some of the usage only.
    """
    require_whole_sight(actor)
    return [_backfill(row) for row in _backfill_rows()[:200]]


def backfill(*, id: UUID, actor: Actor) -> BackfillFacts:
    """Return one backfill.

    :raises Missing: when there is none.
    :raises Forbidden: when the actor sees some of the usage only.
    """
    require_whole_sight(actor)
    row = _backfill_rows().filter(public_id=id).first()
    if row is None:
        raise Missing(f"There is no backfill {id}.", code="backfill_not_found")
    return _backfill(row)


@dataclass(frozen=True, slots=True)
class BackfilledFacts:
    """What a backfill did to one event, and when it was undone, if it was."""

    backfill: UUID
    kind: str
    reason: str
    at: datetime
    by: str
    reverted_at: datetime | None


def backfills_of(*, source: str, event_id: str) -> list[BackfilledFacts]:
    """Return what backfills did to an event, the first first."""
    rows = BackfillChange.objects.select_related("backfill").filter(
        backfill__source=source, event_id=event_id
    )
    return [
        BackfilledFacts(
            backfill=row.backfill.public_id,
            kind=row.kind,
            reason=row.backfill.reason,
            at=row.backfill.settled_at or row.backfill.opened_at,
            by=row.backfill.settled_by,
            reverted_at=row.backfill.reverted_at,
        )
        for row in rows.order_by("id")[:100]
    ]


def require_whole_sight(actor: Actor) -> None:
    """Pass who sees all usage: a backfill replaces it whosever it is.

    :raises Forbidden: when the actor is limited to teams or tags.
    """
    if actor.teams is not None or actor.bound_tags:
        raise Forbidden(
            "A backfill replaces usage whosever it is; ask somebody who sees all of it.",
            code="limited",
        )


def _backfill_rows() -> Any:
    return Backfill.objects.annotate(posted=Count("backfillevent")).order_by("-id")


def _backfill(row: Any) -> BackfillFacts:
    return BackfillFacts(
        id=row.public_id,
        **{name: getattr(row, name) for name in BackfillFacts.__dataclass_fields__ if name != "id"},
    )
