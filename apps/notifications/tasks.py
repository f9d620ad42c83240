"""Delivers outboxes; twice gives the same as once."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone
from django_tenants.utils import schema_context

from apps.notifications import services
from apps.tenants import selectors as tenants


@shared_task
def deliver(*, schema: str) -> None:
    """Deliver what is due in one tenant's outbox."""
    with schema_context(schema):
        services.deliver_due(now=timezone.now())


@shared_task
def deliver_everywhere() -> None:
    """Have every active tenant's outbox delivered, each by a task of its own."""
    for tenant in tenants.active():
        deliver.delay(schema=tenant.schema)
