"""Drafts the statements of a run: one a cost center, summing to the period."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction

from apps.allocation import selectors as allocation
from apps.allocation.selectors import Axis, RunFacts
from apps.audit import services as audit
from apps.chargeback.domain.budgets import BudgetFact, budgets_of
from apps.chargeback.domain.facts import ChargeLine, Earlier, Recipient, Usage
from apps.chargeback.domain.period import period_figures
from apps.chargeback.domain.results import RunNotPublished, StatementSet
from apps.chargeback.domain.statement import Frame, build
from apps.chargeback.models import Statement
from apps.chargeback.selectors import framing, run_lines
from apps.chargeback.selectors.sets import drafts_of_other_runs, set_of
from apps.chargeback.services.holding import hold
from apps.core.domain.access import Actor, Scope
from apps.core.domain.months import Month
from apps.documents import services as documents
from apps.documents.domain.states import Kind as DocumentKind


def draft_statements(*, month: Month, run: UUID, actor: Actor, now: datetime) -> StatementSet:
    """Draft a statement for every cost center of a run; drafts of earlier runs are given up.

    Idempotent: the same run gives the same drafts, also when two workers draft at once. The
    statements' totals sum to the run's cost base, rounded once (rule 15b).

    :raises Forbidden: when the actor may not run a close.
    :raises RunNotPublished: when the run is not the published one of the month.
    :raises DoesNotReconcile: when the run's lines do not sum to its sources.
    :raises MonthIsClosed: when the month is in the books.
    """
    actor.require(Scope.CLOSE_RUN)
    known = set_of(run)
    if known is not None:
        return known
    facts = _published(month, run)
    try:
        with transaction.atomic():
            _draft_all(facts, actor, now)
    except IntegrityError:
        known = set_of(run)  # another worker drafted the same run meanwhile
        if known is None:
            raise
        return known
    drafted = set_of(run)
    assert drafted is not None
    return drafted


def _published(month: Month, run: UUID) -> RunFacts:
    facts = allocation.published(month)
    if facts.id != run:
        raise RunNotPublished(
            f"The published run of {month} is {facts.id}; statements are drafted from that one."
        )
    return facts


@dataclass(frozen=True, slots=True, kw_only=True)
class _Batch:
    """Everything that was read for one run."""

    frame: Frame
    recipients: Mapping[str, Recipient]
    lines: Mapping[str, list[ChargeLine]]
    requests: Mapping[str, Decimal]
    customers: Mapping[str, Mapping[str, Fraction]]
    earlier: Mapping[str, Earlier]
    issued: Mapping[str, UUID]
    budgets: Sequence[BudgetFact]


def _draft_all(run: RunFacts, actor: Actor, now: datetime) -> None:
    hold(run.month)
    batch = _read(run, actor)
    documents.give_up(documents=drafts_of_other_runs(run.month, run.id))
    for code in batch.recipients:
        _draft_one(code, batch, run, actor, now)
    effective = batch.frame.figures.effective
    audit.record(
        actor=actor,
        action="statements.drafted",
        subject="period",
        subject_id=str(run.month),
        detail={
            "run": run.id,
            "statements": len(batch.recipients),
            "total": effective.issued,
            "currency": run.currency,
        },
        at=now,
    )


def _read(run: RunFacts, actor: Actor) -> _Batch:
    facts = allocation.lines_of(run=run.id, axis=Axis.TEAM)
    lines = run_lines.charge_lines(facts, run)
    owned = by_center(lines)
    recipients = framing.recipients(run.month, charged=owned)
    frame = Frame(
        issuer=framing.issuer(),
        dates=framing.dates_of(run.month, run),
        run=framing.stamp_of(run),
        terms=framing.terms(actor),
        figures=period_figures(
            lines=lines,
            cost_centers=recipients,
            base_effective=run.sources.effective,
            base_billed=run.sources.billed,
            currency=run.currency,
        ),
    )
    return _Batch(
        frame=frame,
        recipients=recipients,
        lines=owned,
        requests=run_lines.requests_by_center(facts),
        customers=run_lines.customer_shares(run.id),
        earlier=framing.earlier(run.month, currency=run.currency),
        issued=framing.issued(run.month),
        budgets=framing.budgets(run.month),
    )


def by_center(lines: list[ChargeLine]) -> dict[str, list[ChargeLine]]:
    """Return the lines of each cost center."""
    found: dict[str, list[ChargeLine]] = {}
    for line in lines:
        found.setdefault(line.cost_center, []).append(line)
    return found


def _draft_one(code: str, batch: _Batch, run: RunFacts, actor: Actor, now: datetime) -> None:
    recipient, figures = batch.recipients[code], batch.frame.figures
    payload = build(
        frame=batch.frame,
        recipient=recipient,
        lines=batch.lines.get(code, []),
        usage=Usage(requests=batch.requests.get(code), customers=batch.customers),
        earlier=batch.earlier.get(code, Earlier()),
        budgets=budgets_of(batch.budgets, dimension="cost_center", codes=[code]),
    )
    document = documents.draft(
        kind=DocumentKind.STATEMENT,
        month=run.month,
        subject=documents.Subject(code=code, name=recipient.name),
        title=f"Chargeback statement {recipient.name} {run.month}",
        currency=run.currency,
        total=figures.effective.statements[code],
        payload=payload,
        lines=[line_draft(line) for line in payload["lines"]],
        supersedes=batch.issued.get(code),
        now=now,
    )
    Statement.objects.create(
        document_id=documents.row_id(document),
        month=run.month.first_day,
        cost_center=code,
        run=run.id,
        billed=figures.billed.statements[code],
        created_at=now,
        created_by=actor.label,
    )


def line_draft(line: Mapping[str, Any]) -> documents.LineDraft:
    """Return a printed line as documents keep it."""
    return documents.LineDraft(
        position=line["position"],
        key=line["key"],
        section=line["section"],
        heading=line["heading"],
        quantity=Decimal(line["quantity"]) if line["quantity"] is not None else None,
        unit=line["unit"] or "",
        exact=Decimal(line["exact"]),
        amount=Decimal(line["amount"]),
        facts=line,
    )
