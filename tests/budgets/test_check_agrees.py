"""A check answers what an authorization would be answered, whatever still has to be tidied up."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from apps.budgets import services
from apps.budgets.domain.decisions import Ask
from apps.budgets.domain.limits import Limit
from tests.budgets.base import ACTOR, NOW, budget, counters, spend, tiny_prices


def ask(dollars: str, **changes: Any) -> Ask:
    return Ask(
        amount=Decimal(dollars), currency="USD", tags={"team": "search"}, ttl_seconds=60, **changes
    )


def verdicts(one: Ask, at: Any) -> tuple[str, str]:
    """Return what a check and an authorization say at a moment."""
    found = services.check(ask=one, actor=ACTOR, now=at)
    return found.verdict.value, services.authorize(ask=one, actor=ACTOR, now=at).verdict.value


def test_a_hold_that_has_expired_takes_no_room(acme: Any) -> None:
    key = budget(amount=Decimal(1), limit=Limit.HARD)
    assert verdicts(ask("1"), NOW) == ("allow", "allow")
    assert verdicts(ask("1"), NOW + timedelta(seconds=30)) == ("deny", "deny")
    later = NOW + timedelta(seconds=61)
    assert counters(key) == (0, 1, 0)  # nobody released it yet
    assert services.check(ask=ask("1"), actor=ACTOR, now=later).verdict.value == "allow"
    assert counters(key) == (0, 1, 0)  # a check writes nothing
    assert verdicts(ask("1"), later) == ("allow", "allow")


def test_before_the_first_spend_and_after_it(acme: Any) -> None:
    tiny_prices()
    budget(amount=Decimal(3), limit=Limit.HARD)
    assert verdicts(ask("1"), NOW) == ("allow", "allow")
    spend("e1", "1.5")
    assert verdicts(ask("0.6"), NOW) == ("deny", "deny")
    assert verdicts(ask("0.5"), NOW) == ("allow", "allow")


def test_a_rolling_window_and_a_soft_one(acme: Any) -> None:
    from apps.budgets.domain.windows import Window

    tiny_prices()
    budget(name="Rolling", window=Window.ROLLING, days=7, amount=Decimal(2), limit=Limit.HARD)
    budget(name="Soft", amount=Decimal(1))
    spend("e1", "1.5")
    assert verdicts(ask("0.4"), NOW) == ("warn", "warn")
    assert verdicts(ask("0.2"), NOW) == ("deny", "deny")
    assert verdicts(ask("0.2"), NOW + timedelta(days=8)) == ("warn", "warn")
