"""What each step of a close does; every function runs inside the step's own transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Final
from uuid import UUID

from apps.allocation import selectors as allocation
from apps.allocation import services as allocations
from apps.allocation.selectors import Axis
from apps.chargeback import selectors as statement_sets
from apps.chargeback import selectors as statements_of
from apps.chargeback import services as chargeback
from apps.closing.domain.checklist import (
    Check,
    UnpricedUse,
    Verdict,
    check_accruals,
    check_adjustments,
    check_backfills,
    check_bills,
    check_books,
    check_coverage,
    check_disputes,
    check_imports,
    check_mapping,
    check_order,
    check_over,
    check_rates,
    check_unpriced,
    check_variance,
    dearest_prices,
    escalated,
    merged_use,
    require_unblocked,
)
from apps.closing.domain.steps import Step, StepState
from apps.closing.models import CloseRun
from apps.closing.selectors.policy import policy
from apps.closing.services.live import CloseState, approver_of, preparer_of
from apps.closing.services.rendering import unrendered
from apps.closing.services.telling import tell_closed, tell_review
from apps.core.domain.canonical import digest_of
from apps.core.domain.money import EXACT
from apps.core.domain.months import Month
from apps.costs import selectors as costs
from apps.costs import services as cost_services
from apps.costs.domain.accounts import Truth
from apps.costs.domain.checks import ReconcileReport
from apps.ingest import selectors as ingest
from apps.periods import selectors as periods
from apps.periods import services as period_services
from apps.rating import services as rating
from apps.tenants import selectors as tenants
from apps.usage.selectors.unpriced import UnpricedSku


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came out of a step; `documents` are those that wait to be rendered."""

    message: str
    state: StepState = StepState.DONE
    done: int = 1
    total: int = 1
    input_hash: str = ""
    output_hash: str = ""
    documents: tuple[UUID, ...] = ()


def freeze(run: CloseRun, now: datetime) -> Outcome:
    """Stop new entries of the month and pin its prices; waits for every writer.

    The version is held, so that no adoption re-rates the month between being read and pinned.
    """
    month = Month.of(run.month)
    version = rating.hold_version()
    facts = period_services.freeze(
        month=month, actor=preparer_of(run), now=now, price_book_version=version
    )
    pinned = facts.price_book_version
    return Outcome(
        message=f"{month} takes no new entries; prices are those of book {pinned}.",
        output_hash=digest_of({"month": str(month), "price_book": pinned}),
    )


def reconcile(run: CloseRun, now: datetime) -> Outcome:
    """Prove the cost base against events and bills; check that all of it is priced and converted.

    :raises ChecklistBlocked: when sums differ, usage is unpriced or a rate is missing.
    """
    month = Month.of(run.month)
    report = cost_services.reconcile(month=month, actor=preparer_of(run), now=now)
    base = costs.cost_base(month=month)
    currency, effective = base.currency, base.effective
    limits = policy().limits
    checks = [
        check_order(earlier=str(period_services.earlier_to_close(month=month) or "")),
        check_over(month=str(month), is_over=periods.period(month).ends_at <= now),
        check_books(differences=_differences(report)),
        check_rates(missing=[f"{pair.base}/{pair.quote}" for pair in base.missing_rates]),
        check_unpriced(
            unpriced=_unpriced(base), effective=effective, currency=currency, limits=limits
        ),
        check_bills(variances=_variances(report), currency=currency, limits=limits),
        check_accruals(accrued=_accrued(report), currency=currency),
        check_variance(before=_before(month), now=effective, currency=currency, limits=limits),
        check_disputes(disputes=_disputes(month)),
        check_imports(pending=ingest.pending_imports()),
        check_backfills(backfills=_backfills(month)),
    ]
    checks = escalated(checks, limits)
    require_unblocked(checks)
    _keep(run, checks)
    return Outcome(
        message=f"{len(base.lines)} cost lines, {currency} {effective:,.2f}.",
        done=len(base.lines),
        total=len(base.lines),
        output_hash=base.hash,
    )


