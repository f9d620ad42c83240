"""Decides what a source's word changes in the list of prices, and who must agree to it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from statistics import median
from typing import Final, NamedTuple

from apps.catalog.domain.published import Rate

TOLERANCE: Final = 100
"""Sources agree when their prices differ by at most one part in so many: one percent."""

SLIP: Final = 100
"""A price so many times away from what it is compared with is probably in another unit."""

FEWEST_SOURCES: Final = 2
FEWEST_PEERS: Final = 3
_BEGINNING: Final = datetime(1, 1, 1, tzinfo=UTC)
_FOREVER: Final = datetime(9999, 12, 31, tzinfo=UTC)
_INSTANT: Final = timedelta(microseconds=1)


class Step(NamedTuple):
    """A rate over [valid_from, valid_to); None bounds nothing, a rate of None is no price."""

    rate: Rate | None
    valid_from: datetime | None
    valid_to: datetime | None

    @property
    def start(self) -> datetime:
        """Return the moment at which it begins."""
        return self.valid_from or _BEGINNING

    @property
    def end(self) -> datetime:
        """Return the moment before which it ends."""
        return self.valid_to or _FOREVER


Timeline = tuple[Step, ...]
"""Steps of one subject in order of time, none of which overlap."""


def rate_at(timeline: Iterable[Step], at: datetime) -> Rate | None:
    """Return the rate in force at a moment."""
    return next((step.rate for step in timeline if step.start <= at < step.end), None)


def spliced(timeline: Iterable[Step], new: Step) -> Timeline:
    """Return the timeline with its stretch from start to end of `new` overwritten by it."""
    kept: list[Step] = []
    for step in timeline:
        if step.end <= new.start or step.start >= new.end:
            kept.append(step)
            continue
        if step.start < new.start:
            kept.append(step._replace(valid_to=new.valid_from))
        if step.end > new.end:
            kept.append(step._replace(valid_from=new.valid_to))
    if new.rate is not None:
        kept.append(new)
    return tuple(sorted(kept, key=lambda step: step.start))


def same_price(one: Rate | None, other: Rate | None) -> bool:
    """Tell whether two rates charge alike, whatever unit size they are written for."""
    if one is None or other is None or one == other:
        return one == other
    return one.currency == other.currency and per_unit(one) == per_unit(other)


def agree(one: Rate, other: Rate) -> bool:
    """Tell whether two rates are within one percent of the larger, in the same currency."""
    first, second = per_unit(one), per_unit(other)
    return one.currency == other.currency and TOLERANCE * abs(first - second) <= max(first, second)


def per_unit(rate: Rate) -> Fraction:
    """Return the price of one unit, exactly."""
    return Fraction(rate.amount) / rate.unit_size


def changes_of_dated(
    *, stated: Timeline, before: Timeline, listed: Timeline, is_still_known: bool
) -> list[Step]:
    """Return what a source that says from when its prices hold changes in the list.

    `before` is what it said until now: where it falls silent about a listed price, the price is
    withdrawn, unless it says nothing about the whole model any more (`is_still_known`).
    """
    found: list[Step] = []
    edges = sorted({edge for s in (*stated, *before, *listed) for edge in (s.start, s.end)})
    for start, end in pairwise(edges):
        wanted, have = rate_at(stated, start), rate_at(listed, start)
        silent = wanted is None and (rate_at(before, start) is None or not is_still_known)
        if same_price(wanted, have) or silent:
            continue
        last = found[-1] if found else None
        if last is not None and last.end == start and last.rate == wanted:
            found[-1] = last._replace(valid_to=_bound(end))
        else:
            found.append(Step(wanted, _bound(start), _bound(end)))
    return found


def changes_of_undated(
    *,
    stated: Rate | None,
    before: Rate | None,
    listed: Timeline,
    is_still_known: bool,
    now: datetime,
) -> list[Step]:
    """Return what a source that only speaks of now changes in the list.

    It says nothing about prices before `now` or announced for later. Where nothing was ever
    listed its price holds since ever, as no other one is known.
    """
    have = rate_at(listed, now)
    silent = stated is None and (before is None or not is_still_known)
    if same_price(stated, have) or silent:
        return []
    later = min((step.start for step in listed if step.start > now), default=_FOREVER)
    start = None if not listed else now
    return [Step(stated, start, _bound(later))]


class Statement(NamedTuple):
    """What one source says of a subject; an undated one speaks of now only."""

    timeline: Timeline
    is_dated: bool


class Verdict(NamedTuple):
    """How many sources state a price within a percent, how many another, and what is odd."""

    agreeing: int
    differing: int
    caution: str

    @property
    def is_agreed(self) -> bool:
        """Tell whether it may be published without a person."""
        return self.agreeing >= FEWEST_SOURCES and not self.differing and not self.caution


def moment_of(step: Step, now: datetime) -> datetime:
    """Return the moment of a step's validity that is nearest to now."""
    return min(max(now, step.start), step.end - _INSTANT)


