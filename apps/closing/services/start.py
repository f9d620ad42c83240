"""Starts the close of a month, or takes up the one that is alive."""

from __future__ import annotations

from datetime import datetime

from django.db import IntegrityError, transaction

from apps.accounts import selectors as accounts
from apps.audit import services as audit
from apps.closing.domain.steps import LIVE, CloseRunFacts, RunState, StepState
from apps.closing.models import CloseRun
from apps.core.domain.access import Actor, Scope
from apps.core.domain.errors import Conflict, Unprocessable
from apps.core.domain.months import Month
from apps.periods import selectors as periods
from apps.periods.domain.calendar import State


class AlreadyClosed(Conflict):
    """The month is in the books."""

    default_code = "period_closed"


class MonthNotBegun(Unprocessable):
    """The month lies in the future."""

    default_code = "period_not_begun"


@transaction.atomic
def start_close(*, month: Month, actor: Actor, now: datetime) -> CloseRunFacts:
    """Start closing a month; return the live close when there is one, its failed step retried.

    The door enqueues `closing.tasks.advance` afterwards. Several callers at once get one close.

    :raises AlreadyClosed: when the month is closed and nothing is left to render.
    :raises MonthNotBegun: when the month lies in the future.
    """
    actor.require(Scope.CLOSE_RUN)
    period = periods.period(month)
    live = _live(month)
    if live is not None:
        return _taken_up(live, actor=actor, now=now)
    if period.state is State.CLOSED:
        raise AlreadyClosed(f"{month} is closed. Reopen it first if it must change.")
    if period.starts_at > now:
        raise MonthNotBegun(f"{month} has not begun yet.")
    try:
        with transaction.atomic():
            person = accounts.person_behind(actor)
            run = CloseRun.begin(month=month, actor=actor, person=person, at=now)
    except IntegrityError as error:
        if "closing_closerun_one_live_a_month" not in str(error):
            raise
        live = _live(month)
        if live is None:
            raise
        return _taken_up(live, actor=actor, now=now)
    _record("close.started", run, actor, now)
    return run.facts


def _live(month: Month) -> CloseRun | None:
    states = [state.value for state in LIVE]
    return CloseRun.objects.filter(month=month.first_day, state__in=states).first()


def _taken_up(live: CloseRun, *, actor: Actor, now: datetime) -> CloseRunFacts:
    """Let a failed step run again; a close that runs or waits stays as it is."""
    run = CloseRun.objects.select_for_update().get(pk=live.pk)
    if run.state != RunState.FAILED.value:
        return run.facts
    run.steps.filter(state=StepState.FAILED.value).update(
        state=StepState.PENDING.value, message="", remedy=""
    )
    run.turn(RunState.RUNNING, at=now)
    _record("close.retried", run, actor, now)
    return run.facts


def _record(action: str, run: CloseRun, actor: Actor, now: datetime) -> None:
    audit.record(
        actor=actor,
        action=action,
        subject="period",
        subject_id=str(Month.of(run.month)),
        detail={"close": run.public_id},
        at=now,
    )
