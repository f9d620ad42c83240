"""A few events as arrays: statements that share a round trip, as no COPY can.

Small groups cost round trips, not rows. `unnest` takes twice as long a row as a COPY, and spares
the two exchanges that every COPY has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import starmap
from typing import Final

from apps.core.domain.months import Month
from apps.usage.adapters import packed
from apps.usage.adapters.packed import NULL, Blobs, Jsonbs, Longs, Moments, Numerics, Texts, Uuids
from apps.usage.domain.digest import VERSION
from apps.usage.domain.drafts import Draft
from apps.usage.domain.feeds import Feed
from apps.usage.domain.normalize import meters_json
from apps.usage.domain.placed import Placed
from apps.usage.sql import partition_name
from apps.usage.store.binding import table
from apps.usage.store.events import BatchHeader
from apps.usage.store.keys import Pairs

Statement = tuple[str, list[packed.Packed]]
"""A statement with the arrays it takes."""

_COLUMNS: Final = (
    "key, tag_set, context_tokens, event_id, occurred_at, source, original_period, sent_sku, "
    "meters, trace_id, received_at, batch"
)
_RARE: Final = "reasoning_tokens, end_user, status, reported_amount, reported_currency, hold"
_RARE_KINDS: Final[tuple[type[packed.Packed], ...]] = (Longs, Blobs, Texts, Numerics, Texts, Uuids)


def key_rows(pairs: Pairs) -> Statement:
    """Return the insert of keys that nobody has, in the order of names; a taken one is an error."""
    statement = (
        f"INSERT INTO {table('usage_eventkey')} "  # noqa: S608 - quoted identifiers only
        "(source, event_id, key, digest, occurred_at, digest_version) "
        f"SELECT *, {VERSION} FROM unnest(%b, %b, %b, %b, %b)"
    )
    items = [item for _, item in pairs]
    return statement, [
        Texts.pack([item.source for item in items]),
        Texts.of([item.id_part for item in items]),
        Longs.pack([key for key, _ in pairs]),
        Blobs.pack([item.digest for item in items]),
        Moments.of([_time(item) for item in items]),
    ]


def event_rows(month: Month, headers: Sequence[BatchHeader], pairs: Pairs) -> Statement:
    """Return the insert of first revisions into the partition of an accounting month."""
    heads = [(packed.moment(one.received_at), packed.uuid(one.batch)) for one in headers]
    items = [item for _, item in pairs]
    columns: list[packed.Packed] = [
        Longs.pack([key for key, _ in pairs]),
        Longs.pack([item.tag_set for item in items]),
        Longs.pack([item.context_tokens for item in items]),
        Texts.of([item.id_part for item in items]),
        Moments.of([_time(item) for item in items]),
        Texts.pack([item.source for item in items]),
        packed.Days.of([packed.day(item.span.month.first_day) for item in items]),
        Longs.pack([item.sent_sku for item in items]),
        Jsonbs.of([packed.jsonb(meters_json(item.quantities)) for item in items]),
        Texts.pack([item.draft.trace_id or None for item in items]),
        Moments.of([heads[item.member][0] for item in items]),
        Uuids.of([heads[item.member][1] for item in items]),
    ]
    if any(_is_rare(item.draft) for item in items):
        return _insert(month, headers[0].feed, _RARE), columns + _rare(items, headers[0].hash_of)
    return _insert(month, headers[0].feed, ""), columns


def _insert(month: Month, feed: str, rare: str) -> str:
    names = f"{_COLUMNS}, {rare}" if rare else _COLUMNS
    places = ", ".join(["%b"] * (names.count(",") + 1))
    return (
        f"INSERT INTO {table(partition_name('usage_event', month))} "  # noqa: S608 - see above
        f"({names}, feed) SELECT *, '{Feed(feed).value}' FROM unnest({places})"
    )


def _time(item: Placed) -> bytes:
    if not item.time_part:
        item.time_part = packed.moment(item.draft.time)
    return item.time_part


def _is_rare(draft: Draft) -> bool:
    usage = draft.usage
    return bool(
        draft.end_user
        or draft.reported_cost
        or draft.hold
        or (usage is not None and usage.reasoning_tokens)
        or draft.status != "ok"
    )


def _rare(items: Sequence[Placed], hash_of: Callable[[str], bytes]) -> list[packed.Packed]:
    """Return reasoning, end user, status, reported cost and hold, column by column."""
    rows = [_rare_parts(item.draft, hash_of) for item in items]
    columns = zip(*rows, strict=True)
    return list(starmap(lambda kind, parts: kind.of(parts), zip(_RARE_KINDS, columns, strict=True)))


def _rare_parts(draft: Draft, hash_of: Callable[[str], bytes]) -> tuple[bytes, ...]:
    usage, cost = draft.usage, draft.reported_cost
    reasoning = usage.reasoning_tokens if usage is not None else 0
    return (
        packed.long(reasoning) if reasoning else NULL,
        packed.blob(hash_of(draft.end_user)) if draft.end_user else NULL,
        packed.text(draft.status or "ok"),
        packed.numeric(cost.amount) if cost else NULL,
        packed.text(cost.currency) if cost else NULL,
        packed.uuid(draft.hold) if draft.hold else NULL,
    )
