"""Keeps what the catalogue knows in order of time: one writer after the other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Final

from django.db import connection, transaction
from django.db.models import Max
from django_tenants.utils import get_public_schema_name, schema_context

from apps.catalog.models import PriceObservation
from apps.catalog.selectors import last_known_at
from apps.core.domain.errors import Conflict

_LOCK: Final = 0x66_69_6E_6F_70_73  # serializes writers; the constraints are the guard


class ImportOutOfOrder(Conflict):
    """An import is dated at or before what the catalogue already learned."""

    default_code = "import_out_of_order"


@contextmanager
def sole_writer() -> Iterator[None]:
    """Be the only one that changes the catalogue until the transaction of the body ends."""
    with schema_context(get_public_schema_name()), transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        yield


def refuse_before(now: datetime) -> None:
    """Let nothing become known at or before what is: a pinned version must never learn later.

    :raises ImportOutOfOrder: when the catalogue learned something at or after `now`.
    """
    latest = last_known_at()
    observed = PriceObservation.objects.aggregate(opened=Max("known_from"), closed=Max("known_to"))
    moments = [at for at in (latest, *observed.values()) if at is not None]
    if moments and max(moments) >= now:
        raise ImportOutOfOrder(
            f"The catalogue already learned of prices at {max(moments).isoformat()}; an import "
            "must be dated later."
        )


def next_moment(now: datetime) -> datetime:
    """Return `now`, or the first moment after all that is known: people decide in any order."""
    latest = last_known_at()
    return now if latest is None or latest < now else latest + timedelta(microseconds=1)


__all__ = ["ImportOutOfOrder", "next_moment", "refuse_before", "sole_writer"]
