"""Answers about the costs of a month: by any dimension, and for the home page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal

from apps.core.domain.access import Actor, Scope
from apps.core.domain.money import EXACT
from apps.core.domain.months import Month
from apps.costs.domain.grouping import CostRow, OwnedLine, check_group_by, grouped
from apps.costs.domain.lines import CostBase, MissingPair, total
from apps.costs.domain.sight import sees_everything, visible
from apps.costs.selectors.base import attribution_of, cost_base
from apps.directory import selectors as directory

Axis = Literal["team", "customer"]


@dataclass(frozen=True, slots=True)
class CostAnswer:
    """Costs of a month as an actor may see them; `total` is of what is shown."""

    month: Month
    axis: Axis
    group_by: tuple[str, ...]
    currency: str
    provisional_fx: bool
    rows: tuple[CostRow, ...]
    total: CostRow
    unpriced: tuple[object, ...]
    missing_rates: tuple[MissingPair, ...]
    hash: str


def costs(*, month: Month, axis: Axis, group_by: Sequence[str], actor: Actor) -> CostAnswer:
    """Return the costs of a month summed by dimensions, by the axis alone when none is named.

    The total does not depend on the grouping. Unpriced usage and missing rates concern everybody's
    money and are shown to whoever sees all of it.

    :raises UnknownDimension: when costs are not kept by a dimension.
    :raises PeriodMissing: when the calendar has no such month.
    """
    actor.require(Scope.COSTS_READ)
    by = check_group_by(group_by or (axis,))
    base = cost_base(month=month)
    owned = visible(owned_lines(base), actor)
    complete = sees_everything(actor)
    return CostAnswer(
        month=month,
        axis=axis,
        group_by=by,
        currency=base.currency,
        provisional_fx=base.provisional_fx,
        rows=grouped(owned, by),
        total=_sum(owned),
        unpriced=base.unpriced if complete else (),
        missing_rates=base.missing_rates if complete else (),
        hash=base.hash,
    )


def owned_lines(
    base: CostBase, attribution: directory.Attribution | None = None
) -> list[OwnedLine]:
    """Return every line of a cost base with its owner on its first day."""
    found = attribution or attribution_of(base.month)
    return [
        OwnedLine(
            line,
            found.owner_of(
                tags=line.tags,
                sku_provider=line.provider,
                sku_model=line.model,
                on=line.first_day,
            ),
        )
        for line in base.lines
    ]


def _sum(owned: Sequence[OwnedLine]) -> CostRow:
    rows = grouped(owned, ())
    return rows[0] if rows else CostRow((), Decimal(0), Decimal(0), None, "", 0)


@dataclass(frozen=True, slots=True)
class Share:
    """One owner's or model's part of a month; `share` is of the month's cost, 0 to 1."""

    code: str
    amount: Decimal
    share: Decimal | None
    before: Decimal


@dataclass(frozen=True, slots=True)
class Overview:
    """The month at a glance: effective cost in the tenant's currency, as the actor may see it.

    `change` is the part by which it differs from the month before, absent without such a month.
    `daily` is cost by day of use, lines over several days laid on their first day.
    """

    month: Month
    currency: str
    provisional_fx: bool
    spend: Decimal
    spend_before: Decimal | None
    change: Decimal | None
    by_team: tuple[Share, ...]
    by_model: tuple[Share, ...]
    daily: tuple[tuple[date, Decimal], ...]
    unowned: Decimal
    unowned_share: Decimal | None
    unregistered: Decimal
    unpriced: tuple[object, ...]
    missing_rates: tuple[MissingPair, ...]


def ratio(part: Decimal, whole: Decimal) -> Decimal | None:
    """Return a part of a whole to four decimals; absent when the whole is nothing."""
    if not whole:
        return None
    return EXACT.divide(part, whole).quantize(Decimal("0.0001"), context=EXACT)


def amount_of(owned: Sequence[OwnedLine]) -> Decimal:
    """Return the effective cost of some lines, exact."""
    return total(each.line.effective for each in owned)
