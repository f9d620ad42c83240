"""Answers about the costs of a month: by any dimension, and for the home page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal

from apps.core.domain.access import Actor, Scope
from apps.core.domain.months import Month
from apps.costs.domain.grouping import CostRow, OwnedLine, check_group_by, grouped
from apps.costs.domain.lines import CostBase, MissingPair
from apps.costs.domain.sight import sees_everything, visible
from apps.costs.selectors.assembly import assembly_of
from apps.costs.selectors.base import attribution_of
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
    assembly = assembly_of(month)
    base = assembly.base()
    owned = visible(owned_lines(base, assembly.attribution), actor)
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
    """Return every line of a cost base with its owner on its first day.

    Lines share their tags, so what they are is asked once, however many lines carry them.
    """
    found = attribution or attribution_of(base.month)
    known: dict[tuple[int, str, str, date], directory.Owner] = {}
    owned: list[OwnedLine] = []
    for line in base.lines:
        asked = (id(line.tags), line.provider, line.model, line.first_day)
        owner = known.get(asked)
        if owner is None:
            owner = known[asked] = found.owner_of(
                tags=line.tags,
                sku_provider=line.provider,
                sku_model=line.model,
                on=line.first_day,
            )
        owned.append(OwnedLine(line, owner))
    return owned


def _sum(owned: Sequence[OwnedLine]) -> CostRow:
    rows = grouped(owned, ())
    return rows[0] if rows else CostRow((), Decimal(0), Decimal(0), None, "", 0)
