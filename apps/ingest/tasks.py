"""Work that other doors hand over: adopting prices, importing files."""

from __future__ import annotations

from uuid import UUID

from celery import shared_task
from django.utils import timezone
from django_tenants.utils import schema_context

from apps.core.domain.access import system_actor
from apps.ingest import services as ingest


@shared_task
def adopt_prices(*, schema: str) -> int:
    """Put newly known prices of a tenant in force; returns the version."""
    with schema_context(schema):
        adoption = ingest.adopt_prices(actor=system_actor("adopt_prices"), now=timezone.now())
    return adoption.after


@shared_task
def run_import(*, schema: str, import_id: str) -> None:
    """Import a queued file of a tenant; goes on where it broke off."""
    with schema_context(schema):
        ingest.run_import(import_id=UUID(import_id), clock=timezone.now)
