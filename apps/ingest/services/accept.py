"""Accepts usage: every door ends here, in one transaction over keys, events and rollups."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from apps.accounts import services as accounts
from apps.core.domain.access import Actor, Scope
from apps.ingest.domain.receipt import BatchRefused, ItemError, Receipt
from apps.ingest.models import IngestBatch
from apps.ingest.services.breath import without_collections
from apps.ingest.services.gate import in_flight
from apps.ingest.services.locks import again_when_moved, booking_transaction, hold
from apps.ingest.services.prepare import Prepared, prepare
from apps.periods.domain.calendar import Calendar
from apps.usage import services as usage
from apps.usage.domain.drafts import Draft, Problem, Rejected
from apps.usage.domain.placed import Claimed, Placed

_ERRORS_KEPT: Final = 1_000


def accept_events(
    *,
    drafts: Sequence[Draft | Rejected],
    actor: Actor,
    received_at: datetime,
    atomic: bool = False,
    dry_run: bool = False,
) -> Receipt:
    """Store the events that are new, count the rest, and return a receipt for every item.

    Idempotent for ever by (source, id): the same payload again is a duplicate, another payload a
    conflict that changes nothing. Use of a month that is not open is booked in the next open one.
    Unknown models and meters are stored unpriced. The order of locks is rule 9; on a deadlock the
    whole transaction is done again.

    :raises BatchRefused: when `atomic`, and an item is rejected or conflicts; nothing is stored.
    :raises Forbidden: when the actor lacks usage:write.
    :raises RateLimited: when the key or its organization sends too many events a second.
    :raises TenantBusy: when too many batches are in work; see `gate`.
    """
    actor.require(Scope.USAGE_WRITE)
    accounts.charge_events(len(drafts))
    if dry_run:
        from apps.ingest.services.rehearse import rehearse

        return rehearse(drafts=drafts, actor=actor, received_at=received_at)
    with in_flight(), without_collections():
        return _accept(drafts, actor, received_at, atomic=atomic)


def _accept(
    drafts: Sequence[Draft | Rejected], actor: Actor, received_at: datetime, *, atomic: bool
) -> Receipt:
    entry = _Entry(actor.label, received_at, atomic)
    patiently = False

    def attempt() -> Receipt:
        nonlocal patiently
        sheet, calendar = usage.current_sheet()
        prepared = prepare(
            drafts=drafts, actor=actor, sheet=sheet, calendar=calendar, received_at=received_at
        )
        if atomic and prepared.errors:
            raise BatchRefused(_in_order(prepared.errors))
        try:
            return _write(prepared, sheet, calendar, entry, patiently=patiently)
        except usage.KeyTaken:
            patiently = True
            return _write(prepared, sheet, calendar, entry, patiently=True)

    return again_when_moved(attempt)


@dataclass(frozen=True, slots=True)
class _Entry:
    """Who came through the door, when, and whether all is wanted or nothing."""

    label: str
    received_at: datetime
    atomic: bool


def _write(
    prepared: Prepared,
    sheet: usage.RatingSheet,
    calendar: Calendar,
    entry: _Entry,
    *,
    patiently: bool,
) -> Receipt:
    with booking_transaction(sheet):
        book_in = hold({item.span.month for item in prepared.placed}, calendar)
        if patiently:
            claimed = usage.claim_patiently(placed=prepared.placed)
        else:
            claimed = usage.claim(placed=prepared.placed, known=prepared.known)
        errors = _in_order([*prepared.errors, *map(_conflict, claimed.conflicts)])
        if entry.atomic and errors:
            raise BatchRefused(errors)
        batch = uuid.uuid4()
        booked = usage.record(
            claimed=claimed,
            book_in=book_in,
            batch=batch,
            received_at=entry.received_at,
            keys_stored=patiently,
        )
        receipt = _receipt(prepared, claimed, batch, errors)
        _keep(receipt, batch, entry)
        usage.roll_up(booked=booked)
    return receipt


def _conflict(item: Placed) -> ItemError:
    problem = Problem(
        None,
        "conflict",
        f"The id {item.event_id!r} of {item.source!r} is stored with another payload, which "
        "stays; amend the event, or send a new id.",
    )
    return ItemError.of(item.index, item.event_id, problem)


def _receipt(
    prepared: Prepared, claimed: Claimed, batch: uuid.UUID, errors: tuple[ItemError, ...]
) -> Receipt:
    return Receipt(
        accepted=len(claimed.new),
        duplicates=len(claimed.duplicates),
        conflicts=len(claimed.conflicts),
        rejected=len(prepared.errors),
        unpriced=sum(item.unpriced for item in claimed.new),
        batch=batch,
        errors=errors,
    )


def _keep(receipt: Receipt, batch: uuid.UUID, entry: _Entry) -> None:
    IngestBatch.objects.create(
        public_id=batch,
        received_at=entry.received_at,
        received_from=entry.label,
        accepted=receipt.accepted,
        duplicates=receipt.duplicates,
        conflicts=receipt.conflicts,
        rejected=receipt.rejected,
        unpriced=receipt.unpriced,
        errors=[error.as_dict() for error in receipt.errors[:_ERRORS_KEPT]],
    )


def _in_order(errors: Sequence[ItemError]) -> tuple[ItemError, ...]:
    return tuple(sorted(errors, key=lambda error: error.index))
