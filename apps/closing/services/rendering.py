"""Renders the sealed statements of a close, one document at a time."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import transaction

from apps.chargeback.selectors import set_of
from apps.closing.domain.steps import CloseRunFacts, RunState, Step, StepState
from apps.closing.models import CloseRun
from apps.closing.services.live import locked, step_of
from apps.documents import selectors as documents
from apps.documents import services as document_services
from apps.documents.selectors import Format
from apps.tenants import selectors as tenants


def render_document(*, run: UUID, document: UUID, now: datetime) -> CloseRunFacts:
    """Render one statement and count it; the last one finishes the close. Safe to repeat.

    :raises CloseMissing: when there is no such close.
    :raises DocumentMissing: when there is no such document.
    """
    locale = tenants.current().locale
    document_services.render(document=document, format=Format.PDF, locale=locale, now=now)
    return _count(run, locale=locale, now=now)


@transaction.atomic
def _count(run: UUID, *, locale: str, now: datetime) -> CloseRunFacts:
    row = locked(run)
    step = step_of(row, Step.RENDER)
    if step.state != StepState.RUNNING.value:
        return row.facts
    todo, total = unrendered(row, locale=locale)
    step.done, step.total = total - len(todo), total
    step.message = f"{step.done} of {total} PDFs rendered."
    if not todo:
        step.state, step.finished_at = StepState.DONE.value, now
    step.save()
    row.turn(RunState.RUNNING if todo else RunState.FINISHED, at=now)
    return row.facts


@transaction.atomic
def fail_rendering(*, run: UUID, message: str, now: datetime) -> CloseRunFacts:
    """Mark the rendering as failed; the month stays closed and the rendering can be retried."""
    row = locked(run)
    step = step_of(row, Step.RENDER)
    if row.state != RunState.RUNNING.value or step.state != StepState.RUNNING.value:
        return row.facts
    step.state, step.message = StepState.FAILED.value, message
    step.remedy = "The month is closed and its statements are sealed. Try the rendering again."
    step.save()
    row.turn(RunState.FAILED, at=now)
    return row.facts


def unrendered(run: CloseRun, *, locale: str) -> tuple[list[UUID], int]:
    """Return the sealed statements of the close that lack their PDF, and how many there are."""
    issued = _issued(run)
    return documents.unrendered(documents=issued, format=Format.PDF, locale=locale), len(issued)


def _issued(run: CloseRun) -> tuple[UUID, ...]:
    statements = set_of(run.allocation_run) if run.allocation_run else None
    return statements.documents if statements is not None else ()
