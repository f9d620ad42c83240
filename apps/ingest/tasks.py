"""Work that other doors hand over: adopting prices, importing files."""

from __future__ import annotations

from uuid import UUID

from celery import shared_task
from django.utils import timezone
from django_tenants.utils import schema_context

from apps.core.db import current_schema
from apps.core.domain.access import system_actor
from apps.core.domain.months import Month
from apps.ingest import services as ingest
from apps.ingest.services.witness import witness_events
from apps.tenants import selectors as tenants


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


@shared_task
def take_up_imports_everywhere() -> None:
    """Go on with every tenant's imports whose worker seems to have died, or was never reached."""
    for tenant in tenants.active():
        with schema_context(tenant.schema):
            silent = ingest.take_up_imports(now=timezone.now())
        for import_id in silent:
            run_import.delay(schema=tenant.schema, import_id=str(import_id))


@shared_task
def refresh_reopened(*, schema: str, month: str) -> int:
    """Rate a month that was opened again with the prices in force; returns the cells changed."""
    with schema_context(schema):
        result = ingest.refresh_reopened(
            month=Month.parse(month), actor=system_actor("refresh_reopened"), now=timezone.now()
        )
    return result.cells


def enqueue_import(import_id: UUID) -> None:
    """Hand an import to the workers once its row is committed."""
    run_import.delay_on_commit(schema=current_schema(), import_id=str(import_id))


@shared_task
def witness_everywhere() -> None:
    """Put the digest of every tenant's settled events into its audit chain."""
    for tenant in tenants.active():
        with schema_context(tenant.schema):
            witness_events(actor=system_actor("witness"), now=timezone.now())
