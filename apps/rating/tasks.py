"""Asks for newer price books to be adopted: from this app's doors, and once a day everywhere."""

from __future__ import annotations

from typing import Final

from celery import shared_task, signature
from celery.canvas import Signature
from django.db import transaction

from apps.core.db import current_schema
from apps.tenants import selectors as tenants

ADOPT_PRICES: Final = "apps.ingest.tasks.adopt_prices"
"""Adopts and re-rates; its app stands above this one, so it is known by name only."""


def request_adoption() -> None:
    """Enqueue, once the present transaction commits, that the schema's prices are adopted.

    A broker that does not answer delays nothing but the adoption, and is logged: the daily run
    adopts what was left.
    """
    schema = current_schema()

    def enqueue() -> None:  # a function, as Django logs it by its qualified name
        _adoption_of(schema).apply_async()

    transaction.on_commit(enqueue, robust=True)


@shared_task
def adopt_everywhere() -> int:
    """Enqueue an adoption for every active tenant; returns how many. Nothing new: no change."""
    schemas = [tenant.schema for tenant in tenants.active()]
    for schema in schemas:
        _adoption_of(schema).apply_async()
    return len(schemas)


def _adoption_of(schema: str) -> Signature:
    return signature(ADOPT_PRICES, kwargs={"schema": schema}, immutable=True)
