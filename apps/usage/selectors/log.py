"""The usage log: events with what they cost and whose they are, in few queries a page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from apps.core.domain.access import Actor
from apps.core.domain.months import Month, local_day
from apps.directory import selectors as directory
from apps.directory.domain.attribution import Owner
from apps.periods import selectors as periods
from apps.rating import selectors as rating
from apps.tenants import selectors as tenants
from apps.usage.domain.facts import EventFacts
from apps.usage.domain.normalize import REQUESTS
from apps.usage.domain.sight import sees_everything
from apps.usage.models import Rollup, SentSku
from apps.usage.selectors.costs import EventCost, costs_of, key_of, sku_key
from apps.usage.selectors.events import EventFilters, events
from apps.usage.selectors.rollups import SkuFacts, TagSetFacts, skus_of
from apps.usage.selectors.sight import among, tag_sets_in_sight
from apps.usage.selectors.summary import owner_of

_CHUNK: Final = 500
_MOST_READ: Final = 10_000


@dataclass(frozen=True, slots=True)
class LogEntry:
    """An event with its cost, and its owner on the day of use."""

    event: EventFacts
    cost: EventCost
    owner: Owner


@dataclass(frozen=True, slots=True)
class LogPage:
    """One page of the log and the cursor of the next, None at the end."""

    entries: tuple[LogEntry, ...]
    next: int | None


def log(
    *,
    filters: EventFilters,
    cursor: int | None,
    limit: int,
    actor: Actor,
    unpriced_only: bool = False,
) -> LogPage:
    """Return events with costs and owners, the latest arrival first.

    `unpriced_only` leaves out what is void or has all its prices. As prices and owners show only
    event by event, at most 10,000 events are read at once where some are left out: a page may
    then be short, even empty, and still have a next one.

    :raises Invalid: when the limit is not from 1 to 500.
    """
    if unpriced_only:
        filters = among(filters, _tag_sets_unpriced(filters))
    if not sees_everything(actor):
        filters = among(filters, tag_sets_in_sight(filters, actor))
    elif not unpriced_only:
        page = events(filters=filters, cursor=cursor, limit=limit, actor=actor)
        return LogPage(_entries(page.events, costs_of(page.events)), page.next)
    return _read_on(filters, cursor, limit, actor, unpriced_only=unpriced_only)


def event_owner(event: EventFacts) -> Owner:
    """Return whose an event is: as of the close of its month, while that is open as of now."""
    return _Owners({event.period}).of(event)


@dataclass(frozen=True, slots=True)
class SentNames:
    """Providers and models as senders have written them, in order."""

    providers: tuple[str, ...]
    models: tuple[str, ...]


def sent_names() -> SentNames:
    """Return the names that events can be looked for by; one query."""
    rows = list(SentSku.objects.values_list("provider", "model").distinct())
    return SentNames(
        tuple(sorted({provider for provider, _ in rows if provider})),
        tuple(sorted({model for _, model in rows})),
    )


def _read_on(
    filters: EventFilters, cursor: int | None, limit: int, actor: Actor, *, unpriced_only: bool
) -> LogPage:
    """Read on until a page is full or enough was read."""
    found: list[LogEntry] = []
    if filters.tag_sets == frozenset():
        return LogPage((), None)
    for _ in range(_MOST_READ // _CHUNK):
        page = events(filters=filters, cursor=cursor, limit=_CHUNK, actor=actor)
        costs = costs_of(page.events)
        shown = [e for e in page.events if not unpriced_only or _lacks_price(e, costs)]
        found += _entries(shown[: limit + 1 - len(found)], costs)
        if len(found) > limit:
            return LogPage(tuple(found[:limit]), found[limit - 1].event.key)
        cursor = page.next
        if cursor is None:
            break
    return LogPage(tuple(found), cursor)


def _lacks_price(event: EventFacts, costs: Mapping[int, EventCost]) -> bool:
    return event.state == "live" and costs[event.key].is_unpriced


def _tag_sets_unpriced(filters: EventFilters) -> frozenset[int]:
    """Return the tag sets under which anything has no price; about three queries."""
    cells = Rollup.objects.filter(price=0)
    if filters.period is not None:
        cells = cells.filter(period=filters.period.first_day)
    bare = cells.filter(meter=REQUESTS).values_list("sku", flat=True).distinct()
    charged = [number for number, sku in skus_of(set(bare)).items() if _charges_requests(sku)]
    lacking = cells.exclude(meter=REQUESTS) | cells.filter(meter=REQUESTS, sku__in=charged)
    return frozenset(lacking.values_list("tag_set", flat=True).distinct())


def _charges_requests(sku: SkuFacts) -> bool:
    return rating.price_book().expects_price(sku=sku_key(sku), meter=REQUESTS)


def _entries(shown: Sequence[EventFacts], costs: Mapping[int, EventCost]) -> tuple[LogEntry, ...]:
    if not shown:
        return ()
    owners = _Owners({each.period for each in shown})
    return tuple(LogEntry(each, costs[each.key], owners.of(each)) for each in shown)


class _Owners:
    """Tells owners as the months of the events see them; about ten queries for each close."""

    def __init__(self, months: Iterable[Month]) -> None:
        calendar = periods.calendar()
        closes = {month: calendar.period(month).closed_at for month in months}
        trees = {at: directory.attribution(known_at=at) for at in set(closes.values())}
        self._trees = {month: trees[at] for month, at in closes.items()}
        self._book = rating.price_book()
        self._zone = tenants.current().timezone

    def of(self, event: EventFacts) -> Owner:
        """Return the owner of an event of one of the months."""
        tag_set = TagSetFacts(0, event.tags, event.account, event.credential, event.operation)
        day = local_day(event.occurred_at, self._zone)
        sku = SkuFacts(0, *key_of(event, self._book))
        return owner_of(self._trees[event.period], tag_set, sku, day)
