"""Follows up requests by the clock; twice gives the same as once."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone
from django_tenants.utils import schema_context

from apps.experiments import services
from apps.tenants import selectors as tenants


@shared_task
def follow_up(*, schema: str) -> None:
    """Start, remind, escalate, let lapse and complete what is due in one tenant."""
    with schema_context(schema):
        services.follow_up(now=timezone.now())


@shared_task
def follow_up_everywhere() -> None:
    """Follow up requests of every active tenant, each by a task of its own."""
    for tenant in tenants.active():
        follow_up.delay(schema=tenant.schema)
