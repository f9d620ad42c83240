"""The cost of a month by day."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from decimal import Decimal

from apps.core.domain.access import Actor
from apps.core.domain.money import EXACT
from apps.core.domain.months import Month
from apps.costs.domain.accounts import Feed, Truth
from apps.costs.domain.assemble import charge_tags
from apps.costs.domain.lines import ZERO, Basis, CostBase
from apps.costs.domain.metering import Counting, counted, usage_tags
from apps.costs.domain.sight import owner_visible, sees_everything
from apps.costs.selectors.assembly import Assembly
from apps.costs.selectors.bills import charge_groups
from apps.usage import selectors as usage

_Amount = tuple[date, str, Decimal]
"""Day, currency and effective cost in it."""


def by_day(assembly: Assembly, base: CostBase, actor: Actor) -> tuple[tuple[date, Decimal], ...]:
    """Return the visible effective cost of every day of the month, in order.

    Days sum to the month: what belongs to other days, such as a correction, is laid on the first
    or the last day. Whoever sees everything is answered from sums that the database makes.
    """
    days = _days(assembly.month)
    usage_amounts = _all_usage if sees_everything(actor) else _visible_usage
    sums = dict.fromkeys(days, ZERO)
    for day, currency, cost in (
        *usage_amounts(assembly, days, actor),
        *_charges(assembly, days, actor),
        *_adjustments(assembly, base, actor),
    ):
        amount = assembly.in_currency({currency: cost})
        if amount is not None:
            shown = min(max(day, days[0]), days[-1])
            sums[shown] = EXACT.add(sums[shown], amount)
    return tuple(sums.items())


def _all_usage(assembly: Assembly, days: tuple[date, ...], actor: Actor) -> Iterable[_Amount]:
    rows = usage.costs_by_day(month=assembly.month)
    requests = frozenset(
        (row.provider, row.account, row.model) for row in rows if row.feed == Feed.REQUEST
    )
    rule = Counting(assembly.accounts, assembly.billed_accounts, requests)
    for row in rows:
        counts = rule.counts(
            provider=row.provider, account=row.account, model=row.model, feed=row.feed
        )
        if row.cost and counts:
            yield row.day, row.currency, row.cost


def _visible_usage(assembly: Assembly, days: tuple[date, ...], actor: Actor) -> Iterable[_Amount]:
    rows = usage.period_rollups(month=assembly.month, breaks=days)
    for row, _ in counted(rows, assembly.accounts, assembly.billed_accounts):
        if not row.cost:
            continue
        tags = usage_tags(row)
        owner = assembly.attribution.owner_of(
            tags=tags,
            sku_provider=row.sku.provider,
            sku_model=row.sku.model,
            on=row.day_from,
        )
        if owner_visible(owner, tags, actor):
            yield row.day_from, row.currency, row.cost


def _charges(assembly: Assembly, days: tuple[date, ...], actor: Actor) -> Iterable[_Amount]:
    bills = assembly.bills_of(Truth.BILLED)
    for group in charge_groups(bills, period=assembly.month, change_dates=days):
        tags = charge_tags(group)
        owner = assembly.attribution.owner_of(
            tags=tags, sku_provider=group.provider, sku_model="", on=group.first_day
        )
        if owner_visible(owner, tags, actor):
            yield group.first_day, group.currency, group.effective


def _adjustments(assembly: Assembly, base: CostBase, actor: Actor) -> Iterable[_Amount]:
    """Yield true-ups and reversals, which have no day of their own."""
    for line in base.lines:
        if line.basis not in {Basis.TRUE_UP, Basis.REVERSED}:
            continue
        owner = assembly.attribution.owner_of(
            tags=line.tags,
            sku_provider=line.provider,
            sku_model=line.model,
            on=line.first_day,
        )
        if owner_visible(owner, line.tags, actor):
            yield line.first_day, base.currency, line.effective


def _days(month: Month) -> tuple[date, ...]:
    count = (month.last_day - month.first_day).days + 1
    return tuple(month.first_day + timedelta(days=offset) for offset in range(count))
