"""The usage log: events by arrival, as far as the actor may see them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from django.db import connection

from apps.core.domain.access import Actor
from apps.core.domain.errors import Invalid
from apps.core.domain.months import Month
from apps.directory import selectors as directory
from apps.directory.domain.attribution import Attribution
from apps.rating import selectors as rating
from apps.rating.domain.prices import BEGINNING
from apps.tenants import selectors as tenants
from apps.usage.domain.facts import EventFacts
from apps.usage.domain.sight import may_see, sees_everything
from apps.usage.models import SentSku, TagSet
from apps.usage.selectors.rollups import SkuFacts, TagSetFacts, tag_sets_of
from apps.usage.selectors.summary import owner_of
from apps.usage.store import table

MOST: Final = 500
_FIELDS: Final = (
    "key, revision, source, event_id, occurred_at, received_at, period, original_period, "
    "tag_set, sent_sku, meters, context_tokens, reasoning_tokens, trace_id, "
    "end_user IS NOT NULL, status, reported_amount, reported_currency, batch"
)
_REVERSED: Final = (
    "EXISTS (SELECT 1 FROM {events} n WHERE n.key = e.key AND n.revision = e.revision "
    "AND n.sign = -1)"
)
_LIST: Final = """
SELECT {fields}, {reversed} FROM {events} e
 WHERE e.sign = 1 {conditions}
   AND NOT EXISTS (SELECT 1 FROM {events} n
                    WHERE n.key = e.key AND n.sign = 1 AND n.revision > e.revision)
 ORDER BY e.key DESC LIMIT %s
