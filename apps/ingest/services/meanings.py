"""Says what sent models mean and rates open months by it at once; first, what that would change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db import transaction

from apps.core.domain.access import Actor, Scope
from apps.core.domain.errors import Forbidden
from apps.core.domain.money import EXACT
from apps.core.domain.months import Month
from apps.ingest.services.adopt import Adoption, adopt_held, hold_prices
from apps.periods import selectors as periods
from apps.periods.domain.calendar import State
from apps.rating import selectors as rating
from apps.rating import services as rating_services
from apps.rating.domain.mapping import Meaning
from apps.usage import services as usage
from apps.usage.domain.normalize import REQUESTS


@dataclass(frozen=True, slots=True)
class CostChange:
    """Cost by currency before and after; what has no price is in neither."""

    before: Mapping[str, Decimal]
    after: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class MonthChange:
    """What a month would have changed: `cells` quantities that are priced otherwise.

    A month that is not open is not touched; what it shows is what a price correction would book.
    """

    month: Month
    state: State
    cells: int
    cost: CostChange

    @property
    def is_rated_again(self) -> bool:
        """Tell whether the month follows at once."""
        return self.state is State.OPEN


@dataclass(frozen=True, slots=True)
class LineChange:
    """One meter that would be priced otherwise in open months; a cost of None is unpriced."""

    before: str
    after: str
    meter: str
    quantity: Decimal
    cost_before: Decimal | None
    cost_after: Decimal | None
    currency_before: str
    currency_after: str


@dataclass(frozen=True, slots=True)
class TeamChange:
    """What a team's cost of open months would be."""

    team: str
    cost: CostChange


@dataclass(frozen=True, slots=True)
class Foresight:
    """What confirming would change; nothing was written."""

    months: tuple[MonthChange, ...]
    lines: tuple[LineChange, ...]
    teams: tuple[TeamChange, ...]

    @property
    def cells(self) -> int:
        """Return how many quantities of open months are priced otherwise."""
        return sum(month.cells for month in self.months if month.is_rated_again)


@dataclass(frozen=True, slots=True)
class Mapped:
    """A mapping that is in force, and what adopting it changed."""

    mapping: UUID
    adoption: Adoption


def foresee_mapping(*, draft: rating_services.MappingDraft, actor: Actor) -> Foresight:
    """Return what a mapping would change if it were recorded now; writes nothing.

    Prices that are known and not adopted yet come into force with it, and are counted in.

    :raises MappingNotValid: when a field cannot be right.
    :raises MappingOverlaps: when the sent model means something already at some of that time.
    """
    require_whole_sight(actor)
    return _foresee(proposed=[rating_services.settled(draft).meaning()])


def map_model(*, draft: rating_services.MappingDraft, actor: Actor, now: datetime) -> Mapped:
    """Record what a sent model means and rate every open month by it, in one transaction.

    Frozen and closed months stay; `correct_prices` books what they would have changed.

    :raises MappingNotValid: when a field cannot be right.
    :raises MappingOverlaps: when the sent model means something already at some of that time.
    """
    require_whole_sight(actor)
    with transaction.atomic():
        held = hold_prices()
        mapping = rating_services.record_mapping(draft=draft, actor=actor, now=now)
        return Mapped(mapping, adopt_held(held=held, actor=actor, now=now))


def foresee_end(*, mapping: UUID, valid_to: datetime | None, actor: Actor) -> Foresight:
    """Return what ending a mapping at a moment would change; None withdraws it whole.

    :raises MappingUnknown: when no such mapping stands.
    """
    require_whole_sight(actor)
    standing = _standing(mapping)
    left = [] if valid_to is None else [_cut(standing, valid_to)]
    return _foresee(proposed=left, withdrawn=frozenset({str(mapping)}))


def end_meaning(*, mapping: UUID, valid_to: datetime, actor: Actor, now: datetime) -> Mapped:
    """End a mapping at a moment and rate every open month again, in one transaction.

    :raises MappingNotValid: when the end is not after the beginning and before the present end.
    :raises MappingUnknown: when no such mapping stands.
    """
    require_whole_sight(actor)
    with transaction.atomic():
        held = hold_prices()
        ended = rating_services.end_mapping(
            mapping=mapping, valid_to=valid_to, actor=actor, now=now
        )
        return Mapped(ended, adopt_held(held=held, actor=actor, now=now))


