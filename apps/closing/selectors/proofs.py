"""Proves that a month's events, rollups, cost base, lines and statements are the same money."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from apps.allocation import selectors as allocation
from apps.allocation.selectors import Axis, RunFacts
from apps.chargeback import selectors as chargeback
from apps.closing.domain.proof import Link, Proof
from apps.core.domain.money import EXACT, minor_quantum
from apps.core.domain.months import Month
from apps.costs import selectors as costs
from apps.costs.domain.checks import ReconcileReport


def proof_of(*, month: Month) -> Proof:
    """Return the whole chain of a month, bottom up; reads every event.

    1. What the events say, the rollups, the bills and the cost base (`costs.reconciliation`).
    2. The cost base and the sources that the published run copied of it.
    3. Sources and lines, on both axes, billed and effective.
    4. Lines and statements, the sub-cent difference of the month named.
    5. Statements and the journal that books them.

    A month that was not allocated has the first part only, and says so.

    :raises PeriodMissing: when the calendar has no such month.
    """
    report = costs.reconciliation(month=month)
    run = allocation.published_or_none(month)
    links = list(_below(report))
    notes: list[str] = []
    if not report.differing_rollups:
        notes.append("events = rollups: every cell is what its events say.")
    if run is None:
        notes.append("The month has not been allocated.")
    else:
        links += _lines(run, month)
        links += _statements(run, notes)
    return Proof(
        month=month,
        currency=report.currency,
        links=tuple(links),
        notes=tuple(notes),
        faults=tuple(_faults(report)),
    )


def _below(report: ReconcileReport) -> Iterable[Link]:
    for check in report.checks:
        yield Link(
            f"{check.left} = {check.right}", check.left_amount, check.right_amount, check.currency
        )


def _faults(report: ReconcileReport) -> Iterable[str]:
    if report.differing_rollups:
        count = len(report.differing_rollups)
        yield f"{count} rollups differ from what the events say; see verify_rollups."
    for pair in report.missing_rates:
        yield f"A rate is missing: {pair}."


def _lines(run: RunFacts, month: Month) -> Iterable[Link]:
    base = costs.cost_base(month=month)
    sums = allocation.source_sums(run=run.id)
    yield Link(
        "cost base = sources, effective (rounded once to 1e-12)",
        base.effective,
        sums.effective,
        run.currency,
        allowed=run.rounding,
    )
    for axis in Axis:
        lines = run.totals[axis]
        yield Link(
            f"sources = lines by {axis.value}, effective",
            sums.effective,
            lines.effective,
            run.currency,
        )
        yield Link(
            f"sources = lines by {axis.value}, billed", sums.billed, lines.billed, run.currency
        )


def _statements(run: RunFacts, notes: list[str]) -> Iterable[Link]:
    """Yield lines against statements; the total is rounded to the minor unit once (rule 15b)."""
    statements = chargeback.set_of(run.id)
    if statements is None:
        notes.append("No statements have been drafted.")
        return
    quantum = minor_quantum(run.currency)
    for name, total, stated in (
        ("effective", run.totals[Axis.TEAM].effective, statements.total),
        ("billed", run.totals[Axis.TEAM].billed, statements.billed),
    ):
        yield Link(
            f"lines = {statements.count} statements, {name} (rounded once to {quantum})",
            total,
            stated,
            run.currency,
            allowed=_sub_cent(total, quantum),
        )
    if not statements.numbers:
        notes.append(f"{statements.count} statements are drafts.")
    booked = chargeback.journal_sums(run=run.id)
    if booked is None:
        notes.append("No journal has been made.")
        return
    batch, charged = booked
    yield Link(f"statements = journal {batch}", statements.total, charged, run.currency)


def _sub_cent(total: Decimal, quantum: Decimal) -> Decimal:
    return EXACT.subtract(total, total.quantize(quantum, context=EXACT))
