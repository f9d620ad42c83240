"""What each feed tells of the same usage, side by side, and what another choice would change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, NamedTuple, Protocol

from apps.core.domain.money import EXACT
from apps.core.domain.months import Month
from apps.usage.domain.feeds import Declared, Feed, FeedRule, Stream

REQUESTS: Final = "requests"
"""Every event is one request, and a bucket one event: the meter does not compare."""


class Fed(Protocol):
    """A sum of one stream, meter and currency."""

    @property
    def stream(self) -> Stream: ...
    @property
    def meter(self) -> str: ...
    @property
    def currency(self) -> str: ...
    @property
    def quantity(self) -> Decimal: ...
    @property
    def cost(self) -> Decimal | None: ...


class _Scope(NamedTuple):
    provider: str
    account: str
    model: str
    meter: str


@dataclass(frozen=True, slots=True)
class FeedRow:
    """A meter of a model of an account in a month, as each feed tells it; None: it tells nothing.

    `said_of` is what the choice of the counted feed was said of: model, account, or nothing.
    """

    month: Month
    provider: str
    account: str
    model: str
    meter: str
    requests: Decimal | None
    buckets: Decimal | None
    counted: str
    said_of: str
    code: str

    @property
    def difference(self) -> Decimal | None:
        """Return (requests - buckets) / buckets; None when one of them is missing."""
        if self.requests is None or not self.buckets:
            return None
        return EXACT.divide(EXACT.subtract(self.requests, self.buckets), self.buckets)


@dataclass(frozen=True, slots=True)
class Said:
    """What is declared of a scope: the feed, what it was said of, and the account's code."""

    feed: Feed | None
    of: str
    code: str


def side_by_side(sums: Iterable[Fed], said: Mapping[Stream, Said]) -> list[FeedRow]:
    """Return what each feed tells, a row a meter, in order; `said` knows every stream."""
    listed = [each for each in sums if each.meter != REQUESTS]
    rule = FeedRule.over((each.stream for each in listed), _declared(said))
    cells: dict[_Scope, dict[str, Decimal]] = {}
    streams: dict[_Scope, Stream] = {}
    for each in listed:
        scope = _Scope(*each.stream[:3], each.meter)
        cell = cells.setdefault(scope, {})
        cell[each.stream.feed] = cell.get(each.stream.feed, Decimal(0)) + each.quantity
        streams.setdefault(scope, each.stream)
    return [_row(scope, cells[scope], streams[scope], rule, said) for scope in sorted(cells)]


@dataclass(frozen=True, slots=True)
class FeedChange:
    """What a month's counted cost is by currency, and would be, were something else declared."""

    month: Month
    before: Mapping[str, Decimal]
    after: Mapping[str, Decimal]


def change_of(month: Month, sums: Iterable[Fed], before: Declared, after: Declared) -> FeedChange:
    """Return the counted cost of a month as declared and as it would be."""
    listed = list(sums)
    streams = {each.stream for each in listed}
    costs = [_cost(listed, FeedRule.over(streams, said)) for said in (before, after)]
    return FeedChange(month, *costs)


def _cost(sums: Iterable[Fed], rule: FeedRule) -> dict[str, Decimal]:
    found: dict[str, Decimal] = {}
    for each in sums:
        if each.cost is not None and rule.counts(each.stream):
            found[each.currency] = EXACT.add(found.get(each.currency, Decimal(0)), each.cost)
    return dict(sorted(found.items()))


def _declared(said: Mapping[Stream, Said]) -> Declared:
    def declared(stream: Stream) -> str | None:
        of = said.get(stream) or said.get(stream._replace(feed=_other(stream.feed)))
        return None if of is None or of.feed is None else of.feed.value

    return declared


def _other(feed: str) -> str:
    return Feed.REQUEST.value if feed == Feed.BUCKET else Feed.BUCKET.value


def _row(
    scope: _Scope,
    cell: Mapping[str, Decimal],
    stream: Stream,
    rule: FeedRule,
    said: Mapping[Stream, Said],
) -> FeedRow:
    of = said[stream]
    counted = of.feed
    if counted is None:
        counted = Feed.REQUEST if stream[:4] in rule.requests else Feed.BUCKET
    return FeedRow(
        month=stream.month,
        provider=scope.provider,
        account=scope.account,
        model=scope.model,
        meter=scope.meter,
        requests=cell.get(Feed.REQUEST.value),
        buckets=cell.get(Feed.BUCKET.value),
        counted=counted.value,
        said_of=of.of,
        code=of.code,
    )
