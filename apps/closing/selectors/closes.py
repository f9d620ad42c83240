"""Questions to closes; answers are frozen values."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from apps.closing.domain.reopening import ReopenFacts
from apps.closing.domain.steps import LIVE, CloseRunFacts, RunState
from apps.closing.models import CloseRun, ReopenRequest
from apps.core.domain.errors import Missing
from apps.core.domain.months import Month


def close_run(id: UUID) -> CloseRunFacts:
    """Return a close by its id; three queries.

    :raises Missing: when there is none.
    """
    row = CloseRun.objects.filter(public_id=id).first()
    if row is None:
        raise Missing("There is no such close.", code="close_not_found")
    return row.facts


def latest(month: Month) -> CloseRunFacts | None:
    """Return the newest close of a month, if there is one; three queries."""
    row = CloseRun.objects.filter(month=month.first_day).order_by("-id").first()
    return row.facts if row is not None else None


def latest_of_each() -> dict[Month, CloseRunFacts]:
    """Return the newest close of every month that has one; three queries."""
    rows = CloseRun.objects.order_by("id").prefetch_related("steps", "approvals")
    return {Month.of(row.month): row.facts for row in rows}


def history(month: Month) -> list[CloseRunFacts]:
    """Return all closes of a month, newest first; three queries."""
    rows = CloseRun.objects.filter(month=month.first_day).order_by("-id")
    return [row.facts for row in rows.prefetch_related("steps", "approvals")]


def stalled(*, now: datetime, after: timedelta) -> list[UUID]:
    """Return running closes without a sign of life for that long: their worker may have died."""
    rows = CloseRun.objects.filter(
        state=RunState.RUNNING.value, touched_at__lt=now - after
    ).order_by("id")
    return list(rows.values_list("public_id", flat=True))


def live_months() -> list[Month]:
    """Return the months that are being closed, oldest first; one query."""
    states = [state.value for state in LIVE]
    rows = CloseRun.objects.filter(state__in=states).order_by("month")
    return [Month.of(day) for day in rows.values_list("month", flat=True)]


def pending_reopen(month: Month) -> ReopenFacts | None:
    """Return the pending request to reopen a month, if there is one; one query."""
    row = ReopenRequest.objects.filter(month=month.first_day, state="pending").first()
    return reopen_facts(row) if row is not None else None


def reopen_facts(row: ReopenRequest) -> ReopenFacts:
    """Return a request as a frozen value."""
    return ReopenFacts(
        id=row.public_id,
        month=Month.of(row.month),
        state=row.state,
        reason=row.reason,
        requested_by=row.requested_by,
        requested_by_user=row.requested_by_user,
        requested_at=row.requested_at,
        decided_by=row.decided_by,
        decided_at=row.decided_at,
    )
