"""Asks for a newer price book to be adopted, from this app's doors."""

from __future__ import annotations

from functools import partial
from typing import Final

from celery import signature
from django.db import connection, transaction

ADOPT_PRICES: Final = "apps.ingest.tasks.adopt_prices"
"""Adopts and re-rates; its app stands above this one, so it is known by name only."""


def request_adoption() -> None:
    """Enqueue, once the present transaction commits, that the schema's prices are adopted.

    A broker that does not answer delays nothing but the adoption, and is logged: the daily run
    adopts what was left.
    """
    schema: str = connection.schema_name  # type: ignore[attr-defined]
    task = signature(ADOPT_PRICES, kwargs={"schema": schema}, immutable=True)
    transaction.on_commit(partial(task.apply_async), robust=True)
