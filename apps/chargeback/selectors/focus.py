"""Gathers a month for FOCUS, and answers what was exported."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, BinaryIO
from uuid import UUID

from apps.allocation import selectors as allocation
from apps.allocation.selectors import Axis, RunFacts
from apps.chargeback.adapters.focus_files import MEDIA_TYPES, ROWS, pieces_of
from apps.chargeback.domain.focus_columns import Dataset, FileFormat, Version, columns_of
from apps.chargeback.domain.focus_rows import (
    Invoice,
    Scene,
    cost_rows,
    invoice_rows,
    period_rows,
)
from apps.chargeback.models import Export, Statement
from apps.core.domain.access import Actor, Scope
from apps.core.domain.errors import Forbidden, Missing
from apps.core.domain.money import minor_quantum
from apps.core.domain.months import Month
from apps.directory import selectors as directory
from apps.documents import selectors as documents
from apps.documents.domain.states import State
from apps.periods import selectors as periods
from apps.periods.domain.calendar import State as PeriodState
from apps.tenants import selectors as tenants

__all__ = ["ExportFacts", "ExportMissing", "FocusFile", "export", "exports", "focus_file"]


class ExportMissing(Missing):
    """There is no such export, or its file is not ready."""

    default_code = "export_not_found"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which file is wanted."""

    month: Month
    dataset: Dataset
    version: Version = Version.V1_4
    format: FileFormat = FileFormat.CSV
    draft_keys: bool = False

    @property
    def filename(self) -> str:
        """Return the name under which it is saved."""
        name = self.dataset.value.replace("_", "-")
        return f"focus-{self.version.value}-{name}-{self.month}.{self.format.value}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FocusFile:
    """A file in pieces, each made when it is asked for; `total` counts the run's lines.

    Take the pieces within the tenant: the lines are read as they are written, so that a file of
    any length needs no more memory than a short one. A piece holds `piece_rows` rows.
    """

    pieces: Iterator[bytes]
    piece_rows: int
    media_type: str
    filename: str
    run: UUID
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportFacts:
    """An export and how far it has come."""

    id: UUID
    wanted: Wanted
    state: str
    rows: int
    rows_total: int
    sha256: str
    size: int
    error: str
    requested_at: datetime
    requested_by: str
    finished_at: datetime | None


def focus_file(*, wanted: Wanted, actor: Actor) -> FocusFile:
    """Return a month in a FOCUS dataset, from its published run.

    Lines are read while the pieces are taken, 2,000 at a time. Rows of a month that is not closed
    name invoices only where statements are issued.

    :raises Forbidden: when the actor may not read billing, or sees only own teams.
    :raises RunMissing: when the month was not allocated.
    :raises DatasetUnknown: when the version has no such dataset.
    """
    require_whole(actor)
    columns = columns_of(wanted.dataset, wanted.version)
    run = allocation.published(wanted.month)
    lines = allocation.each_line(run=run.id, axis=Axis.TEAM)
    rows = _rows(wanted, lines, _scene(wanted, run))
    return FocusFile(
        pieces=pieces_of(rows, columns, wanted.format),
        piece_rows=ROWS[wanted.format],
        media_type=MEDIA_TYPES[wanted.format],
        filename=wanted.filename,
        run=run.id,
        total=allocation.count_lines(run=run.id, axis=Axis.TEAM),
    )


def exports(*, actor: Actor, limit: int = 100) -> list[ExportFacts]:
    """Return the newest exports; one query.

    :raises Forbidden: when the actor may not read billing, or sees only own teams.
    """
    require_whole(actor)
    rows = Export.objects.order_by("-requested_at", "-id")[:limit]
    return [export_facts(row) for row in rows]


def export(*, id: UUID, actor: Actor) -> ExportFacts:
    """Return an export.

    :raises Forbidden: when the actor may not read billing, or sees only own teams.
    :raises ExportMissing: when there is none.
    """
    require_whole(actor)
    row = Export.objects.filter(public_id=id).first()
    if row is None:
        raise ExportMissing("There is no such export.")
    return export_facts(row)