def attribute(run: CloseRun, now: datetime) -> Outcome:
    """Find the owner of every cost line and say how much has one.

    :raises ChecklistBlocked: when a team with cost has no cost center, or a rule names nobody.
    """
    inputs = allocation.gather(month=Month.of(run.month))
    known = allocation.known_receivers(inputs.month)
    homeless = {
        owner.team
        for owner in inputs.owners
        if owner.team and owner.cost_center == allocation.UNALLOCATED
    }
    named = {
        code
        for rule in inputs.rules
        for code in rule.receivers.named()
        if code not in known[rule.axis] and code != allocation.UNALLOCATED
    }
    owned = sum(
        (
            line.effective
            for line, owner in zip(inputs.lines, inputs.owners, strict=True)
            if not owner.is_unowned
        ),
        Decimal(0),
    )
    total = sum((line.effective for line in inputs.lines), Decimal(0))
    unregistered = {
        f"{dimension} {line.tags.get(dimension, '')}".strip()
        for line, owner in zip(inputs.lines, inputs.owners, strict=True)
        for dimension in owner.unregistered
    }
    limits = policy().limits
    checks = [
        check_adjustments(undecided=allocation.undecided(month=inputs.month)),
        check_mapping(teams=homeless, receivers=named),
        check_coverage(owned=owned, total=total, unregistered=unregistered, limits=limits),
    ]
    checks = escalated(checks, limits)
    require_unblocked(checks)
    _keep(run, checks)
    return Outcome(
        message=checks[-1].message,
        done=len(inputs.lines),
        total=len(inputs.lines),
        output_hash=inputs.sources_hash,
    )


def allocate(run: CloseRun, now: datetime) -> Outcome:
    """Run the allocation and publish it in place of the one before.

    A run that statements were issued from stays theirs: closing a reopened month gives it another,
    and so replacements with new numbers, whether or not anything changed (rule 10).
    """
    month = Month.of(run.month)
    facts = allocations.run(month=month, actor=preparer_of(run), now=now, sealed=_sealed(month))
    run.allocation_run = facts.id
    unallocated = allocation.totals_by_receiver(run=facts.id, axis=Axis.TEAM).get(
        allocation.UNALLOCATED
    )
    left = unallocated.effective if unallocated else Decimal(0)
    return Outcome(
        message=(
            f"{facts.line_count} lines over {facts.source_count} sources, difference 0.00; "
            f"{facts.currency} {left:,.2f} unallocated."
        ),
        done=facts.line_count,
        total=facts.line_count,
        input_hash=facts.input_hash,
        output_hash=facts.output_hash,
    )


def statements(run: CloseRun, now: datetime) -> Outcome:
    """Draft a statement for every cost center, in place of earlier drafts."""
    if run.allocation_run is None:
        raise CloseState("The month has not been allocated.")
    drafts = chargeback.draft_statements(
        month=Month.of(run.month), run=run.allocation_run, actor=preparer_of(run), now=now
    )
    lines = allocation.run(run.allocation_run).output_hash
    run.result_hash = digest_of({"lines": lines, "documents": sorted(drafts.data_hashes)})
    return Outcome(
        message=f"{drafts.count} statements drafted, {drafts.currency} {drafts.total:,.2f}.",
        done=drafts.count,
        total=drafts.count,
        input_hash=lines,
        output_hash=run.result_hash,
    )


def review(run: CloseRun, now: datetime) -> Outcome:
    """Wait for another person, and tell those who may be it."""
    tell_review(run.facts, now=now)
    return Outcome(
        message="Waiting for a second person to approve.",
        state=StepState.WAITING,
        done=0,
        input_hash=run.result_hash,
    )


def lock(run: CloseRun, now: datetime) -> Outcome:
    """Number and seal the approved statements and close the month, all or nothing.

    :raises CloseState: when nobody approved this very result.
    """
    month, actor, approver = Month.of(run.month), preparer_of(run), approver_of(run)
    # Holds the period's row before anything else is locked (docs/locking.md); changes nothing.
    period_services.freeze(month=month, actor=actor, now=now)
    _require_approved(run)
    _require_decided(month)
    issued = chargeback.issue_statements(month=month, actor=actor, approver=approver, now=now)
    tell_closed(run.facts, now=now)
    period_services.lock(month=month, actor=actor, approver=approver, now=now)
    return Outcome(
        message=f"{issued.count} statements numbered and sealed; {month} is closed.",
        done=issued.count,
        total=issued.count,
        input_hash=run.result_hash,
        output_hash=digest_of(sorted(issued.numbers)),
    )


