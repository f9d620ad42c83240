"""The closing blocks of a statement: reconciliation, postings, what nobody owns, what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from apps.chargeback.domain.budgets import BudgetFact
from apps.chargeback.domain.facts import UNALLOCATED, PeriodDates, Recipient, Terms
from apps.chargeback.domain.lines import in_cents
from apps.chargeback.domain.period import Metric, PeriodFigures
from apps.core.domain.money import EXACT, minor_quantum, published
from apps.core.domain.shares import split_exactly

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
    """Say how much of the period nobody owns, and which places would have to be tagged.

    The amount is that of the statement of UNALLOCATED, and the places are rounded within it.
    """
    metric, currency = figures.effective, figures.currency
    amount = metric.statements.get(UNALLOCATED, Decimal(0))
    issued = metric.issued
    share = EXACT.divide(amount, issued).quantize(Decimal("1e-6")) if issued else None
    amounts = _within(amount, [cause.amount for cause in figures.causes], currency)
    return {
        "amount": in_cents(amount, currency),
        "share": None if share is None else f"{share:f}",
        "causes": [
            {**cause.place._asdict(), "amount": in_cents(part, currency)}
            for cause, part in list(zip(figures.causes, amounts, strict=True))[:_NAMED_CAUSES]
        ],
        "further_causes": max(len(figures.causes) - _NAMED_CAUSES, 0),
    }


def _within(total: Decimal, parts: Sequence[Decimal], currency: str) -> list[Decimal]:
    """Round parts so that they sum to `total`; with credits among them each for itself."""
    quantum = minor_quantum(currency)
    if total < 0 or any(part < 0 for part in parts) or not any(parts):
        return [part.quantize(quantum, context=EXACT) for part in parts]
    split = split_exactly(total, dict(enumerate(parts)), quantum)
    return [split[rank] for rank in range(len(parts))]


def _rounded(amount: Decimal, currency: str) -> str:
    return in_cents(amount.quantize(minor_quantum(currency), context=EXACT), currency)


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
    budgets: Sequence[BudgetFact] = (),
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
    if over := [fact.name for fact in budgets if fact.is_over]:
        found.append({"code": "exceeded_budgets", "names": over})
    if recipient.code == UNALLOCATED and figures.causes:
        found.append({"code": "assign_owners", "places": len(figures.causes)})
    if not recipient.gl_code:
        found.append({"code": "set_gl_code", "cost_center": recipient.code})
    if not recipient.owner_name and recipient.code != UNALLOCATED:
        found.append({"code": "name_owner", "cost_center": recipient.code})
    if dates.fx_provisional:
        found.append({"code": "expect_rates", "month": str(dates.month)})
    return found
