"""Where a moment lies: the stretch in which day, month and every price of a SKU stay the same."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from apps.core.domain.money import EXACT
from apps.core.domain.months import Month
from apps.rating.domain.prices import SkuKey
from apps.rating.domain.rate import cost_of
from apps.usage.domain.drafts import Draft

_FINEST: Final = -24
_DAY: Final = timedelta(days=1)


class SentKey(NamedTuple):
    """What was used, as the sender wrote it; a generic service has no provider."""

    provider: str
    model: str
    service_tier: str = ""
    batch: bool = False
    region: str = ""


SentFields = tuple[str | None, str | None, str | None, str | None, bool | None, str | None]
"""Provider, model, service, tier, batch and region as a draft has them."""


def sent_fields(draft: Draft) -> SentFields:
    """Return what names the SKU in a draft."""
    return (
        draft.provider,
        draft.model,
        draft.service,
        draft.service_tier,
        draft.batch,
        draft.region,
    )


def sent_key(fields: SentFields) -> SentKey:
    """Return what was used, by the fields that name it."""
    provider, model, service, tier, batch, region = fields
    if service:
        return SentKey("", service, tier or "", bool(batch), region or "")
    return SentKey(provider or "", model or "", tier or "", bool(batch), region or "")


@dataclass(frozen=True, slots=True)
class Rate:
    """The price of one meter over a span; `price` names the immutable row behind it."""

    price: int
    amount: Decimal
    unit_size: int
    currency: str

    def cost(self, quantity: int | Decimal) -> Decimal:
        """Return the exact cost of a quantity, in the price's currency."""
        return cost_of(quantity=Decimal(quantity), amount=self.amount, unit_size=self.unit_size)


UNPRICED: Final = Rate(price=0, amount=Decimal(0), unit_size=1, currency="")
"""Stands where no price holds: quantities are kept and cost nothing that is known."""


@dataclass(slots=True, eq=False)
class Span:
    """A stretch of time and contexts over which one sent SKU is the same SKU at the same prices.

    `rates` and `shapes` fill as meters are met; a shape is the meters of one event, and what is
    kept of it is whether such an event counts as unpriced.
    """

    month: Month
    day: date
    utc_day: date
    key: SkuKey
    sku: int
    at: datetime
    rates: dict[str, Rate] = field(default_factory=dict)
    shapes: dict[tuple[str, ...], bool] = field(default_factory=dict)

    @property
    def family(self) -> tuple[date, date, int]:
        """Return what the span's rollup cells have in common; spans may share it."""
        return self.day, self.utc_day, self.sku


class Timeline:
    """The spans of one sent SKU, found by the day in UTC, the edges within it, and the context.

    `number` is that of the interned SentSku. Spans are opened by `opener` when they are first
    needed.
    """

    __slots__ = ("_days", "_opener", "contexts", "instants", "number", "sent")

    def __init__(
        self,
        sent: SentKey,
        number: int,
        points: tuple[tuple[datetime, ...], tuple[int, ...]],
        opener: Callable[[Timeline, datetime, int], Span],
    ) -> None:
        self.sent = sent
        self.number = number
        self.instants, self.contexts = points
        self._opener = opener
        self._days: dict[int, tuple[tuple[datetime, ...], dict[tuple[int, int], Span]]] = {}

    def opened(self, at: datetime, context_tokens: int) -> Span | None:
        """Return the span of a moment in UTC and a context size, None unless it was opened."""
        found = self._days.get(at.toordinal())
        if found is None:
            return None
        edges, spans = found
        place = (
            bisect_right(edges, at) if edges else 0,
            bisect_right(self.contexts, context_tokens) if self.contexts else 0,
        )
        return spans.get(place)

    def span(self, at: datetime, context_tokens: int) -> Span:
        """Return the span of a moment in UTC and a context size, in tokens; opens it if need be.

        :raises TimeBeforeFirstPeriod: when the moment lies before the calendar.
        :raises NoOpenPeriod: when it lies after the calendar.
        """
        day = at.toordinal()
        found = self._days.get(day)
        if found is None:
            found = self._days[day] = (self._edges_of(at), {})
        edges, spans = found
        place = (
            bisect_right(edges, at) if edges else 0,
            bisect_right(self.contexts, context_tokens) if self.contexts else 0,
        )
        span = spans.get(place)
        if span is None:
            span = spans[place] = self._opener(self, at, context_tokens)
        return span

    def _edges_of(self, at: datetime) -> tuple[datetime, ...]:
        start = datetime(at.year, at.month, at.day, tzinfo=UTC)
        instants = self.instants
        return instants[bisect_right(instants, start) : bisect_left(instants, start + _DAY)]


def day_edges(*, start: datetime, end: datetime, zone: ZoneInfo) -> tuple[datetime, ...]:
    """Return all midnights of [start, end], the zone's and UTC's, ascending and in UTC."""
    day, last = (start - _DAY).date(), (end + _DAY).date()
    edges: set[datetime] = set()
    while day <= last:
        edges.add(datetime(day.year, day.month, day.day, tzinfo=UTC))
        edges.add(datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC))
        day += _DAY
    return tuple(sorted(edges))


def merged(edges: tuple[datetime, ...], instants: Iterable[datetime]) -> tuple[datetime, ...]:
    """Return the edges with further instants among them; those outside are left out."""
    inside = {at.astimezone(UTC) for at in instants if edges[0] < at < edges[-1]}
    return tuple(sorted(inside.union(edges))) if inside else edges


def unit_rate(rate: Rate) -> Decimal | None:
    """Return the price of one unit when whole quantities at it are exact, else None."""
    single = EXACT.divide(rate.amount, Decimal(rate.unit_size))
    exponent = single.as_tuple().exponent
    return single if isinstance(exponent, int) and exponent >= _FINEST else None
