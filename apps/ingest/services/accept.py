"""Accepts usage: every door ends here, in one transaction over keys, events and rollups."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import connection

from apps.accounts import services as accounts
from apps.budgets import services as budgets
from apps.core.db import current_schema
from apps.core.domain.access import Actor, Scope
from apps.ingest.adapters.receipts import store_receipts
from apps.ingest.domain.receipt import BatchRefused, ItemError, Receipt
from apps.ingest.services.breath import without_collections
from apps.ingest.services.gate import in_flight
from apps.ingest.services.locks import again_when_moved, booking_transaction, hold
from apps.ingest.services.prepare import Prepared, Sent, prepare
from apps.ingest.services.together import SMALL, GroupCommit
from apps.periods.domain.calendar import Calendar
from apps.usage import services as usage
from apps.usage.domain.drafts import Draft, Problem, Rejected
from apps.usage.domain.feeds import REQUEST
from apps.usage.domain.placed import Claimed, Placed

_ERRORS_KEPT: Final = 1_000


def accept_events(
    *,
    drafts: Sequence[Draft | Rejected],
    actor: Actor,
    received_at: datetime,
    atomic: bool = False,
    dry_run: bool = False,
    feed: str = REQUEST,
) -> Receipt:
    """Store the events that are new, count the rest, and return a receipt for every item.

    Idempotent for ever by (source, id): the same payload again is a duplicate, another payload a
    conflict that changes nothing. Use of a month that is not open is booked in the next open one.
    Unknown models and meters are stored unpriced. The order of locks is rule 9; on a deadlock the
    whole transaction is done again. `feed` says whether these are single requests or totals that a
    provider gives; which of the two counts is declared (`costs`).

    :raises BatchRefused: when `atomic`, and an item is rejected or conflicts; nothing is stored.
    :raises Forbidden: when the actor lacks usage:write.
    :raises RateLimited: when the key or its organization sends too many events a second.
    :raises TenantBusy: when too many batches are in work; see `gate`.
    """
    actor.require(Scope.USAGE_WRITE)
    accounts.charge_events(len(drafts))
    if dry_run:
        from apps.ingest.services.rehearse import rehearse

        foreseen = rehearse(drafts=drafts, actor=actor, received_at=received_at)
        if atomic and foreseen.errors:
            raise BatchRefused(foreseen.errors)
        return foreseen
    with in_flight(is_small=len(drafts) <= SMALL), without_collections():
        sent = Sent(drafts, actor, received_at)
        if atomic or feed != REQUEST or len(drafts) > SMALL or connection.in_atomic_block:
            return _accept([sent], atomic=atomic, feed=feed)[0]
        return _together.accept(current_schema(), sent)


def _accept(
    requests: Sequence[Sent], *, atomic: bool = False, feed: str = REQUEST
) -> list[Receipt]:
    """Store requests of one feed in one transaction; return their receipts."""
    patiently = False

    def attempt() -> list[Receipt]:
        nonlocal patiently
        sheet, calendar = usage.current_sheet()
        prepared = prepare(requests=requests, sheet=sheet, calendar=calendar)
        if atomic and prepared.errors[0]:
            raise BatchRefused(_in_order(prepared.errors[0]))
        plan = _Plan(requests, prepared, sheet, calendar, atomic=atomic, feed=feed)
        try:
            return _write(plan, patiently=patiently)
        except usage.KeyTaken:
            patiently = True
            return _write(plan, patiently=True)

    return again_when_moved(attempt)


_together: Final = GroupCommit(_accept)


@dataclass(frozen=True, slots=True)
class _Plan:
    """Requests that go through one transaction; `atomic` stands alone."""

    requests: Sequence[Sent]
    prepared: Prepared
    sheet: usage.RatingSheet
    calendar: Calendar
    atomic: bool
    feed: str


def _write(plan: _Plan, *, patiently: bool) -> list[Receipt]:
    placed = plan.prepared.placed
    hash_of = usage.hashed()
    headers = [
        usage.BatchHeader(uuid.uuid4(), one.received_at, hash_of, plan.feed)
        for one in plan.requests
    ]
    with booking_transaction(plan.sheet):
        book_in = hold(usage.months_of(placed), plan.calendar)
        if patiently:
            recorded = usage.record_patiently(placed=placed, book_in=book_in, headers=headers)
        else:
            recorded = usage.record(
                placed=placed, known=plan.prepared.known, book_in=book_in, headers=headers
            )
        receipts = _receipts(plan.prepared, recorded.claimed, headers)
        if plan.atomic and receipts[0].errors:
            raise BatchRefused(receipts[0].errors)
        _keep(receipts, headers, plan.requests)
        usage.roll_up(booked=recorded.booked)
        if recorded.sums:
            budgets.draw_sums(
                sums=recorded.sums,
                feed=plan.feed,
                named=_holds_named(recorded.claimed),
                now=plan.requests[0].received_at,
            )
    return receipts


def _holds_named(claimed: Claimed) -> list[tuple[uuid.UUID, str, str]]:
    """Return the holds that new events name, with the names of the events."""
    return [
        (item.draft.hold, item.source, item.event_id)
        for _, item in claimed.new
        if item.draft.hold is not None
    ]


def _conflict(item: Placed) -> ItemError:
    problem = Problem(
        None,
        "conflict",
        f"The id {item.event_id!r} of {item.source!r} is stored with another payload, which "
        "stays; amend the event, or send a new id.",
    )
    return ItemError.of(item.index, item.event_id, problem)


def _receipts(
    prepared: Prepared, claimed: Claimed, headers: Sequence[usage.BatchHeader]
) -> list[Receipt]:
    new = [item for _, item in claimed.new]
    accepted = Counter(item.member for item in new)
    unpriced = Counter(item.member for item in new if item.unpriced)
    duplicates = Counter(item.member for item in claimed.duplicates)
    conflicts: list[list[ItemError]] = [[] for _ in headers]
    for item in claimed.conflicts:
        conflicts[item.member].append(_conflict(item))
    return [
        Receipt(
            accepted=accepted[member],
            duplicates=duplicates[member],
            conflicts=len(conflicts[member]),
            rejected=len(prepared.errors[member]),
            unpriced=unpriced[member],
            batch=header.batch,
            errors=_in_order([*prepared.errors[member], *conflicts[member]]),
        )
        for member, header in enumerate(headers)
    ]


def _keep(
    receipts: Sequence[Receipt], headers: Sequence[usage.BatchHeader], requests: Sequence[Sent]
) -> None:
    store_receipts(
        [
            (
                header.batch,
                sent.received_at,
                sent.actor.label,
                sent.actor.key_id,
                sent.actor.user_id,
                receipt.accepted,
                receipt.duplicates,
                receipt.conflicts,
                receipt.rejected,
                receipt.unpriced,
                [error.as_dict() for error in receipt.errors[:_ERRORS_KEPT]],
            )
            for receipt, header, sent in zip(receipts, headers, requests, strict=True)
        ]
    )


def _in_order(errors: Sequence[ItemError]) -> tuple[ItemError, ...]:
    return tuple(sorted(errors, key=lambda error: error.index))
