"""Questions to journals: what is booked, what still lacks an account, as which columns."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import Count, F, Max, Q, QuerySet, Sum
from django.db.models.fields.json import KeyTextTransform

from apps.allocation import selectors as allocation
from apps.allocation.domain.sight import require_everything
from apps.chargeback.domain.journal import (
    AccountOf,
    Charge,
    Chart,
    Completeness,
    Entry,
    JournalFacts,
    JournalKind,
    JournalMissing,
    MappingKind,
    MonthNotClosed,
    PostingFacts,
    chart_of,
    completeness,
)
from apps.chargeback.domain.journal_layout import STANDARD, Layout, parse_layout
from apps.chargeback.models import (
    Journal,
    JournalLayout,
    JournalLine,
    JournalMapping,
    Statement,
)
from apps.core.domain.access import Actor, Scope
from apps.core.domain.money import EXACT, minor_quantum
from apps.core.domain.months import Month
from apps.documents.domain.states import State
from apps.periods import selectors as periods
from apps.periods.domain.calendar import State as PeriodState

__all__ = [
    "chart",
    "closed_run",
    "entries",
    "journal",
    "journal_sums",
    "journals",
    "layout",
    "mapping_gaps",
    "mappings",
    "months_to_book",
]


def journals(*, month: Month | None = None, actor: Actor) -> list[JournalFacts]:
    """Return journals, newest month first and in it the newest first; one query.

    :raises Forbidden: when the actor may not read billing, or sees only some teams or tags.
    """
    actor.require(Scope.BILLING_READ)
    require_everything(actor)
    rows = _rows()
    if month is not None:
        rows = rows.filter(month=month.first_day)
    return [facts_of(row) for row in rows.order_by("-month", "-id")]


def journal(*, batch: str, actor: Actor) -> JournalFacts:
    """Return a journal by its batch id.

    :raises Forbidden: when the actor may not read billing, or sees only some teams or tags.
    :raises JournalMissing: when there is none.
    """
    actor.require(Scope.BILLING_READ)
    require_everything(actor)
    row = _rows().filter(batch=batch).first()
    if row is None:
        raise JournalMissing(f"There is no journal {batch[:30]}.")
    return facts_of(row)


def entries(*, batch: str, actor: Actor) -> list[Entry]:
    """Return the lines of a journal in order; two queries.

    :raises Forbidden: when the actor may not read billing, or sees only some teams or tags.
    """
    actor.require(Scope.BILLING_READ)
    require_everything(actor)
    currency = Journal.objects.filter(batch=batch).values_list("currency", flat=True).first()
    quantum = minor_quantum(currency or "USD")
    rows = JournalLine.objects.filter(journal__batch=batch).order_by("position")
    return [_entry(row, quantum) for row in rows]


def mappings() -> list[AccountOf]:
    """Return all account mappings in the order in which they were entered; one query."""
    return [
        AccountOf(
            kind=MappingKind(row.kind),
            key=row.key,
            account=row.account,
            target=row.target,
            valid_from=Month.of(row.valid_from),
        )
        for row in JournalMapping.objects.order_by("valid_from", "id")
    ]


def chart(*, month: Month) -> Chart:
    """Return the accounts in force in a month; one query."""
    return chart_of(mappings(), month=month)


def layout() -> Layout:
    """Return the columns that journal files have now; one query."""
    row = JournalLayout.objects.order_by("-id").first()
    if row is None:
        return STANDARD
    return parse_layout(preset=row.preset, company=row.company, text=row.columns)


def mapping_gaps(*, month: Month, actor: Actor) -> Completeness:
    """Return the cost centers and providers of a month's statements that have no account.

    Drafts count too, so that gaps are seen before a month is closed. Empty without statements.

    :raises Forbidden: when the actor may not read billing, or sees only some teams or tags.
    """
    actor.require(Scope.BILLING_READ)
    require_everything(actor)
    run = allocation.published_or_none(month)
    charges, printed = charges_of(run.id) if run is not None else ([], "")
    return completeness(month=month, charges=charges, chart=chart(month=month), printed=printed)


def months_to_book(*, actor: Actor) -> list[Month]:
    """Return the closed months whose statements no journal carries yet, oldest first.

    A month that was closed anew counts: its journal is of the run before. One that charges
    nothing counts only while there is a journal to take back. Four queries.

    :raises Forbidden: when the actor may not read billing, or sees only some teams or tags.
    """
    actor.require(Scope.BILLING_READ)
    require_everything(actor)
    latest = periods.latest_closed()
    if latest is None:
        return []
    charges = Journal.objects.filter(kind=JournalKind.CHARGE.value)
    booked = set(charges.values_list("run", flat=True))
    standing = set(charges.filter(reversal__isnull=True).values_list("month", flat=True))
    issued = Statement.objects.filter(
        document__state=State.SEALED.value, month__lte=latest.month.first_day
    )
    sets = issued.values("month", "run").annotate(
        newest=Max("id"), charged=Count("id", filter=~Q(document__total=0))
    )
    newest = {row["month"]: row for row in sets.order_by("month", "newest")}
    return [
        Month.of(month)
        for month, row in newest.items()
        if row["run"] not in booked and (row["charged"] or month in standing)
    ]


def closed_run(month: Month) -> UUID:
    """Return the run whose statements a closed month issued.

    :raises MonthNotClosed: when the month is not closed.
    """
    if periods.period(month).state is not PeriodState.CLOSED:
        raise MonthNotClosed(f"{month} is not closed; its journal is made once it is.")
    return allocation.published(month).id


def charges_of(run: UUID) -> tuple[list[Charge], str]:
    """Return what a run's statements charge, and the account that they print as credited.

    Amounts are those of the printed lines, by provider; two queries.
    """
    provider = KeyTextTransform("provider", "document__lines__facts")
    rows = (
        _stated(run)
        .values("cost_center", "document__number", "document__subject_name")
        .annotate(
            total=F("document__total"),
            currency=F("document__currency"),
            gl_code=KeyTextTransform("gl_code", KeyTextTransform("recipient", "document__payload")),
            provider=provider,
            amount=Sum("document__lines__amount"),
        )
        .order_by("cost_center", "provider")
    )
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["cost_center"], []).append(dict(row))
    return [_charge(code, parts) for code, parts in found.items()], _printed_account(run)


def journal_sums(*, run: UUID) -> tuple[str, Decimal] | None:
    """Return the batch that books a run, and what cost centers are charged by it; two queries.

    None when no journal was made yet; for the proof of a month.
    """
    row = Journal.objects.filter(run=run, kind="charge").first()
    if row is None:
        return None
    sums = JournalLine.objects.filter(journal=row).exclude(cost_center="")
    found = sums.aggregate(debit=Sum("debit"), credit=Sum("credit"))
    charged = EXACT.subtract(found["debit"] or Decimal(0), found["credit"] or Decimal(0))
    return row.batch, charged.quantize(minor_quantum(row.currency))


def facts_of(row: Any) -> JournalFacts:
    """Return a journal of `_rows` as a frozen value."""
    posting = getattr(row, "posting", None)
    reversal = getattr(row, "reversal", None)
    return JournalFacts(
        id=row.public_id,
        month=Month.of(row.month),
        batch=row.batch,
        kind=row.kind,
        currency=row.currency,
        total=row.total.quantize(minor_quantum(row.currency)),
        lines=row.line_count,
        run=row.run,
        reverses=row.reverses.batch if row.reverses_id else "",
        reversed_by=reversal.batch if reversal else "",
        data_hash=row.data_hash,
        created_at=row.created_at,
        created_by=row.created_by,
        posting=PostingFacts(
            reference=posting.reference,
            posted_on=posting.posted_on,
            at=posting.created_at,
            by=posting.created_by,
        )
        if posting
        else None,
    )


def _rows() -> QuerySet[Journal]:
    return Journal.objects.select_related("reverses", "reversal", "posting")


def _stated(run: UUID) -> QuerySet[Statement]:
    return Statement.objects.filter(run=run).exclude(document__state=State.VOID.value)


def _charge(code: str, parts: list[dict[str, Any]]) -> Charge:
    first = parts[0]
    quantum = minor_quantum(first["currency"])
    return Charge(
        cost_center=code,
        name=first["document__subject_name"],
        number=first["document__number"] or "",
        total=first["total"].quantize(quantum),
        parts=_by_provider(parts, quantum),
        gl_code=first["gl_code"] or "",
    )


def _by_provider(parts: Iterable[dict[str, Any]], quantum: Decimal) -> dict[str, Decimal]:
    found: dict[str, Decimal] = {}
    for part in parts:
        key = part["provider"] or ""
        amount = part["amount"] if part["amount"] is not None else Decimal(0)
        found[key] = EXACT.add(found.get(key, Decimal(0)), amount).quantize(quantum)
    return found


def _printed_account(run: UUID) -> str:
    postings = _stated(run).exclude(document__total=0)
    printed = postings.values_list("document__payload__postings", flat=True).first()
    credited = (one["account"] for one in printed or () if one["cost_center"] is None)
    return str(next(credited, ""))


def _entry(row: JournalLine, quantum: Decimal) -> Entry:
    return Entry(
        position=row.position,
        account=row.account,
        target=row.target,
        cost_center=row.cost_center,
        name=row.name,
        text=row.text,
        debit=row.debit.quantize(quantum),
        credit=row.credit.quantize(quantum),
    )
