"""Claims the keys of events and records the new ones, in the caller's transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from apps.core.domain.months import Month
from apps.usage import store
from apps.usage.domain.cells import Cell, Sums, cells_of, sums_of
from apps.usage.domain.placed import Claimed, Placed
from apps.usage.services.outcomes import record_sent_outcomes
from apps.usage.services.persons import hashed

Known = Mapping[tuple[str, str], store.KnownKey]


def claim(*, placed: Sequence[Placed], known: Known) -> Claimed:
    """Tell new events from stored ones by what is known of their names; give new ones their keys.

    `placed` is in the order of names, `known` was looked up just before. An id that occurs twice
    is new once; what follows is a duplicate or a conflict like any later sending. Nothing is
    written: `record` inserts the keys and finds out whether somebody else was faster.
    """
    first, again = _first_of_each(placed)
    new = first
    if known:
        ids = {name[1] for name in known}
        new = [i for i in first if i.event_id not in ids or i.name not in known]
    return _told_apart(store.reserve_keys(len(new)), new, first, again, known)


def claim_patiently(*, placed: Sequence[Placed]) -> Claimed:
    """Insert the keys that nobody has, waiting for whoever is storing one, and tell them apart."""
    first, again = _first_of_each(placed)
    keys = store.reserve_keys(len(first))
    taken = store.insert_keys_if_absent(keys, first) if first else set()
    pairs = [(key, item) for key, item in zip(keys, first, strict=True) if key in taken]
    new = [item for _, item in pairs]
    fresh = {item.name for item in new}
    known = store.known_keys([item for item in first if item.name not in fresh])
    return _told_apart([key for key, _ in pairs], new, first, again, known)


def _told_apart(
    keys: list[int],
    new: list[Placed],
    first: list[Placed],
    again: list[Placed],
    known: Known,
) -> Claimed:
    claimed = Claimed(keys, new, [], [])
    stored = [i for i in first if i.name in known] if len(new) < len(first) else []
    digests = {item.name: frozenset((item.digest,)) for item in new} if again else {}
    for item in [*stored, *again]:
        same = item.digest in (digests.get(item.name) or known[item.name].digests)
        (claimed.duplicates if same else claimed.conflicts).append(item)
    return claimed


def _first_of_each(placed: Sequence[Placed]) -> tuple[list[Placed], list[Placed]]:
    first: list[Placed] = []
    again: list[Placed] = []
    event_id, source = "", ""
    for item in placed:
        if item.event_id == event_id and item.source == source:
            again.append(item)
        else:
            first.append(item)
            event_id, source = item.event_id, item.source
    return first, again


Booked = Mapping[Month, Sequence[Cell]]
"""What new events add to the rollups, by the month they are booked in."""


def record(
    *,
    claimed: Claimed,
    book_in: Callable[[Month], Month],
    batch: UUID,
    received_at: datetime,
    keys_stored: bool = False,
) -> Booked:
    """Store new events with their keys, unless done; return what `roll_up` is to add last.

    `book_in` gives the open month that takes the use of a month. The caller holds those months.
    The database works on one statement while the next is made.

    :raises KeyTaken: when somebody else stored one of the keys meanwhile; the transaction is lost.
    """
    if not claimed.new:
        return {}
    with store.writing() as writes:
        if not keys_stored:
            writes.insert_keys(claimed.keys, claimed.new)
        events, sums = _by_month(claimed, book_in)
        booked = {month: cells_of(sums[month]) for month in sorted(sums)}
    header = store.BatchHeader(batch, received_at, hashed())
    for month in sorted(events):
        store.copy_events(month, header, events[month])
        store.insert_raw_usage(events[month])
    record_sent_outcomes(events=claimed.new, received_at=received_at)
    return booked


def roll_up(*, booked: Booked) -> None:
    """Add to the rollups; the last statement of a transaction that stores events.

    Batches of one hour touch the same few cells: whoever holds them makes the others wait, so
    they are held for no longer than this and the commit.
    """
    with store.writing() as writes:
        for month, cells in booked.items():
            writes.add_cells(month, cells)


def _by_month(
    claimed: Claimed, book_in: Callable[[Month], Month]
) -> tuple[Mapping[Month, list[tuple[int, Placed]]], Mapping[Month, Sums]]:
    """Return new events with their keys, and their sums, by the month they are booked in."""
    pairs = list(zip(claimed.keys, claimed.new, strict=True))
    booked = {month: book_in(month) for month in {item.span.month for item in claimed.new}}
    if len(set(booked.values())) == 1:
        month = next(iter(booked.values()))
        return {month: pairs}, {month: sums_of(claimed.new)}
    events: defaultdict[Month, list[tuple[int, Placed]]] = defaultdict(list)
    for pair in pairs:
        events[booked[pair[1].span.month]].append(pair)
    sums = {month: sums_of([item for _, item in listed]) for month, listed in events.items()}
    return events, sums
