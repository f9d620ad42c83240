"""Tells people about closes: coming, waiting for a second person, late, done, reopened."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from apps.closing.domain.steps import CloseRunFacts, Step
from apps.core import presentation
from apps.core.domain.access import Role
from apps.core.domain.months import Month
from apps.notifications import services as notifications
from apps.notifications.domain.topics import Severity, Topic
from apps.notifications.services import Notice
from apps.tenants import selectors as tenants

_FINANCE: Final = frozenset({Role.OWNER, Role.FINANCE})
_DECIDERS: Final = frozenset({Role.OWNER, Role.FINANCE, Role.APPROVER})


def tell_coming(*, month: Month, starts_at: datetime, now: datetime) -> int:
    """Remind finance that the close of a month begins by itself soon; once a month and start."""
    return _tell(
        Topic.CLOSE_REMINDER,
        month,
        key=f"before/{starts_at:%Y-%m-%dT%H%M}",
        subject="The close of {month} begins {when}",
        text="The close of {month} begins by itself {when}. What arrives later is booked in the "
        "next open month: bring bills, usage and adjustments in before.",
        moment=starts_at,
        roles=_FINANCE,
        now=now,
    )


def tell_late(*, month: Month, due_at: datetime, day: str, now: datetime) -> int:
    """Remind finance that a month was to be closed; once a day named."""
    return _tell(
        Topic.CLOSE_REMINDER,
        month,
        key=f"late/{day}",
        subject="{month} is not closed yet",
        text="{month} was to be closed {when} and is not closed yet. Its page says what it waits "
        "for.",
        moment=due_at,
        roles=_FINANCE,
        severity=Severity.WARNING,
        now=now,
    )


def tell_not_started(*, month: Month, why: str, now: datetime) -> int:
    """Tell finance that the close of a month could not begin by itself; once a reason."""
    return _tell(
        Topic.CLOSE_REMINDER,
        month,
        key=f"not-started/{why[:80]}",
        subject="The close of {month} did not begin",
        text=f"The close of {{month}} could not begin by itself. {why}",
        roles=_FINANCE,
        severity=Severity.WARNING,
        now=now,
    )


def tell_review(run: CloseRunFacts, *, now: datetime) -> int:
    """Tell those who may approve that a close waits; once a result."""
    return _tell(
        Topic.CLOSE_REVIEW,
        run.month,
        key=f"{run.id}/{run.result_hash[:16]}",
        subject="The close of {month} waits for approval",
        text=f"{run.prepared_by} prepared the close of {{month}}: "
        f"{run.step(Step.STATEMENTS).message} Another person has to approve it.",
        roles=_DECIDERS,
        data={"close": str(run.id), "result_hash": run.result_hash},
        now=now,
    )


def tell_closed(run: CloseRunFacts, *, now: datetime) -> int:
    """Tell finance that a month is closed; once a close."""
    return _tell(
        Topic.PERIOD_CLOSED,
        run.month,
        key=f"closed/{run.id}",
        subject="{month} is closed",
        text=f"{{month}} is closed: prepared by {run.prepared_by}, approved by {run.approved_by}. "
        f"{run.step(Step.STATEMENTS).message}",
        roles=_FINANCE,
        data={"close": str(run.id), "state": "closed"},
        now=now,
    )


def tell_reopened(*, month: Month, reason: str, by: str, now: datetime) -> int:
    """Tell finance that a month takes entries again."""
    return _tell(
        Topic.PERIOD_CLOSED,
        month,
        key=f"reopened/{now:%Y-%m-%dT%H%M%S%f}",
        subject="{month} is open again",
        text=f"{by} agreed to reopen {{month}}: {reason}",
        roles=_FINANCE,
        severity=Severity.WARNING,
        data={"state": "open", "reason": reason},
        now=now,
    )


def _tell(
    topic: Topic,
    month: Month,
    *,
    key: str,
    subject: str,
    text: str,
    roles: frozenset[Role],
    now: datetime,
    moment: datetime | None = None,
    severity: Severity = Severity.INFO,
    data: Mapping[str, object] | None = None,
) -> int:
    tenant = tenants.current()
    with presentation.reading_as(locale=tenant.locale, timezone=str(tenant.timezone)):
        words = {
            "{month}": presentation.month(month),
            "{when}": f"on {presentation.moment(moment)}" if moment else "",
        }
        notice = Notice(
            topic=topic,
            key=f"{topic.value}/{month}/{key}",
            subject=_said(subject, words),
            text=_said(text, words),
            data={"month": str(month), **(data or {})},
            roles=roles,
            severity=severity,
            link=f"/month/{month}/",
        )
    return notifications.publish(notices=[notice], now=now)


def _said(text: str, words: Mapping[str, str]) -> str:
    """Fill in words; names of people may hold braces."""
    for mark, word in words.items():
        text = text.replace(mark, word)
    return text
