"""Usage cost by day: what the trend of the home page reads."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from apps.core.domain.months import Month
from apps.usage import selectors
from tests.ingest.factories import contract, event, send


def test_days_are_the_tenant_s_and_unpriced_use_has_no_cost(acme):
    contract(input_tokens="2.50", cached_input_tokens="1.25", output_tokens="10")
    send(
        [
            event("a", time="2026-01-15T04:59:59Z"),
            event("b", time="2026-01-15T05:00:00Z"),
            event("c", time="2026-01-15T23:00:00Z", account="proj_2", model="unheard-of"),
        ]
    )
    found = selectors.costs_by_day(month=Month(2026, 1))
    priced = {(one.day, one.account): one.cost for one in found if one.cost is not None}
    assert priced == {
        (date(2026, 1, 14), "proj_1"): Decimal("0.005"),
        (date(2026, 1, 15), "proj_1"): Decimal("0.005"),
    }
    assert {(one.account, one.currency) for one in found if one.cost is None} == {
        ("proj_1", ""),
        ("proj_2", ""),
    }
    assert selectors.costs_by_day(month=Month(2026, 2)) == []
