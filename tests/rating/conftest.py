"""What tests of the price book share: who acts, when, and a contract price to change."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from apps.core.domain.access import Actor, system_actor
from apps.rating.domain.contracts import ContractDraft

NOW = datetime(2026, 10, 15, 12, tzinfo=UTC)


@pytest.fixture
def actor() -> Actor:
    return system_actor("tests")


@pytest.fixture
def draft() -> Callable[..., ContractDraft]:
    """Make a contract price: gpt-4o input at $2.00 per million from October on."""

    def make(**changes: Any) -> ContractDraft:
        terms: dict[str, Any] = {
            "provider": "openai",
            "model": "gpt-4o",
            "meter": "input_tokens",
            "amount": Decimal("2.00"),
            "unit_size": 1_000_000,
            "currency": "USD",
            "valid_from": datetime(2026, 10, 1, tzinfo=UTC),
        }
        return ContractDraft(**(terms | changes))

    return make
