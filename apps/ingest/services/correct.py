"""Void, amend, revert: corrections of single events, appended and audited."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from apps.audit import services as audit
from apps.budgets import services as budgets
from apps.core.domain.access import Actor, Scope
from apps.core.domain.errors import Conflict, FieldError, Invalid, Unprocessable
from apps.core.domain.months import Month
from apps.ingest.domain.receipt import ItemError
from apps.ingest.models import Correction
from apps.ingest.services.locks import again_when_moved, booking_transaction, hold
from apps.ingest.services.prepare import prepare_one
from apps.periods.domain.calendar import Calendar
from apps.usage import selectors
from apps.usage import services as usage
from apps.usage.domain.decode import draft_of
from apps.usage.domain.drafts import Draft, Rejected
from apps.usage.domain.placed import Placed
from apps.usage.services import StoredRow


class AlreadyVoid(Conflict):
    """The event is void already."""

    default_code = "already_void"


class NothingToRevert(Conflict):
    """The event was never corrected, or its last correction was a revert."""

    default_code = "nothing_to_revert"


class NothingAmended(Conflict):
    """The amendment says what the event says already."""

    default_code = "unchanged"


class AmendmentRefused(Unprocessable):
    """The amended event cannot be taken; names the field."""

    default_code = "amendment_refused"


class ReasonMissing(Invalid):
    """A correction is recorded with a reason, and none was given."""

    default_code = "reason_required"


@dataclass(frozen=True, slots=True)
class CorrectionFacts:
    """What a correction did: which revision it took back, and which came instead."""

    id: uuid.UUID
    kind: str
    from_revision: int
    to_revision: int | None


@dataclass(frozen=True, slots=True)
class _Order:
    """Who corrects which event, why and when."""

    source: str
    event_id: str
    reason: str
    actor: Actor
    now: datetime

    def check(self) -> None:
        """Refuse strangers, those without a reason, and events out of sight."""
        self.actor.require(Scope.USAGE_CORRECT)
        if not self.reason.strip():
            raise ReasonMissing("Say why; the reason is kept with the correction.")
        selectors.event(source=self.source, event_id=self.event_id, actor=self.actor)


def void_event(
    *, source: str, event_id: str, reason: str, actor: Actor, now: datetime
) -> CorrectionFacts:
    """Take an event back by a reversal, in its month or, when that is closed, the next open one.

    The reversal carries the price that the event was booked at. The id stays taken.

    :raises EventMissing: when there is no such event in sight.
    :raises AlreadyVoid: when it is void.
    """
    order = _Order(source, event_id, reason, actor, now)
    order.check()
    return again_when_moved(lambda: _void(order))


def amend_event(
    *,
    source: str,
    event_id: str,
    event: Mapping[str, Any],
    reason: str,
    actor: Actor,
    now: datetime,
) -> CorrectionFacts:
    """Replace what an event says: a reversal of it, and the event as it should have been.

    Sending either payload again is a duplicate from then on.

    :raises EventMissing: when there is no such event in sight.
    :raises AmendmentRefused: when the new event cannot be taken or has another id or source.
    :raises NothingAmended: when it says nothing new.
    :raises AlreadyVoid: when the event is void; revert that first.
    """
    order = _Order(source, event_id, reason, actor, now)
    order.check()
    draft = _draft(order, event)
    return again_when_moved(lambda: _amend(order, draft))


def revert_correction(
    *, source: str, event_id: str, reason: str, actor: Actor, now: datetime
) -> CorrectionFacts:
    """Undo the last void or amendment of an event by its inverse.

    :raises EventMissing: when there is no such event in sight.
    :raises NothingToRevert: when nothing was corrected since, or the last step was a revert.
    """
    order = _Order(source, event_id, reason, actor, now)
    order.check()
    return again_when_moved(lambda: _revert(order))


def _void(order: _Order) -> CorrectionFacts:
    sheet, calendar = usage.current_sheet()
    with booking_transaction(sheet):
        book_in = hold_all(calendar)
        rows = usage.locked_rows(source=order.source, event_id=order.event_id)
        live = _live(rows)
        entry = usage.Entry(uuid.uuid4(), order.now)
        _reverse(live, live.revision, book_in, entry)
        _draw(order, live.occurred_at)
        return _keep(order, entry, "void", live, None)


def _amend(order: _Order, draft: Draft) -> CorrectionFacts:
    sheet, calendar = usage.current_sheet()
    item = _placed(order, draft, sheet, calendar)
    with booking_transaction(sheet):
        book_in = hold_all(calendar)
        rows = usage.locked_rows(source=order.source, event_id=order.event_id)
        live = _live(rows)
        if says_the_same(live, item):
            raise NothingAmended("The event says this already; nothing was changed.")
        entry = usage.Entry(uuid.uuid4(), order.now)
        number = rows[-1].revision + 1
        _reverse(live, live.revision, book_in, entry)
        usage.append_revision(
            item=item,
            key=live.key,
            revision=number,
            month=book_in(item.span.month),
            entry=entry,
            feed=live.feed,
        )
        _draw(order, live.occurred_at, item.draft.time)
        return _keep(order, entry, "amend", live, number)


def _revert(order: _Order) -> CorrectionFacts:
    sheet, calendar = usage.current_sheet()
    with booking_transaction(sheet):
        book_in = hold_all(calendar)
        rows = usage.locked_rows(source=order.source, event_id=order.event_id)
        last = Correction.objects.filter(key=rows[0].key).first()
        if last is None or last.kind == Correction.Kind.REVERT:
            raise NothingToRevert("No void or amendment stands that could be reverted.")
        entry = usage.Entry(uuid.uuid4(), order.now)
        taken_back = _row(rows, last.from_revision, -1)
        number = rows[-1].revision + 1
        present = taken_back
        if last.to_revision is not None:
            present = _row(rows, last.to_revision, 1)
            _reverse(present, present.revision, book_in, entry)
        _reverse(taken_back, number, book_in, entry)
        _draw(order, present.occurred_at, taken_back.occurred_at)
        return _keep(order, entry, "revert", present, number)


def _reverse(
    row: StoredRow, revision: int, book_in: Callable[[Month], Month], entry: usage.Entry
) -> None:
    usage.append_inverse(row=row, revision=revision, month=book_in(row.period), entry=entry)


def hold_all(calendar: Calendar) -> Callable[[Month], Month]:
    """Hold every month that may take a row: which one it is shows only once the key is locked."""
    last = calendar.open_months[-1] if calendar.open_months else calendar.periods[-1].month
    return hold([p.month for p in calendar.periods if p.month <= last], calendar)


def _live(rows: list[StoredRow]) -> StoredRow:
    present = max((row for row in rows if row.sign > 0), key=lambda row: row.revision)
    if any(row.sign < 0 and row.revision == present.revision for row in rows):
        raise AlreadyVoid("The event is void; revert that to bring it back.")
    return present


def _row(rows: list[StoredRow], revision: int, sign: int) -> StoredRow:
    return next(row for row in rows if (row.revision, row.sign) == (revision, sign))


def _draft(order: _Order, event: Mapping[str, Any]) -> Draft:
    named = {"id": order.event_id, "source": order.source, **event}
    draft = draft_of(msgspec.to_builtins(named), index=0, source=None, lax=False)
    if isinstance(draft, Rejected):
        raise _refused(ItemError.of_rejected(draft))
    if (draft.source, draft.id) != (order.source, order.event_id):
        raise AmendmentRefused("An amendment keeps source and id; send another event instead.")
    return draft


def _placed(order: _Order, draft: Draft, sheet: usage.RatingSheet, calendar: Calendar) -> Placed:
    placed = prepare_one(
        draft=draft, actor=order.actor, sheet=sheet, calendar=calendar, received_at=order.now
    )
    if isinstance(placed, ItemError):
        raise _refused(placed)
    return placed


def _refused(error: ItemError) -> AmendmentRefused:
    field = FieldError(error.field or "event", error.code, error.message)
    return AmendmentRefused(error.message, errors=(field,))


def says_the_same(live: StoredRow, item: Placed) -> bool:
    """Tell whether an event would count the same as the row that stands."""
    return (
        live.occurred_at,
        live.tag_set,
        live.sent_sku,
        live.context_tokens,
        live.quantities,
    ) == (
        item.draft.time,
        item.tag_set,
        item.sent_sku,
        item.context_tokens,
        item.quantities,
    )


def _draw(order: _Order, *moments: datetime) -> None:
    """Bring the budgets along on the days of use; after the rollups, before the audit trail."""
    budgets.recount(now=order.now, moments=moments)


def _keep(
    order: _Order,
    entry: usage.Entry,
    kind: str,
    taken: StoredRow,
    number: int | None,
) -> CorrectionFacts:
    Correction.objects.create(
        public_id=entry.batch,
        source=order.source,
        event_id=order.event_id,
        key=taken.key,
        kind=kind,
        from_revision=taken.revision,
        to_revision=number,
        reason=order.reason.strip(),
        made_by=order.actor.label,
        made_at=order.now,
    )
    words = {"void": "event.voided", "amend": "event.amended", "revert": "event.reverted"}
    audit.record(
        actor=order.actor,
        action=words[kind],
        subject="event",
        subject_id=f"{order.source}/{order.event_id}",
        detail={
            "reason": order.reason.strip(),
            "from_revision": taken.revision,
            "to_revision": number,
        },
        at=order.now,
    )
    return CorrectionFacts(entry.batch, kind, taken.revision, number)
