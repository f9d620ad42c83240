"""What time does to requests: they start, become late, lapse, end; twice gives the same as once."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction
from django.db.models import QuerySet

from apps.core.domain.access import Actor, system_actor
from apps.core.domain.errors import Refusal
from apps.experiments.domain.results import results_payload
from apps.experiments.domain.states import RoundState, State, StepState
from apps.experiments.models import ExperimentRequest, Step, Submission
from apps.experiments.selectors.results import results
from apps.experiments.services.ending import end_with_report, report
from apps.experiments.services.holding import announce
from apps.experiments.services.rounds import start_if_due, stop, today
from apps.experiments.services.telling import tell_ended, tell_waiting
from apps.experiments.services.writing import record
from apps.notifications.domain.topics import Topic

RESTATED_FOR: Final = timedelta(days=90)
"""Outcomes that come later than this after the end restate no report by themselves."""
logger = logging.getLogger(__name__)
_ACTOR: Final[Actor] = system_actor("experiments")


@dataclass(frozen=True, slots=True)
class FollowedUp:
    """How many requests or steps each thing happened to."""

    started: int
    reminded: int
    escalated: int
    expired: int
    completed: int
    restated: int


def follow_up(*, now: datetime) -> FollowedUp:
    """Start, remind, escalate, let lapse, complete and restate what is due.

    Each request in a transaction of its own, under its row's lock, looked at again there: safe to
    repeat, and for two at once.
    """
    day = today(now)
    requests = ExperimentRequest.objects
    funded = requests.filter(state__in=(State.APPROVED.value, State.RUNNING.value))
    over = requests.filter(state=State.COMPLETED.value, ended_at__gt=now - RESTATED_FOR)
    waiting = requests.filter(
        submissions__state=RoundState.OPEN.value, submissions__expires_at__lte=now
    )
    sent_back = requests.filter(state=State.CHANGES_REQUESTED.value)
    late = requests.filter(
        submissions__state=RoundState.OPEN.value, submissions__steps__state=StepState.OPEN.value
    )
    return FollowedUp(
        expired=_each(waiting, _expire, now) + _each(sent_back, _expire_sent_back, now),
        completed=_each(funded.filter(ends_on__lt=day), _complete, now),
        started=_each(requests.filter(state=State.APPROVED.value, starts_on__lte=day), _start, now),
        escalated=_each(late, _escalate, now),
        reminded=_each(late, _remind, now),
        restated=_each(over, _restate, now),
    )


def _each(
    rows: QuerySet[ExperimentRequest],
    act: Callable[[ExperimentRequest, datetime], int],
    now: datetime,
) -> int:
    done = 0
    for key in list(rows.order_by("pk").values_list("pk", flat=True).distinct()):
        try:
            with transaction.atomic():
                done += act(ExperimentRequest.objects.select_for_update().get(pk=key), now)
        except Refusal as refusal:  # one that cannot go on holds no other back
            logger.warning(
                "experiment.not_followed_up",
                extra={"request": key, "code": refusal.code, "reason": refusal.message},
            )
    return done


def _start(row: ExperimentRequest, now: datetime) -> int:
    if not start_if_due(row, now):
        return 0
    record("experiment.started", row, _ACTOR, now)
    return 1


def _expire(row: ExperimentRequest, now: datetime) -> int:
    judged = _open(row)
    if judged is None or judged.expires_at > now:
        return 0
    stop(judged, RoundState.EXPIRED, now)
    if judged.is_amendment:
        record("amendment.expired", row, _ACTOR, now, round=judged.number)
        return 1
    _lapse(row, "nobody decided in time", now)
    return 1


def _expire_sent_back(row: ExperimentRequest, now: datetime) -> int:
    judged = row.submissions.order_by("-number").first()
    if row.state != State.CHANGES_REQUESTED.value or judged is None:
        return 0
    time = judged.expires_at - judged.submitted_at
    if judged.closed_at is None or judged.closed_at + time > now:
        return 0
    _lapse(row, "the changes were not made in time", now)
    return 1


def _lapse(row: ExperimentRequest, reason: str, now: datetime) -> None:
    row.end(State.EXPIRED, at=now, reason=reason, released=None)
    announce(row, now)
    tell_ended(row, now=now)
    record("experiment.expired", row, _ACTOR, now, reason=reason)


def _complete(row: ExperimentRequest, now: datetime) -> int:
    if row.state not in (State.APPROVED.value, State.RUNNING.value):
        return 0
    if row.ends_on is None or row.ends_on >= today(now):
        return 0
    end_with_report(row, lessons="", reason="its last day is over", actor=_ACTOR, now=now)
    return 1


def _escalate(row: ExperimentRequest, now: datetime) -> int:
    judged = _open(row)
    steps = [
        step
        for step in _open_steps(judged)
        if step.escalated_at is None and step.due_at is not None and step.due_at <= now
    ]
    for step in steps:
        step.note_escalation(at=now)
    if judged is None or not steps:
        return 0
    tell_waiting(row, judged, now=now, topic=Topic.APPROVAL_ESCALATED, steps=steps)
    record("approval.escalated", row, _ACTOR, now, steps=[step.name for step in steps])
    return len(steps)


def _remind(row: ExperimentRequest, now: datetime) -> int:
    judged = _open(row)
    steps = [
        step
        for step in _open_steps(judged)
        if step.reminded_at is None and step.escalated_at is None and _is_half_over(step, now)
    ]
    for step in steps:
        step.note_reminder(at=now)
    if judged is None or not steps:
        return 0
    tell_waiting(row, judged, now=now, topic=Topic.APPROVAL_REMINDER, steps=steps)
    record("approval.reminded", row, _ACTOR, now, steps=[step.name for step in steps])
    return len(steps)


def _restate(row: ExperimentRequest, now: datetime) -> int:
    """Keep another report when late usage or outcomes have changed the figures."""
    last = row.reports.order_by("-number").first()
    found = results(row=row, now=now)
    if last is None or last.figures == results_payload(found):
        return 0
    report(row, lessons=last.lessons, reason="restated", actor=_ACTOR, now=now, found=found)
    record("experiment.restated", row, _ACTOR, now, figures=results_payload(found))
    return 1


def _open(row: ExperimentRequest) -> Submission | None:
    return row.submissions.filter(state=RoundState.OPEN.value).first()


def _open_steps(judged: Submission | None) -> list[Step]:
    if judged is None:
        return []
    rows = judged.steps.select_for_update().filter(state=StepState.OPEN.value)
    return list(rows.order_by("position"))


def _is_half_over(step: Step, now: datetime) -> bool:
    if step.opened_at is None or step.due_at is None:
        return False
    return now >= step.opened_at + (step.due_at - step.opened_at) / 2
