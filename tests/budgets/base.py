"""Budgets, prices and spend for the tests of this folder."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from apps.budgets import selectors, services
from apps.budgets.domain.budgets import BudgetDraft
from apps.budgets.services.verify import verify_counters
from apps.core.domain.access import Actor, system_actor
from tests.ingest.factories import NOW, contract, event, send

ACTOR: Actor = system_actor("tests")
TODAY = date(2026, 1, 20)

__all__ = [
    "ACTOR",
    "NOW",
    "TODAY",
    "budget",
    "counters",
    "moment",
    "spend",
    "standing",
    "tiny_prices",
    "verified",
]


def tiny_prices() -> None:
    """Make testco/tiny cost 1 USD a million input and 3 USD a million output tokens."""
    contract(input_tokens="1", output_tokens="3")


def budget(**changes: Any) -> UUID:
    """Set a budget of 10 USD a month on team search, but for the changes."""
    now = changes.pop("now", NOW)
    fields: dict[str, Any] = {
        "name": "Search",
        "amount": Decimal(10),
        "currency": "USD",
        "scope": {"team": "search"},
        **changes,
    }
    return services.create(draft=BudgetDraft(**fields), actor=ACTOR, now=now)


def spend(event_id: str, dollars: str = "1", now: datetime = NOW, **changes: Any) -> Any:
    """Send an event of team search that costs so many dollars at `tiny_prices`."""
    tokens = int(Decimal(dollars) * 1_000_000)
    body = event(
        event_id,
        usage={"input_tokens": tokens, "output_tokens": 0},
        **{"tags": {"team": "search"}, **changes},
    )
    receipt = send([body], received_at=now)
    assert receipt.accepted == 1, receipt
    return receipt


def standing(key: UUID, on: date = TODAY) -> selectors.Standing:
    return selectors.standing(budget=key, actor=ACTOR, on=on)


def counters(key: UUID, on: date = TODAY) -> tuple[Decimal, Decimal, Decimal]:
    """Return spent, held and overrun of a budget in its window of a day."""
    found = standing(key, on).counters
    return found.spent, found.held, found.overrun


def verified(now: datetime = NOW) -> bool:
    """Tell whether every counter is what rollups and holds say."""
    return verify_counters(now=now) == []


def moment(day: int, hour: int = 12, month: int = 1) -> datetime:
    return datetime(2026, month, day, hour, tzinfo=UTC)
