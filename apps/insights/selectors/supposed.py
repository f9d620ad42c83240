"""Prices the usage of a month as a supposed price book has it, by rollups or by events."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from apps.core.domain.money import EXACT
from apps.core.domain.months import Month, local_day
from apps.periods import selectors as periods
from apps.rating import selectors as rating
from apps.rating.domain.altered import AlteredBook
from apps.rating.domain.book import PriceBook
from apps.rating.domain.prices import Quote, SkuKey
from apps.rating.domain.rate import cost_of
from apps.tenants import selectors as tenants
from apps.usage import selectors as usage
from apps.usage import services as usage_services
from apps.usage.services.regroup import Group, groups_of, sent_skus_of

_DAY: Final = timedelta(days=1)

_Key = tuple[int, SkuKey, str, int]
"""Tag set, SKU as used, meter, number of the stretch of days."""


@dataclass(slots=True)
class Priced:
    """One meter of one SKU under one tag set: costs by currency, as booked and as supposed.

    `row` is one of its rollups, for whose it is. What has no price is in neither cost; `lacks`
    and `would_lack` say so. `instead` names the model that is priced. Without `matters` it is a
    count of requests that nobody charges for.
    """

    row: usage.RollupRow
    sku: SkuKey
    quantity: Decimal = Decimal(0)
    was: dict[str, Decimal] = field(default_factory=dict)
    would_be: dict[str, Decimal] = field(default_factory=dict)
    was_lacks: bool = False
    would_lack: bool = False
    instead: tuple[str, str] = ("", "")
    first_day: date = date.max
    last_day: date = date.min

    def add(self, row: usage.RollupRow, *, expects_price: bool) -> None:
        """Add a rollup as it is booked."""
        self.quantity += row.quantity
        self.first_day = min(self.first_day, row.day_from)
        self.last_day = max(self.last_day, row.day_to)
        if row.cost is None:
            self.was_lacks = self.was_lacks or expects_price
        else:
            _put(self.was, row.currency, row.cost)

    def keep(self) -> None:
        """Suppose what is booked."""
        self.would_be, self.would_lack = dict(self.was), self.was_lacks
        self.instead = (self.sku.provider, self.sku.model)

    def suppose(self, quantity: Decimal, quote: Quote | None, *, expects_price: bool) -> None:
        """Suppose that so much of it costs what a quote says; None is unpriced."""
        if quote is None:
            self.would_lack = self.would_lack or (expects_price and quantity != 0)
            return
        cost = cost_of(quantity=quantity, amount=quote.amount, unit_size=quote.unit_size)
        _put(self.would_be, quote.currency, cost)

    @property
    def matters(self) -> bool:
        """Tell whether it has a price, or lacks one, either way."""
        return bool(self.was or self.would_be or self.was_lacks or self.would_lack)


class Supposition:
    """What a month's usage costs by the book it stands rated with, and by an altered one."""

    def __init__(
        self, *, month: Month, base: PriceBook, altered: AlteredBook, breaks: Sequence[date]
    ) -> None:
        self._month = month
        self._base = base
        self._altered = altered
        self._breaks = sorted(breaks)
        self._zone = tenants.current().timezone
        self._calendar = periods.calendar()
        self._targets: dict[tuple[SkuKey, date, date], SkuKey | None] = {}

    def price(self, rows: Iterable[usage.RollupRow]) -> list[Priced]:
        """Return the rollups of the month's own days, priced both ways."""
        found: dict[_Key, Priced] = {}
        for row in rows:
            sku = sku_key(row.sku)
            key = (row.tag_set_id, sku, row.meter, bisect_right(self._breaks, row.day_from))
            each = found.setdefault(key, Priced(row, sku))
            expects = self._base.expects_price(sku=sku, meter=row.meter)
            each.add(row, expects_price=expects)
        unsettled = {key: each for key, each in found.items() if not self._settle(each)}
        if unsettled:
            self._settle_by_events(unsettled)
        return list(found.values())

    def as_booked(self, row: usage.RollupRow) -> Priced:
        """Return a rollup that the question leaves alone."""
        sku = sku_key(row.sku)
        each = Priced(row, sku)
        each.add(row, expects_price=self._base.expects_price(sku=sku, meter=row.meter))
        each.keep()
        return each

    def _settle(self, each: Priced) -> bool:
        """Price a cell whole where that is exact; tell whether it was."""
        if not self._altered.alters(each.sku):
            each.keep()
            return True
        days = (each.sku, each.first_day, each.last_day)
        start = _midnight(each.first_day, self._zone)
        if days not in self._targets:
            end = _midnight(each.last_day + _DAY, self._zone)
            self._targets[days] = self._target(each.sku, start, end)
        target = self._targets[days]
        if target is None:
            return False
        self._suppose(each, each.quantity, target, start)
        return True

    def _suppose(self, each: Priced, quantity: Decimal, target: SkuKey, at: datetime) -> None:
        each.instead = (target.provider, target.model)
        quote = self._altered.quote(sku=target, meter=each.row.meter, at=at)
        expects = self._altered.expects_price(sku=target, meter=each.row.meter)
        each.suppose(quantity, quote, expects_price=expects)

    def _target(self, sku: SkuKey, start: datetime, end: datetime) -> SkuKey | None:
        """Return the SKU that stands for all of a SKU's usage in [start, end); None: it differs.

        Contexts of a SKU lie above its own tier and up to its next one; a tier of the other model
        in between would split them, and so would any instant at which a price may change.
        """
        floor = int(sku.context_tier or 0)
        sent = _sent(sku)
        if self._base.sku_for(**sent, context_tokens=floor + 1, at=start) != sku:
            return None
        for book in (self._base, self._altered):
            instants = book.breakpoints(**sent, start=start, end=end).instants
            if any(start < at < end for at in instants):
                return None
        own = self._base.tiers_of(sku=sku._replace(context_tier=""), at=start)
        ceiling = min((tier for tier in own if tier > floor), default=None)
        target = self._altered.sku_for(**sent, context_tokens=floor + 1, at=start)
        others = self._altered.tiers_of(sku=target._replace(context_tier=""), at=start)
        if any(tier > floor and (ceiling is None or tier < ceiling) for tier in others):
            return None
        return target

    def _settle_by_events(self, unsettled: Mapping[_Key, Priced]) -> None:
        names = {(sku.provider, sku.model) for _, sku, _, _ in unsettled}
        sent = sent_skus_of(self._month)
        sheets = [
            usage_services.RatingSheet(book, self._calendar, self._zone)
            for book in (self._base, self._altered)
        ]
        only = frozenset(n for n, key in sent.items() if names & self._names_of(key._asdict()))
        for feed in {each.row.feed for each in unsettled.values()}:
            wanted = {key: each for key, each in unsettled.items() if each.row.feed == feed}
            for group in groups_of(month=self._month, sheets=sheets, only=only, feed=feed):
                if group.booked is None:
                    self._suppose_group(group, sent[group.sent_sku]._asdict(), wanted)

    def _suppose_group(
        self, group: Group, sent: dict[str, Any], unsettled: Mapping[_Key, Priced]
    ) -> None:
        where = {**sent, "context_tokens": group.context_tokens, "at": group.at}
        used = self._base.sku_for(**where)
        stretch = bisect_right(self._breaks, local_day(group.at, self._zone))
        each = unsettled.get((group.tag_set, used, group.meter, stretch))
        if each is not None:
            target = self._altered.sku_for(**where)
            self._suppose(each, group.quantity, target, group.at)

    def _names_of(self, sent: dict[str, Any]) -> set[tuple[str, str]]:
        """Return the canonical names that what was sent has had in the month."""
        start, end = self._month.bounds(self._zone)
        points = self._base.breakpoints(**sent, start=start, end=end)
        moments = [start, *(at for at in points.instants if start < at < end)]
        skus = (self._base.sku_for(**sent, context_tokens=0, at=at) for at in moments)
        return {(sku.provider, sku.model) for sku in skus}


def sku_key(sku: usage.SkuFacts) -> SkuKey:
    """Return a stored SKU as price books name it."""
    return SkuKey(
        sku.provider, sku.model, sku.service_tier, sku.batch, sku.region, sku.context_tier
    )


def supposed_books(
    *,
    month: Month,
    prices: Sequence[rating.ContractDraft],
    substitutions: Sequence[rating.Substitution],
) -> tuple[PriceBook, AlteredBook]:
    """Return the book that a month stands rated with, and that book altered."""
    period = periods.period(month)
    base = rating.price_book(version=None if period.is_open else period.price_book_version)
    altered = rating.altered_book(version=base.version, prices=prices, substitutions=substitutions)
    return base, altered


def _sent(sku: SkuKey) -> dict[str, Any]:
    return dict(zip(("provider", "model", "service_tier", "batch", "region"), sku, strict=False))


def _put(costs: dict[str, Decimal], currency: str, cost: Decimal) -> None:
    costs[currency] = EXACT.add(costs.get(currency, Decimal(0)), cost)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
