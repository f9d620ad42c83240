"""What the clock does: budgets are tended every minute, decisions witnessed every hour."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone
from django_tenants.utils import schema_context

from apps.budgets import services as budgets
from apps.core.domain.access import system_actor
from apps.tenants import selectors as tenants


@shared_task
def tend(*, schema: str) -> int:
    """Release holds, follow the directory and fire alerts of a tenant; returns the alerts."""
    with schema_context(schema):
        return budgets.tend(now=timezone.now()).alerts


@shared_task
def tend_everywhere() -> None:
    """Tend the budgets of every tenant."""
    for tenant in tenants.active():
        tend.delay(schema=tenant.schema)


@shared_task
def witness_everywhere() -> None:
    """Put the digest of every tenant's settled decisions into its audit chain."""
    for tenant in tenants.active():
        with schema_context(tenant.schema):
            budgets.witness_decisions(actor=system_actor("witness"), now=timezone.now())