"""


@dataclass(frozen=True, slots=True)
class EventFilters:
    """What to look for; None or empty leaves it open. Times are [start, end).

    `period` is the accounting month that an event is booked in, whenever it was used.
    """

    start: datetime | None = None
    end: datetime | None = None
    source: str = ""
    event_id: str = ""
    provider: str = ""
    model: str = ""
    status: str = ""
    trace_id: str = ""
    batch: UUID | None = None
    tags: Mapping[str, str] | None = None
    account: str = ""
    credential: str = ""
    tag_sets: frozenset[int] | None = None
    meter: str = ""
    period: Month | None = None


@dataclass(frozen=True, slots=True)
class EventPage:
    """One page of events and the cursor of the next, None at the end."""

    events: tuple[EventFacts, ...]
    next: int | None


def events(*, filters: EventFilters, cursor: int | None, limit: int, actor: Actor) -> EventPage:
    """Return events in their present revision, the latest arrival first; about ten queries.

    `cursor` is that of the page before. What the actor may not see is left out; a page may then
    be shorter than `limit` and still have a next one.

    :raises Invalid: when the limit is not from 1 to 500.
    """
    if not 1 <= limit <= MOST:
        raise Invalid(f"Give a page_size from 1 to {MOST}.", code="page_size")
    conditions = _Conditions(filters)
    if cursor is not None:
        conditions.add("e.key < %s", cursor)
    rows = _rows(conditions, limit + 1)
    shown = facts_of(rows[:limit])
    if not sees_everything(actor):
        shown = list(visible(shown, actor))
    more = rows[limit - 1][0] if len(rows) > limit else None
    return EventPage(tuple(shown), more)


def visible(shown: Iterable[EventFacts], actor: Actor) -> Iterable[EventFacts]:
    """Yield the events that the actor may see."""
    attribution = directory.attribution()
    for each in shown:
        if sees_event(each, actor, attribution):
            yield each


def sees_event(event: EventFacts, actor: Actor, attribution: Attribution) -> bool:
    """Tell whether the actor may see an event."""
    if sees_everything(actor):
        return True
    day = event.occurred_at.astimezone(tenants.current().timezone).date()
    tag_set = TagSetFacts(0, event.tags, event.account, event.credential, event.operation)
    key = rating.price_book().sku_for(
        provider=event.provider,
        model=event.model or event.service,
        service_tier=event.service_tier,
        batch=event.batch_mode,
        region=event.region,
        context_tokens=event.context_tokens,
        at=event.occurred_at,
    )
    owner = owner_of(attribution, tag_set, SkuFacts(0, *key), day)
    return may_see(actor, owner, event.tags)


class _Conditions:
    """Builds the WHERE of the list; every value is a parameter."""

    def __init__(self, filters: EventFilters) -> None:
        self.parts: list[str] = []
        self.values: list[Any] = []
        self._times(filters)
        for column, value in (
            ("source", filters.source),
            ("event_id", filters.event_id),
            ("status", filters.status),
            ("trace_id", filters.trace_id),
            ("batch", filters.batch),
        ):
            if value:
                self.add(f"e.{column} = %s", value)
        if filters.meter:
            self.add("e.meters ? %s", filters.meter)
        if filters.period is not None:
            self.add("e.period = %s", filters.period.first_day)
        if filters.tag_sets is not None:
            self.add("e.tag_set = ANY(%s)", sorted(filters.tag_sets))
        if filters.tags or filters.account or filters.credential:
            self.add("e.tag_set = ANY(%s)", _tag_sets(filters))
        if filters.provider or filters.model:
            self.add("e.sent_sku = ANY(%s)", _sent_skus(filters))

    def add(self, text: str, value: Any) -> None:
        """Add one condition."""
        self.parts.append(f"AND {text}")
        self.values.append(value)

    def _times(self, filters: EventFilters) -> None:
        zone = tenants.current().timezone
        if filters.start is not None:
            self.add("e.occurred_at >= %s", filters.start)
            first = Month.of(filters.start.astimezone(zone).date()).first_day
            self.add("e.period >= %s", first)
        if filters.end is not None:
            self.add("e.occurred_at < %s", filters.end)


def _rows(conditions: _Conditions, limit: int) -> list[tuple[Any, ...]]:
    name = table("usage_event")
    fields = ", ".join(
        part if part.startswith("end_user") else f"e.{part}" for part in _FIELDS.split(", ")
    )
    statement = _LIST.format(
        fields=fields,
        reversed=_REVERSED.format(events=name),
        events=name,
        conditions=" ".join(conditions.parts),
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, [*conditions.values, limit])
        return list(cursor.fetchall())


def _tag_sets(filters: EventFilters) -> list[int]:
    wanted = TagSet.objects.all()
    if filters.tags:
        wanted = wanted.filter(tags__contains=dict(filters.tags))
    if filters.account:
        wanted = wanted.filter(account=filters.account)
    if filters.credential:
        wanted = wanted.filter(credential=filters.credential)
    return list(wanted.values_list("id", flat=True))


def _sent_skus(filters: EventFilters) -> list[int]:
    """Return the SKUs as sent whose names, sent or canonical, are those looked for."""
    book = rating.price_book()
    found = []
    for row in SentSku.objects.all():
        provider, model = book.sku_for(
            provider=row.provider,
            model=row.model,
            service_tier=row.service_tier,
            batch=row.batch,
            region=row.region,
            context_tokens=0,
            at=BEGINNING,
        )[:2]
        if filters.provider and filters.provider not in (row.provider, provider):
            continue
        if filters.model and filters.model not in (row.model, model):
            continue
        found.append(row.pk)
    return found


def facts_of(rows: Sequence[tuple[Any, ...]]) -> list[EventFacts]:
    """Return event rows as values; two queries."""
    tag_sets = tag_sets_of({row[8] for row in rows})
    skus = {row.pk: row for row in SentSku.objects.filter(pk__in={row[9] for row in rows})}
    return [_facts(row, tag_sets[row[8]], skus[row[9]]) for row in rows]


def _facts(row: tuple[Any, ...], tag_set: TagSetFacts, sku: SentSku) -> EventFacts:
    meters = json.loads(row[10], parse_float=Decimal) if isinstance(row[10], str) else row[10]
    return EventFacts(
        key=row[0],
        revision=row[1],
        source=row[2],
        id=row[3],
        occurred_at=row[4],
        received_at=row[5],
        period=Month.of(row[6]),
        original_period=Month.of(row[7]),
        provider=sku.provider,
        model=sku.model if sku.provider else "",
        service="" if sku.provider else sku.model,
        service_tier=sku.service_tier,
        batch_mode=sku.batch,
        region=sku.region,
        tags=tag_set.tags,
        account=tag_set.account,
        credential=tag_set.credential,
        operation=tag_set.operation,
        quantities={meter: Decimal(str(quantity)) for meter, quantity in meters.items()},
        context_tokens=row[11],
        reasoning_tokens=row[12],
        trace_id=row[13],
        has_end_user=row[14],
        status=row[15],
        reported_amount=row[16],
        reported_currency=row[17],
        batch=row[18],
        state="void" if row[19] else "live",
    )


__all__ = ["EventFilters", "EventPage", "events", "facts_of", "sees_event", "visible"]
