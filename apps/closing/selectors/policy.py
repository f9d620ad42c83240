"""Which policy a tenant closes its months by, and what its schedule says of a month."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from apps.closing.domain.policy import Limits, Policy, Schedule
from apps.closing.models import ClosePolicy
from apps.core.domain.months import Month
from apps.tenants import selectors as tenants


@dataclass(frozen=True, slots=True)
class Plan:
    """When the close of a month begins by itself, and by when it is due."""

    starts_at: datetime
    due_at: datetime


def policy() -> Policy:
    """Return the policy in force, the usual one when nobody set any; one query."""
    row = ClosePolicy.objects.order_by("-id").first()
    return Policy() if row is None else policy_of(row)


def policy_of(row: ClosePolicy) -> Policy:
    """Return a stored policy as a frozen value."""
    return Policy(
        schedule=Schedule(
            is_on=row.is_on,
            working_day=row.working_day,
            at=row.at,
            reminder_days=row.reminder_days,
            due_working_day=row.due_working_day,
        ),
        limits=Limits(
            unpriced_percent=row.unpriced_percent,
            coverage_percent=row.coverage_percent,
            bill_percent=row.bill_percent,
            change_percent=row.change_percent,
            blocking=frozenset(row.blocking),
        ),
        scheduled_since=row.scheduled_since,
        set_by=row.created_by,
    )


def plan_of(month: Month) -> Plan | None:
    """Return what the schedule says of a month; None when it is off; one query."""
    found = policy()
    if not found.schedule.is_on:
        return None
    zone = tenants.current().timezone
    return Plan(found.schedule.starts_at(month, zone), found.schedule.due_at(month, zone))
