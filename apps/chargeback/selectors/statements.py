"""Questions to statements: lists, one with its content, months; limited to who asks."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from django.db.models import OuterRef, QuerySet, Subquery

from apps.chargeback.domain.answers import MonthFacts, StatementDetail, StatementFacts
from apps.chargeback.domain.results import StatementMissing
from apps.chargeback.models import Statement
from apps.chargeback.selectors.answers import answering, email_of
from apps.core.domain.access import Actor, Scope
from apps.core.domain.money import EXACT, minor_quantum
from apps.core.domain.months import Month
from apps.directory import selectors as directory
from apps.documents import selectors as documents
from apps.documents.domain.states import State

__all__ = ["months", "statement", "statement_of", "statements"]


def statements(*, month: Month, actor: Actor) -> list[StatementFacts]:
    """Return the statements of a month that the actor may see, by cost center.

    Of each cost center the latest: a new draft stands in for the issued one that it will replace.
    A member sees those of the cost centers of own teams or answered for. One query, for a member
    six.

    :raises Forbidden: when the actor may not read costs.
    """
    actor.require(Scope.COSTS_READ)
    return _seen(_facts(_latest().filter(month=month.first_day)), month, actor)


def statement(id: UUID, *, actor: Actor) -> StatementDetail:
    """Return a statement with its content, also one that was replaced.

    :raises Forbidden: when the actor may not read costs.
    :raises StatementMissing: when there is none, or the actor may not see it.
    """
    actor.require(Scope.COSTS_READ)
    row = Statement.objects.filter(document__public_id=id).first()
    if row is None or not _may_see(row, actor):
        raise StatementMissing("There is no such statement, or it is not yours to see.")
    return _detail(row)


def statement_of(*, month: Month, cost_center: str, actor: Actor) -> StatementDetail:
    """Return the latest statement of a cost center in a month.

    :raises Forbidden: when the actor may not read costs.
    :raises StatementMissing: when there is none, or the actor may not see it.
    """
    actor.require(Scope.COSTS_READ)
    rows = _latest().filter(month=month.first_day, cost_center=cost_center)
    row = rows.first()
    if row is None or not _may_see(row, actor):
        raise StatementMissing(
            f"There is no statement of {cost_center} for {month}, or it is not yours to see."
        )
    return _detail(row)


def months(*, actor: Actor) -> list[MonthFacts]:
    """Return the months that have statements the actor may see, newest first.

    One query, and for a member two more a month.

    :raises Forbidden: when the actor may not read costs.
    """
    actor.require(Scope.COSTS_READ)
    by_month: dict[Month, list[StatementFacts]] = {}
    for facts in _facts(_latest()):
        by_month.setdefault(facts.month, []).append(facts)
    seen = {month: _seen(facts, month, actor) for month, facts in by_month.items()}
    return [_month(month, facts) for month, facts in seen.items() if facts]


def _seen(facts: list[StatementFacts], month: Month, actor: Actor) -> list[StatementFacts]:
    centers = visible_centers(month, actor)
    return facts if centers is None else [one for one in facts if one.cost_center in centers]


def visible_centers(month: Month, actor: Actor) -> frozenset[str] | None:
    """Return the cost centers whose statements a member sees; None is no limit.

    Those of own teams, and those that the member answers for. Up to five queries.
    """
    if actor.teams is None:
        return None
    teams = directory.teams(month.last_day)
    own = {team.cost_center for team in teams if team.code in actor.teams and team.cost_center}
    email = email_of(actor)
    if not email:
        return frozenset(own)
    rows = Statement.objects.filter(answering(email), month=month.first_day)
    return frozenset(own.union(rows.values_list("cost_center", flat=True)))


def _latest() -> QuerySet[Statement]:
    """Return the newest statement of every month and cost center that was not given up."""
    alive = Statement.objects.exclude(document__state=State.VOID.value)
    newest = alive.filter(month=OuterRef("month"), cost_center=OuterRef("cost_center"))
    return alive.filter(pk=Subquery(newest.order_by("-id").values("pk")[:1])).order_by(
        "-month", "cost_center"
    )


def _may_see(row: Statement, actor: Actor) -> bool:
    centers = visible_centers(row.accounting_month, actor)
    return centers is None or row.cost_center in centers


_READ: Final = (
    "month",
    "cost_center",
    "run",
    "billed",
    "document__public_id",
    "document__subject_name",
    "document__currency",
    "document__total",
    "document__state",
    "document__number",
    "document__issued_at",
    "document__data_hash",
    "document__supersedes__number",
    "document__payload__recipient__owner_name",
    "document__payload__sections",
    "document__payload__change__previous__total",
)
"""What a list shows; the payload itself, which may be large, stays in the database."""


def _facts(rows: QuerySet[Statement]) -> list[StatementFacts]:
    return [_statement_facts(row) for row in rows.values(*_READ)]


def _statement_facts(row: dict[str, Any]) -> StatementFacts:
    currency = row["document__currency"]
    quantum = minor_quantum(currency)
    previous = row["document__payload__change__previous__total"]
    sections = row["document__payload__sections"]
    return StatementFacts(
        id=row["document__public_id"],
        month=Month.of(row["month"]),
        cost_center=row["cost_center"],
        name=row["document__subject_name"],
        owner_name=row["document__payload__recipient__owner_name"],
        currency=currency,
        total=row["document__total"].quantize(quantum),
        billed=row["billed"].quantize(quantum),
        previous=Decimal(previous) if previous is not None else None,
        sections={name: Decimal(amount) for name, amount in sections.items()},
        state=row["document__state"],
        number=row["document__number"] or "",
        issued_at=row["document__issued_at"],
        run=row["run"],
        data_hash=row["document__data_hash"],
        replaces=row["document__supersedes__number"] or "",
    )


def _detail(row: Statement) -> StatementDetail:
    [facts] = _facts(Statement.objects.filter(pk=row.pk))
    document = documents.document(facts.id)
    issue = document.issue
    return StatementDetail(
        facts=facts,
        payload=document.payload,
        prepared_by=issue.prepared_by if issue else "",
        approved_by=issue.approved_by if issue else "",
        audit_sequence=issue.audit_sequence if issue else None,
        audit_hash=issue.audit_hash if issue else "",
        created_at=document.created_at,
    )


def _month(month: Month, facts: list[StatementFacts]) -> MonthFacts:
    total = Decimal(0)
    for one in facts:
        total = EXACT.add(total, one.total)
    return MonthFacts(
        month=month,
        currency=facts[0].currency,
        count=len(facts),
        total=total,
        is_issued=all(one.state == State.SEALED.value for one in facts),
    )