def unfinished_exports(*, before: datetime) -> list[UUID]:
    """Return exports asked for before a moment that are neither done nor failed; one query."""
    rows = Export.objects.filter(state__in=("queued", "running"), requested_at__lt=before)
    return list(rows.order_by("id").values_list("public_id", flat=True))


def export_file(id: UUID) -> tuple[ExportFacts, BinaryIO]:
    """Return a finished export with its file to be read; who asks was checked by the door's link.

    :raises ExportMissing: when there is none, or it is not done.
    """
    row = Export.objects.filter(public_id=id, state="done").first()
    if row is None:
        raise ExportMissing("There is no such export, or its file is not ready yet.")
    return export_facts(row), documents.open_kept(key=row.storage_key, sha256=row.sha256)


def issued_at(run: UUID) -> datetime | None:
    """Return when the statements of a run were issued; None for drafts; one query."""
    return (
        Statement.objects.filter(run=run, document__state=State.SEALED.value)
        .order_by("-document__issued_at")
        .values_list("document__issued_at", flat=True)
        .first()
    )


def require_whole(actor: Actor) -> None:
    """Pass when the actor reads billing of the whole organization.

    :raises Forbidden: when the actor may not, or is limited to own teams or bound tags.
    """
    actor.require(Scope.BILLING_READ)
    if actor.teams is not None or actor.bound_tags:
        raise Forbidden(
            "Exports hold the whole organization; use a key or a role that is not limited to "
            "teams or tags.",
            code="whole_tenant_only",
        )


def export_facts(row: Export) -> ExportFacts:
    """Return an export as a frozen value."""
    return ExportFacts(
        id=row.public_id,
        wanted=Wanted(
            month=Month.of(row.month),
            dataset=Dataset(row.dataset),
            version=Version(row.version),
            format=FileFormat(row.format),
            draft_keys=row.draft_keys,
        ),
        state=row.state,
        rows=row.rows,
        rows_total=row.rows_total,
        sha256=row.sha256,
        size=row.size,
        error=row.error,
        requested_at=row.requested_at,
        requested_by=row.requested_by,
        finished_at=row.finished_at,
    )


def _rows(wanted: Wanted, lines: Iterable[Any], scene: Scene) -> Iterator[Mapping[str, Any]]:
    if wanted.dataset is Dataset.BILLING_PERIOD:
        return period_rows(scene)
    if wanted.dataset is Dataset.INVOICE_DETAIL:
        return invoice_rows(lines, scene)
    return cost_rows(lines, scene)


def _scene(wanted: Wanted, run: RunFacts) -> Scene:
    tenant, period = tenants.current(), periods.period(wanted.month)
    teams = directory.teams(wanted.month.last_day)
    return Scene(
        month=wanted.month,
        zone=tenant.timezone,
        currency=run.currency,
        account=tenant.slug,
        issuer=tenant.name,
        is_closed=period.state is PeriodState.CLOSED,
        created_at=run.created_at,
        updated_at=period.closed_at or run.published_at or run.created_at,
        invoices=_invoices(run),
        names={team.code: team.name for team in teams},
        draft_keys=wanted.draft_keys,
    )


def _invoices(run: RunFacts) -> dict[str, Invoice]:
    rows = (
        Statement.objects.filter(run=run.id, document__state=State.SEALED.value)
        .select_related("document__supersedes")
        .defer("document__payload", "document__supersedes__payload")
    )
    quantum = minor_quantum(run.currency)
    return {
        row.cost_center: Invoice(
            cost_center=row.cost_center,
            name=row.document.subject_name,
            number=row.document.number or "",
            total=row.document.total.quantize(quantum),
            billed=row.billed.quantize(quantum),
            issued_at=row.document.issued_at,
            replaces=(row.document.supersedes.number or "") if row.document.supersedes else "",
        )
        for row in rows
    }
