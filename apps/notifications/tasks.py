"""Delivers outboxes; twice gives the same as once."""

from __future__ import annotations

from typing import Final

from celery import shared_task
from django.utils import timezone
from django_tenants.utils import schema_context

from apps.notifications import services
from apps.tenants import selectors as tenants

ROUND: Final = 100
ROUNDS: Final = 50


@shared_task
def deliver(*, schema: str) -> None:
    """Deliver what is due in one tenant's outbox, up to 5,000 messages."""
    with schema_context(schema):
        for _round in range(ROUNDS):
            report = services.deliver_due(now=timezone.now(), limit=ROUND)
            if report.tried < ROUND:
                return


@shared_task
def deliver_everywhere() -> None:
    """Have every active tenant's outbox delivered, each by a task of its own."""
    for tenant in tenants.active():
        deliver.delay(schema=tenant.schema)


@shared_task
def digest(*, schema: str) -> None:
    """Queue the digests that are due in one tenant and deliver them."""
    with schema_context(schema):
        if services.send_digests(now=timezone.now()):
            deliver.delay_on_commit(schema=schema)


@shared_task
def digest_everywhere() -> None:
    """Have every active tenant's digests sent, each by a task of its own."""
    for tenant in tenants.active():
        digest.delay(schema=tenant.schema)
