"""Asks every tenant to put newly published prices in force."""

from __future__ import annotations

from django.db import transaction

from apps.rating.tasks import adopt_everywhere


def adopt_once_committed() -> None:
    """Ask all tenants, once the transaction commits, to put new prices in force.

    A broker that does not answer delays nothing but that: the daily run adopts what was left.
    """
    transaction.on_commit(_adopt, robust=True)


def _adopt() -> None:
    adopt_everywhere.apply_async()
