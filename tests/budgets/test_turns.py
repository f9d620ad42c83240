"""What happens when a month turns: held money is not handed on, and a check knows what comes."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from apps.budgets import services
from apps.budgets.domain.decisions import Ask, Verdict
from apps.budgets.domain.limits import Limit, Rollover
from apps.budgets.domain.windows import Window
from apps.budgets.models import BudgetWindow
from apps.budgets.services.verify import verify_counters
from tests.budgets.base import (
    ACTOR,
    budget,
    counters,
    moment,
    spend,
    standing,
    tiny_prices,
    verified,
)

JANUARY, FEBRUARY = date(2026, 1, 5), date(2026, 2, 1)
EVE, MORNING = moment(1, 1, 2), moment(1, 12, 2)


def ask(dollars: str) -> Ask:
    """Ask for a use of team search that costs so many dollars at `tiny_prices`."""
    return Ask(
        provider="testco",
        model="tiny",
        tags={"team": "search"},
        input_tokens=int(Decimal(dollars) * 1_000_000),
        ttl_seconds=86_400,
    )


def authorize(dollars: str, now: Any) -> Any:
    return services.authorize(ask=ask(dollars), actor=ACTOR, now=now)


def check(dollars: str, now: Any) -> Verdict:
    return services.check(ask=ask(dollars), actor=ACTOR, now=now).verdict


def carrying(**changes: Any) -> Any:
    """Set a hard budget of 10 USD a month from January on that hands everything on."""
    tiny_prices()
    every = Rollover(unused_cap=Decimal(100), overspend=True)
    fields = {"starts_on": date(2026, 1, 1), "limit": Limit.HARD, "rollover": every}
    return budget(**{**fields, **changes})


def test_held_money_is_not_handed_on(acme):
    key = carrying()
    spend("spent", "1", time="2026-01-10T12:00:00Z")
    held = authorize("6", EVE)
    assert authorize("14", MORNING).verdict is Verdict.DENY
    assert authorize("13", MORNING).verdict is Verdict.ALLOW
    assert standing(key, FEBRUARY).counters.limit == 13
    spend("late", "6", now=MORNING, time="2026-02-01T01:01:00Z", hold=str(held.hold))
    assert counters(key, JANUARY) == (7, 0, 0)
    assert counters(key, FEBRUARY) == (0, 13, 0)
    assert standing(key, FEBRUARY).counters.limit == 13
    assert verified(MORNING)


@pytest.mark.parametrize("way", ["void", "settle", "expire"])
def test_what_a_hold_gives_back_is_handed_on_then(acme, way):
    key = carrying()
    held = authorize("6", EVE)
    assert authorize("15", MORNING).verdict is Verdict.DENY
    later = MORNING + timedelta(days=1)
    if way == "void":
        services.void(hold=held.hold, actor=ACTOR, now=MORNING)
    elif way == "settle":
        actual = services.Actual(amount=Decimal(0), currency="USD")
        services.settle(hold=held.hold, actual=actual, actor=ACTOR, now=MORNING)
    else:
        services.tend(now=later)
    assert authorize("20", later).verdict is Verdict.ALLOW
    assert standing(key, FEBRUARY).counters.limit == 20
    assert verified(later)


@pytest.mark.parametrize(("spent", "limit"), [("4", 16), ("12", 8)])
def test_a_check_knows_what_a_new_window_takes_over(acme, spent, limit):
    carrying()
    spend("a", spent, time="2026-01-10T12:00:00Z")
    assert check(str(limit), MORNING) is Verdict.ALLOW
    assert check(f"{limit}.01", MORNING) is Verdict.DENY
    assert authorize(f"{limit}.01", MORNING).verdict is Verdict.DENY
    assert authorize(str(limit), MORNING).verdict is Verdict.ALLOW


def test_a_check_knows_raises_that_end_and_those_that_go_on(acme):
    key = carrying(rollover=Rollover())
    services.raise_limit(
        budget=key,
        amount=Decimal(5),
        expires_at=moment(2, 6, 2),
        reason="a launch",
        actor=ACTOR,
        now=EVE,
    )
    after = moment(2, 8, 2)
    for now, most in ((EVE, "15"), (MORNING, "15"), (after, "10")):
        assert check(most, now) is Verdict.ALLOW, now
        assert check(f"{most}.01", now) is Verdict.DENY, now
    assert authorize("15", MORNING).verdict is Verdict.ALLOW
    assert check("0.01", after) is Verdict.DENY
    assert authorize("0.01", after).verdict is Verdict.DENY
    assert counters(key, FEBRUARY) == (0, 15, 5)
    assert verified(after)


@pytest.mark.parametrize(
    ("window", "turn"),
    [
        (Window.MONTH, datetime(2026, 3, 1, 5, tzinfo=UTC)),
        (Window.QUARTER, datetime(2026, 4, 1, 4, tzinfo=UTC)),
        (Window.YEAR, datetime(2027, 1, 1, 5, tzinfo=UTC)),
    ],
)
def test_windows_turn_at_midnight_of_the_tenant(acme, window, turn):
    tiny_prices()
    eve = turn - timedelta(seconds=1)
    key = budget(limit=Limit.HARD, window=window, now=eve)
    assert authorize("10", eve).verdict is Verdict.ALLOW
    assert authorize("0.01", eve).verdict is Verdict.DENY
    assert check("10", turn) is Verdict.ALLOW
    assert authorize("10", turn).verdict is Verdict.ALLOW
    assert authorize("0.01", turn).verdict is Verdict.DENY
    for on in (turn.date() - timedelta(days=1), turn.date()):
        assert counters(key, on) == (0, 10, 0)
    assert verified(turn)


def test_what_was_carried_is_verified(acme):
    key = carrying()
    assert authorize("1", MORNING).verdict is Verdict.ALLOW
    assert standing(key, FEBRUARY).carried == 10
    BudgetWindow.objects.filter(starts_on=FEBRUARY).update(carried=Decimal(11))
    (found,) = verify_counters(now=MORNING)
    assert (found.counter, found.kept, found.rebuilt) == ("carried", 11, 10)
