"""The proof that one stage of a month equals the next, to the last digit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from apps.core.domain.money import EXACT
from apps.core.domain.months import Month
from apps.costs.domain.accounts import Truth
from apps.costs.domain.lines import ZERO


@dataclass(frozen=True, slots=True)
class Check:
    """Two figures of one currency that must be equal, and what they are."""

    name: str
    left: str
    right: str
    currency: str
    left_amount: Decimal
    right_amount: Decimal

    @property
    def difference(self) -> Decimal:
        """Return left minus right, exact; zero when all is well."""
        return EXACT.subtract(self.left_amount, self.right_amount)


@dataclass(frozen=True, slots=True)
class AccountVariance:
    """Our metering of a provider account beside its bill, in the tenant's currency.

    `billed` is absent until a bill is there; either is, when a rate is missing.
    """

    account: str
    truth: Truth
    metered: Decimal | None
    billed: Decimal | None

    @property
    def variance(self) -> Decimal | None:
        """Return what the bill says more than we metered."""
        if self.billed is None or self.metered is None:
            return None
        return EXACT.subtract(self.billed, self.metered)


@dataclass(frozen=True, slots=True)
class ReconcileReport:
    """What was compared for a month, and what was found."""

    month: Month
    currency: str
    checks: tuple[Check, ...]
    accounts: tuple[AccountVariance, ...]
    differing_rollups: tuple[object, ...]
    unpriced: tuple[object, ...]
    missing_rates: tuple[object, ...]
    base_hash: str

    @property
    def is_sound(self) -> bool:
        """Tell whether every figure equals its counterpart and no rollup differs."""
        return not self.differing_rollups and not any(check.difference for check in self.checks)


def compare(
    name: str,
    sides: tuple[str, str],
    left: Mapping[str, Decimal],
    right: Mapping[str, Decimal],
) -> Iterable[Check]:
    """Yield one check a currency that either side has."""
    for currency in sorted(left.keys() | right.keys()):
        yield Check(name, *sides, currency, left.get(currency, ZERO), right.get(currency, ZERO))


def added(*sums: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """Return sums by currency, added up."""
    found: dict[str, Decimal] = {}
    for each in sums:
        for currency, amount in each.items():
            found[currency] = EXACT.add(found.get(currency, ZERO), amount)
    return found
