"""What a success cost: by feature or experiment, over days, guarded against zero."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Literal

from apps.core.domain.access import Actor
from apps.core.domain.errors import Invalid
from apps.core.domain.money import EXACT, PUBLISHED_QUANTUM
from apps.costs.selectors import declared_feeds
from apps.directory import selectors as directory
from apps.tenants import selectors as tenants
from apps.usage import selectors as usage
from apps.usage.domain.sight import may_see, sees_everything

By = Literal["feature", "experiment"]


@dataclass(frozen=True, slots=True)
class UnitCost:
    """The use of one feature or experiment, and what each success of one outcome cost.

    `each` is at 12 decimals in the price's currency, None where there is no success or no price;
    `remark` says which.
    """

    name: str
    outcome: str
    successes: int
    requests: int
    tokens: Decimal
    cost: Decimal | None
    currency: str
    each: Decimal | None
    remark: str

    @property
    def id(self) -> str:
        """Return what tells the row from every other."""
        return f"{self.name}/{self.outcome}/{self.currency}"


def unit_costs(*, by: str, first: date, last: date, actor: Actor) -> list[UnitCost]:
    """Return the cost of a success by feature or experiment, over days, both included.

    The whole cost is divided by the successes of each outcome by itself. Successes count on the
    day on which they occurred, however late they came. About fifteen queries.

    :raises Invalid: when the last day lies before the first.
    """
    if last < first:
        raise Invalid("Let the last day be the first one or later.", code="days")
    end = last + timedelta(days=1)
    summary = usage.summary(
        start=first,
        end=end,
        group_by=(by,),
        filters={},
        granularity="total",
        actor=actor,
        declared=declared_feeds(),
    )
    counts = _counts(by, first, end, actor)
    found = []
    for row in summary.rows:
        name = row.dimensions[by]
        if not name:
            continue
        for outcome, count in sorted(counts.get(name, {"": 0}).items()):
            found.append(
                _unit(name, outcome, count, row.events, row.quantity, row.cost, row.currency)
            )
    return sorted(found, key=lambda one: (-(one.cost or Decimal(0)), one.name, one.outcome))


def _unit(  # noqa: PLR0917 - one row of the table
    name: str,
    outcome: str,
    count: int,
    events: int,
    tokens: Decimal,
    cost: Decimal | None,
    currency: str,
) -> UnitCost:
    each, remark = None, ""
    if not count:
        remark = "no success yet"
    elif cost is None:
        remark = "unpriced"
    else:
        each = EXACT.divide(cost, Decimal(count)).quantize(
            PUBLISHED_QUANTUM, ROUND_HALF_EVEN, EXACT
        )
    return UnitCost(name, outcome, count, events, tokens, cost, currency, each, remark)


def _counts(by: str, first: date, end: date, actor: Actor) -> Mapping[str, dict[str, int]]:
    """Return successes by name and outcome, without what the actor may not see."""
    zone = tenants.current().timezone
    moments = [datetime.combine(day, time(), tzinfo=zone).astimezone(UTC) for day in (first, end)]
    attribution = directory.attribution()
    found: dict[str, dict[str, int]] = {}
    for one in usage.successes(start=moments[0], end=moments[1]):
        owner = attribution.owner_of(tags=one.tags, sku_provider="", sku_model="", on=first)
        if not sees_everything(actor) and not may_see(actor, owner, one.tags):
            continue
        name = str(getattr(owner, by))
        if name:
            outcomes = found.setdefault(name, {})
            outcomes[one.name] = outcomes.get(one.name, 0) + one.count
    return found
