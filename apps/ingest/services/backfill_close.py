"""Makes a backfill effective in one transaction, and shows before what that does."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec
from django.db import transaction

from apps.budgets import services as budgets
from apps.core.domain.access import Actor
from apps.core.domain.errors import TooLarge, Unprocessable
from apps.ingest.domain.receipt import ItemError
from apps.ingest.models import Backfill, BackfillChange, BackfillEvent, Correction, IngestBatch
from apps.ingest.services.backfills import (
    MOST,
    BackfillUnknown,
    held,
    record,
    require_corrector,
    scope_of,
)
from apps.ingest.services.correct import hold_all, says_the_same
from apps.ingest.services.locks import PeriodMoved, again_when_moved, booking_transaction
from apps.ingest.services.prepare import Sent, prepare
from apps.usage import services as usage
from apps.usage.domain.drafts import SealedDraft, read_exact
from apps.usage.domain.placed import Placed
from apps.usage.domain.raw import exactly
from apps.usage.services import StoredRow

_payload: Final = msgspec.json.Decoder(SealedDraft, dec_hook=read_exact, float_hook=exactly)
_NAMED: Final = 5


class BackfillRefused(Unprocessable):
    """A posted event cannot be taken any more, or stands outside of the scope now; names some."""

    default_code = "backfill_refused"


@dataclass(frozen=True, slots=True)
class BackfillForesight:
    """What closing would do: events by what becomes of them, and meters before and after."""

    kept: int
    added: int
    amended: int
    voided: int
    conflicts: tuple[str, ...]
    meters: tuple[usage.MeterChange, ...]


@dataclass(slots=True)
class _Plan:
    """What closing does to each event."""

    taken: list[usage.Taken] = field(default_factory=list)
    brought: list[usage.Brought] = field(default_factory=list)
    changes: list[BackfillChange] = field(default_factory=list)
    kept: int = 0
    conflicts: list[str] = field(default_factory=list)

    def count(self, *kinds: str) -> int:
        """Return how many events have one of the kinds of change."""
        return sum(change.kind in kinds for change in self.changes)


def foresee_close(*, backfill: UUID, actor: Actor, now: datetime) -> BackfillForesight:
    """Return what closing would do now; writes nothing and locks nothing.

    :raises BackfillUnknown: when there is no such backfill.
    """
    require_corrector(actor)
    row = _row(backfill)
    with usage.nothing_kept():
        sheet, calendar = usage.current_sheet()
        sent = Sent(_drafts(row), actor, now)
        prepared = prepare(requests=[sent], sheet=sheet, calendar=calendar)
        plan = _planned(row, _by_id(prepared.placed), inserted={}, locked=False)
        meters = usage.effect_of(taken=plan.taken, brought=plan.brought)
    refused = [error.id or "" for error in prepared.errors[0]]
    return BackfillForesight(
        kept=plan.kept,
        added=plan.count("add", "revive"),
        amended=plan.count("amend"),
        voided=plan.count("void"),
        conflicts=(*plan.conflicts, *refused),
        meters=tuple(meters),
    )


def close_backfill(*, backfill: UUID, actor: Actor, now: datetime) -> None:
    """Make a backfill effective: what was posted counts, the rest of the scope is void.

    Atomic: rollups show all of it or nothing. An event that was posted as it stands is untouched;
    another payload amends it, an event that is void comes back as a further revision, and what
    was not posted is voided. Where a month was frozen meanwhile, its part is booked in the next
    open one, as corrections that carry the price of their originals. Locks: the backfill, then as
    ingest (rule 9).

    :raises BackfillNotOpen: when it was closed or abandoned.
    :raises BackfillRefused: when a posted event cannot be taken any more.
    :raises TooLarge: when more than 100,000 events would be replaced.
    """
    require_corrector(actor)
    again_when_moved(lambda: _close(backfill, actor, now))


def _close(backfill: UUID, actor: Actor, now: datetime) -> None:
    sheet, calendar = usage.current_sheet()
    drafts = _drafts(_row(backfill))
    prepared = prepare(requests=[Sent(drafts, actor, now)], sheet=sheet, calendar=calendar)
    if prepared.errors[0]:
        raise _refused(prepared.errors[0])
    items = _by_id(prepared.placed)
    entry = usage.Entry(uuid.uuid4(), now)
    with transaction.atomic():
        row = held(backfill)
        if BackfillEvent.objects.filter(backfill=row).count() != len(items):
            raise PeriodMoved("More was posted into the backfill meanwhile.")
        with booking_transaction(sheet):
            book_in = hold_all(calendar)
            inserted = usage.claim_keys(items=list(items.values()))
            plan = _planned(row, items, inserted=inserted, locked=True)
            if plan.conflicts:
                raise BackfillRefused(some("Stand outside of the scope now", plan.conflicts))
            _keep(row, plan, entry, actor)
            usage.replace_events(
                taken=plan.taken, brought=plan.brought, book_in=book_in, entry=entry
            )
            budgets.recount(now=now)
            _settle(row, plan, entry, actor)


def _row(backfill: UUID) -> Backfill:
    row = Backfill.objects.filter(public_id=backfill).first()
    if row is None:
        raise BackfillUnknown(f"There is no backfill {backfill}.")
    return row


def _drafts(row: Backfill) -> list[SealedDraft]:
    payloads = BackfillEvent.objects.filter(backfill=row).order_by("event_id")
    return [_payload.decode(payload) for payload in payloads.values_list("payload", flat=True)]


def _by_id(placed: Iterable[Placed]) -> dict[str, Placed]:
    items: dict[str, Placed] = {}
    for item in placed:
        assert isinstance(item.draft, SealedDraft)
        item.digest = item.draft.sealed
        items[item.event_id] = item
    return items


def _planned(
    row: Backfill, items: Mapping[str, Placed], *, inserted: Mapping[str, int], locked: bool
) -> _Plan:
    """Decide what becomes of every event of the scope and every event that was posted."""
    scope = scope_of(row)
    within = _within(scope)
    keys: dict[str, usage.StoredKey] = {}
    lock = "FOR UPDATE" if locked else ""
    while wanted := {*within, *items} - inserted.keys() - keys.keys():
        found = usage.stored_keys(source=scope.source, ids=wanted, lock=lock)
        keys |= found
        within |= _within(scope) if locked else set()
        if not locked or found.keys() != wanted:
            break
    rows = usage.rows_of_keys(keys=[stored.key for stored in keys.values()])
    outside = usage.ids_outside(scope=scope, ids=items.keys() - inserted.keys())
    plan = _Plan()
    for name in sorted({*items, *within} & ({*keys, *inserted} | set(items))):
        stored = keys.get(name)
        present = [] if stored is None else rows[stored.key]
        if name in outside:
            plan.conflicts.append(name)
        elif name not in items:
            assert stored is not None
            _void(plan, row, name, present)
        elif stored is None:
            _add(plan, row, items[name], inserted.get(name, 0))
        else:
            _bring(plan, row, items[name], stored, present)
    return plan


def _within(scope: usage.Scope) -> set[str]:
    found = usage.ids_in_scope(scope, limit=MOST + 1)
    if len(found) > MOST:
        raise TooLarge(
            f"A backfill replaces at most {MOST:,} events; open several for parts of the time.",
            code="backfill_too_large",
        )
    return set(found)


def _add(plan: _Plan, row: Backfill, item: Placed, key: int) -> None:
    plan.brought.append(usage.Brought(item, key, 0))
    plan.changes.append(_change(row, item.event_id, key, "add", None, 0))


def _void(plan: _Plan, row: Backfill, name: str, rows: Sequence[StoredRow]) -> None:
    live = usage.standing(rows)
    if live is not None:
        plan.taken.append(usage.Taken(live, live.revision))
        plan.changes.append(_change(row, name, live.key, "void", live.revision, None))


def _bring(
    plan: _Plan, row: Backfill, item: Placed, stored: usage.StoredKey, rows: Sequence[StoredRow]
) -> None:
    live = usage.standing(rows)
    number = rows[-1].revision + 1
    if live is None:
        plan.changes.append(_change(row, item.event_id, stored.key, "revive", None, number))
    elif item.digest in stored.digests and says_the_same(live, item):
        plan.kept += 1
        return
    else:
        plan.taken.append(usage.Taken(live, live.revision))
        change = _change(row, item.event_id, stored.key, "amend", live.revision, number)
        plan.changes.append(change)
    plan.brought.append(usage.Brought(item, stored.key, number))


def _change(  # noqa: PLR0917 - the columns, in order
    row: Backfill, name: str, key: int, kind: str, taken: int | None, brought: int | None
) -> BackfillChange:
    return BackfillChange(
        backfill=row,
        key=key,
        event_id=name,
        kind=kind,
        from_revision=taken,
        to_revision=brought,
    )


def _keep(row: Backfill, plan: _Plan, entry: usage.Entry, actor: Actor) -> None:
    """Keep what closing does to each event, and a receipt that the new rows name."""
    BackfillChange.objects.bulk_create(plan.changes, batch_size=2_000)
    kinds = {"void": "void", "amend": "amend", "revive": "revert"}
    Correction.objects.bulk_create(
        [
            _correction(row, change, kinds[change.kind], entry, actor)
            for change in plan.changes
            if change.kind in kinds
        ],
        batch_size=2_000,
    )
    IngestBatch.objects.create(
        public_id=entry.batch,
        received_at=entry.received_at,
        received_from=actor.label,
        of_key=actor.key_id,
        of_user=actor.user_id,
        accepted=len(plan.brought),
        duplicates=plan.kept,
        conflicts=0,
        rejected=0,
        unpriced=sum(each.item.unpriced for each in plan.brought),
        errors=[],
    )


def _correction(
    row: Backfill, change: BackfillChange, kind: str, entry: usage.Entry, actor: Actor
) -> Correction:
    before = change.from_revision
    if before is None:
        before = (change.to_revision or 1) - 1
    return Correction(
        public_id=uuid.uuid4(),
        source=row.source,
        event_id=change.event_id,
        key=change.key,
        kind=kind,
        from_revision=before,
        to_revision=change.to_revision,
        reason=f"backfill {row.public_id}: {row.reason}",
        made_by=actor.label,
        made_at=entry.received_at,
    )


def _settle(row: Backfill, plan: _Plan, entry: usage.Entry, actor: Actor) -> None:
    counts = {
        "kept": plan.kept,
        "added": plan.count("add", "revive"),
        "amended": plan.count("amend"),
        "voided": plan.count("void"),
    }
    Backfill.objects.filter(pk=row.pk).update(
        state=Backfill.State.CLOSED,
        settled_by=actor.label,
        settled_at=entry.received_at,
        batch=entry.batch,
        **counts,
    )
    record(row, "closed", actor=actor, now=entry.received_at, reason=row.reason, **counts)


def _refused(errors: Sequence[ItemError]) -> BackfillRefused:
    first = errors[0]
    names = [error.id or "" for error in errors]
    return BackfillRefused(f"{some('Cannot be taken', names)} The first: {first.message}")


def some(what: str, names: Sequence[str]) -> str:
    """Name some of many."""
    shown = ", ".join(sorted(names)[:_NAMED])
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{what}: {shown}{more}."
