"""Event rows: by binary COPY, or copied as the inverse of another."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import chain
from typing import Final
from uuid import UUID

from django.db import connection

from apps.core.domain.months import Month
from apps.usage.adapters import packed
from apps.usage.adapters.packed import NULL
from apps.usage.domain.drafts import Draft
from apps.usage.domain.feeds import REQUEST
from apps.usage.domain.normalize import meters_json
from apps.usage.domain.placed import Placed
from apps.usage.sql import partition_name
from apps.usage.store.binding import table


@dataclass(frozen=True, slots=True)
class BatchHeader:
    """What the events of one request have in common, and how the tenant hashes end users."""

    batch: UUID
    received_at: datetime
    hash_of: Callable[[str], bytes]
    feed: str = REQUEST


@dataclass(frozen=True, slots=True)
class Revision:
    """Which revision of an event a row is, and what fixes its rating if anything does."""

    number: int = 0
    sign: int = 1
    booked: bytes | None = None


FIRST: Final = Revision()

_EVENT_COLUMNS: Final = (
    "key, tag_set, context_tokens, event_id, occurred_at, source, original_period, sent_sku, "
    "meters, reasoning_tokens, trace_id, end_user, status, reported_amount, reported_currency, "
    "hold, received_at, batch, revision, sign, booked, feed"
)
_FIELDS: Final = len(_EVENT_COLUMNS.split(","))
_ROW_START: Final = struct.Struct("!hiqiqiq")
_JSONB_START: Final = struct.Struct("!ib")


def copy_events(
    month: Month,
    headers: Sequence[BatchHeader],
    chunks: Iterable[Sequence[tuple[int, Placed]]],
    revision: Revision = FIRST,
) -> None:
    """Append one revision of events to the partition of an accounting month by binary COPY.

    A header a request, which is the event's `member`. Rows are sent a chunk at a time, so that
    the database works while the next ones are made; chunks may be made meanwhile, too, but not
    with the database. Chunks without events open no COPY.
    """
    filled = filter(None, chunks)
    first = next(filled, None)
    if first is None:
        return
    name = table(partition_name("usage_event", month))
    maker = _Maker(headers, revision)
    with (
        connection.cursor() as cursor,
        connection.wrap_database_errors,
        cursor.copy(f"COPY {name} ({_EVENT_COLUMNS}) FROM STDIN (FORMAT BINARY)") as copy,
    ):
        copy.write(packed.COPY_HEADER)
        for chunk in chain((first,), filled):
            copy.write(maker.rows(chunk))
        copy.write(packed.COPY_TRAILER)


class _Maker:
    """Makes rows in the form of a binary COPY; what repeats in them is packed once."""

    def __init__(self, headers: Sequence[BatchHeader], revision: Revision) -> None:
        self._tails = [_row_end(header, revision) for header in headers]
        self._hash_of = headers[0].hash_of
        self._places: dict[tuple[str, date, int], bytes] = {}

    def rows(self, events: Sequence[tuple[int, Placed]]) -> bytes:
        """Return the rows of events, and fill in their packed times; a hot loop."""
        start, jsonb, moment = _ROW_START.pack, _JSONB_START.pack, packed.moment
        places, tails = self._places, self._tails
        rows: list[bytes] = []
        for key, item in events:
            draft = item.draft
            place = (item.source, item.span.day, item.sent_sku)
            middle = places.get(place)
            if middle is None:
                middle = places[place] = _place_part(item)
            meters = meters_json(item.quantities)
            item.time_part = time_part = moment(draft.time)
            rows += (
                start(_FIELDS, 8, key, 8, item.tag_set, 8, item.context_tokens),
                item.id_part,
                time_part,
                middle,
                jsonb(len(meters) + 1, 1),
                meters,
                _rare_parts(draft, self._hash_of),
                tails[item.member],
            )
        return b"".join(rows)


def _row_end(header: BatchHeader, revision: Revision) -> bytes:
    return b"".join(
        (
            packed.moment(header.received_at),
            packed.uuid(header.batch),
            packed.short(revision.number),
            packed.short(revision.sign),
            NULL if revision.booked is None else packed.jsonb(revision.booked),
            packed.text(header.feed),
        )
    )


def _place_part(item: Placed) -> bytes:
    month = packed.day(item.span.month.first_day)
    return packed.text(item.source) + month + packed.long(item.sent_sku)


_OK: Final = packed.text("ok")
_NOTHING: Final = (NULL + NULL + NULL + _OK + NULL + NULL + NULL, NULL + _OK + NULL + NULL + NULL)


def _rare_parts(draft: Draft, hash_of: Callable[[str], bytes]) -> bytes:
    """Return reasoning, trace, end user, status, reported cost and hold."""
    usage, cost, hold, trace = draft.usage, draft.reported_cost, draft.hold, draft.trace_id
    reasoning = usage.reasoning_tokens if usage is not None else 0
    if not (reasoning or draft.end_user or cost or hold) and draft.status == "ok":
        return NULL + packed.text(trace) + _NOTHING[1] if trace else _NOTHING[0]
    return b"".join(
        (
            packed.long(reasoning) if reasoning else NULL,
            packed.text(trace) if trace else NULL,
            packed.blob(hash_of(draft.end_user)) if draft.end_user else NULL,
            packed.text(draft.status or "ok"),
            packed.numeric(cost.amount) if cost else NULL,
            packed.text(cost.currency) if cost else NULL,
            packed.uuid(hold) if hold else NULL,
        )
    )


@dataclass(frozen=True, slots=True)
class InverseRow:
    """The inverse of an event row, yet to be written: a revision of the correction `batch`."""

    of: tuple[Month, int, int, int]
    """Period, key, revision and sign of the row."""

    revision: int
    batch: UUID
    received_at: datetime
    booked: str | None


def copy_inverse(month: Month, inverse: InverseRow) -> None:
    """Append the inverse of one event row to a month, copied where it lies."""
    period, key, number, sign = inverse.of
    same = (
        "key, source, event_id, original_period, occurred_at, tag_set, sent_sku, feed, "
        "context_tokens, meters, reasoning_tokens, trace_id, end_user, status, reported_amount, "
        "reported_currency, hold"
    )
    statement = (
        f"INSERT INTO {table(partition_name('usage_event', month))} "  # noqa: S608
        f"({same}, revision, sign, batch, received_at, booked) "
        f"SELECT {same}, %s, -sign, %s, %s, %s::jsonb "
        f"FROM {table(partition_name('usage_event', period))} "
        "WHERE key = %s AND revision = %s AND sign = %s"
    )
    with connection.cursor() as cursor:
        cursor.execute(
            statement,
            [
                inverse.revision,
                inverse.batch,
                inverse.received_at,
                inverse.booked,
                key,
                number,
                sign,
            ],
        )
