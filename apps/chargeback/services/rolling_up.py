"""Rolls issued statements up by parent, product and customer, once a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, transaction

from apps.allocation import selectors as allocation
from apps.allocation.selectors import Axis, RunFacts
from apps.audit import services as audit
from apps.chargeback.domain import rollups
from apps.chargeback.domain.budgets import BudgetFact, budgets_of
from apps.chargeback.domain.facts import ChargeLine, Earlier, Usage
from apps.chargeback.domain.period import period_figures
from apps.chargeback.domain.rollups import Issued, NotIssuedYet, RollupKind, Shares
from apps.chargeback.domain.statement import Frame
from apps.chargeback.models import Rollup
from apps.chargeback.selectors import framing, rolled, run_lines
from apps.chargeback.selectors.sets import set_of
from apps.chargeback.services.drafting import by_center, line_draft
from apps.core.domain.access import Actor, Scope
from apps.core.domain.months import Month
from apps.directory import selectors as directory
from apps.documents import selectors as documents
from apps.documents import services as document_services
from apps.documents.domain.numbers import month_series
from apps.documents.domain.states import Kind as DocumentKind


def roll_up(*, month: Month, actor: Actor, now: datetime) -> int:
    """Issue the roll-ups of a month's issued statements; return how many there are.

    Idempotent: the same run is rolled up once, also when two workers do it at once. They come
    after the close and change nothing in it, so that no number of products or customers delays
    it. A month that was closed again gets new ones, which name those that they replace.

    :raises Forbidden: when the actor may not write billing.
    :raises NotIssuedYet: when the published run has no issued statements.
    :raises RunMissing: when the month has no published run.
    """
    actor.require(Scope.BILLING_WRITE)
    run = allocation.published(month)
    known = Rollup.objects.filter(run=run.id).count()
    if known:
        return known
    issued = set_of(run.id)
    if issued is None or len(issued.numbers) != issued.count:
        raise NotIssuedYet(f"Roll-ups are made of issued statements; close {month} first.")
    try:
        with transaction.atomic():
            return _roll_up(run, issued.documents, actor, now)
    except IntegrityError:
        known = Rollup.objects.filter(run=run.id).count()  # another worker did it meanwhile
        if not known:
            raise
        return known


@dataclass(frozen=True, slots=True, kw_only=True)
class _Batch:
    """Everything that was read for one run."""

    run: RunFacts
    frame: Frame
    payloads: Mapping[str, Mapping[str, Any]]
    customers: Shares
    names: Mapping[tuple[RollupKind, str], str]
    requests: Mapping[tuple[RollupKind, str], Decimal]
    earlier: Mapping[tuple[RollupKind, str], Earlier]
    budgets: Sequence[BudgetFact]
    replaced: Mapping[tuple[RollupKind, str], Any]


def _roll_up(run: RunFacts, statements: Sequence[Any], actor: Actor, now: datetime) -> int:
    sealed = documents.documents(statements)
    issued = sorted((_issued(one) for one in sealed.values()), key=lambda one: one.cost_center)
    facts = allocation.lines_of(run=run.id, axis=Axis.TEAM)
    lines = by_center(run_lines.charge_lines(facts, run))
    customers = run_lines.customer_shares(run.id)
    parents = {center.code: center.parent for center in directory.cost_centers(run.month.last_day)}
    made = [
        *rollups.by_parent(issued, lines, parents),
        *rollups.by_product(issued, lines, run.currency),
        *rollups.by_customer(issued, lines, customers, run.currency),
    ]
    if not made:
        return 0
    batch = _Batch(
        run=run,
        frame=_frame(run, lines, issued, actor),
        payloads={one.subject.code: one.payload for one in sealed.values()},
        customers=customers,
        names=rolled.names(run.month, issued),
        requests=_requests(facts, customers, made),
        earlier=rolled.earlier(run.month, currency=run.currency),
        budgets=framing.budgets(run.month),
        replaced=rolled.issued(run.month),
    )
    drafted = [_draft(one, batch, actor, now) for one in made]
    issue = next(iter(sealed.values())).issue
    assert issue is not None
    series = month_series(DocumentKind.ROLLUP, run.month)
    numbers = document_services.seal_all(documents=drafted, series=series, issue=issue, now=now)
    audit.record(
        actor=actor,
        action="rollups.issued",
        subject="period",
        subject_id=str(run.month),
        detail={"run": run.id, "count": len(numbers), "first": numbers[0], "last": numbers[-1]},
        at=now,
    )
    return len(numbers)


def _issued(document: documents.DocumentFacts) -> Issued:
    payload = document.payload
    return Issued(
        cost_center=document.subject.code,
        name=document.subject.name,
        number=document.number,
        parent=payload["recipient"]["parent"],
        total=Decimal(payload["total"]),
        billed=Decimal(payload["billed_total"]),
    )


def _frame(
    run: RunFacts, lines: Mapping[str, list[ChargeLine]], issued: list[Issued], actor: Actor
) -> Frame:
    return Frame(
        issuer=framing.issuer(),
        dates=framing.dates_of(run.month, run),
        run=framing.stamp_of(run),
        terms=framing.terms(actor),
        figures=period_figures(
            lines=[line for own in lines.values() for line in own],
            cost_centers=[one.cost_center for one in issued],
            base_effective=run.sources.effective,
            base_billed=run.sources.billed,
            currency=run.currency,
        ),
    )


def _requests(
    facts: Sequence[allocation.LineFacts], customers: Shares, made: Sequence[rollups.Rollup]
) -> dict[tuple[RollupKind, str], Decimal]:
    counted = run_lines.requests_by_rollup(facts, customers)
    by_cost_center = run_lines.requests_by_center(facts)
    for one in made:
        if one.kind is RollupKind.PARENT:
            own = [by_cost_center.get(part.statement.cost_center, Decimal(0)) for part in one.parts]
            counted[one.kind, one.code] = sum(own, Decimal(0))
    return counted


def _draft(one: rollups.Rollup, batch: _Batch, actor: Actor, now: datetime) -> Any:
    key = (one.kind, one.code)
    name = batch.names.get(key) or one.code
    payload = rollups.build_rollup(
        frame=batch.frame,
        rollup=one,
        name=name,
        usage=_usage(one, batch),
        earlier=batch.earlier.get(key, Earlier()),
        budgets=_budgets(one, batch),
        told=_told(one, batch),
    )
    document = document_services.draft(
        kind=DocumentKind.ROLLUP,
        month=batch.run.month,
        subject=document_services.Subject(code=f"{one.kind.value}:{one.code}", name=name),
        title=f"Roll-up by {one.kind.value} {name} {batch.run.month}",
        currency=batch.run.currency,
        total=one.charged.total,
        payload=payload,
        lines=[line_draft(line) for line in payload["lines"]],
        supersedes=batch.replaced.get(key),
        now=now,
    )
    Rollup.objects.create(
        document_id=document_services.row_id(document),
        month=batch.run.month.first_day,
        kind=one.kind.value,
        code=one.code,
        run=batch.run.id,
        created_at=now,
        created_by=actor.label,
    )
    return document


def _usage(one: rollups.Rollup, batch: _Batch) -> Usage:
    customers = {} if one.kind is RollupKind.CUSTOMER else batch.customers
    return Usage(requests=batch.requests.get((one.kind, one.code)), customers=customers)


def _told(one: rollups.Rollup, batch: _Batch) -> dict[str, Any]:
    """Return what the statements of a subtree show of customers and budgets, put together."""
    if one.kind is not RollupKind.PARENT:
        return {}
    own = [batch.payloads[part.statement.cost_center] for part in one.parts]
    currency = batch.run.currency
    return {
        "customers": rollups.summed_customers(own, total=one.charged.total, currency=currency),
        "budgets": [fact for payload in own for fact in payload.get("budgets", ())],
    }


def _budgets(one: rollups.Rollup, batch: _Batch) -> list[BudgetFact]:
    if one.kind is RollupKind.PARENT:
        return []  # as the statements show them
    return budgets_of(batch.budgets, dimension=one.kind.value, codes=[one.code])
