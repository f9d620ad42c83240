"""A cost base of the tests' own, so that allocation is tested without usage and bills."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from apps.core.domain.access import system_actor
from apps.core.domain.months import Month
from apps.costs.domain.lines import CostBase, CostLine, sealed
from apps.directory import services as directory
from apps.directory.domain.entries import CostCenterFacts, CustomerFacts, TeamFacts

MONTH = Month(2026, 1)
NOW = datetime(2026, 2, 3, 9, tzinfo=UTC)
ACTOR = system_actor("tests")


def line(key: str, amount: str, **more: Any) -> CostLine:
    """Return a usage line in dollars; tags by `team=` and `customer=`."""
    tags = {name: more.pop(name) for name in ("team", "customer") if name in more}
    values: dict[str, Any] = {
        "origin": "usage",
        "tags": tags,
        "tag_set_id": None,
        "account": "",
        "provider": "openai",
        "service": "",
        "model": "gpt-4o",
        "sku": "gpt-4o",
        "meter": "input_tokens",
        "charge_category": "Usage",
        "quantity": Decimal(1000),
        "unit": "token",
        "unit_price": Decimal("2.5"),
        "unit_size": 1_000_000,
        "price_source": "list",
        "price_id": None,
        "currency": "USD",
        "billed": Decimal(amount),
        "effective": Decimal(amount),
        "original_currency": "USD",
        "original_amount": Decimal(amount),
        "fx_rate": Decimal(1),
        "first_day": date(2026, 1, 1),
        "last_day": date(2026, 1, 31),
    }
    return CostLine(key=key, **(values | more))


class Costs:
    """Stands in for the cost base of a month; `lines` may be changed between runs."""

    def __init__(self, lines: Iterable[CostLine]) -> None:
        self.lines = list(lines)

    def base(self, *, month: Month) -> CostBase:
        """Return the lines as the cost base of any month."""
        return sealed(CostBase(month, "USD", tuple(self.lines), (), (), False))


def use_costs(monkeypatch: pytest.MonkeyPatch, lines: Iterable[CostLine]) -> Costs:
    """Make `lines` the cost base of the present test."""
    costs = Costs(lines)
    monkeypatch.setattr("apps.costs.selectors.cost_base", costs.base)
    return costs


def enter_directory() -> None:
    """Enter three teams with their cost centers and two customers."""
    teams = ("ads", "platform", "search")
    directory.ensure_entries(
        actor=ACTOR,
        now=NOW,
        cost_centers=[CostCenterFacts(code=f"cc-{code}", name=code.title()) for code in teams],
        teams=[TeamFacts(code=code, name=code.title(), cost_center=f"cc-{code}") for code in teams],
        customers=[CustomerFacts(code=code, name=code.title()) for code in ("hooli", "initech")],
    )
