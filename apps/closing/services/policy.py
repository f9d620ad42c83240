"""Sets the policy by which a tenant closes its months."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from django.db import transaction

from apps.audit import services as audit
from apps.closing.domain.policy import Policy, check_policy
from apps.closing.models import ClosePolicy
from apps.closing.selectors.policy import policy, policy_of
from apps.core.domain.access import Actor, Scope


@transaction.atomic
def set_policy(*, wanted: Policy, actor: Actor, now: datetime) -> Policy:
    """Put a schedule and limits in force; closes that run keep what their checks found.

    A schedule that is new, or says another day or time, begins nothing that lies before it. Saying
    what holds already changes nothing.

    :raises PolicyRefused: naming every wrong field.
    :raises Forbidden: when the actor may not run closes.
    """
    actor.require(Scope.CLOSE_RUN)
    check_policy(wanted)
    before = policy()
    schedule, limits = wanted.schedule, wanted.limits
    if (before.schedule, before.limits) == (schedule, limits):
        return before
    same = replace(before.schedule, reminder_days=schedule.reminder_days) == schedule
    since = before.scheduled_since if same else now
    row = ClosePolicy.objects.create(
        is_on=schedule.is_on,
        working_day=schedule.working_day,
        at=schedule.at,
        reminder_days=schedule.reminder_days,
        due_working_day=schedule.due_working_day,
        unpriced_percent=limits.unpriced_percent,
        coverage_percent=limits.coverage_percent,
        bill_percent=limits.bill_percent,
        change_percent=limits.change_percent,
        blocking=sorted(limits.blocking),
        scheduled_since=since if schedule.is_on else None,
        created_at=now,
        created_by=actor.label,
    )
    audit.record(
        actor=actor,
        action="close_policy.set",
        subject="close_policy",
        subject_id="close",
        detail={
            "schedule": f"working day {schedule.working_day} at {schedule.at:%H:%M}"
            if schedule.is_on
            else "off",
            "due": schedule.due_working_day,
            "reminder_days": schedule.reminder_days,
            "unpriced_percent": limits.unpriced_percent,
            "coverage_percent": limits.coverage_percent,
            "bill_percent": limits.bill_percent,
            "change_percent": limits.change_percent,
            "blocking": sorted(limits.blocking),
        },
        at=now,
    )
    return policy_of(row)
