"""Journals: made once a closed month, taken back when it was closed anew, handed out, posted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import IntegrityError, transaction

from apps.allocation.domain.sight import require_everything
from apps.audit import services as audit
from apps.chargeback.domain.journal import (
    Entry,
    JournalFacts,
    JournalKind,
    JournalMissing,
    NothingToPost,
    entries_of,
    hash_of,
    reversed_entries,
    totals_of,
)
from apps.chargeback.domain.journal_layout import (
    AMOUNTS,
    Header,
    Layout,
    cells_of,
    text_of,
)
from apps.chargeback.models import (
    Journal,
    JournalFile,
    JournalLine,
)
from apps.chargeback.selectors import booking as books
from apps.chargeback.selectors.sets import set_of
from apps.core.domain.access import Actor, Scope
from apps.core.domain.canonical import digest_of
from apps.core.domain.months import Month
from apps.documents import selectors as stored
from apps.documents import services as documents
from apps.documents.domain.sheets import Cell, Column, Sheet
from apps.notifications import services as notifications
from apps.notifications.domain.topics import Topic
from apps.periods import services as periods

MEDIA_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalBytes:
    """A journal as a file."""

    content: bytes
    sha256: str
    media_type: str
    filename: str


def prepare_journal(*, month: Month, actor: Actor, now: datetime) -> JournalFacts:
    """Make the journal of a closed month from its issued statements, and return it.

    Idempotent: a run has one journal. When the month was closed anew, the journals of the runs
    before are taken back by reversals in the same transaction; when nothing is charged any more,
    the last reversal is returned.

    :raises Forbidden: when the actor may not read billing, or sees only some teams or tags.
    :raises MonthNotClosed: when the month is not closed.
    :raises AccountsMissing: when a cost center or provider has no account; they are named.
    :raises NothingToPost: when nothing is charged.
    """
    actor.require(Scope.BILLING_READ)
    require_everything(actor)
    run = books.closed_run(month)
    known = _of_run(run, actor)
    if known is not None:
        return known
    try:
        with transaction.atomic():
            periods.hold_open(months=[month])  # nobody reopens it meanwhile (docs/locking.md)
            books.closed_run(month)
            row = _make(month, run, actor, now)
    except IntegrityError:
        known = _of_run(run, actor)  # another one made it meanwhile
        if known is None:
            raise
        return known
    return books.journal(batch=row.batch, actor=actor)


def hand_out_journal(
    *, month: Month, batch: str, format: str, actor: Actor, now: datetime
) -> JournalBytes:
    """Return a journal as CSV or XLSX; without a batch the month's present one, made if needed.

    The bytes of a batch, format and layout are kept when first asked for and served ever after.

    :raises JournalMissing: when the month has no such batch.
    """
    facts = (
        books.journal(batch=batch, actor=actor)
        if batch
        else prepare_journal(month=month, actor=actor, now=now)
    )
    if facts.month != month:
        raise JournalMissing(f"{batch} is no journal of {month}.")
    layout = books.layout()
    digest = digest_of(
        {"company": layout.company, "columns": text_of(layout.columns), "format": format}
    )
    name = f"{facts.batch}.{format}"
    kept = JournalFile.objects.filter(
        journal__batch=facts.batch, format=format, layout=digest
    ).first()
    if kept is None:
        kept = _kept(facts, layout, digest=digest, format=format, actor=actor, now=now)
    content = stored.kept_file(key=kept.storage_key, sha256=kept.sha256)
    return JournalBytes(
        content=content, sha256=kept.sha256, media_type=MEDIA_TYPES[format], filename=name
    )


def _of_run(run: UUID, actor: Actor) -> JournalFacts | None:
    batch = Journal.objects.filter(run=run, kind=JournalKind.CHARGE.value)
    found = batch.values_list("batch", flat=True).first()
    return books.journal(batch=found, actor=actor) if found else None


def _make(month: Month, run: UUID, actor: Actor, now: datetime) -> Journal:
    """Write the journal of a run and what takes earlier ones back; return the last of them."""
    charges, printed = books.charges_of(run)
    try:
        entries = entries_of(
            month=month, charges=charges, chart=books.chart(month=month), printed=printed
        )
    except NothingToPost:
        taken_back = [_reverse(row, month, actor, now) for row in _standing(month)]
        if not taken_back:
            raise
        _told(taken_back[-1], taken_back[:-1], run=run, actor=actor, now=now)
        return taken_back[-1]
    statements = set_of(run)
    assert statements is not None
    taken_back = [_reverse(row, month, actor, now) for row in _standing(month)]
    row = _write(
        month=month,
        run=run,
        currency=statements.currency,
        entries=entries,
        actor=actor,
        now=now,
    )
    _told(row, taken_back, run=run, actor=actor, now=now)
    return row


def _told(
    row: Journal, taken_back: list[Journal], *, run: UUID, actor: Actor, now: datetime
) -> None:
    """Tell the channels and the audit log of a journal and of what it takes the place of."""
    _tell(row, taken_back, now)
    audit.record(
        actor=actor,
        action="journal.made",
        subject="period",
        subject_id=str(Month.of(row.month)),
        detail={
            "batch": row.batch,
            "total": row.total,
            "currency": row.currency,
            "run": run,
            "reversals": [one.batch for one in taken_back],
        },
        at=now,
    )


def _standing(month: Month) -> list[Journal]:
    """Return the month's journals that nothing has taken back."""
    rows = Journal.objects.filter(
        month=month.first_day, kind=JournalKind.CHARGE.value, reversal__isnull=True
    )
    return list(rows.order_by("id"))


