"""Follows up statements and writes exports; twice gives the same as once."""

from __future__ import annotations

from uuid import UUID

from celery import shared_task
from django.utils import timezone
from django_tenants.utils import schema_context

from apps.chargeback import services
from apps.tenants import selectors as tenants


@shared_task(queue="insights", acks_late=True)
def write_export(*, schema: str, export: str) -> None:
    """Write one export of one tenant; doing it twice does it once."""
    with schema_context(schema):
        services.write_export(id=UUID(export), now=timezone.now())


@shared_task
def follow_up(*, schema: str) -> None:
    """Remind one tenant's owners of statements, then let silence count where it does."""
    with schema_context(schema):
        services.remind(now=timezone.now())
        services.lapse_overdue(now=timezone.now())


@shared_task
def follow_up_everywhere() -> None:
    """Follow up statements of every active tenant, each by a task of its own."""
    for tenant in tenants.active():
        follow_up.delay(schema=tenant.schema)
