"""What budgets have spent: in the transaction of ingest, exactly, whatever writes rollups."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from threading import Barrier, Thread

import pytest
from django.db import connection
from django_tenants.utils import schema_context

from apps.budgets import services
from apps.budgets.domain.limits import Limit, Rollover
from apps.budgets.domain.windows import Window
from apps.budgets.models import BudgetWindow
from apps.ingest import services as ingest
from tests.budgets.base import (
    ACTOR,
    NOW,
    budget,
    counters,
    moment,
    spend,
    standing,
    tiny_prices,
    verified,
)
from tests.ingest.factories import WRITER, event, send, teams

NONE = Decimal(0)


def test_spend_is_drawn_with_the_event_and_a_duplicate_draws_nothing(acme):
    tiny_prices()
    key = budget()
    spend("a", "1.5")
    assert counters(key) == (Decimal("1.5"), NONE, NONE)
    again = event(
        "a", usage={"input_tokens": 1_500_000, "output_tokens": 0}, tags={"team": "search"}
    )
    assert send([again]).duplicates == 1
    spend("other", "2", tags={"team": "ads"})
    assert counters(key) == (Decimal("1.5"), NONE, NONE)
    assert verified()


def test_a_new_budget_has_what_was_spent_before_it(acme):
    tiny_prices()
    spend("a", "1.25")
    spend("before", "4", time="2025-12-31T12:00:00Z", now=NOW)
    key = budget()
    assert counters(key)[0] == Decimal("1.25")
    assert verified()


def test_a_scope_names_any_combination_and_the_tree_of_cost_centers(acme):
    tiny_prices()
    teams("search")
    keys = {
        "model": budget(scope={"team": "search", "model": "tiny"}),
        "family": budget(scope={"family": "tiny"}),
        "other model": budget(scope={"team": "search", "model": "large"}),
        "center": budget(scope={"cost_center": "cc-search"}),
        "everything": budget(scope={}),
        "environment": budget(scope={"environment": "production"}),
        "account": budget(scope={"account": "proj_1"}),
        "experiment": budget(scope={"experiment": "exp-1"}),
    }
    spend("a", "1", tags={"team": "search", "environment": "production"})
    spend("b", "2", tags={"team": "ads", "experiment": "exp-1"})
    assert {name: counters(key)[0] for name, key in keys.items()} == {
        "model": 1,
        "family": 3,
        "other model": 0,
        "center": 1,
        "everything": 3,
        "environment": 1,
        "account": 3,
        "experiment": 2,
    }
    assert verified()


def test_use_above_a_hard_limit_is_never_refused_and_shown_as_overrun(acme):
    tiny_prices()
    key = budget(limit=Limit.HARD, amount=Decimal(1))
    spend("a", "2.5")
    assert counters(key) == (Decimal("2.5"), NONE, Decimal("1.5"))
    ingest.void_event(source="gateway", event_id="a", reason="wrong", actor=WRITER, now=NOW)
    assert counters(key) == (NONE, NONE, NONE)
    assert verified()


def test_late_use_draws_the_window_it_happened_in(acme):
    tiny_prices()
    key = budget(starts_on=date(2025, 12, 1))
    spend("late", "3", time="2025-12-10T12:00:00Z")
    assert counters(key)[0] == 0
    assert counters(key, on=date(2025, 12, 10))[0] == 3
    assert verified()


def test_the_day_is_that_of_the_tenants_timezone(acme):
    tiny_prices()
    key = budget(starts_on=date(2025, 12, 1))
    spend("night", "1", time="2026-01-01T04:59:59Z")
    spend("morning", "2", time="2026-01-01T05:00:00Z")
    assert counters(key, on=date(2025, 12, 31))[0] == 1
    assert counters(key)[0] == 2


def test_corrections_move_what_was_spent_by_the_same_amount(acme):
    tiny_prices()
    key = budget()
    rolling = budget(window=Window.ROLLING, days=7)
    spend("a", "1")
    spend("b", "2", time="2026-01-16T12:00:00Z")
    changed = event(
        "a", usage={"input_tokens": 5_000_000, "output_tokens": 0}, tags={"team": "search"}
    )
    ingest.amend_event(
        source="gateway", event_id="a", event=changed, reason="more", actor=WRITER, now=NOW
    )
    assert counters(key)[0] == counters(rolling)[0] == 7
    ingest.void_event(source="gateway", event_id="b", reason="wrong", actor=WRITER, now=NOW)
    assert counters(key)[0] == counters(rolling)[0] == 5
    ingest.revert_correction(
        source="gateway", event_id="b", reason="it was right", actor=WRITER, now=NOW
    )
    assert counters(key)[0] == counters(rolling)[0] == 7
    assert verified()


def test_an_amendment_that_moves_an_event_to_another_team_moves_the_money(acme):
    tiny_prices()
    search, ads = budget(), budget(scope={"team": "ads"})
    spend("a", "1")
    moved = event("a", usage={"input_tokens": 1_000_000, "output_tokens": 0}, tags={"team": "ads"})
    ingest.amend_event(
        source="gateway", event_id="a", event=moved, reason="theirs", actor=WRITER, now=NOW
    )
    assert (counters(search)[0], counters(ads)[0]) == (0, 1)
    assert verified()


def rating_moves(actor) -> None:
    """Record a price without adopting it, and adopt it as the platform does."""
    from datetime import UTC, datetime

    from apps.rating import services as rating

    rating.record_contract_price(
        draft=rating.ContractDraft(
            provider="testco",
            model="small",
            meter="input_tokens",
            amount=Decimal(4),
            unit_size=1_000_000,
            currency="USD",
            valid_from=datetime(2024, 1, 1, tzinfo=UTC),
            valid_to=None,
        ),
        actor=actor,
        now=NOW,
    )
    ingest.adopt_prices(actor=actor, now=NOW)


def test_adopting_a_price_draws_what_was_unpriced(acme):
    spend("a", "1", model="small")
    key = budget(limit=Limit.HARD, amount=Decimal(3))
    assert counters(key) == (NONE, NONE, NONE)
    rating_moves(ACTOR)
    assert counters(key) == (Decimal(4), NONE, Decimal(1))
    assert verified()


def test_a_rolling_budget_counts_the_last_days(acme):
    tiny_prices()
    key = budget(window=Window.ROLLING, days=3)
    for day in (16, 17, 18, 19, 20):
        spend(f"d{day}", "1", time=f"2026-01-{day}T15:00:00Z", now=moment(20, 16))
    assert counters(key)[0] == 3
    assert standing(key).window.start == date(2026, 1, 18)
    spend("next", "5", time="2026-01-22T15:00:00Z", now=moment(22, 16))
    assert counters(key, on=date(2026, 1, 22))[0] == 6
    assert BudgetWindow.objects.get().as_of == date(2026, 1, 22)
    assert verified(moment(22, 16))


def test_unused_money_carries_over_up_to_its_cap_and_overspend_is_taken_off(acme):
    tiny_prices()
    key = budget(
        starts_on=date(2025, 11, 1), rollover=Rollover(unused_cap=Decimal(4), overspend=True)
    )
    limits = {
        month: standing(key, date(2025 + (month == 1), month, 5)).counters.limit
        for month in (11, 12, 1)
    }
    assert limits == {11: 10, 12: 14, 1: 14}
    spend("late", "16", time="2025-12-10T12:00:00Z")
    assert standing(key).counters.limit == 8
    assert standing(key, date(2025, 12, 5)).counters.limit == 14
    spend("later", "8", time="2025-11-10T12:00:00Z")
    assert standing(key, date(2025, 12, 5)).counters.limit == 12
    assert standing(key).counters.limit == 6
    assert verified()


def test_money_in_another_currency_is_converted_at_the_budget_rate(acme):
    from apps.core.domain.months import Month
    from apps.periods import services as periods
    from apps.periods.domain.fx import RateKind

    tiny_prices()
    spend("a", "1")
    key = budget(currency="EUR")
    assert standing(key).lacks_rates == ("USD",)
    assert counters(key)[0] == 0
    periods.set_rate(
        month=Month(2026, 1),
        base="USD",
        quote="EUR",
        rate=Decimal("0.9"),
        kind=RateKind.BUDGET,
        source="tests",
        rate_on=date(2026, 1, 1),
        actor=ACTOR,
        now=NOW,
    )
    other = budget(currency="EUR")
    assert counters(other)[0] == Decimal("0.9")
    spend("b", "2")
    assert counters(other)[0] == Decimal("2.7")


def test_a_lower_limit_keeps_what_is_used_as_overrun(acme):
    from apps.budgets.domain.budgets import BudgetDraft

    tiny_prices()
    key = budget(limit=Limit.HARD)
    spend("a", "6")
    draft = BudgetDraft(
        name="Less",
        amount=Decimal(4),
        currency="USD",
        scope={"team": "search"},
        limit=Limit.HARD,
    )
    services.change(budget=key, draft=draft, actor=ACTOR, now=NOW)
    assert counters(key) == (Decimal(6), NONE, Decimal(2))
    services.raise_limit(
        budget=key,
        amount=Decimal(5),
        expires_at=NOW + timedelta(days=1),
        reason="launch",
        actor=ACTOR,
        now=NOW,
    )
    assert counters(key) == (Decimal(6), NONE, NONE)
    assert standing(key).counters.limit == 9
    assert verified()


def test_a_budget_created_while_usage_commits_counts_every_event_once(fresh_tenant):
    tiny_prices()
    spend("first", "1")
    start = Barrier(5)
    made = []

    def sender(number: int) -> None:
        with schema_context(fresh_tenant.schema):
            start.wait()
            for turn in range(12):
                spend(f"s{number}-{turn}", "1")
        connection.close()

    def creator() -> None:
        with schema_context(fresh_tenant.schema):
            start.wait()
            for turn in range(3):
                made.append(budget(name=f"Budget {turn}"))
        connection.close()

    threads = [Thread(target=sender, args=(n,)) for n in range(4)] + [Thread(target=creator)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 3
    assert {counters(key)[0] for key in made} == {Decimal(49)}
    assert verified()


def test_a_grant_is_drawn_by_its_tag_and_goes_on_counting_when_closed(acme):
    from apps.budgets import selectors

    tiny_prices()
    grant = services.open_grant(
        experiment="exp-42",
        name="Long contexts",
        team="search",
        amount=Decimal(5),
        currency="USD",
        starts_on=date(2026, 1, 10),
        ends_on=date(2026, 1, 31),
        owners=["ana@example.com"],
        limit="hard",
        actor=ACTOR,
        now=NOW,
    )
    spend("a", "2", tags={"team": "search", "experiment": "exp-42"})
    left = selectors.left_of(scope={"team": "search", "experiment": "exp-42"}, on=date(2026, 1, 20))
    assert [(one.name, one.left, one.limit) for one in left] == [("Long contexts", 3, "hard")]
    services.change_grant(
        grant=grant, amount=Decimal(8), ends_on=date(2026, 2, 3), actor=ACTOR, now=NOW
    )
    found = selectors.grant_standing(grant=grant)
    assert (found.amount, found.spent, found.left, found.ends_on) == (8, 2, 6, date(2026, 2, 3))
    with pytest.raises(services.ExperimentTaken):
        services.open_grant(
            experiment="exp-42",
            name="Again",
            team="",
            amount=Decimal(5),
            currency="USD",
            starts_on=date(2026, 1, 10),
            ends_on=date(2026, 1, 31),
            owners=[],
            limit="soft",
            actor=ACTOR,
            now=NOW,
        )
    assert services.close_grant(grant=grant, actor=ACTOR, now=NOW) == 6
    spend("late", "1", tags={"team": "search", "experiment": "exp-42"})
    spend("theirs", "1", tags={"team": "ads", "experiment": "exp-42"})
    assert selectors.grant_standing(grant=grant).spent == 3
    assert selectors.grant_standing(grant=grant).closed_at == NOW
    with pytest.raises(services.BudgetRetired):
        services.close_grant(grant=grant, actor=ACTOR, now=NOW)
    assert verified()


def test_a_draft_that_cannot_be_kept_names_its_fields(acme):
    with pytest.raises(services.BudgetRefused) as refused:
        budget(
            name="",
            amount=Decimal("-1"),
            currency="usd",
            scope={"colour": "red", "team": ""},
            window=Window.FIXED,
            days=3,
            owners=["nobody"],
        )
    assert {error.field for error in refused.value.errors} == {
        "name",
        "amount",
        "currency",
        "scope.colour",
        "scope.team",
        "starts_on",
        "ends_on",
        "days",
        "owners",
    }
    assert BudgetWindow.objects.count() == 0
