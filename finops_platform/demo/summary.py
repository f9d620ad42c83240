"""What the demo shows when it is loaded: one line a tenant and period, each with its proof."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from apps.allocation import selectors as allocation
from apps.allocation.domain.rules import Axis
from apps.chargeback import selectors as chargeback
from apps.core.domain.access import Actor
from apps.core.domain.money import EXACT, minor_quantum
from apps.core.domain.months import Month
from apps.costs import selectors as costs
from apps.periods import selectors as periods
from apps.tenants.selectors import TenantFacts
from apps.usage import selectors as usage


@dataclass(frozen=True, slots=True)
class PeriodSummary:
    """One period of one tenant; `allocated` and `difference` are None until a run is published."""

    tenant: str
    month: Month
    state: str
    currency: str
    events: Decimal
    cost: Decimal
    allocated: Decimal | None
    documents: int

    @property
    def difference(self) -> Decimal | None:
        """Return what is allocated less what it costs; exactly zero when the month conserves."""
        return None if self.allocated is None else EXACT.subtract(self.allocated, self.cost)


def summarize(*, tenant: TenantFacts, months: Sequence[Month], actor: Actor) -> list[PeriodSummary]:
    """Return one summary a month of the tenant whose schema is selected."""
    return [_summary(tenant, month, actor) for month in months]


def _summary(tenant: TenantFacts, month: Month, actor: Actor) -> PeriodSummary:
    run = allocation.published_or_none(month)
    cost = costs.cost_base(month=month).effective
    rows = usage.period_rollups(month=month)
    return PeriodSummary(
        tenant=tenant.slug,
        month=month,
        state=periods.period(month).state.value,
        currency=tenant.currency,
        events=sum((row.quantity for row in rows if row.meter == "requests"), Decimal(0)),
        cost=cost,
        allocated=None if run is None else run.totals[Axis.TEAM].effective,
        documents=len(chargeback.statements(month=month, actor=actor)),
    )


def text_of(summary: PeriodSummary) -> str:
    """Render one line, amounts rounded to the minor unit for reading only."""
    quantum = minor_quantum(summary.currency)

    def money(amount: Decimal | None) -> str:
        if amount is None:
            return "-"
        return f"{amount.quantize(quantum, context=EXACT) + 0:,f}"

    return (
        f"{summary.tenant:<8} {summary.month}  {summary.state:<11} "
        f"{summary.events:>9,.0f} events  cost {summary.currency} {money(summary.cost):>10}  "
        f"allocated {money(summary.allocated):>10}  difference {money(summary.difference):>5}  "
        f"{summary.documents:>2} documents"
    )
