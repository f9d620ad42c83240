"""The statements of a run as one set."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

from apps.chargeback.domain.results import StatementSet
from apps.chargeback.models import Statement
from apps.core.domain.money import EXACT, minor_quantum
from apps.core.domain.months import Month
from apps.documents.domain.states import State


def set_of(run: UUID) -> StatementSet | None:
    """Return the statements of a run, in order of their cost centers; None when it has none.

    One query. Given-up drafts do not count.
    """
    rows = list(
        Statement.objects.filter(run=run)
        .exclude(document__state=State.VOID.value)
        .select_related("document")
        .defer("document__payload")
        .order_by("cost_center")
    )
    if not rows:
        return None
    total = billed = Decimal(0)
    for row in rows:
        total = EXACT.add(total, row.document.total)
        billed = EXACT.add(billed, row.billed)
    currency = rows[0].document.currency
    quantum = minor_quantum(currency)
    return StatementSet(
        month=rows[0].accounting_month,
        run=run,
        currency=currency,
        total=total.quantize(quantum),
        billed=billed.quantize(quantum),
        documents=tuple(row.document.public_id for row in rows),
        data_hashes=tuple(row.document.data_hash for row in rows),
        numbers=tuple(row.document.number for row in rows if row.document.number),
    )


def totals_of(run: UUID) -> dict[str, Decimal]:
    """Return what a run's statements charge by cost center, in the minor unit; one query.

    Empty until statements were drafted from the run.
    """
    rows = Statement.objects.filter(run=run).exclude(document__state=State.VOID.value)
    charged = rows.values_list("cost_center", "document__total", "document__currency")
    return {code: total.quantize(minor_quantum(currency)) for code, total, currency in charged}


def drafts_of_other_runs(month: Month, run: UUID) -> list[UUID]:
    """Return the documents that are still drafts of other runs of a month; one query."""
    rows = Statement.objects.filter(
        month=month.first_day, document__state=State.DRAFT.value
    ).exclude(run=run)
    return list(rows.values_list("document__public_id", flat=True))


def preparers(run: UUID) -> set[str]:
    """Return who drafted the statements of a run; one query."""
    return set(Statement.objects.filter(run=run).values_list("created_by", flat=True))
