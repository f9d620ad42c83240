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


@dataclass(frozen=True, slots=True)
class ForeignUse:
    """Use of an experiment's tag by another team: it is theirs, and draws their own budgets.

    `team` is empty of usage that names none; cost in the price's currency, None when unpriced.
    """

    team: str
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
    standing = budgets.grant_standing(grant=row.grant) if row.grant else None
    team = "" if standing is None else standing.team
    used = _summary(_use_of(row.code, team, start), start, end, ()) if start < end else None
    return Results(
        currency=row.currency,
        spent=None if standing is None or (used and used.unpriced) else standing.spent,
        approved=row.amount,
        likely=None if band is None else Decimal(band["likely"]),
        tokens=sum((total.quantity for total in used.totals), Decimal(0)) if used else Decimal(0),
        requests=max((total.events for total in used.totals), default=0) if used else 0,
        outcome=proposal.outcome_name,
        successes=successes_of(row.code, proposal.outcome_name, start, end, team=team),
        target=proposal.outcome_target,
        value_each=proposal.outcome_value,
    )


def use_by_model(*, row: ExperimentRequest, now: datetime) -> list[ModelUse]:
    """Return what an experiment used, the dearest model first."""
    start, end = days_of(row, now)
    if start >= end:
        return []
    use = _use_of(row.code, _team_of(row), start)
    rows = _summary(use, start, end, ("provider", "model")).rows
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


def foreign_use(*, row: ExperimentRequest, now: datetime) -> list[ForeignUse]:
    """Return the use of an experiment's tag that is not its team's, the dearest first.

    None of an experiment whose grant any team draws, as those of before did.
    """
    start, end = days_of(row, now)
    team = _team_of(row)
    if start >= end or not team:
        return []
    rows = _summary({"experiment": row.code}, start, end, ("team", "tag:team")).rows
    named = [(one.dimensions["team"] or one.dimensions["tag:team"], one) for one in rows]
    found = [
        ForeignUse(whose, one.events, one.quantity, one.cost, one.currency)
        for whose, one in named
        if whose != team
    ]
    return sorted(found, key=lambda one: (-(one.cost or Decimal(0)), one.team))


def daily_spend(*, row: ExperimentRequest, now: datetime) -> dict[date, Decimal]:
    """Return the cost of each day that has some, in the tenant's currency at the month's rate.

    What has no price, or whose month has no rate, is left out.
    """
    start, end = days_of(row, now)
    found: dict[date, Decimal] = {}
    if start >= end:
        return found
    tables: dict[Month, FxTable] = {}
    use = _use_of(row.code, _team_of(row), start)
    for one in _summary(use, start, end, (), granularity="day").rows:
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


def successes_of(code: str, outcome: str, start: date, end: date, *, team: str = "") -> int:
    """Return the successes with an experiment's tag that occurred in [start, end).

    Of the named outcome; of any when none is named. Those that name another team are left out.
    """
    if start >= end:
        return 0
    zone = tenants.current().timezone
    moments = [datetime.combine(day, time(), tzinfo=zone).astimezone(UTC) for day in (start, end)]
    attribution = directory.attribution()

    def counts(tags: Mapping[str, str]) -> bool:
        owner = attribution.owner_of(tags=tags, sku_provider="", sku_model="", on=start)
        whose = owner.team or tags.get("team", "")
        return owner.experiment == code and (not team or whose in ("", team))

    return sum(
        one.count
        for one in usage.successes(start=moments[0], end=moments[1])
        if outcome in ("", one.name) and counts(one.tags)
    )


def _team_of(row: ExperimentRequest) -> str:
    """Return whose use alone draws the grant; empty where the tag is enough."""
    return budgets.grant_standing(grant=row.grant).team if row.grant else ""


def _use_of(code: str, team: str, on: date) -> dict[str, str]:
    """Return what the use that draws a grant is filtered by; a team may be in no register."""
    if not team:
        return {"experiment": code}
    known = directory.attribution().register.knows("team", team, on)
    return {"experiment": code, ("team" if known else "tag:team"): team}


def _summary(
    use: Mapping[str, str],
    start: date,
    end: date,
    group_by: Sequence[str],
    *,
    granularity: str = "total",
) -> Summary:
    return usage.summary(
        start=start,
        end=end,
        group_by=group_by,
        filters=use,
        granularity=granularity,
        actor=_READER,
        declared=declared_feeds(),
    )
