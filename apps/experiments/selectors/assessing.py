"""What planned runs would cost now, and how that compares with what the team did of late."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from apps.catalog import selectors as catalog
from apps.core.db import current_schema
from apps.core.domain.access import Actor
from apps.core.domain.errors import Missing
from apps.core.domain.money import EXACT
from apps.core.domain.months import Month, local_day
from apps.core.ttl import TtlCache
from apps.directory import selectors as directory
from apps.experiments.domain.assessment import Assessment
from apps.experiments.domain.estimate import (
    Caution,
    Estimate,
    amount_cautions,
    asked_amount,
    estimate,
    window_cautions,
)
from apps.experiments.domain.history import Distribution, distribution, history_caution
from apps.experiments.domain.proposals import ModelPlan
from apps.periods import selectors as periods
from apps.periods.domain.fx import FxTable, MissingRate
from apps.rating import selectors as rating
from apps.rating.domain.book import PriceBook
from apps.tenants import selectors as tenants
from apps.usage.selectors.sizes import RequestSize, request_sizes

PAST: Final = timedelta(days=60)
_histories: TtlCache[tuple[object, ...], Distribution | None] = TtlCache(seconds=300, limit=500)


def assess(
    *,
    plans: Sequence[ModelPlan],
    amount: Decimal | None,
    team: str,
    actor: Actor,
    now: datetime,
) -> Assessment:
    """Return what the plans cost at the prices in force, the amount to ask for, and cautions.

    Prices in other currencies are converted at this month's rate; without one there is no band.
    What the team did of late is remembered for five minutes. A dozen queries.
    """
    book = rating.price_book()
    priced = _estimate(plans, book, now)
    wanted = asked_amount(priced, amount)
    windows = _windows(plans, book, now)
    past = {plan.name: _history(plan, team, actor, now) for plan in plans}
    cautions = [
        *window_cautions(plans, windows),
        *amount_cautions(priced, wanted),
        *_history_cautions(plans, past),
        *_team_cautions(team),
    ]
    found = Assessment(
        estimate=priced,
        amount=wanted,
        history=tuple(each for each in past.values() if each is not None),
        price_book_version=book.version,
        priced_at=now,
    )
    return found.with_cautions(*cautions)


def _estimate(plans: Sequence[ModelPlan], book: PriceBook, now: datetime) -> Estimate:
    tenant = tenants.current()
    rates = periods.fx(Month.of(local_day(now, tenant.timezone)))

    def convert(amount: Decimal, currency: str) -> Decimal:
        return EXACT.multiply(amount, rates.rate(currency, tenant.currency).rate)

    try:
        return estimate(plans=plans, book=book, at=now, currency=tenant.currency, convert=convert)
    except MissingRate as missing:
        caution = Caution("missing_rate", "bad", missing.message)
        return Estimate(tenant.currency, None, (), (caution,))


def _windows(
    plans: Sequence[ModelPlan], book: PriceBook, now: datetime
) -> Mapping[str, int | None]:
    return {plan.name: context_window(plan, book=book, now=now) for plan in plans}


def context_window(plan: ModelPlan, *, book: PriceBook, now: datetime) -> int | None:
    """Return how many tokens fit in one request to the model, None when nobody says."""
    sku = book.sku_for(
        provider=plan.provider,
        model=plan.model,
        service_tier=None,
        batch=False,
        region=None,
        context_tokens=0,
        at=now,
    )
    try:
        return catalog.ai_model(provider=sku.provider, code=sku.model).context_window
    except Missing:
        return None


def _history(plan: ModelPlan, team: str, actor: Actor, now: datetime) -> Distribution | None:
    """Return the team's own past with the model; what another may see is remembered apart."""
    sight = (actor.teams, tuple(sorted(actor.bound_tags.items())))
    key = (current_schema(), team, plan.provider, plan.model, sight)
    return _histories.get(key, lambda: _read_history(plan, team, actor, now))


def _read_history(plan: ModelPlan, team: str, actor: Actor, now: datetime) -> Distribution | None:
    sizes = request_sizes(
        team=team,
        provider=plan.provider,
        model=plan.model,
        since=now - PAST,
        until=now,
        actor=actor,
    )
    tenant = tenants.current()
    rates = periods.fx(Month.of(local_day(now, tenant.timezone)))
    return distribution(plan.name, sizes, list(_costs(sizes, rates, tenant.currency)))


def _costs(sizes: Sequence[RequestSize], rates: FxTable, currency: str) -> Iterator[Decimal]:
    """Yield what requests cost in the tenant's currency, those without a price left out."""
    for size in sizes:
        if size.costs is None:
            continue
        try:
            yield sum(
                (
                    EXACT.multiply(amount, rates.rate(base, currency).rate)
                    for base, amount in size.costs
                ),
                Decimal(0),
            )
        except MissingRate:
            return


def _history_cautions(
    plans: Sequence[ModelPlan], past: Mapping[str, Distribution | None]
) -> Iterator[Caution]:
    for plan in plans:
        caution = history_caution(plan, past[plan.name])
        if caution is not None:
            yield caution


def _team_cautions(team: str) -> Iterator[Caution]:
    if team and team not in {one.code for one in directory.teams()}:
        yield Caution(
            "unknown_team",
            "bad",
            f"Nobody has registered the team {team!r}; its cost will be unowned.",
        )


def forget_histories() -> None:
    """Forget what was remembered of the past; for tests."""
    _histories.forget()


__all__ = ["assess", "context_window", "forget_histories"]
