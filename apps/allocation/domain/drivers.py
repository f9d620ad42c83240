"""Driver values: what shared cost is split by, measured on direct cost or uploaded."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import reduce
from types import MappingProxyType
from typing import Final

from apps.allocation.domain.rules import (
    COST_DRIVER,
    METER_DRIVER,
    REQUESTS_DRIVER,
    TOKENS_DRIVER,
    UNALLOCATED,
)
from apps.allocation.domain.sources import Source
from apps.core.domain.money import EXACT, PUBLISHED_QUANTUM

DriverValues = Mapping[str, Decimal]

_TOKENS_SUFFIX: Final = "_tokens"
_REQUESTS_METER: Final = "requests"


@dataclass(frozen=True, slots=True)
class Drivers:
    """Values by driver code and receiver of one axis, for this month and the one before."""

    current: Mapping[str, DriverValues] = field(default_factory=lambda: MappingProxyType({}))
    previous: Mapping[str, DriverValues] = field(default_factory=lambda: MappingProxyType({}))

    def of(self, driver: str) -> DriverValues:
        """Return this month's values; a driver without any is empty, hence zero everywhere."""
        return self.current.get(driver, {})

    def before(self, driver: str) -> DriverValues:
        """Return the month before's values."""
        return self.previous.get(driver, {})


def measured(
    sources: Iterable[Source], owners: Iterable[str], meters: Iterable[str] = ()
) -> dict[str, dict[str, Decimal]]:
    """Return cost (effective, tenant's currency), tokens and requests by direct owner.

    Of `meters` their quantities too, as drivers `meter:CODE`. Shared and unowned cost does not
    count, so the drivers do not depend on the rules.
    """
    cost: dict[str, int] = defaultdict(int)
    quantities: dict[str, dict[str, list[Decimal]]] = {}
    for source, owner in zip(sources, owners, strict=True):
        if owner == UNALLOCATED:
            continue
        cost[owner] += source.effective
        held = quantities.get(source.facts.meter)
        if held is None:
            held = quantities[source.facts.meter] = defaultdict(list)
        held[owner].append(source.quantity)
    sums = {
        meter: {owner: reduce(EXACT.add, parts) for owner, parts in held.items()}
        for meter, held in quantities.items()
    }
    return {
        COST_DRIVER: {
            owner: EXACT.multiply(Decimal(units), PUBLISHED_QUANTUM)
            for owner, units in cost.items()
        },
        TOKENS_DRIVER: _together(
            held for meter, held in sums.items() if meter.endswith(_TOKENS_SUFFIX)
        ),
        REQUESTS_DRIVER: sums.get(_REQUESTS_METER, {}),
        **{f"{METER_DRIVER}{meter}": sums.get(meter, {}) for meter in meters},
    }


def _together(held: Iterable[Mapping[str, Decimal]]) -> dict[str, Decimal]:
    """Add up the values of several meters by owner."""
    sums: dict[str, Decimal] = {}
    for values in held:
        for owner, value in values.items():
            sums[owner] = EXACT.add(sums[owner], value) if owner in sums else value
    return sums
