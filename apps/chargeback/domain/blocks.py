"""The closing blocks of a statement: reconciliation, postings, what nobody owns, what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from apps.chargeback.domain.facts import UNALLOCATED, Kind, PeriodDates, Recipient, Terms
from apps.chargeback.domain.lines import in_cents
from apps.chargeback.domain.period import Metric, PeriodFigures
from apps.core.domain.money import EXACT, minor_quantum, published

_NAMED_CAUSES = 5


def reconciliation(figures: PeriodFigures) -> dict[str, Any]:
    """Tie the period's cost base to the sum of all statements, effective and billed.

    `rounding` takes the exact cost base to the minor unit; `difference` is what the statements
    then miss, and is zero.
    """
    return {
        "statements": len(figures.effective.statements),
        "effective": _metric(figures.effective, figures.currency),
        "billed": _metric(figures.billed, figures.currency),
    }


def _metric(metric: Metric, currency: str) -> dict[str, str]:
    parts = {kind.value: published(amount) for kind, amount in metric.kinds.items()}
    return {
        "cost_base": published(metric.base),
        **parts,
        "rounding": published(metric.rounding),
        "statements": in_cents(metric.issued, currency),
        "difference": in_cents(metric.difference, currency),
    }


def unowned(figures: PeriodFigures) -> dict[str, Any]:
    """Say how much of the period nobody owns, and which places would have to be tagged."""
    amount = figures.effective.kinds[Kind.UNALLOCATED]
    base = figures.effective.base
    share = EXACT.divide(amount, base).quantize(Decimal("1e-6")) if base else None
    return {
        "amount": _rounded(amount, figures.currency),
        "share": None if share is None else f"{share:f}",
        "causes": [
            {**cause.place._asdict(), "amount": _rounded(cause.amount, figures.currency)}
            for cause in figures.causes[:_NAMED_CAUSES]
        ],
        "further_causes": max(len(figures.causes) - _NAMED_CAUSES, 0),
    }


def _rounded(amount: Decimal, currency: str) -> str:
    return f"{amount.quantize(minor_quantum(currency), context=EXACT):f}"


def postings(*, recipient: Recipient, terms: Terms, total: Decimal, currency: str) -> list[Any]:
    """Return the journal lines that book the statement; debits equal credits.

    A credit balance is posted the other way round. Without a GL code, `account` is None and the
    line waits for one.
    """
    if not total:
        return []
    amount = in_cents(abs(total), currency)
    charged = {
        "account": recipient.gl_code or None,
        "cost_center": recipient.code,
        "name": recipient.name,
    }
    recovered = {
        "account": terms.recovery_account,
        "cost_center": None,
        "name": terms.recovery_name,
    }
    debit, credit = (charged, recovered) if total > 0 else (recovered, charged)
    return [
        {**debit, "debit": amount, "credit": None},
        {**credit, "debit": None, "credit": amount},
    ]


def actions(
    *,
    recipient: Recipient,
    dates: PeriodDates,
    terms: Terms,
    figures: PeriodFigures,
    untracked: Sequence[Mapping[str, Any]],
) -> list[dict[str, Any]]:
    """List what the reader has to do, most urgent first; wording is the renderer's.

    Every action has a code and the facts that its sentence needs.
    """
    found: list[dict[str, Any]] = [
        {"code": "review", "contact": terms.dispute_contact, "days": terms.dispute_days}
    ]
    if untracked:
        spent = sum((Decimal(row["exact"]) for row in untracked), Decimal(0))
        names = [row["experiment"] for row in untracked]
        amount = _rounded(spent, figures.currency)
        found.append({"code": "approve_experiments", "names": names, "amount": amount})
    if recipient.code == UNALLOCATED and figures.causes:
        found.append({"code": "assign_owners", "places": len(figures.causes)})
    if not recipient.gl_code:
        found.append({"code": "set_gl_code", "cost_center": recipient.code})
    if not recipient.owner_name and recipient.code != UNALLOCATED:
        found.append({"code": "name_owner", "cost_center": recipient.code})
    if dates.fx_provisional:
        found.append({"code": "expect_rates", "month": str(dates.month)})
    return found
