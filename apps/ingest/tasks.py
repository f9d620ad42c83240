"""Work that other doors hand over: adopting prices, importing files."""

from __future__ import annotations

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
