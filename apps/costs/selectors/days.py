"""The cost of a month by day."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from decimal import Decimal

from apps.core.domain.access import Actor
from apps.core.domain.money import EXACT
from apps.core.domain.months import Month
from apps.costs.domain.accounts import Truth
from apps.costs.domain.assemble import charge_tags, counted, usage_tags
from apps.costs.domain.lines import ZERO, Basis, CostBase
from apps.costs.domain.sight import owner_visible, sees_everything
from apps.costs.selectors.assembly import Assembly
from apps.costs.selectors.bills import charge_groups
from apps.usage import selectors as usage

_Amount = tuple[date, Mapping[str, str], str, str, str, Decimal]
"""Day, tags, provider, model, currency and effective cost in it."""


def by_day(assembly: Assembly, base: CostBase, actor: Actor) -> tuple[tuple[date, Decimal], ...]:
    """Return the visible effective cost of every day of the month, in order; two queries.

    Days sum to the month: what belongs to other days, such as a correction, is laid on the first
    or the last day.
    """
    days = _days(assembly.month)
    sums = dict.fromkeys(days, ZERO)
    everything = sees_everything(actor)
    for day, tags, provider, model, currency, cost in _amounts(assembly, base, days):
        amount = assembly.in_currency({currency: cost})
        if amount is None:
            continue
        owner = assembly.attribution.owner_of(
            tags=tags, sku_provider=provider, sku_model=model, on=day
        )
        if everything or owner_visible(owner, tags, actor):
            shown = min(max(day, days[0]), days[-1])
            sums[shown] = EXACT.add(sums[shown], amount)
    return tuple(sums.items())


def _amounts(assembly: Assembly, base: CostBase, days: tuple[date, ...]) -> Iterable[_Amount]:
    rows = usage.period_rollups(month=assembly.month, breaks=days)
    for row, _ in counted(rows, assembly.accounts, assembly.billed_accounts):
        if row.cost:
            yield (
                row.day_from,
                usage_tags(row),
                row.sku.provider,
                row.sku.model,
                row.currency,
                row.cost,
            )
    for group in charge_groups(
        assembly.bills_of(Truth.BILLED), period=assembly.month, change_dates=days
    ):
        yield (
            group.first_day,
            charge_tags(group),
            group.provider,
            "",
            group.currency,
            group.effective,
        )
    for line in base.lines:
        if line.basis in {Basis.TRUE_UP, Basis.REVERSED}:
            yield (
                line.first_day,
                line.tags,
                line.provider,
                line.model,
                base.currency,
                line.effective,
            )


def _days(month: Month) -> tuple[date, ...]:
    count = (month.last_day - month.first_day).days + 1
    return tuple(month.first_day + timedelta(days=offset) for offset in range(count))
