"""Stores a group of small requests in one transaction of four exchanges with the database.

A batch of thousands is bound by rows and goes by COPY (`accept`). A group of a few dozen events is
bound by round trips: each costs a wait in the database's process and one for the interpreter,
which other requests hold meanwhile. So all locks and questions go out at once, then all rows; then
budgets are drawn, and it commits. What is kept in the process (price book, calendar, keys) is held
against the database within the transaction, and read anew when it does not hold any more.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence

from django.db import transaction

from apps.core.domain.months import Month
from apps.ingest.adapters.receipts import packed_receipts
from apps.ingest.domain.receipt import Receipt
from apps.ingest.services.drawing import draw_budgets
from apps.ingest.services.locks import PeriodMoved, again_when_moved, booking
from apps.ingest.services.prepare import Prepared, Sent, prepare_few
from apps.ingest.services.receipts import receipts_of, rows_of
from apps.periods import selectors as calendars
from apps.periods import services as periods
from apps.rating import services as rating
from apps.usage import services as usage
from apps.usage.domain.feeds import REQUEST


class NotFew(Exception):
    """The group has to go the way of batches, because more than usage came along."""


def store_few(requests: Sequence[Sent]) -> list[Receipt]:
    """Store requests of one tenant, none of them atomic, and return their receipts.

    :raises NotFew: when they bring outcomes or providers' objects, which go the way of batches.
    :raises KeyTaken: when somebody else stored one of the keys meanwhile; nothing was stored.
    """
    moved = False

    def attempt() -> list[Receipt]:
        nonlocal moved
        kept = None if moved else usage.kept_sheet()
        moved = True
        return _attempt(requests, kept or _read_anew())

    return again_when_moved(attempt)


def _read_anew() -> usage.KeptSheet:
    usage.current_sheet()
    kept = usage.kept_sheet()
    if kept is None:
        raise NotFew
    return kept


def _attempt(requests: Sequence[Sent], kept: usage.KeptSheet) -> list[Receipt]:
    prepared = prepare_few(requests=requests, sheet=kept.sheet, calendar=kept.calendar)
    if usage.came_along(prepared.placed):
        raise NotFew
    booked = {month: booking(kept.calendar, month) for month in usage.months_of(prepared.placed)}
    hash_of = usage.hashed()
    headers = [usage.BatchHeader(uuid.uuid4(), one.received_at, hash_of) for one in requests]
    keys = usage.keys_at_hand(len(prepared.placed))
    with transaction.atomic():
        prepared.known = _hold(prepared, kept, set(booked.values()))
        recorded, statements = usage.record_few(
            placed=prepared.placed,
            known=prepared.known,
            keys=keys,
            book_in=booked.__getitem__,
            headers=headers,
        )
        receipts = receipts_of(prepared, recorded.claimed, headers)
        statements.append(packed_receipts(rows_of(receipts, headers, requests)))
        usage.send_rows([*statements, *recorded.booked])
        draw_budgets(recorded, feed=REQUEST, requests=requests)
    return receipts


def _hold(prepared: Prepared, kept: usage.KeptSheet, months: Iterable[Month]) -> usage.Known:
    """Hold price book and months (rule 9), and look the names up; one exchange.

    :raises PriceBookMoved: when another version is in force than the group was rated with.
    :raises PeriodMoved: when the calendar is another.
    """
    days = [usage.packed.day(month.first_day) for month in sorted(months)]
    with usage.asking() as questions:
        version = questions.ask(rating.version_held())
        questions.ask(periods.months_held(), [usage.packed.Days.of(days)])
        state = questions.ask(calendars.calendar_state_asked())
        known = usage.ask_names(questions, prepared.placed)
    # An adoption that commits while we wait for its row leaves a join without rows: it moved, too.
    if list(version) != [kept.version]:
        raise rating.PriceBookMoved("The price book moved; rate with the one in force.")
    if [(kept.calendar_state,)] != list(state):
        raise PeriodMoved("The calendar changed; read it again.")
    return known()
