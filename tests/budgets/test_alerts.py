"""Alerts: once a window, escalated, snoozed; and what the clock does beside them."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from apps.budgets import services
from apps.budgets.domain.budgets import Basis, Threshold
from apps.budgets.domain.decisions import Ask
from apps.budgets.domain.limits import Limit
from apps.budgets.domain.windows import Window
from apps.budgets.models import Alert
from apps.budgets.tasks import tend
from apps.core.domain.access import Role
from apps.notifications.models import Delivery
from tests.accounts.people import person
from tests.budgets.base import ACTOR, NOW, budget, counters, moment, spend, tiny_prices, verified
from tests.ingest.factories import teams

OWNER = "ana@example.com"


def told() -> list[tuple[str, str]]:
    return sorted(Delivery.objects.values_list("recipient", "subject"))


def test_an_alert_is_told_once_in_a_window_and_again_in_the_next(acme):
    tiny_prices()
    budget(owners=[OWNER], thresholds=[Threshold(Decimal(50)), Threshold(Decimal(80))])
    spend("a", "6")
    assert services.tend(now=NOW).alerts == 1
    assert services.tend(now=NOW).alerts == 0
    assert told() == [(OWNER, "Budget Search has spent 50% of its limit")]
    spend("b", "3")
    assert services.tend(now=NOW).alerts == 1
    later = moment(3, month=2)
    spend("c", "6", time="2026-02-02T12:00:00Z", now=later)
    assert services.tend(now=later).alerts == 1
    assert Alert.objects.count() == 3
    assert verified(later)


def test_a_rolling_budget_is_told_of_again_after_its_days(acme):
    tiny_prices()
    budget(
        owners=[OWNER], window=Window.ROLLING, days=3, thresholds=[Threshold(Decimal(80))], now=NOW
    )
    spend("a", "9", time=NOW.isoformat())
    assert [services.tend(now=NOW + timedelta(hours=step)).alerts for step in (0, 1)] == [1, 0]
    later = NOW + timedelta(days=10)
    spend("b", "9", time=later.isoformat(), now=later)
    assert services.tend(now=later).alerts == 1
    assert verified(later)


def test_alerts_on_held_money_and_on_the_forecast(acme):
    tiny_prices()
    thresholds = [Threshold(Decimal(50), Basis.HELD), Threshold(Decimal(100), Basis.FORECAST)]
    budget(owners=[OWNER], amount=Decimal(28), thresholds=thresholds)
    for day in range(1, 11):
        spend(f"d{day}", "1", time=f"2026-01-{day:02}T15:00:00Z", now=moment(10, 16))
    assert services.tend(now=moment(10, 16)).alerts == 0
    ask = Ask(tags={"team": "search"}, amount=Decimal(5), currency="USD", ttl_seconds=86_400)
    services.authorize(ask=ask, actor=ACTOR, now=moment(10, 16))
    assert services.tend(now=moment(10, 17)).alerts == 1
    for day in range(11, 21):
        spend(f"d{day}", "1", time=f"2026-01-{day:02}T15:00:00Z", now=moment(20, 16))
    assert services.tend(now=moment(20, 16)).alerts == 1
    assert told() == [
        (OWNER, "Budget Search has spent or holds 50% of its limit"),
        (OWNER, "Budget Search is foreseen to spend 100% of its limit"),
    ]


def test_a_snoozed_budget_is_silent_until_then(acme):
    tiny_prices()
    key = budget(owners=[OWNER], thresholds=[Threshold(Decimal(50))])
    until = NOW + timedelta(hours=5)
    services.snooze(budget=key, until=until, reason="known", actor=ACTOR, now=NOW)
    spend("a", "6")
    assert services.tend(now=NOW + timedelta(hours=4)).alerts == 0
    assert services.tend(now=until).alerts == 1


def test_a_limit_that_stays_reached_is_told_to_finance(acme):
    tiny_prices()
    person(Role.FINANCE, email="cfo@example.com")
    budget(owners=[OWNER], thresholds=[Threshold(Decimal(100))])
    spend("a", "11")
    assert services.tend(now=NOW).alerts == 1
    assert services.tend(now=NOW + timedelta(hours=23)).alerts == 0
    assert services.tend(now=NOW + timedelta(hours=24)).alerts == 1
    assert services.tend(now=NOW + timedelta(hours=30)).alerts == 0
    assert "cfo@example.com" in {recipient for recipient, _ in told()}


def test_a_changed_tree_moves_what_was_spent(acme):
    tiny_prices()
    center = budget(scope={"cost_center": "cc-search"})
    spend("a", "2")
    services.tend(now=NOW)
    assert counters(center)[0] == 0
    teams("search")
    assert services.tend(now=NOW).recounted
    assert counters(center)[0] == 2
    assert not services.tend(now=NOW).recounted
    assert verified()


def test_the_clock_releases_holds_and_does_it_once(acme, time_machine):
    tiny_prices()
    key = budget(limit=Limit.HARD)
    ask = Ask(tags={"team": "search"}, amount=Decimal(5), currency="USD", ttl_seconds=60)
    services.authorize(ask=ask, actor=ACTOR, now=NOW)
    time_machine.move_to(NOW + timedelta(minutes=2))
    assert tend(schema=acme.schema) == 0
    assert counters(key)[1] == 0
    assert tend(schema=acme.schema) == 0
    assert verified()
