"""Claims the keys of events and records the new ones, in the caller's transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from uuid import UUID

from apps.core.domain.months import Month
from apps.usage import store
from apps.usage.domain.cells import Sums, add, cells_of
from apps.usage.domain.normalize import meters_json
from apps.usage.domain.placed import Claimed, Placed
from apps.usage.services.outcomes import record_sent_outcomes
from apps.usage.services.persons import hashed


def claim(*, placed: Sequence[Placed]) -> Claimed:
    """Insert the keys that are new and tell the rest apart by digest.

    `placed` is sorted. An id that occurs twice in it is new once; what follows is a duplicate or
    a conflict like any later sending.
    """
    first: dict[tuple[str, str], Placed] = {}
    again: list[Placed] = []
    for item in placed:
        if first.setdefault(item[:2], item) is not item:
            again.append(item)
    keys = store.claim_keys(
        [store.Claim(p.source, p.event_id, p.digest, p.draft.time) for p in first.values()]
    )
    stored = [item for name, item in first.items() if name not in keys]
    duplicates, conflicts = _told_apart(stored)
    for item in again:
        of_batch = first[item[:2]]
        if item[:2] not in keys:
            more = _told_apart([item])
            duplicates += more[0]
            conflicts += more[1]
        else:
            (duplicates if item.digest == of_batch.digest else conflicts).append(item)
    return Claimed(
        [(keys[name], item) for name, item in first.items() if name in keys],
        duplicates,
        conflicts,
    )


def record(
    *,
    new: Sequence[tuple[int, Placed]],
    book_in: Callable[[Month], Month],
    batch: UUID,
    received_at: datetime,
) -> None:
    """Append new events to their months and add them to the rollups.

    `book_in` gives the open month that takes the use of a month. The caller holds those months.
    """
    for month, items in sorted(_by_month(new, book_in).items()):
        store.copy_events(month, _rows(items, batch, received_at))
    sums: defaultdict[Month, Sums] = defaultdict(dict)
    booked: dict[Month, Sums] = {}
    for _, item in new:
        original = item.span.month
        target = booked.get(original)
        if target is None:
            target = booked[original] = sums[book_in(original)]
        add(target, item.span, item.tag_set, item.quantities)
    for month in sorted(sums):
        store.add_cells(month, cells_of(sums[month]))
    record_sent_outcomes(events=new, received_at=received_at)


def _by_month(
    new: Iterable[tuple[int, Placed]], book_in: Callable[[Month], Month]
) -> dict[Month, list[tuple[int, Placed]]]:
    months: defaultdict[Month, list[tuple[int, Placed]]] = defaultdict(list)
    booked: dict[Month, list[tuple[int, Placed]]] = {}
    for pair in new:
        original = pair[1].span.month
        items = booked.get(original)
        if items is None:
            items = booked[original] = months[book_in(original)]
        items.append(pair)
    return months


def _rows(
    items: Iterable[tuple[int, Placed]], batch: UUID, received_at: datetime
) -> Iterable[tuple[object, ...]]:
    jsonb = store.JSONB
    hash_of = hashed()
    for key, item in items:
        draft = item.draft
        usage = draft.usage
        cost = draft.reported_cost
        yield (
            key,
            0,
            1,
            item.source,
            item.event_id,
            item.span.month.first_day,
            draft.time,
            received_at,
            batch,
            item.tag_set,
            item.sent_sku,
            item.context_tokens,
            jsonb + meters_json(item.quantities),
            (usage.reasoning_tokens or None) if usage is not None else None,
            draft.trace_id,
            hash_of(draft.end_user) if draft.end_user else None,
            draft.status,
            None if cost is None else cost.amount,
            None if cost is None else cost.currency,
            draft.hold,
            None,
        )


def _told_apart(stored: Sequence[Placed]) -> tuple[list[Placed], list[Placed]]:
    duplicates: list[Placed] = []
    conflicts: list[Placed] = []
    if stored:
        known = store.known_keys([item[:2] for item in stored])
        for item in stored:
            same = item.digest in known[item[:2]].digests
            (duplicates if same else conflicts).append(item)
    return duplicates, conflicts
