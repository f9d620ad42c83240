"""Questions to statements: lists, one with its content, months; limited to who asks."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from uuid import UUID

from django.db.models import OuterRef, QuerySet, Subquery

from apps.chargeback.domain.answers import MonthFacts, StatementDetail, StatementFacts
from apps.chargeback.domain.results import StatementMissing
from apps.chargeback.models import Statement
from apps.core.domain.access import Actor, Scope
from apps.core.domain.money import EXACT
from apps.core.domain.months import Month
from apps.directory import selectors as directory
from apps.documents import selectors as documents
from apps.documents.domain.states import Format, State

__all__ = ["file_of", "months", "statement", "statement_of", "statements"]


def statements(*, month: Month, actor: Actor) -> list[StatementFacts]:
    """Return the statements of a month that the actor may see, by cost center.

    Of each cost center the latest: a new draft stands in for the issued one that it will replace.
    A member sees those of the cost centers of own teams. Four queries, whatever the number.

    :raises Forbidden: when the actor may not read billing.
    """
    actor.require(Scope.BILLING_READ)
    rows = _latest().filter(month=month.first_day)
    return _facts(_visible(rows, month, actor))


def statement(id: UUID, *, actor: Actor) -> StatementDetail:
    """Return a statement with its content, also one that was replaced.

    :raises Forbidden: when the actor may not read billing.
    :raises StatementMissing: when there is none, or the actor may not see it.
    """
    actor.require(Scope.BILLING_READ)
    row = Statement.objects.filter(document__public_id=id).first()
    if row is None or not _may_see(row, actor):
        raise StatementMissing("There is no such statement, or it is not yours to see.")
    return _detail(row)


def statement_of(*, month: Month, cost_center: str, actor: Actor) -> StatementDetail:
    """Return the latest statement of a cost center in a month.

    :raises Forbidden: when the actor may not read billing.
    :raises StatementMissing: when there is none, or the actor may not see it.
    """
    actor.require(Scope.BILLING_READ)
    rows = _latest().filter(month=month.first_day, cost_center=cost_center)
    row = rows.first()
    if row is None or not _may_see(row, actor):
        raise StatementMissing(
            f"There is no statement of {cost_center} for {month}, or it is not yours to see."
        )
    return _detail(row)


def months(*, actor: Actor) -> list[MonthFacts]:
    """Return the months that have statements the actor may see, newest first."""
    actor.require(Scope.BILLING_READ)
    found: dict[Month, list[StatementFacts]] = {}
    rows = _latest().order_by("-month", "cost_center")
    by_month: dict[Month, list[Statement]] = {}
    for row in rows:
        by_month.setdefault(row.accounting_month, []).append(row)
    for month, own in by_month.items():
        seen = own if actor.teams is None else [row for row in own if _may_see(row, actor)]
        if seen:
            found[month] = _facts(seen)
    return [_month(month, facts) for month, facts in found.items()]


def file_of(*, id: UUID, format: Format, locale: str, actor: Actor) -> documents.DocumentFile:
    """Return a statement as a file: the stored bytes when it was rendered, else drawn now.

    :raises Forbidden: when the actor may not read billing.
    :raises StatementMissing: when there is none, or the actor may not see it.
    :raises DocumentAltered: when the stored bytes are not what was put on record.
    """
    actor.require(Scope.BILLING_READ)
    row = Statement.objects.filter(document__public_id=id).first()
    if row is None or not _may_see(row, actor):
        raise StatementMissing("There is no such statement, or it is not yours to see.")
    return documents.file_of(document=id, format=format, locale=locale)


def visible_centers(month: Month, actor: Actor) -> frozenset[str] | None:
    """Return the cost centers whose statements a member sees; None is no limit; two queries."""
    if actor.teams is None:
        return None
    teams = directory.teams(month.last_day)
    return frozenset(
        team.cost_center for team in teams if team.code in actor.teams and team.cost_center
    )


def _latest() -> QuerySet[Statement]:
    """Return the newest statement of every month and cost center that was not given up."""
    alive = Statement.objects.exclude(document__state=State.VOID.value)
    newest = alive.filter(month=OuterRef("month"), cost_center=OuterRef("cost_center"))
    return alive.filter(pk=Subquery(newest.order_by("-id").values("pk")[:1])).order_by(
        "cost_center"
    )


def _visible(rows: QuerySet[Statement], month: Month, actor: Actor) -> list[Statement]:
    centers = visible_centers(month, actor)
    return list(rows if centers is None else rows.filter(cost_center__in=centers))


def _may_see(row: Statement, actor: Actor) -> bool:
    centers = visible_centers(row.accounting_month, actor)
    return centers is None or row.cost_center in centers


def _facts(rows: Iterable[Statement]) -> list[StatementFacts]:
    kept = list(rows)
    ids = dict(
        Statement.objects.filter(pk__in=[row.pk for row in kept]).values_list(
            "pk", "document__public_id"
        )
    )
    found = documents.documents(ids.values())
    return [_statement_facts(row, found[ids[row.pk]]) for row in kept]


def _statement_facts(row: Statement, document: documents.DocumentFacts) -> StatementFacts:
    payload = document.payload
    previous = payload["change"]["previous"]
    return StatementFacts(
        id=document.id,
        month=document.month,
        cost_center=row.cost_center,
        name=document.subject.name,
        owner_name=payload["recipient"]["owner_name"],
        currency=document.currency,
        total=Decimal(payload["total"]),
        billed=Decimal(payload["billed_total"]),
        previous=Decimal(previous["total"]) if previous else None,
        sections={name: Decimal(amount) for name, amount in payload["sections"].items()},
        state=document.state.value,
        number=document.number,
        issued_at=document.issued_at,
        run=row.run,
        data_hash=document.data_hash,
        replaces=document.supersedes_number,
    )


def _detail(row: Statement) -> StatementDetail:
    [facts] = _facts([row])
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
    for statement in facts:
        total = EXACT.add(total, statement.total)
    return MonthFacts(
        month=month,
        currency=facts[0].currency,
        count=len(facts),
        total=total,
        is_issued=all(statement.state == State.SEALED.value for statement in facts),
    )
