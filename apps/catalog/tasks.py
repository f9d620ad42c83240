"""Keeps the catalogue current."""

from __future__ import annotations

import structlog
from celery import shared_task
from django.utils import timezone

from apps.catalog import services as catalog

log = structlog.get_logger(__name__)


@shared_task
def sync_prices() -> None:
    """Record what the installed package says of prices; a repetition changes nothing."""
    report = catalog.import_list_prices(now=timezone.now())
    log.info(
        "prices.synced",
        source=report.source,
        opened=report.opened,
        closed=report.closed,
        published=report.published,
        proposed=report.proposed,
    )
