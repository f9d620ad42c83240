"""Puts newly known prices in force and rates the open months again, in one step (rule 5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from apps.budgets import services as budgets
from apps.core.domain.access import Actor
from apps.core.domain.months import Month
from apps.periods import services as periods
from apps.periods.domain.calendar import State
from apps.rating import services as rating_services
from apps.usage import services as usage


@dataclass(frozen=True, slots=True)
class Adoption:
    """Which version of the price book came into force, and what rating again changed."""

    before: int
    after: int
    months: tuple[usage.Rerating, ...]


@dataclass(frozen=True, slots=True)
class Held:
    """The price book version and the months with usage, locked until the transaction ends."""

    version: int
    months: Mapping[Month, State]


@transaction.atomic
def adopt_prices(*, actor: Actor, now: datetime) -> Adoption:
    """Adopt what is known about prices and rate again every open month that it concerns.

    Waits for ingest that is under way and holds off what comes, so that no batch mixes versions.
    Nothing new to know: nothing changes. Version and periods are locked before anything is
    audited (rule 9): a freeze holds its period while it waits for the head of the audit chain.
    """
    return adopt_held(held=hold_prices(), actor=actor, now=now)


def hold_prices() -> Held:
    """Lock the price book against ingest and the open months against a freeze, in that order.

    What is recorded about prices in the same transaction comes into force by `adopt_held`.
    """
    version = rating_services.hold_version()
    months = periods.hold_open(months=usage.open_months_in_use())
    budgets.hold_still()
    return Held(version, months)


def adopt_held(*, held: Held, actor: Actor, now: datetime) -> Adoption:
    """Adopt what is known about prices under locks that are held already."""
    before = held.version
    after = rating_services.adopt_version(actor=actor, now=now)
    if after == before:
        return Adoption(before, after, ())
    sheets = usage.sheet_for(version=before), usage.sheet_for(version=after)
    months = [
        month
        for month, state in held.months.items()
        if state is State.OPEN
        and usage.prices_moved(month=month, before=sheets[0], after=sheets[1])
    ]
    rerated = tuple(usage.rerate(month=month, actor=actor, now=now) for month in months)
    if any(each.cells for each in rerated):
        budgets.recount(now=now)
    return Adoption(before, after, rerated)