def _reverse(row: Journal, month: Month, actor: Actor, now: datetime) -> Journal:
    entries = books.entries(batch=row.batch, actor=actor)
    return _write(
        month=month,
        run=row.run,
        currency=row.currency,
        entries=reversed_entries(entries, batch=row.batch),
        reverses=row,
        actor=actor,
        now=now,
    )


def _write(
    *,
    month: Month,
    run: UUID,
    currency: str,
    entries: Sequence[Entry],
    actor: Actor,
    now: datetime,
    reverses: Journal | None = None,
) -> Journal:
    debit, _ = totals_of(entries)
    count = Journal.objects.filter(month=month.first_day).count()
    row = Journal.objects.create(
        month=month.first_day,
        batch=f"JNL-{month}-{count + 1:02d}",
        kind=(JournalKind.REVERSAL if reverses else JournalKind.CHARGE).value,
        run=run,
        reverses=reverses,
        currency=currency,
        total=debit,
        line_count=len(entries),
        data_hash=hash_of(entries, month=month, currency=currency),
        created_at=now,
        created_by=actor.label,
    )
    JournalLine.objects.bulk_create(
        [
            JournalLine(
                journal=row,
                position=one.position,
                account=one.account,
                target=one.target,
                cost_center=one.cost_center,
                name=one.name[:200],
                text=one.text,
                debit=one.debit,
                credit=one.credit,
            )
            for one in entries
        ],
        batch_size=2000,
    )
    return row


def _tell(row: Journal, taken_back: list[Journal], now: datetime) -> None:
    names = ", ".join(one.batch for one in taken_back)
    also = f" It takes the place of what {names} takes back." if names else ""
    notice = notifications.Notice(
        topic=Topic.JOURNAL_EXPORTED,
        key=f"{Topic.JOURNAL_EXPORTED.value}/{row.batch}",
        subject=f"Journal {row.batch} is ready for the ledger",
        text=f"Debits and credits are {row.currency} {row.total}.{also}",
        data={
            "batch": row.batch,
            "period": str(Month.of(row.month)),
            "currency": row.currency,
            "total": f"{row.total:f}",
            "reversals": [one.batch for one in taken_back],
        },
    )
    notifications.publish(notices=[notice], now=now)


def _kept(
    facts: JournalFacts,
    layout: Layout,
    *,
    digest: str,
    format: str,
    actor: Actor,
    now: datetime,
) -> JournalFile:
    """Write a file, keep it and return its record, or the one that another worker kept."""
    sheet = _sheet(facts, layout, actor)
    content = (
        documents.table_csv(sheet)
        if format == "csv"
        else documents.table_xlsx([sheet], title=facts.batch, created=facts.created_at)
    )
    file = documents.keep_file(
        month=facts.month, name=f"{facts.batch}-{digest[:12]}", suffix=format, content=content
    )
    journal = Journal.objects.get(batch=facts.batch)
    JournalFile.objects.bulk_create(
        [
            JournalFile(
                journal=journal,
                format=format,
                layout=digest,
                sha256=file.sha256,
                storage_key=file.key,
                created_at=now,
            )
        ],
        ignore_conflicts=True,
    )
    return JournalFile.objects.get(journal=journal, format=format, layout=digest)


def _sheet(facts: JournalFacts, layout: Layout, actor: Actor) -> Sheet:
    header = Header(
        batch=facts.batch,
        month=facts.month,
        currency=facts.currency,
        kind=facts.kind,
        reverses=facts.reverses,
    )
    rows = [
        [cell or None for cell in cells_of(entry, header, layout)]
        for entry in books.entries(batch=facts.batch, actor=actor)
    ]
    columns = [
        Column(one.head, Cell.NUMBER if one.field in AMOUNTS else Cell.TEXT)
        for one in layout.columns
    ]
    return Sheet("Journal", columns, rows)