def render(run: CloseRun, now: datetime) -> Outcome:
    """Say which statements still lack their PDF; each is rendered by a task of its own."""
    todo, total = unrendered(run, locale=tenants.current().locale)
    done = total - len(todo)
    return Outcome(
        message=f"{done} of {total} PDFs rendered.",
        state=StepState.RUNNING if todo else StepState.DONE,
        done=done,
        total=total,
        documents=tuple(todo),
    )


WORK: Final[Mapping[Step, Callable[[CloseRun, datetime], Outcome]]] = MappingProxyType(
    {
        Step.FREEZE: freeze,
        Step.RECONCILE: reconcile,
        Step.ATTRIBUTE: attribute,
        Step.ALLOCATE: allocate,
        Step.STATEMENTS: statements,
        Step.REVIEW: review,
        Step.LOCK: lock,
        Step.RENDER: render,
    }
)


def _require_decided(month: Month) -> None:
    """Pass when no adjustment waits: a closed month's could be neither approved nor taken back."""
    check = check_adjustments(undecided=allocation.undecided(month=month))
    if check.verdict is Verdict.BLOCKED:
        raise CloseState(f"{check.message} {check.remedy}", code="adjustments_undecided")


def _sealed(month: Month) -> UUID | None:
    """Return the published run when statements were issued from it."""
    published = allocation.published_or_none(month)
    issued = None if published is None else statement_sets.set_of(published.id)
    return None if issued is None or not issued.numbers else issued.run


def _require_approved(run: CloseRun) -> None:
    """Pass when what was approved is still what the month would publish."""
    published = allocation.published_or_none(Month.of(run.month))
    if published is None or published.id != run.allocation_run:
        raise CloseState(
            "The month was allocated again after the approval. Prepare the close again and have "
            "it approved again.",
            code="preview_stale",
        )


def _backfills(month: Month) -> list[str]:
    period = periods.period(month)
    return ingest.open_backfills(start=period.starts_at, end=period.ends_at)


def _differences(report: ReconcileReport) -> list[str]:
    found = [
        f"{check.left} and {check.right} by {check.currency} {check.difference:f}"
        for check in report.checks
        if check.difference
    ]
    if report.differing_rollups:
        found.append(f"events and {len(report.differing_rollups)} rollups")
    return found


def _variances(report: ReconcileReport) -> list[tuple[str, Decimal, Decimal]]:
    """Return what we metered beside what was billed; a bill of what nobody meters says nothing."""
    return [
        (account.account, account.metered, account.billed)
        for account in report.accounts
        if account.metered is not None
        and account.billed is not None
        and (account.metered or account.truth is not Truth.BILLED)
    ]


def _accrued(report: ReconcileReport) -> list[tuple[str, Decimal]]:
    """Return the accounts whose bill is missing, with the usage that stands in for it."""
    return [
        (account.account, account.metered)
        for account in report.accounts
        if account.truth is Truth.BILLED and account.billed is None and account.metered
    ]


def _unpriced(base: costs.CostBase) -> list[UnpricedUse]:
    """Return what has no price by SKU, its worst case at the month's dearest price of the meter."""
    dearest = dearest_prices(
        (line.meter, line.quantity, line.effective) for line in base.lines if line.origin == "usage"
    )
    by_sku: dict[str, list[UnpricedUse]] = {}
    for item in base.unpriced:
        assert isinstance(item, UnpricedSku)
        price = dearest.get(item.meter)
        worst = None if price is None else EXACT.multiply(item.quantity, price)
        label = item.sku.label
        by_sku.setdefault(label, []).append(UnpricedUse(label, int(item.events), worst))
    return [merged_use(found) for _, found in sorted(by_sku.items())]


def _disputes(month: Month) -> list[str]:
    """Return the statements of the month or before with an open dispute, each once."""
    found = statements_of.open_disputes(month=month)
    return list(dict.fromkeys(f"{one.number} {one.name}" for one in found))


def _before(month: Month) -> Decimal | None:
    run = allocation.published_or_none(month - 1)
    return run.sources.effective if run is not None else None


def _keep(run: CloseRun, checks: list[Check]) -> None:
    by_code = {check["code"]: check for check in run.checklist}
    by_code.update({check.code: check.as_json() for check in checks})
    run.checklist = list(by_code.values())
