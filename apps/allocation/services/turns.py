"""Lets runs of a month, and what they depend on, happen one after the other."""

from __future__ import annotations

from typing import Final

from django.db import connection

from apps.core.db import current_schema
from apps.core.domain.months import Month

_LOCK: Final = 0x616C6C6F  # first half of the advisory lock's key; the second is the month


def take_turn(month: Month) -> None:
    """Wait until nobody else works on the runs of a month, for the rest of the transaction."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(%s, hashtext(%s))",
            [_LOCK, f"{current_schema()}/{month}"],
        )
