"""Groups rollups by resolved dimensions; quantities and costs stay exact."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, NamedTuple

from apps.core.domain.canonical import plain_decimal
from apps.core.domain.errors import Invalid
from apps.core.domain.money import EXACT, published
from apps.usage.domain.normalize import REQUESTS

OWNED: Final = (
    "team",
    "product",
    "feature",
    "customer",
    "experiment",
    "environment",
    "cost_center",
)
SOLD: Final = ("provider", "model", "sku", "service", "meter")
SENT: Final = ("credential", "account", "operation")
TAG: Final = "tag:"
MOST_ROWS: Final = 20_000
_TOKENS: Final = "_tokens"


class Granularity(StrEnum):
    """Over which stretches of time rows are summed."""

    TOTAL = "total"
    DAY = "day"
    MONTH = "month"


class Fact(NamedTuple):
    """One sum of rollups with everything that it can be grouped by.

    `dimensions` hold every dimension that was asked for; `requests` is left in as a meter.
    """

    dimensions: Mapping[str, str]
    on: date
    meter: str
    quantity: Decimal
    cost: Decimal | None
    currency: str
    lacks_price: bool


_Key = tuple[str, tuple[str, ...], str, str]
"""Time, values of the dimensions but the meter, meter or "", currency."""


@dataclass(slots=True)
class _Sum:
    quantities: dict[str, Decimal] = field(default_factory=dict)
    cost: Decimal | None = None
    unpriced: bool = False

    @property
    def quantity(self) -> Decimal:
        """Return the tokens, or the one other meter; meters of different units do not add up."""
        tokens = [q for meter, q in self.quantities.items() if meter.endswith(_TOKENS)]
        others = [q for meter, q in self.quantities.items() if meter != REQUESTS]
        if tokens:
            return sum(tokens, Decimal(0))
        return others[0] if len(others) == 1 else Decimal(0)

    @property
    def shown_cost(self) -> Decimal | None:
        """Return the cost of what has a price; None when something is there and nothing has one."""
        if self.cost is None:
            return None if self.unpriced else Decimal(0)
        return self.cost

    def counts_beside(self, groups: Mapping[_Key, _Sum], key: _Key, base: str) -> bool:
        """Tell whether the group is worth a row; bare requests are not, beside a costly one."""
        if not any(self.quantities.values()) and not self.cost:
            return False
        bare = not key[2] and set(self.quantities) == {REQUESTS} and self.cost is None
        return not (bare and any(k[:2] == key[:2] and k[3] != base for k in groups))


@dataclass(frozen=True, slots=True)
class SummaryRow:
    """One row: what it is of, how much, what it costs (None: nothing of it has a price)."""

    dimensions: Mapping[str, str]
    time: Mapping[str, str]
    quantity: Decimal
    cost: Decimal | None
    currency: str
    events: int

    def as_dict(self) -> dict[str, Any]:
        """Return the row as the API shows it."""
        return {
            **self.time,
            **self.dimensions,
            "quantity": plain_decimal(self.quantity),
            "cost": None if self.cost is None else published(self.cost),
            "currency": self.currency,
            "events": self.events,
        }


@dataclass(frozen=True, slots=True)
class UnpricedUse:
    """What of the summed usage has no price: it is in the quantities and in no cost.

    `events_at_most` counts all requests of the SKU under the tag sets that hold any such usage:
    rollups do not tell how many of them used this meter.
    """

    provider: str
    model: str
    sku: int
    meter: str
    quantity: Decimal
    events_at_most: int

    def as_dict(self) -> dict[str, Any]:
        """Return it as the API shows it."""
        return {
            "provider": self.provider,
            "model": self.model,
            "meter": self.meter,
            "quantity": plain_decimal(self.quantity),
            "events_at_most": self.events_at_most,
        }


@dataclass(frozen=True, slots=True)
class Summary:
    """Usage over [start, end), grouped. `currency` is that of all costs, else the tenant's.

    With prices in several currencies every row has its own, and `totals` one for each.
    """

    currency: str
    rows: tuple[SummaryRow, ...]
    totals: tuple[SummaryRow, ...]
    unpriced: tuple[UnpricedUse, ...]

    @property
    def total(self) -> SummaryRow:
        """Return the total of the summary's own currency."""
        for row in self.totals:
            if row.currency == self.currency:
                return row
        return self.totals[0]

    def as_dict(self) -> dict[str, Any]:
        """Return the summary as the API shows it."""
        body: dict[str, Any] = {
            "currency": self.currency,
            "rows": [row.as_dict() for row in self.rows],
            "total": self.total.as_dict(),
            "unpriced": {
                "events_at_most": sum(use.events_at_most for use in _once_a_sku(self.unpriced)),
                "skus": [use.as_dict() for use in self.unpriced],
            },
        }
        if len(self.totals) > 1:
            body["totals"] = [row.as_dict() for row in self.totals]
        return body