def withdraw_meaning(*, mapping: UUID, reason: str, actor: Actor, now: datetime) -> Mapped:
    """Withdraw a mapping made in error and rate every open month again, in one transaction.

    :raises MappingNotValid: when no reason is given.
    :raises MappingUnknown: when no such mapping stands.
    """
    require_whole_sight(actor)
    with transaction.atomic():
        held = hold_prices()
        rating_services.withdraw_mapping(mapping=mapping, reason=reason, actor=actor, now=now)
        return Mapped(mapping, adopt_held(held=held, actor=actor, now=now))


def _cut(standing: rating.MappingFacts, valid_to: datetime) -> Meaning:
    return Meaning(
        standing.sent_provider,
        standing.sent_model,
        standing.provider,
        standing.model,
        standing.valid_from,
        valid_to,
    )


def require_whole_sight(actor: Actor) -> None:
    """Pass who may write prices and sees all that they change.

    :raises Forbidden: when the scope is lacking, or the actor is limited to teams or tags.
    """
    actor.require(Scope.PRICES_WRITE)
    if actor.teams is not None or actor.bound_tags:
        raise Forbidden(
            "This changes everybody's cost; ask somebody who sees all of it.",
            code="limited",
        )


def _standing(mapping: UUID) -> rating.MappingFacts:
    found = rating.mapping(mapping)
    if not found.is_believed:
        raise rating.MappingUnknown(f"There is no mapping {mapping} that stands now.")
    return found


def _foresee(*, proposed: Iterable[Meaning], withdrawn: frozenset[str] = frozenset()) -> Foresight:
    calendar = periods.calendar()
    with usage.nothing_kept():
        after = rating.proposed_book(proposed=proposed, withdrawn=withdrawn)
        moves = {
            period.month: usage.foresee(
                month=period.month,
                before=rating.price_book(version=usage.version_of(period)),
                after=after,
            )
            for period in calendar.periods
            if usage.holds_usage(month=period.month)
        }
    states = {period.month: period.state for period in calendar.periods}
    open_moves = [
        move for month, found in moves.items() if states[month] is State.OPEN for move in found
    ]
    return Foresight(
        months=tuple(
            MonthChange(month, states[month], len(found), change_of(found))
            for month, found in moves.items()
            if found
        ),
        lines=lines_of(open_moves),
        teams=_teams(open_moves),
    )


def change_of(moves: Iterable[usage.Move]) -> CostChange:
    """Return what moves cost before and after, by currency."""
    before: dict[str, Decimal] = {}
    after: dict[str, Decimal] = {}
    for move in moves:
        for sums, side in ((before, move.before), (after, move.after)):
            if side.cost is not None:
                sums[side.currency] = EXACT.add(sums.get(side.currency, Decimal(0)), side.cost)
    return CostChange(dict(sorted(before.items())), dict(sorted(after.items())))


def lines_of(moves: Iterable[usage.Move]) -> tuple[LineChange, ...]:
    """Return moves by SKU and meter; requests that nobody charges for are left out."""
    lines: dict[tuple[str, str, str, str, str], LineChange] = {}
    for move in moves:
        if move.meter == REQUESTS and not move.before.price and not move.after.price:
            continue
        line = _line(move)
        key = (line.before, line.after, line.meter, line.currency_before, line.currency_after)
        known = lines.get(key)
        lines[key] = line if known is None else _added(known, line)
    return tuple(line for _, line in sorted(lines.items()))


def _line(move: usage.Move) -> LineChange:
    return LineChange(
        before=move.before.sku.label,
        after=move.after.sku.label,
        meter=move.meter,
        quantity=move.quantity,
        cost_before=move.before.cost,
        cost_after=move.after.cost,
        currency_before=move.before.currency,
        currency_after=move.after.currency,
    )


def _added(one: LineChange, other: LineChange) -> LineChange:
    return replace(
        one,
        quantity=one.quantity + other.quantity,
        cost_before=_sum(one.cost_before, other.cost_before),
        cost_after=_sum(one.cost_after, other.cost_after),
    )


def _sum(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    return None if one is None or other is None else EXACT.add(one, other)


def _teams(moves: Iterable[usage.Move]) -> tuple[TeamChange, ...]:
    by_team: dict[str, list[usage.Move]] = {}
    for move in moves:
        by_team.setdefault(move.team, []).append(move)
    return tuple(TeamChange(team, change_of(found)) for team, found in sorted(by_team.items()))
