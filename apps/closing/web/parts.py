"""What the month pages show of a close: steps, checks, history, consequences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Final
from urllib.parse import urlencode

from django.urls import reverse

from apps.allocation import selectors as allocation
from apps.allocation.selectors import Axis
from apps.audit import selectors as audit
from apps.chargeback import selectors as chargeback
from apps.closing import selectors
from apps.closing.selectors import CloseRunFacts, RunState, StepState
from apps.core.domain.months import Month
from apps.core.web.parts import Attention, Entry, Step, Work

_STEP_STATES = {
    StepState.PENDING: "pending",
    StepState.RUNNING: "running",
    StepState.WAITING: "pending",
    StepState.FAILED: "failed",
    StepState.DONE: "done",
}
_TONES = {"passed": "info", "attention": "warn", "blocked": "bad"}
_WORDS = {
    "period.frozen": "froze the month",
    "period.reconciled": "proved the books",
    "period.unfrozen": "let the month take entries again",
    "period.closed": "closed the month",
    "period.reopened": "reopened the month",
    "close.started": "started the close",
    "close.retried": "tried the close again",
    "close.prepared_again": "prepared the close again",
    "close.approved": "approved the close",
    "close.cancelled": "cancelled the close",
    "reopen.requested": "asked to reopen the month",
    "reopen.done": "agreed to reopen the month",
    "reopen.withdrawn": "withdrew the request to reopen",
    "allocation.published": "published the allocation",
    "allocation_driver.entered": "entered driver values",
    "statements.drafted": "drafted the statements",
    "statements.issued": "issued the statements",
    "rollups.issued": "rolled the statements up",
    "journal.made": "made the journal",
    "journal.posted": "noted that the ledger took the journal",
    "export.requested": "asked for an export",
    "usage.rerated": "rated the usage again",
    "allocation.what_if_kept": "kept a what-if run",
    "fx_rate.set": "entered an exchange rate",
}


def work_of(run: CloseRunFacts) -> Work:
    """Return the close as long work that polls itself while it runs."""
    poll = reverse("closing:progress", args=[run.month]) if run.state is RunState.RUNNING else ""
    return Work(
        key="close-progress",
        title="Close",
        steps=[_step(step) for step in run.steps],
        poll_url=poll,
    )


def _step(step: selectors.StepFacts) -> Step:
    percent = None
    if step.state is StepState.RUNNING and step.total:
        percent = 100 * step.done // step.total
    message = f"{step.message} {step.remedy}".strip()
    return Step(
        name=step.title,
        state=_STEP_STATES[step.state],  # type: ignore[arg-type]
        percent=percent,
        message=message,
        took=_took(step),
    )


def _took(step: selectors.StepFacts) -> timedelta | None:
    if step.started_at is None or step.finished_at is None:
        return None
    return step.finished_at - step.started_at


def checks_of(run: CloseRunFacts) -> list[Attention]:
    """Return the checklist, what blocks first."""
    order = {"blocked": 0, "attention": 1, "passed": 2}
    checks = sorted(run.checklist, key=lambda check: order.get(check["verdict"], 3))
    return [
        Attention(
            title=f"{check['title']}: {check['message']}",
            text=check["remedy"],
            tone=_TONES.get(check["verdict"], "info"),  # type: ignore[arg-type]
            **_way_out(check, run.month),
        )
        for check in checks
    ]


_WAYS_OUT: Final = {
    "unpriced": ("usage:unpriced", "Map the models or price them", "month"),
    "fx": ("periods:rates", "Enter the rate", ""),
    "mapping": ("directory:organization", "Give teams a cost center", ""),
    "coverage": ("costs:attribution", "See what nobody owns", ""),
    "bills": ("costs:accounts", "Look at the accounts", ""),
    "accruals": ("costs:accounts", "Import the bill", ""),
    "variance": ("closing:periods", "Compare the months", ""),
    "order": ("closing:month", "Open that month", ""),
    "adjustments": ("allocation:adjustments", "Decide them", ""),
    "disputes": ("chargeback:disputes", "Decide them", ""),
    "imports": ("usage:imports", "Watch the imports", ""),
    "backfills": ("usage:backfills", "Look at the backfills", ""),
}
"""Where a check is settled: the page, what to do there, and what the month is called there."""


def _way_out(check: Mapping[str, str], month: Month) -> dict[str, str]:
    """Return where the check is settled, if there is a page for it."""
    place = _WAYS_OUT.get(check["code"])
    if place is None or check["verdict"] == "passed":
        return {}
    name, action, query = place
    if name == "closing:month":  # the month that has to be closed first is the message's first word
        return {"url": reverse(name, args=[check["message"].split()[0]]), "action": action}
    asked = f"?{urlencode({query: str(month)})}" if query else ""
    return {"url": f"{reverse(name)}{asked}", "action": action}


def history_of(month: Month) -> list[Entry]:
    """Return what happened to a month, newest first."""
    entries = audit.history(subject="period", subject_id=str(month))
    return [
        Entry(
            at=entry.at,
            actor=entry.actor,
            text=_WORDS.get(entry.action, entry.action),
            detail=str(entry.detail.get("reason") or entry.detail.get("comment") or ""),
            mark=entry.hash[:12],
        )
        for entry in reversed(entries)
    ]


@dataclass(frozen=True, slots=True)
class ReceiverRow:
    """What one cost center bears this month and bore the month before, as its statements say."""

    code: str
    name: str
    amount: Decimal
    before: Decimal | None

    @property
    def difference(self) -> Decimal | None:
        """Return what is more or less; none without a month before."""
        return None if self.before is None else self.amount - self.before


def receivers_of(run: allocation.RunFacts, names: dict[str, str]) -> list[ReceiverRow]:
    """Return what each cost center bears, largest first."""
    earlier = allocation.published_or_none(run.month - 1)
    known = _borne(earlier) if earlier is not None else None
    rows = [
        ReceiverRow(
            code=code,
            name=names.get(code, code),
            amount=amount,
            before=None if known is None else known.get(code, Decimal(0)),
        )
        for code, amount in _borne(run).items()
    ]
    return sorted(rows, key=lambda row: (-row.amount, row.code))


def _borne(run: allocation.RunFacts) -> dict[str, Decimal]:
    """Return what statements charge, so that rows sum to the total; without any, exact cost."""
    stated = chargeback.totals_of(run.id)
    if stated:
        return stated
    exact = allocation.totals_by_cost_center(run=run.id)
    return {code: amounts.effective for code, amounts in exact.items()}


@dataclass(frozen=True, slots=True)
class Proof:
    """The reconciliation of one axis: lines against sources; the difference is zero."""

    axis: str
    sources: Decimal
    lines: Decimal
    kinds: Sequence[tuple[str, Decimal]]

    @property
    def difference(self) -> Decimal:
        """Return lines minus sources."""
        return self.lines - self.sources


def proofs_of(run: allocation.RunFacts) -> list[Proof]:
    """Return the reconciliation of both axes."""
    return [
        Proof(
            axis=axis.value,
            sources=run.sources.effective,
            lines=run.totals[axis].effective,
            kinds=[
                (kind, amounts.effective)
                for kind, amounts in allocation.coverage(run=run.id, axis=axis).items()
            ],
        )
        for axis in Axis
    ]


def approval_consequences(run: CloseRunFacts, month_name: str) -> list[str]:
    """Return what an approval sets off, in sentences."""
    drafted = run.step(selectors.Step.STATEMENTS)
    return [
        f"{drafted.done} statements get their numbers and are sealed; they never change again.",
        f"{month_name} is closed: no event, bill or correction enters it any more.",
        "Later usage of the month appears as a correction in the next open month.",
        f"You approve the result {run.result_hash[:12]}, prepared by {run.prepared_by}.",
    ]
