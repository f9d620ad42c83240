"""Takes many events back and brings others in their place, in one go (rule 2)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from operator import attrgetter
from typing import Any

import orjson

from apps.core.domain.money import EXACT
from apps.core.domain.months import Month
from apps.periods import selectors as periods
from apps.usage import store
from apps.usage.domain.cells import Cell, Sums, add, cells_of
from apps.usage.domain.digest import VERSION
from apps.usage.domain.feeds import REQUEST
from apps.usage.domain.normalize import REQUESTS
from apps.usage.domain.placed import Placed
from apps.usage.domain.timeline import Rate, Span
from apps.usage.models import EventDigest
from apps.usage.selectors.rates import fixed_rates, sent_keys, version_of
from apps.usage.selectors.rollups import SkuFacts, skus_of, tag_sets_of
from apps.usage.services.corrections import Entry, StoredRow, rows_of_keys
from apps.usage.services.outcomes import record_sent_outcomes
from apps.usage.services.persons import hashed
from apps.usage.services.rebuild import sheet_for
from apps.usage.services.sheet import RatingSheet
from apps.usage.store.inverses import Inverse, copy_inverses, copy_raw_usages


@dataclass(frozen=True, slots=True)
class Taken:
    """A row whose inverse is to be appended, as a revision."""

    row: StoredRow
    revision: int


@dataclass(frozen=True, slots=True)
class Brought:
    """An event that is to be appended, as a revision of its key; 0 is a new event."""

    item: Placed
    key: int
    revision: int


@dataclass(frozen=True, slots=True)
class MeterChange:
    """Quantity and cost of a meter of a SKU before and after; a cost of None is unpriced."""

    sku: SkuFacts
    meter: str
    before: Decimal
    after: Decimal
    cost_before: Decimal | None
    cost_after: Decimal | None
    currency: str


Booking = Callable[[Month], Month]
"""Gives the open month that takes the use of a month."""


def standing(rows: Sequence[StoredRow]) -> StoredRow | None:
    """Return what an event says now, of its rows in order; None when it is void."""
    last = max(rows, key=lambda row: (row.revision, -row.sign))
    return last if last.sign > 0 else None


def replace_events(
    *, taken: Sequence[Taken], brought: Sequence[Brought], book_in: Booking, entry: Entry
) -> None:
    """Append the inverses of rows and new revisions of events, and bring the rollups along.

    A reversal in another month than its row's carries SKU and prices as the row was booked at.
    The caller holds price book, months and keys; rollups are touched last, in order.
    """
    rater = _Rater([each.row for each in taken])
    _append_inverses(taken, rater, book_in, entry)
    _append_revisions(brought, book_in, entry)
    sums = _sums(taken, brought, rater, book_in)
    for month in sorted(sums):
        cells = cells_of(sums[month])
        with store.writing() as writes:
            writes.add_cells(month, cells)
        store.drop_empty_cells(month, cells)


def effect_of(*, taken: Sequence[Taken], brought: Sequence[Brought]) -> list[MeterChange]:
    """Return what replacing would change, by SKU and meter; call it where `nothing_kept`."""
    rater = _Rater([each.row for each in taken])
    before: Sums = {}
    after: Sums = {}
    for each in taken:
        add(before, rater.span(each.row), each.row.tag_set, each.row.quantities, each.row.sign)
    for one in brought:
        add(after, one.item.span, one.item.tag_set, one.item.quantities)
    sides = _by_meter(cells_of(before)), _by_meter(cells_of(after))
    keys = sorted({*sides[0], *sides[1]})
    skus = skus_of({key[0] for key in keys})
    return [_change(key, skus[key[0]], sides) for key in keys]


_Key = tuple[int, str, str]
_Side = tuple[Decimal, Decimal | None]


def _by_meter(cells: Iterable[Cell]) -> dict[_Key, _Side]:
    sums: dict[_Key, _Side] = {}
    for cell in cells:
        key = (cell.sku, cell.meter, cell.currency)
        quantity, cost = sums.get(key, (Decimal(0), Decimal(0) if cell.price else None))
        added = None if cost is None or cell.cost is None else EXACT.add(cost, cell.cost)
        sums[key] = (quantity + cell.quantity, added)
    return sums


def _change(
    key: _Key, sku: SkuFacts, sides: tuple[Mapping[_Key, _Side], Mapping[_Key, _Side]]
) -> MeterChange:
    nothing: _Side = (Decimal(0), Decimal(0) if key[2] else None)
    before, after = (side.get(key, nothing) for side in sides)
    return MeterChange(sku, key[1], before[0], after[0], before[1], after[1], key[2])


class _Rater:
    """Finds the spans of stored rows; sheets, names and prices are read once."""

    def __init__(self, rows: Sequence[StoredRow]) -> None:
        self._sent = sent_keys({row.sent_sku for row in rows})
        self._fixed: Mapping[int, Rate] = fixed_rates(
            price for row in rows if row.booked for price in row.booked["prices"].values()
        )
        self._sheets: dict[int | None, RatingSheet] = {}
        self._versions = {
            period: version_of(periods.period(period)) for period in {row.period for row in rows}
        }
        self._booked_spans: dict[tuple[object, ...], Span] = {}

    def span(self, row: StoredRow) -> Span:
        """Return where a row falls and what its meters cost there, as it is booked."""
        if row.booked is not None:
            return self._as_fixed(row, row.booked)
        sheet = self._sheet(self._versions[row.period])
        span = self._place(row, sheet)
        sheet.learn(span, list(row.quantities))
        return span

    def booked(self, row: StoredRow) -> dict[str, Any]:
        """Return SKU and prices of a row, for a reversal in another month."""
        if row.booked is not None:
            return dict(row.booked)
        span = self.span(row)
        return {
            "sku": span.sku,
            "prices": {meter: span.rates[meter].price for meter in (*row.quantities, REQUESTS)},
        }

    def _as_fixed(self, row: StoredRow, booked: Mapping[str, Any]) -> Span:
        span = self._place(row, self._sheet(None))
        prices: Mapping[str, int] = booked["prices"]
        key = (span.day, span.utc_day, booked["sku"], tuple(sorted(prices.items())))
        found = self._booked_spans.get(key)
        if found is None:
            rates = {meter: self._fixed[price] for meter, price in prices.items()}
            found = self._booked_spans[key] = Span(
                span.month, span.day, span.utc_day, span.key, booked["sku"], span.at, rates
            )
        return found

    def _place(self, row: StoredRow, sheet: RatingSheet) -> Span:
        timeline = sheet.timeline(self._sent[row.sent_sku], row.sent_sku)
        return timeline.span(row.occurred_at, row.context_tokens)

    def _sheet(self, version: int | None) -> RatingSheet:
        found = self._sheets.get(version)
        if found is None:
            found = self._sheets[version] = sheet_for(version=version)
        return found


def _append_inverses(taken: Sequence[Taken], rater: _Rater, book_in: Booking, entry: Entry) -> None:
    groups: defaultdict[tuple[Month, Month], list[Inverse]] = defaultdict(list)
    for each in taken:
        row = each.row
        month = book_in(row.period)
        is_fixed = row.booked is not None or month != row.period
        booked = orjson.dumps(rater.booked(row)).decode() if is_fixed else None
        inverse = Inverse(row.key, row.revision, row.sign, each.revision, booked)
        groups[month, row.period].append(inverse)
    for month, period in sorted(groups):
        copy_inverses(
            month=month,
            period=period,
            inverses=groups[month, period],
            batch=entry.batch,
            received_at=entry.received_at,
        )
    copy_raw_usages([(t.row.key, t.row.revision, t.revision) for t in taken if t.row.sign < 0])


def _append_revisions(brought: Sequence[Brought], book_in: Booking, entry: Entry) -> None:
    header = store.BatchHeader(entry.batch, entry.received_at, hashed())
    groups: defaultdict[tuple[Month, int], list[tuple[int, Placed]]] = defaultdict(list)
    for each in sorted(brought, key=attrgetter("item.event_id")):
        groups[book_in(each.item.span.month), each.revision].append((each.key, each.item))
    for month, revision in sorted(groups):
        pairs = groups[month, revision]
        store.copy_events(month, [header], [pairs], store.Revision(number=revision))
        store.insert_raw_usage(pairs, revision=revision)
    EventDigest.objects.bulk_create(
        [
            EventDigest(key=each.key, digest=each.item.digest, digest_version=VERSION)
            for each in brought
            if each.revision
        ],
        ignore_conflicts=True,
        batch_size=5_000,
    )
    record_sent_outcomes(events=[each.item for each in brought], received_at=entry.received_at)


def _sums(
    taken: Sequence[Taken], brought: Sequence[Brought], rater: _Rater, book_in: Booking
) -> dict[Month, Sums]:
    sums: defaultdict[Month, Sums] = defaultdict(dict)
    for each in taken:
        row = each.row
        add(sums[book_in(row.period)], rater.span(row), row.tag_set, row.quantities, -row.sign)
    for one in brought:
        item = one.item
        add(sums[book_in(item.span.month)], item.span, item.tag_set, item.quantities)
    return sums


def claim_keys(*, items: Sequence[Placed]) -> dict[str, int]:
    """Insert the keys of those items of one source that nobody has; return them by id.

    Waits for whoever is storing one. The items carry their digests, each id occurs once.
    """
    ordered = sorted(items, key=attrgetter("event_id"))
    numbers = [key for block in store.reserve_keys(len(ordered)) for key in block]
    pairs = list(zip(numbers, ordered, strict=True))
    inserted = store.insert_keys_if_absent(pairs) if pairs else set()
    return {item.event_id: key for key, item in pairs if key in inserted}


def ids_outside(*, scope: store.Scope, ids: Collection[str]) -> set[str]:
    """Return those ids of a scope's source whose events stand, outside of its time or tags."""
    keys = store.stored_keys(source=scope.source, ids=ids)
    rows = rows_of_keys(keys=[stored.key for stored in keys.values()])
    present = {name: standing(rows[stored.key]) for name, stored in keys.items()}
    tag_sets = tag_sets_of({row.tag_set for row in present.values() if row is not None})
    return {
        name
        for name, row in present.items()
        if row is not None and not _lies_in(scope, row, tag_sets[row.tag_set].tags)
    }


def _lies_in(scope: store.Scope, row: StoredRow, tags: Mapping[str, str]) -> bool:
    if row.feed != REQUEST or not scope.start <= row.occurred_at < scope.end:
        return False
    return all(tags.get(key) == value for key, value in scope.tags.items())
