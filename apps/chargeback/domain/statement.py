"""Builds the frozen payload of one chargeback statement; pure, and equal for equal input.

The payload answers who, what period, how much, why it changed and what to do, and carries what
a reader needs to recompute it. Its shape is described in docs/statements.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any, Final

from apps.chargeback.domain import blocks, variance, views
from apps.chargeback.domain.budgets import BudgetFact
from apps.chargeback.domain.facts import (
    UNALLOCATED,
    ChargeLine,
    Earlier,
    Issuer,
    PeriodDates,
    Recipient,
    RunStamp,
    Terms,
    Usage,
)
from apps.chargeback.domain.lines import in_cents, printed_lines
from apps.chargeback.domain.period import PeriodFigures
from apps.chargeback.domain.rows import Section, rows_of
from apps.core.domain.canonical import plain_decimal

SCHEMA: Final = "statement/2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What all statements of one period and run share."""

    issuer: Issuer
    dates: PeriodDates
    run: RunStamp
    terms: Terms
    figures: PeriodFigures


def build(
    *,
    frame: Frame,
    recipient: Recipient,
    lines: Iterable[ChargeLine],
    usage: Usage,
    earlier: Earlier,
    budgets: Sequence[BudgetFact] = (),
) -> dict[str, Any]:
    """Return the payload of a cost center's statement.

    `lines` are the run's lines of this cost center; the total comes from `frame.figures`, where
    the period was rounded once over all cost centers.
    """
    figures = frame.figures
    total = figures.effective.statements[recipient.code]
    shared = content(
        frame=frame,
        recipient=recipient,
        lines=lines,
        usage=usage,
        earlier=earlier,
        charged=Charged(total, figures.billed.statements[recipient.code]),
        budgets=budgets,
    )
    untracked = [
        row for row in shared["experiments"] if not row["approved"] and Decimal(row["exact"]) > 0
    ]
    return shared | {
        "postings": blocks.postings(
            recipient=recipient, terms=frame.terms, total=total, currency=figures.currency
        ),
        "actions": blocks.actions(
            recipient=recipient,
            dates=frame.dates,
            terms=frame.terms,
            figures=figures,
            untracked=untracked,
            budgets=budgets,
        ),
    }


@dataclass(frozen=True, slots=True)
class Charged:
    """What a document comes to, in the currency's minor unit."""

    total: Decimal
    billed: Decimal


def content(
    *,
    frame: Frame,
    recipient: Recipient,
    lines: Iterable[ChargeLine],
    usage: Usage,
    earlier: Earlier,
    charged: Charged,
    budgets: Sequence[BudgetFact],
) -> dict[str, Any]:
    """Return what statements and roll-ups share; the printed lines sum to `charged.total`."""
    own = list(lines)
    figures, currency, total = frame.figures, frame.figures.currency, charged.total
    rows = rows_of(lines=own, pools=figures.pools, total=total, currency=currency)
    printed = printed_lines(rows, currency)
    return {
        "schema": SCHEMA,
        "issuer": asdict(frame.issuer),
        "recipient": asdict(recipient) | {"unallocated": recipient.code == UNALLOCATED},
        "period": _period(frame.dates),
        "currency": currency,
        "total": in_cents(total, currency),
        "billed_total": in_cents(charged.billed, currency),
        "sections": _sections(printed, currency),
        "change": _change(printed, total, earlier, currency),
        "trend": _trend(frame.dates, total, earlier, currency),
        "lines": printed,
        "use": views.use_of(own),
        "customers": views.cost_to_serve(lines=own, usage=usage, total=total, currency=currency),
        "experiments": views.experiments(lines=own, approved=usage.approved),
        "unit_costs": views.unit_costs(lines=own, usage=usage, total=total),
        "budgets": [fact.shown() for fact in budgets],
        "unowned": blocks.unowned(figures),
        "reconciliation": blocks.reconciliation(figures),
        "terms": {
            "dispute_contact": frame.terms.dispute_contact,
            "dispute_days": frame.terms.dispute_days,
        },
        "run": {
            "id": str(frame.run.id),
            "input_hash": frame.run.input_hash,
            "output_hash": frame.run.output_hash,
        },
    }


def _period(dates: PeriodDates) -> dict[str, Any]:
    return {
        "month": str(dates.month),
        "first_day": dates.first_day.isoformat(),
        "last_day": dates.last_day.isoformat(),
        "starts_at": dates.starts_at.isoformat(),
        "ends_at": dates.ends_at.isoformat(),
        "fx_provisional": dates.fx_provisional,
    }


def _sections(printed: list[dict[str, Any]], currency: str) -> dict[str, str]:
    zero = in_cents(Decimal(0), currency)
    return {section.value: zero for section in Section} | views.section_totals(printed, currency)


def _change(
    printed: list[dict[str, Any]], total: Decimal, earlier: Earlier, currency: str
) -> dict[str, Any]:
    then = earlier.payload
    moves = variance.movements(now=printed, then=then["lines"] if then else None, currency=currency)
    if then is None:
        return {"previous": None, "movements": moves, "bridge": None}
    before = Decimal(then["total"])
    steps = variance.bridge(now=printed, then=then["lines"], currency=currency)
    ratio = ((total - before) / abs(before)).quantize(Decimal("1e-6")) if before else None
    return {
        "previous": {
            "month": then["period"]["month"],
            "number": earlier.number,
            "total": then["total"],
            "sections": then["sections"],
        },
        "amount": in_cents(total - before, currency),
        "ratio": None if ratio is None else plain_decimal(ratio),
        "movements": moves,
        "bridge": [
            {"step": step, "amount": in_cents(steps[step], currency)} for step in variance.BRIDGE
        ],
    }


def _trend(
    dates: PeriodDates, total: Decimal, earlier: Earlier, currency: str
) -> list[dict[str, str]]:
    months = [*earlier.totals, (dates.month, total)]
    return [{"month": str(month), "total": in_cents(amount, currency)} for month, amount in months]
