"""Does what the schedule of closes says: reminds, begins closes, tells of those that are late."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import transaction

from apps.accounts import selectors as accounts
from apps.closing.domain.policy import Policy, is_working_day
from apps.closing.domain.steps import LIVE
from apps.closing.models import CloseRun
from apps.closing.selectors.policy import policy
from apps.closing.services.start import start_close
from apps.closing.services.telling import tell_coming, tell_late, tell_not_started
from apps.core.domain.access import Actor, Scope
from apps.core.domain.errors import Refusal
from apps.core.domain.months import Month
from apps.periods import selectors as periods
from apps.periods.domain.calendar import PeriodFacts, State
from apps.tenants import selectors as tenants

SCHEDULE: Final = "close schedule"
"""Who starts a close that begins by itself, on behalf of whoever set the schedule."""


def follow_schedule(*, now: datetime) -> list[UUID]:
    """Do what is due by the schedule, and return the closes that the door has to enqueue.

    A month is begun once, unless it has a close already, whoever started that and however it
    ended; who cancels a close begins the next one. Reminders are told once each. Safe to call at
    any time, by several at once: everything is decided by what is stored.
    """
    found = policy()
    if not found.schedule.is_on:
        return []
    zone = tenants.current().timezone
    begun: list[UUID] = []
    for period in periods.calendar().periods:
        if period.state is not State.CLOSED and period.starts_at <= now:
            begun += _follow(period, found, zone, now)
    return begun


@transaction.atomic
def _follow(period: PeriodFacts, found: Policy, zone: ZoneInfo, now: datetime) -> list[UUID]:
    month, schedule, since = period.month, found.schedule, found.scheduled_since
    starts_at, due_at = schedule.starts_at(month, zone), schedule.due_at(month, zone)
    if since is None or starts_at < since:
        return []
    if now < starts_at:
        if schedule.reminder_days and schedule.reminds_at(month, zone) <= now:
            tell_coming(month=month, starts_at=starts_at, now=now)
        return []
    today = now.astimezone(zone).date()
    if now >= due_at and is_working_day(today) and now.astimezone(zone).time() >= schedule.at:
        tell_late(month=month, due_at=due_at, day=f"{today}", now=now)
    return _begun(month, found, now)


def _preparer(found: Policy) -> Actor:
    """Return the schedule as an actor; behind it stands who set it, who then does not approve."""
    people = accounts.addressees(ids=(), roles=(), emails=(found.set_by,)) if found.set_by else []
    user = people[0].id if people else None
    return Actor("system", SCHEDULE, frozenset({Scope.CLOSE_RUN}), user_id=user)


def _begun(month: Month, found: Policy, now: datetime) -> list[UUID]:
    """Begin the close of a month that has had none; a refusal is told to finance."""
    if CloseRun.objects.filter(month=month.first_day).exists():
        return []
    try:
        with transaction.atomic():
            run = start_close(month=month, actor=_preparer(found), now=now)
    except Refusal as refusal:
        tell_not_started(month=month, why=refusal.message, now=now)
        return []
    return [run.id] if run.state in LIVE else []
