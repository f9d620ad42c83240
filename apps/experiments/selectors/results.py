"""What experiments came to, live: spend, tokens, successes that carry their tag."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from apps.budgets import selectors as budgets
from apps.core.domain.access import system_actor
from apps.core.domain.money import EXACT
from apps.core.domain.months import Month, local_day
from apps.costs.selectors import declared_feeds
from apps.directory import selectors as directory
from apps.experiments.domain.proposals import read_payload
from apps.experiments.domain.results import Results
from apps.experiments.models import ExperimentRequest, OutcomeReport
from apps.periods import selectors as periods
from apps.periods.domain.fx import FxTable, MissingRate
from apps.tenants import selectors as tenants
from apps.usage import selectors as usage
from apps.usage.domain.summary import Summary

_READER = system_actor("experiments")


@dataclass(frozen=True, slots=True)
class ModelUse:
    """What an experiment used of one model; cost in the price's currency, None when unpriced."""

    model: str
    requests: int
    tokens: Decimal
    cost: Decimal | None
    currency: str


def results(*, row: ExperimentRequest, now: datetime) -> Results:
    """Return the figures of an experiment up to now; about twenty queries.

    Money is what its grant has spent, in the tenant's currency and exact. Successes are counted by
    the day on which they occurred, whenever they came to be known, so late ones restate it.
    """
    proposal = read_payload(row.revisions.get(number=row.revision).content)
    band = row.revisions.get(number=row.revision).estimate["band"]
    start, end = days_of(row, now)
    used = _summary(row.code, start, end, ()) if start < end else None
    standing = budgets.grant_standing(grant=row.grant) if row.grant else None
    return Results(
        currency=row.currency,
        spent=None if standing is None or (used and used.unpriced) else standing.spent,
        approved=row.amount,
        likely=None if band is None else Decimal(band["likely"]),
        tokens=sum((total.quantity for total in used.totals), Decimal(0)) if used else Decimal(0),
        requests=max((total.events for total in used.totals), default=0) if used else 0,
        outcome=proposal.outcome_name,
        successes=successes_of(row.code, proposal.outcome_name, start, end),
        target=proposal.outcome_target,
        value_each=proposal.outcome_value,
    )


def use_by_model(*, row: ExperimentRequest, now: datetime) -> list[ModelUse]:
    """Return what an experiment used, the dearest model first."""
    start, end = days_of(row, now)
    if start >= end:
        return []
    rows = _summary(row.code, start, end, ("provider", "model")).rows
    found = [
        ModelUse(
            f"{one.dimensions['provider']}/{one.dimensions['model']}".strip("/"),
            one.events,
            one.quantity,
            one.cost,
            one.currency,
        )
        for one in rows
    ]
    return sorted(found, key=lambda one: (-(one.cost or Decimal(0)), one.model))


def daily_spend(*, row: ExperimentRequest, now: datetime) -> dict[date, Decimal]:
    """Return the cost of each day that has some, in the tenant's currency at the month's rate.

    What has no price, or whose month has no rate, is left out.
    """
    start, end = days_of(row, now)
    found: dict[date, Decimal] = {}
    if start >= end:
        return found
    tables: dict[Month, FxTable] = {}
    for one in _summary(row.code, start, end, (), granularity="day").rows:
        day = date.fromisoformat(one.time["day"])
        month = Month.of(day)
        table = tables[month] if month in tables else tables.setdefault(month, periods.fx(month))
        cost = _converted(one.cost, one.currency, row.currency, table)
        found[day] = EXACT.add(found.get(day, Decimal(0)), cost)
    return found


def _converted(cost: Decimal | None, base: str, quote: str, table: FxTable) -> Decimal:
    try:
        return EXACT.multiply(cost or Decimal(0), table.rate(base, quote).rate)
    except MissingRate:
        return Decimal(0)


def reports(*, row: ExperimentRequest) -> Sequence[OutcomeReport]:
    """Return the outcome reports of an experiment, the newest first."""
    return list(row.reports.order_by("-number"))


def days_of(row: ExperimentRequest, now: datetime) -> tuple[date, date]:
    """Return the days [start, end) that count: as approved, up to today."""
    today = local_day(now, tenants.current().timezone)
    start = row.starts_on or today
    last = min(row.ends_on or today, today)
    return start, last + timedelta(days=1)


def successes_of(code: str, outcome: str, start: date, end: date) -> int:
    """Return the successes with an experiment's tag that occurred in [start, end).

    Of the named outcome; of any when none is named.
    """
    if start >= end:
        return 0
    zone = tenants.current().timezone
    moments = [datetime.combine(day, time(), tzinfo=zone).astimezone(UTC) for day in (start, end)]
    attribution = directory.attribution()

    def experiment_of(tags: Mapping[str, str]) -> str:
        owner = attribution.owner_of(tags=tags, sku_provider="", sku_model="", on=start)
        return owner.experiment

    return sum(
        one.count
        for one in usage.successes(start=moments[0], end=moments[1])
        if outcome in ("", one.name) and experiment_of(one.tags) == code
    )


def _summary(
    code: str, start: date, end: date, group_by: Sequence[str], *, granularity: str = "total"
) -> Summary:
    return usage.summary(
        start=start,
        end=end,
        group_by=group_by,
        filters={"experiment": code},
        granularity=granularity,
        actor=_READER,
        declared=declared_feeds(),
    )