def counted(step: Step, statements: Mapping[str, Statement], now: datetime) -> tuple[int, int]:
    """Return how many sources state the step's price within a percent, and how many another.

    A source that says nothing about the moment does not count. Nobody agrees to a withdrawal.
    """
    at = moment_of(step, now)
    rates = [
        rate_at(statement.timeline, at)
        for statement in statements.values()
        if statement.is_dated or at == now
    ]
    known = [rate for rate in rates if rate is not None]
    wanted = step.rate
    agreeing = 0 if wanted is None else sum(agree(wanted, rate) for rate in known)
    return agreeing, len(known) - agreeing


def is_confirmed(
    step: Step, *, listed: Timeline, others: Iterable[Statement], now: datetime
) -> bool:
    """Tell whether the listed price stands: a percent away, and exactly what others state.

    Two sources that round differently would else change a price back and forth.
    """
    at = moment_of(step, now)
    have = rate_at(listed, at)
    if have is None or step.rate is None or not agree(have, step.rate):
        return False
    return any(
        same_price(rate_at(statement.timeline, at), have)
        for statement in others
        if statement.is_dated or at == now
    )


@dataclass(frozen=True, slots=True)
class Peers:
    """The prices of one unit that a provider lists for a family of meters, by model."""

    prices: Mapping[str, Sequence[Fraction]]

    def median_without(self, model: str) -> Fraction | None:
        """Return the median of other models' prices above zero; None when they are too few."""
        above = [
            price
            for name, prices in self.prices.items()
            if name != model
            for price in prices
            if price
        ]
        return Fraction(median(above)) if len(above) >= FEWEST_PEERS else None


def caution(rate: Rate | None, *, predecessor: Rate | None, peers: Fraction | None) -> str:
    """Say why two people must approve a price; empty when one is enough.

    That is 100 times its predecessor or more, or a hundredth or less, or as far away from the
    median of its peers, the same meters of the provider's other models; or another currency.
    """
    if rate is None:
        return ""
    if predecessor is not None:
        if predecessor.currency != rate.currency:
            return f"in {rate.currency}, while the price before was in {predecessor.currency}"
        ratio = _times(per_unit(rate), per_unit(predecessor))
        if ratio:
            return f"{ratio} the price before"
    if peers is not None:
        ratio = _times(per_unit(rate), peers)
        if ratio:
            return f"{ratio} the median of the provider's other models"
    return ""


def predecessor_of(step: Step, listed: Timeline, now: datetime) -> Rate | None:
    """Return what is listed where the step begins to count, else the last price before it."""
    at = moment_of(step, now)
    have = rate_at(listed, at)
    if have is not None:
        return have
    earlier = [one for one in listed if one.end <= at]
    return earlier[-1].rate if earlier else None


def _times(price: Fraction, other: Fraction) -> str:
    if price == other or (price and other and Fraction(1, SLIP) < price / other < SLIP):
        return ""
    if not price:
        return "zero, unlike"
    if not other:
        return "above zero, unlike"
    if price > other:
        return f"{_figure(price / other)} times"
    return f"1/{_figure(other / price)} of"


def _figure(ratio: Fraction) -> str:
    return f"{int(ratio):,}"


def _bound(edge: datetime) -> datetime | None:
    return None if edge in (_BEGINNING, _FOREVER) else edge


def by_model(prices: Iterable[tuple[str, Fraction]]) -> Peers:
    """Return peers of (model, price of one unit) pairs."""
    found: dict[str, list[Fraction]] = {}
    for model, price in prices:
        found.setdefault(model, []).append(price)
    return Peers(found)