def check_dimension(name: str) -> str:
    """Return the name of a dimension.

    :raises Invalid: when there is none of that name.
    """
    if name in (*OWNED, *SOLD, *SENT) or (name.startswith(TAG) and len(name) > len(TAG)):
        return name
    known = ", ".join((*OWNED, *SOLD, *SENT))
    raise Invalid(
        f"There is no dimension {name[:80]!r}; known are {known}, and tag:<key>.", code="dimension"
    )


def summarize(
    facts: Iterable[Fact],
    *,
    group_by: Sequence[str],
    granularity: Granularity,
    meters: frozenset[str],
    currency: str,
    unpriced: tuple[UnpricedUse, ...],
) -> Summary:
    """Sum facts into rows; `meters` limits what is summed, empty takes all.

    "events" of a row is the meter `requests` of the same group, whatever its meter (rule 3). A
    row without the dimension meter sums its tokens, or the one other meter that it has.
    """
    listed = list(facts)
    base = _only_currency(listed, currency)
    groups: dict[_Key, _Sum] = {}
    events: dict[tuple[str, tuple[str, ...]], Decimal] = {}
    totals: dict[str, _Sum] = {base: _Sum()}
    for fact in listed:
        money = fact.currency or base
        time = _time(fact.on, granularity)
        names = tuple(fact.dimensions[name] for name in group_by if name != "meter")
        if fact.meter == REQUESTS:
            events[time, names] = events.get((time, names), Decimal(0)) + fact.quantity
        if meters and fact.meter not in meters:
            continue
        meter = fact.meter if "meter" in group_by else ""
        _add(groups.setdefault((time, names, meter, money), _Sum()), fact)
        _add(totals.setdefault(money, _Sum()), fact)
    rows = [
        _row(key, groups[key], group_by, granularity, events.get(key[:2], Decimal(0)))
        for key in sorted(groups)
        if groups[key].counts_beside(groups, key, base)
    ]
    if len(rows) > MOST_ROWS:
        raise Invalid(f"That gives more than {MOST_ROWS:,} rows; group by less.", code="rows")
    everything = int(sum(events.values(), Decimal(0)))
    return Summary(
        currency=base,
        rows=tuple(rows),
        totals=tuple(
            SummaryRow({}, {}, total.quantity, total.shown_cost, money, everything)
            for money, total in sorted(totals.items())
        ),
        unpriced=unpriced,
    )


def _add(total: _Sum, fact: Fact) -> None:
    total.quantities[fact.meter] = total.quantities.get(fact.meter, Decimal(0)) + fact.quantity
    if fact.cost is not None:
        total.cost = EXACT.add(total.cost or Decimal(0), fact.cost)
    total.unpriced = total.unpriced or fact.lacks_price


def _row(
    key: _Key,
    total: _Sum,
    group_by: Sequence[str],
    granularity: Granularity,
    events: Decimal,
) -> SummaryRow:
    time, names, meter, currency = key
    values = iter(names)
    return SummaryRow(
        dimensions={name: meter if name == "meter" else next(values) for name in group_by},
        time={} if granularity is Granularity.TOTAL else {granularity.value: time},
        quantity=total.quantities[meter] if meter else total.quantity,
        cost=total.shown_cost,
        currency=currency,
        events=int(events),
    )


def _only_currency(facts: Iterable[Fact], default: str) -> str:
    """Return the one currency of all costs; the tenant's when there is none, or several."""
    found = {fact.currency for fact in facts if fact.currency}
    return found.pop() if len(found) == 1 else default


def _time(on: date, granularity: Granularity) -> str:
    if granularity is Granularity.DAY:
        return on.isoformat()
    return f"{on:%Y-%m}" if granularity is Granularity.MONTH else ""


def _once_a_sku(uses: Iterable[UnpricedUse]) -> Iterable[UnpricedUse]:
    """Return one use of each SKU, whose requests all its uses share."""
    return {use.sku: use for use in uses}.values()
