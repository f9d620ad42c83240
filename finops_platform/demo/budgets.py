"""Sets the demo's budgets and policies, one budget near its limit; once."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import ROUND_CEILING, Decimal
from typing import Final

from apps.budgets import selectors, services
from apps.budgets.domain.budgets import DEFAULT_THRESHOLDS, BudgetDraft
from apps.budgets.domain.decisions import Ask
from apps.budgets.domain.limits import NO_ROLLOVER, Limit, Rollover
from apps.budgets.domain.policies import PolicyDraft, Rules
from apps.budgets.domain.windows import Window, first_day_of
from apps.core.domain.access import Actor
from apps.core.domain.months import Month, local_day
from apps.tenants.selectors import TenantFacts
from finops_platform.demo.script import Script


@dataclass(frozen=True, slots=True)
class _Wish:
    """A budget of the demo; its amount is what leaves `used` of it used on the day of loading."""

    name: str
    scope: dict[str, str]
    used: str
    limit: Limit = Limit.SOFT
    window: Window = Window.MONTH
    days: int | None = None
    rollover: Rollover = NO_ROLLOVER
    holds: tuple[str, ...] = field(default=())


_WISHES: Final = {
    "acme": (
        _Wish("All of AI spend", {}, "0.62"),
        _Wish("Developer tools", {"team": "developer-tools"}, "0.93", Limit.HARD, holds=("1.20",)),
        _Wish("Support automation", {"team": "support"}, "0.71"),
        _Wish("Search", {"team": "search"}, "0.55", rollover=Rollover(unused_cap=Decimal(5))),
        _Wish(
            "Research, last 30 days", {"team": "research"}, "0.84", window=Window.ROLLING, days=30
        ),
        _Wish("Customer Experience", {"cost_center": "CC-1200"}, "0.64", window=Window.QUARTER),
        _Wish("Alder Health", {"customer": "alder-health"}, "1.04"),
    ),
    "globex": (
        _Wish("All of AI spend", {}, "0.70"),
        _Wish("Legal research", {"team": "legal"}, "0.95", Limit.HARD),
    ),
}
_POLICY: Final = Rules(ultra_context_tokens=400_000, price_ceiling=Decimal(5), currency="USD")


def ensure_budgets(
    *, script: Script, tenant: TenantFacts, first: Month, actor: Actor, now: datetime
) -> None:
    """Set the budgets and a policy of a demo tenant, unless it has any."""
    today = local_day(now, tenant.timezone)
    known = selectors.standings(actor=actor, on=today, with_retired=True)
    if any(not one.budget.is_grant for one in known):
        return
    owners = [row["email"] for row in script["people"] if row["role"] == "finance"]
    for wish in _WISHES.get(script["slug"], ()):
        _set(wish, tenant, owners, first=first, today=today, actor=actor, now=now)
    if script["slug"] == "acme":
        draft = PolicyDraft(name="House rules", rules=_POLICY, scope={}, valid_from=today)
        services.create_policy(draft=draft, actor=actor, now=now)


def _set(
    wish: _Wish,
    tenant: TenantFacts,
    owners: list[str],
    *,
    first: Month,
    today: date,
    actor: Actor,
    now: datetime,
) -> None:
    spent = selectors.spent_by(
        scope=wish.scope,
        currency=tenant.currency,
        first=_first_day(wish, today),
        end=today + timedelta(days=1),
    )
    amount = (spent / Decimal(wish.used)).quantize(Decimal(1), ROUND_CEILING)
    draft = BudgetDraft(
        name=wish.name,
        amount=max(amount, Decimal(1)),
        currency=tenant.currency,
        scope=wish.scope,
        window=wish.window,
        starts_on=None
        if wish.window is Window.ROLLING
        else first_day_of(wish.window, first.first_day),
        days=wish.days,
        limit=wish.limit,
        rollover=wish.rollover,
        thresholds=DEFAULT_THRESHOLDS,
        owners=owners,
    )
    services.create(draft=draft, actor=actor, now=now)
    for held in wish.holds:
        ask = Ask(
            tags=wish.scope,
            model="claude-sonnet-4-5",
            provider="anthropic",
            amount=Decimal(held),
            currency=tenant.currency,
            ttl_seconds=int(timedelta(hours=12).total_seconds()),
        )
        services.authorize(ask=ask, actor=actor, now=now)


def _first_day(wish: _Wish, today: date) -> date:
    if wish.days is not None:
        return today - timedelta(days=wish.days - 1)
    return first_day_of(wish.window, today)
