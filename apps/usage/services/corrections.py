"""Appends what takes an event back or brings it again; the facts before it stay (rule 2)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson
from django.db import connection

from apps.core.domain.errors import Missing
from apps.core.domain.months import Month
from apps.periods import selectors as periods
from apps.usage import store
from apps.usage.domain.cells import Cell, Sums, add, cells_of
from apps.usage.domain.digest import VERSION
from apps.usage.domain.feeds import REQUEST
from apps.usage.domain.normalize import REQUESTS, Quantities
from apps.usage.domain.placed import Placed
from apps.usage.domain.timeline import Span
from apps.usage.models import EventDigest
from apps.usage.selectors.rates import fixed_rates, sent_keys, version_of
from apps.usage.services.outcomes import record_sent_outcomes
from apps.usage.services.persons import hashed
from apps.usage.services.rebuild import sheet_for


class EventUnknown(Missing):
    """There is no event of that source and id."""

    default_code = "event_not_found"


@dataclass(frozen=True, slots=True)
class StoredRow:
    """One signed row of an event, as far as correcting it needs it."""

    key: int
    revision: int
    sign: int
    period: Month
    occurred_at: datetime
    tag_set: int
    sent_sku: int
    context_tokens: int
    quantities: Quantities
    booked: Mapping[str, Any] | None
    feed: str = REQUEST


@dataclass(frozen=True, slots=True)
class Entry:
    """The correction that rows are appended by: its id stands as their batch."""

    batch: UUID
    received_at: datetime


_ROWS = (
    "SELECT key, revision, sign, period, occurred_at, tag_set, sent_sku, context_tokens, meters, "
    "booked, feed FROM {events} WHERE key = %s ORDER BY revision, sign DESC"
)


def locked_rows(*, source: str, event_id: str) -> list[StoredRow]:
    """Lock an event against other corrections and return its rows, by revision, + before -.

    :raises EventUnknown: when there is none.
    """
    key = store.lock_key(source, event_id)
    if key is None:
        raise EventUnknown(f"There is no event {event_id[:80]!r} of the source {source[:80]!r}.")
    with connection.cursor() as cursor:
        cursor.execute(_ROWS.format(events=store.table("usage_event")), [key])
        return [_row(row) for row in cursor.fetchall()]


def rows_of_keys(*, keys: Sequence[int]) -> dict[int, list[StoredRow]]:
    """Return the rows of events by key, each by revision, + before -; one query."""
    statement = _ROWS.format(events=store.table("usage_event"))
    statement = statement.replace("key = %s ORDER BY", "key = ANY (%s) ORDER BY key,")
    found: dict[int, list[StoredRow]] = {}
    with connection.cursor() as cursor:
        cursor.execute(statement, [list(keys)])
        for row in map(_row, cursor.fetchall()):
            found.setdefault(row.key, []).append(row)
    return found


def append_inverse(*, row: StoredRow, revision: int, month: Month, entry: Entry) -> None:
    """Append the inverse of a row to an open month and to its rollups.

    In the row's own month it is rated as the row is, whatever the price book says later; in
    another month SKU and prices are fixed as the row was booked.
    """
    booked = row.booked
    if booked is None and month != row.period:
        booked = _as_booked(row)
    store.copy_inverse(
        month,
        store.InverseRow(
            of=(row.period, row.key, row.revision, row.sign),
            revision=revision,
            batch=entry.batch,
            received_at=entry.received_at,
            booked=None if booked is None else orjson.dumps(booked).decode(),
        ),
    )
    if row.sign < 0:
        store.copy_raw_usage(row.key, revision=row.revision, to=revision)
    sums: Sums = {}
    add(sums, _span(row, booked), row.tag_set, row.quantities, sign=-row.sign)
    _apply(month, cells_of(sums), row.feed)


def append_revision(
    *,
    item: Placed,
    key: int,
    revision: int,
    month: Month,
    entry: Entry,
    feed: str = REQUEST,
) -> None:
    """Append a new revision of an event to an open month, its rollups and its digests."""
    header = store.BatchHeader(entry.batch, entry.received_at, hashed(), feed)
    store.copy_events(month, [header], [[(key, item)]], store.Revision(number=revision))
    store.insert_raw_usage([(key, item)], revision=revision)
    sums: Sums = {}
    add(sums, item.span, item.tag_set, item.quantities)
    _apply(month, cells_of(sums), feed)
    EventDigest.objects.bulk_create(
        [EventDigest(key=key, digest=item.digest, digest_version=VERSION)],
        ignore_conflicts=True,
    )
    record_sent_outcomes(events=[item], received_at=entry.received_at)


def _apply(month: Month, cells: Sequence[Cell], feed: str) -> None:
    with store.writing() as writes:
        writes.add_cells(month, cells, feed)
    store.drop_empty_cells(month, cells, feed)


def _span(row: StoredRow, booked: Mapping[str, Any] | None) -> Span:
    version = None if booked is not None else version_of(periods.period(row.period))
    sheet = sheet_for(version=version)
    number = row.sent_sku
    span = sheet.timeline(sent_keys([number])[number], number).span(
        row.occurred_at, row.context_tokens
    )
    if booked is None:
        sheet.learn(span, list(row.quantities))
        return span
    rates = fixed_rates(booked["prices"].values())
    return Span(
        span.month,
        span.day,
        span.utc_day,
        span.key,
        booked["sku"],
        span.at,
        {meter: rates[price] for meter, price in booked["prices"].items()},
    )


def _as_booked(row: StoredRow) -> dict[str, Any]:
    span = _span(row, None)
    return {
        "sku": span.sku,
        "prices": {meter: span.rates[meter].price for meter in (*row.quantities, REQUESTS)},
    }


def _row(row: Sequence[Any]) -> StoredRow:
    key, revision, sign, period, at, tag_set, sent_sku, context, meters, booked, feed = row
    return StoredRow(
        key=key,
        revision=revision,
        sign=sign,
        period=Month.of(period),
        occurred_at=at,
        tag_set=tag_set,
        sent_sku=sent_sku,
        context_tokens=context,
        quantities=_quantities(meters),
        booked=orjson.loads(booked) if isinstance(booked, str) else booked,
        feed=feed,
    )


def _quantities(meters: Any) -> Quantities:
    """Read meters as exact numbers; the database gives their text."""
    read = json.loads(meters, parse_float=Decimal) if isinstance(meters, str) else meters
    return dict(read)
