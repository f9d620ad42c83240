"""Driver values: what shared cost is split by, measured on direct cost or uploaded."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
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
    asked: dict[str, dict[str, Decimal]] = {meter: defaultdict(Decimal) for meter in meters}
    cost: dict[str, int] = defaultdict(int)
    tokens: dict[str, Decimal] = defaultdict(Decimal)
    requests: dict[str, Decimal] = defaultdict(Decimal)
    for source, owner in zip(sources, owners, strict=True):
        if owner == UNALLOCATED:
            continue
        cost[owner] += source.effective
        meter = source.facts.meter
        if meter in asked:
            asked[meter][owner] = EXACT.add(asked[meter][owner], source.quantity)
        if meter.endswith(_TOKENS_SUFFIX):
            tokens[owner] = EXACT.add(tokens[owner], source.quantity)
        elif meter == _REQUESTS_METER:
            requests[owner] = EXACT.add(requests[owner], source.quantity)
    return {
        COST_DRIVER: {
            owner: EXACT.multiply(Decimal(units), PUBLISHED_QUANTUM)
            for owner, units in cost.items()
        },
        TOKENS_DRIVER: dict(tokens),
        REQUESTS_DRIVER: dict(requests),
        **{f"{METER_DRIVER}{meter}": dict(values) for meter, values in asked.items()},
    }
