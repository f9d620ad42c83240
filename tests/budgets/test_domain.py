"""Windows, scopes, rollover and policies in plain Python."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.budgets.domain.budgets import BudgetDraft, OnFailure, refusals_of_budget
from apps.budgets.domain.decisions import Verdict, worst
from apps.budgets.domain.limits import Counters, Rollover
from apps.budgets.domain.policies import PolicyFacts, Rules, Use, judge, read_rules
from apps.budgets.domain.scope import Subject, matches, may_see, refusals_of_scope
from apps.budgets.domain.windows import Window, WindowRule, first_day_of
from apps.core.domain.access import Actor

DAYS = st.dates(min_value=date(2024, 1, 1), max_value=date(2030, 12, 31))
REPEATING = st.sampled_from([Window.MONTH, Window.QUARTER, Window.YEAR])


@given(REPEATING, DAYS, st.integers(min_value=0, max_value=1500))
def test_repeating_windows_cover_every_day_once(kind, start, ahead):
    rule = WindowRule(kind, first_day_of(kind, start))
    day = start + timedelta(days=ahead)
    window = rule.window_of(day)
    assert window.holds(day)
    following = rule.after(window)
    assert following.start == window.end
    assert rule.before(following) == window
    assert rule.window_of(window.end - timedelta(days=1)) == window
    assert [one.holds(day) for one in rule.windows(through=day)].count(True) == 1


def test_windows_by_example():
    quarter = WindowRule(Window.QUARTER, date(2026, 1, 1))
    assert quarter.window_of(date(2026, 5, 31)) == (date(2026, 4, 1), date(2026, 7, 1))
    year = WindowRule(Window.YEAR, date(2026, 1, 1))
    assert year.window_of(date(2026, 12, 31)) == (date(2026, 1, 1), date(2027, 1, 1))
    assert year.window_of(date(2025, 12, 31)) is None
    fixed = WindowRule(Window.FIXED, date(2026, 3, 5), date(2026, 3, 7))
    assert [fixed.window_of(date(2026, 3, day)) is not None for day in (4, 5, 7, 8)] == [
        False,
        True,
        True,
        False,
    ]
    rolling = WindowRule(Window.ROLLING, date(2026, 1, 1), None, 7)
    assert rolling.counted(date(2026, 3, 7)) == (date(2026, 3, 1), date(2026, 3, 8))


@given(
    st.decimals(min_value=0, max_value=1000, places=2),
    st.decimals(min_value=0, max_value=2000, places=2),
    st.decimals(min_value=0, max_value=500, places=2),
)
def test_rollover_hands_on_no_more_than_the_cap_and_all_of_the_overspend(limit, spent, cap):
    told = {"limit": limit, "raised": Decimal(0), "spent": spent, "held": Decimal(0)}
    assert Rollover(cap, overspend=True).carried(**told) == min(limit - spent, cap)
    assert Rollover(cap).carried(**told) == max(min(limit - spent, cap), 0)
    assert Rollover().carried(**told) == 0


@pytest.mark.parametrize(("spent", "carried"), [(0, 100), (90, 10), (120, 0), (150, 0), (170, -20)])
def test_a_temporary_raise_covers_its_window_and_is_not_handed_on(spent, carried):
    every = Rollover(Decimal(1000), overspend=True)
    told = {"limit": Decimal(150), "raised": Decimal(50), "spent": Decimal(spent)}
    assert every.carried(**told, held=Decimal(0)) == carried


@pytest.mark.parametrize(("held", "carried"), [(0, 30), (20, 10), (30, 0), (50, 0)])
def test_what_is_held_is_neither_unused_nor_overspent(held, carried):
    every = Rollover(Decimal(1000), overspend=True)
    told = {"limit": Decimal(100), "raised": Decimal(0), "spent": Decimal(70)}
    assert every.carried(**told, held=Decimal(held)) == carried


def test_counters_tell_what_is_left():
    counted = Counters(Decimal(10), Decimal(7), Decimal(5), Decimal(2))
    assert (counted.used, counted.left) == (12, -2)
    assert counted.share(counted.spent) == Decimal("0.7")
    assert Counters(Decimal(0), Decimal(1), Decimal(0), Decimal(1)).share(Decimal(1)) is None


def subject(**values: str) -> Subject:
    return Subject({"model": "gpt-4o", "provider": "openai", **values}, frozenset({"CC-1", "CC"}))


def test_a_scope_matches_when_all_of_it_does():
    one = subject(team="search")
    assert matches({}, one)
    assert matches({"team": "search", "cost_center": "CC"}, one)
    assert not matches({"team": "search", "cost_center": "CC-2"}, one)
    assert not matches({"team": "search", "model": "gpt-4o-mini"}, one)


def test_sight_is_by_team_and_by_bound_tags():
    scopes: frozenset = frozenset()
    everybody = Actor(kind="user", label="a", scopes=scopes)
    member = Actor(kind="user", label="m", scopes=scopes, teams=frozenset({"search"}))
    key = Actor(kind="key", label="k", scopes=scopes, bound_tags={"team": "ads"})
    assert may_see(everybody, {})
    assert may_see(member, {"team": "search"})
    assert not may_see(member, {"team": "ads"})
    assert not may_see(member, {})
    assert may_see(key, {"team": "ads", "model": "x"})
    assert not may_see(key, {"model": "x"})


@pytest.mark.parametrize(
    ("scope", "field"),
    [
        ({"color": "red"}, "scope.color"),
        ({"team": ""}, "scope.team"),
        ({"team": 3}, "scope.team"),
        ({"team": "a\nb"}, "scope.team"),
    ],
)
def test_a_wrong_scope_is_named(scope, field):
    assert [one.field for one in refusals_of_scope(scope)] == [field]


def test_the_strictest_verdict_stands():
    assert worst([]) is Verdict.ALLOW
    assert worst([Verdict.WARN, Verdict.DENY, Verdict.NEEDS_APPROVAL]) is Verdict.DENY
    assert worst([Verdict.WARN, Verdict.NEEDS_APPROVAL]) is Verdict.NEEDS_APPROVAL


def policy(**rules) -> PolicyFacts:
    return PolicyFacts(
        id=UUID(int=1),
        name="P",
        scope={},
        rules=Rules(**rules),
        verdict=Verdict.DENY,
        on_failure=OnFailure.OPEN,
        valid_from=date(2026, 1, 10),
        valid_to=date(2026, 1, 20),
    )


def codes(of: PolicyFacts, at: datetime = datetime(2026, 1, 15, 12, tzinfo=UTC), **changes):
    use = Use(
        subject=changes.pop("subject", subject()),
        at=at,
        context_tokens=changes.pop("context", 1000),
        output_tokens=changes.pop("output", 100),
        cost=changes.pop("cost", {}),
    )
    found = judge(policies=[of], use=use, zone=ZoneInfo("Europe/Berlin"), justified=[])
    return [one.code for one in found]


def test_patterns_name_the_model_or_provider_and_model():
    assert codes(policy(allowed_models=("gpt-4*",))) == []
    assert codes(policy(allowed_models=("openai/*",))) == []
    assert codes(policy(allowed_models=("GPT-4O",))) == []
    assert codes(policy(allowed_models=("anthropic/*",))) == ["model_not_allowed"]
    assert codes(policy(denied_models=("*4o",))) == ["model_denied"]


def test_limits_are_inclusive_and_days_half_open():
    limited = policy(max_context_tokens=1000, max_output_tokens=100)
    assert codes(limited) == []
    assert codes(limited, context=1001, output=101) == ["context_too_large", "output_too_large"]
    assert codes(limited, context=1001, at=datetime(2026, 1, 9, 22, tzinfo=UTC)) == []
    assert codes(limited, context=1001, at=datetime(2026, 1, 9, 23, tzinfo=UTC)) == [
        "context_too_large"
    ]
    assert codes(limited, context=1001, at=datetime(2026, 1, 19, 23, tzinfo=UTC)) == []
    assert codes(policy(ultra_context_tokens=1000)) == ["context_not_justified"]


def test_a_price_ceiling_holds_for_one_request_in_its_currency():
    ceiling = policy(price_ceiling=Decimal("0.5"), currency="USD")
    assert codes(ceiling, cost={"USD": Decimal("0.5")}) == []
    assert codes(ceiling, cost={"USD": Decimal("0.51")}) == ["price_ceiling"]
    assert codes(ceiling, cost={"USD": None}) == ["price_unknown"]


def test_hours_are_those_of_the_tenant():
    office = policy(hours="mon-fri 08:00-18:00")
    assert codes(office, at=datetime(2026, 1, 15, 7, tzinfo=UTC)) == []
    assert codes(office, at=datetime(2026, 1, 15, 6, tzinfo=UTC)) == ["outside_hours"]
    assert codes(office, at=datetime(2026, 1, 17, 12, tzinfo=UTC)) == ["outside_hours"]


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({}, "rules"),
        ({"max_context_tokens": "9"}, "rules.max_context_tokens"),
        ({"max_context_tokens": True}, "rules.max_context_tokens"),
        ({"price_ceiling": 0.5, "currency": "USD"}, "rules.price_ceiling"),
        ({"price_ceiling": "0.5"}, "rules.currency"),
        ({"allowed_models": "gpt"}, "rules.allowed_models"),
        ({"hours": "sometimes"}, "rules.hours"),
        ({"colour": 1}, "rules.colour"),
    ],
)
def test_wrong_rules_are_named(sent, field):
    rules, wrong = read_rules(sent)
    assert rules is None
    assert field in [one.field for one in wrong]


def test_rules_come_back_as_they_were_kept():
    sent = {
        "allowed_models": ["a"],
        "max_output_tokens": 5,
        "price_ceiling": "0.50",
        "currency": "USD",
        "hours": "mon-fri 08:00-18:00",
    }
    rules, _ = read_rules(sent)
    assert Rules.of(rules.as_json()) == rules


@pytest.mark.parametrize(
    ("window", "first", "begins"),
    [
        (Window.MONTH, date(2026, 1, 15), "2026-01-01"),
        (Window.QUARTER, date(2026, 2, 1), "2026-01-01"),
        (Window.YEAR, date(2026, 4, 1), "2026-01-01"),
    ],
)
def test_a_calendar_window_is_never_moved_to_its_first_day(window, first, begins):
    draft = BudgetDraft(
        name="Search", amount=Decimal(10), currency="USD", window=window, starts_on=first
    )
    (wrong,) = refusals_of_budget(draft)
    assert wrong.field == "starts_on"
    assert f"give its first day, {begins}, or choose fixed dates" in wrong.message
    assert refusals_of_budget(replace(draft, starts_on=date(2026, 1, 1))) == ()
