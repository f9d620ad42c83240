"""The cards above the usage log: the present month in four figures."""

from __future__ import annotations

from datetime import date

from apps.core import presentation
from apps.core.domain.access import Actor
from apps.core.domain.months import Month
from apps.core.web.parts import Kpi
from apps.costs import selectors as costs
from apps.ingest.web.links import log_url
from apps.usage import selectors as usage
from apps.usage.selectors import Summary


def month_kpis(actor: Actor, today: date) -> list[Kpi]:
    """Return events, tokens, cost and what is unpriced of the month of a day."""
    month = Month.of(today)
    found = usage.summary(
        start=month.first_day,
        end=(month + 1).first_day,
        group_by=(),
        filters={},
        granularity="total",
        actor=actor,
        declared=costs.declared_feeds(),
    )
    name = presentation.month(month)
    unpriced = found.as_dict()["unpriced"]["events_at_most"]
    return [
        Kpi(label="Events", value=found.total.events, kind="quantity", note=name),
        Kpi(label="Tokens", value=found.total.quantity, kind="tokens", unit="tokens", note=name),
        Kpi(
            label="Rated cost",
            value=found.total.cost,
            currency=found.currency,
            note=_further(found) or name,
            help="What the usage costs by the prices in force, before bills and allocation.",
        ),
        Kpi(
            label="Unpriced events",
            value=unpriced,
            kind="quantity",
            note="at most; not in any cost yet" if unpriced else "every model has its prices",
            url=log_url(unpriced="yes", range="month") if unpriced else "",
        ),
    ]


def _further(found: Summary) -> str:
    """Name what is charged in other currencies; amounts of two currencies do not add up."""
    others = [row for row in found.totals if row.currency != found.currency and row.cost]
    amounts = [presentation.money(row.cost, row.currency) for row in others]
    return f"and {', '.join(amounts)}" if amounts else ""
