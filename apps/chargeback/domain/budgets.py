"""Budgets as a statement shows them: limit, actual, forecast, and whose they are."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from apps.core.domain.canonical import plain_decimal

_OWNERS = ("cost_center", "team", "product", "customer")


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetFact:
    """A budget in its window, as of the moment when the statement is drafted.

    `scope` maps dimensions to codes. Amounts are in `currency`, which may be another than the
    statement's. `forecast` is for the end of the window, None when there is none; its band may be
    missing.
    """

    name: str
    scope: Mapping[str, str]
    currency: str
    amount: Decimal
    spent: Decimal
    forecast: Decimal | None = None
    forecast_low: Decimal | None = None
    forecast_high: Decimal | None = None

    @property
    def is_over(self) -> bool:
        """Tell whether more was spent than the budget holds."""
        return self.spent > self.amount

    def shown(self) -> dict[str, Any]:
        """Return the budget as the payload keeps it; ratios are rounded to a ten-thousandth."""
        return {
            "name": self.name,
            "scope": dict(sorted(self.scope.items())),
            "currency": self.currency,
            "amount": plain_decimal(self.amount),
            "spent": plain_decimal(self.spent),
            "used": _ratio(self.spent, self.amount),
            "forecast": _plain(self.forecast),
            "forecast_low": _plain(self.forecast_low),
            "forecast_high": _plain(self.forecast_high),
            "over": self.is_over,
        }


def budgets_of(
    facts: Sequence[BudgetFact], *, dimension: str, codes: Collection[str]
) -> list[BudgetFact]:
    """Return the budgets that belong to these codes of a dimension, by name.

    A budget belongs where the first of cost center, team, product and customer in its scope says.
    """
    return sorted(
        (fact for fact in facts if _owner(fact) in {(dimension, code) for code in codes}),
        key=lambda fact: (fact.name, sorted(fact.scope.items())),
    )


def _owner(fact: BudgetFact) -> tuple[str, str]:
    for dimension in _OWNERS:
        if fact.scope.get(dimension):
            return dimension, fact.scope[dimension]
    return "", ""


def _ratio(part: Decimal, whole: Decimal) -> str | None:
    return plain_decimal((part / whole).quantize(Decimal("1e-4"))) if whole else None


def _plain(value: Decimal | None) -> str | None:
    return None if value is None else plain_decimal(value)
