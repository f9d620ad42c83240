"""Accepts usage: every door ends here, in one transaction over keys, events and rollups."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import connection

from apps.accounts import services as accounts
from apps.core.breath import without_collections
from apps.core.domain.access import Actor, Scope
from apps.core.together import GroupCommit
from apps.ingest.adapters.receipts import packed_receipts
from apps.ingest.domain.receipt import BatchRefused, Receipt
from apps.ingest.services.drawing import draw_budgets
from apps.ingest.services.few import NotFew, store_few
from apps.ingest.services.gate import Work, gate, in_flight
from apps.ingest.services.locks import again_when_moved, booking_transaction, hold
from apps.ingest.services.prepare import Prepared, Sent, prepare
from apps.ingest.services.receipts import in_order, receipts_of, rows_of
from apps.periods.domain.calendar import Calendar
from apps.tenants import selectors as tenants
from apps.usage import services as usage
from apps.usage.domain.drafts import Draft, Rejected
from apps.usage.domain.feeds import REQUEST

SMALL: Final = 50
"""Events up to which a request goes together with others."""


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
    sent = Sent(drafts, actor, received_at)
    if atomic or feed != REQUEST or len(drafts) > SMALL or connection.in_atomic_block:
        with in_flight(is_small=len(drafts) <= SMALL), without_collections():
            return _accept([sent], atomic=atomic, feed=feed)[0]
    return accept_small(sent=sent, tenant=tenants.current())


def accept_small(*, sent: Sent, tenant: tenants.TenantFacts) -> Receipt:
    """Store a request of at most SMALL events in a group with others of its tenant.

    Uses no database in the caller's thread: a writer of the process does. What the request may
    do and how fast is settled before.

    :raises TenantBusy: when too many are in work; see `gate`.
    :raises Unavailable: when the writer was stopped meanwhile; nothing is known then.
    """
    with gate.slot(tenant.schema, Work.SMALL):
        return _together.accept(tenant, sent)


def _store_group(requests: Sequence[Sent]) -> list[Receipt]:
    try:
        return store_few(requests)
    except (NotFew, usage.KeyTaken):
        return _accept(requests)


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
            raise BatchRefused(in_order(prepared.errors[0]))
        plan = _Plan(requests, prepared, sheet, calendar, atomic=atomic, feed=feed)
        try:
            return _write(plan, patiently=patiently)
        except usage.KeyTaken:
            patiently = True
            return _write(plan, patiently=True)

    return again_when_moved(attempt)


_together: Final = GroupCommit(
    _store_group, name="ingest-writer", weight=lambda sent: len(sent.drafts)
)


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
        receipts = receipts_of(plan.prepared, recorded.claimed, headers)
        if plan.atomic and receipts[0].errors:
            raise BatchRefused(receipts[0].errors)
        rows = packed_receipts(rows_of(receipts, headers, plan.requests))
        usage.send_rows([rows, *recorded.booked])
        draw_budgets(recorded, feed=plan.feed, requests=plan.requests)
    return receipts
