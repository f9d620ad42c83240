"""Puts newly known prices in force and rates the open months again, in one step (rule 5)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from apps.core.domain.access import Actor
from apps.rating import selectors as rating
from apps.rating import services as rating_services
from apps.usage import services as usage


@dataclass(frozen=True, slots=True)
class Adoption:
    """Which version of the price book came into force, and what rating again changed."""

    before: int
    after: int
    months: tuple[usage.Rerating, ...]


@transaction.atomic
def adopt_prices(*, actor: Actor, now: datetime) -> Adoption:
    """Adopt what is known about prices and rate every open month that holds usage again.

    Waits for ingest that is under way and holds off what comes, so that no batch mixes versions.
    Nothing new to know: nothing changes.
    """
    before = rating.current_version().version
    after = rating_services.adopt_version(actor=actor, now=now)
    if after == before:
        return Adoption(before, after, ())
    months = usage.open_months_in_use()
    return Adoption(
        before,
        after,
        tuple(usage.rerate(month=month, actor=actor, now=now) for month in months),
    )
