"""Accepts usage: every door ends here, in one transaction over keys, events and rollups."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import OperationalError, connection, transaction

from apps.core.domain.access import Actor, Scope
from apps.core.domain.errors import Conflict
from apps.core.domain.months import Month
from apps.ingest.domain.receipt import BatchRefused, ItemError, Receipt
from apps.ingest.models import IngestBatch
from apps.ingest.services.breath import without_collections
from apps.ingest.services.prepare import Prepared, prepare
from apps.periods import services as periods
from apps.periods.domain.calendar import Calendar, NoOpenPeriod, State
from apps.rating import services as rating
from apps.usage import services as usage
from apps.usage.domain.drafts import Draft, Problem, Rejected
from apps.usage.domain.placed import Claimed, Placed

_ATTEMPTS: Final = 6
_RETRYABLE: Final = frozenset({"40P01", "40001"})
_ERRORS_KEPT: Final = 1_000


class PeriodMoved(Conflict):
    """A month was frozen between reading the calendar and holding it; read it again."""

    default_code = "period_moved"


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
    """
    actor.require(Scope.USAGE_WRITE)
    if dry_run:
        from apps.ingest.services.rehearse import rehearse

        return rehearse(drafts=drafts, actor=actor, received_at=received_at)
    with without_collections():
        return _accept(drafts, actor, received_at, atomic=atomic)


def _accept(
    drafts: Sequence[Draft | Rejected], actor: Actor, received_at: datetime, *, atomic: bool
) -> Receipt:
    entry = _Entry(actor.label, received_at)
    patiently = False
    for attempt in range(1, _ATTEMPTS + 1):
        sheet, calendar = usage.current_sheet()
        prepared = prepare(
            drafts=drafts, actor=actor, sheet=sheet, calendar=calendar, received_at=received_at
        )
        if atomic and prepared.errors:
            raise BatchRefused(_in_order(prepared.errors))
        try:
            return _write(
                prepared,
                version=sheet.book.version,
                calendar=calendar,
                entry=entry,
                atomic=atomic,
                patiently=patiently,
            )
        except (rating.PriceBookMoved, PeriodMoved):
            if attempt == _ATTEMPTS:
                raise
        except usage.KeyTaken:
            patiently = True
        except OperationalError as error:
            if attempt == _ATTEMPTS or not _may_retry(error):
                raise
    raise AssertionError("the last attempt returns or raises")


@dataclass(frozen=True, slots=True)
class _Entry:
    """Who came through the door, and when."""

    label: str
    received_at: datetime


@transaction.atomic
def _write(
    prepared: Prepared,
    *,
    version: int,
    calendar: Calendar,
    entry: _Entry,
    atomic: bool,
    patiently: bool,
) -> Receipt:
    rating.check_version(version=version)
    book_in = _hold(prepared.placed, calendar)
    if patiently:
        claimed = usage.claim_patiently(placed=prepared.placed)
    else:
        claimed = usage.claim(placed=prepared.placed, known=prepared.known)
    errors = _in_order([*prepared.errors, *map(_conflict, claimed.conflicts)])
    if atomic and errors:
        raise BatchRefused(errors)
    batch = uuid.uuid4()
    usage.record(claimed=claimed, book_in=book_in, batch=batch, received_at=entry.received_at)
    receipt = _receipt(prepared, claimed, batch, errors)
    _keep(receipt, batch, entry)
    return receipt


def _hold(placed: Iterable[Placed], calendar: Calendar) -> Callable[[Month], Month]:
    """Hold the months that take the batch, and return which takes the use of which."""
    booked = {span.month: _booking(calendar, span.month) for span in {p.span for p in placed}}
    if booked:
        states = periods.hold_open(months=set(booked.values()))
        for month, state in states.items():
            if state is not State.OPEN:
                raise PeriodMoved(f"{month} is {state.value} now.")
    return booked.__getitem__


def _booking(calendar: Calendar, month: Month) -> Month:
    for period in calendar.periods:
        if period.month >= month and period.is_open:
            return period.month
    raise NoOpenPeriod("Every month from there on is frozen or closed; open further months.")


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


def _may_retry(error: OperationalError) -> bool:
    cause = error.__cause__
    state = getattr(cause, "sqlstate", None)
    return state in _RETRYABLE and not connection.in_atomic_block
