"""Reservations in one statement: what they rest on is held against the database, or they go on."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from threading import Barrier, Thread
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection, transaction
from django_tenants.utils import schema_context

from apps.accounts import services as accounts
from apps.accounts.models import KeptAnswer
from apps.budgets import services
from apps.budgets.domain.decisions import Ask, Decision, Verdict
from apps.budgets.domain.limits import Limit
from apps.budgets.domain.policies import PolicyDraft, Rules
from apps.budgets.domain.windows import Window
from apps.budgets.models import BudgetWindow, GuardrailDecision, Hold, HoldPart
from apps.budgets.services import swift
from apps.budgets.services.budgets import live_row
from apps.budgets.services.reserving import Answered, Asked, reserve
from apps.core.domain.errors import Refusal
from apps.rating import services as rating
from apps.rating.models import ContractPrice
from tests.budgets.base import ACTOR, NOW, budget, counters, spend, tiny_prices, verified
from tests.conftest import drop_tenant, provision
from tests.ingest.factories import contract

ZERO = Decimal(0)


def ask(dollars: str = "1", **changes: Any) -> Ask:
    tokens = int(Decimal(dollars) * 1_000_000)
    fields = {"provider": "testco", "model": "tiny", "tags": {"team": "search"}} | changes
    return Ask(**{"input_tokens": tokens, **fields})


def asked(dollars: str = "1", key: str = "", now: Any = NOW, **changes: Any) -> Asked:
    claim = None
    if key:
        claim = accounts.claim(owner=ACTOR.identity, key=key, request=dollars.encode())
    return Asked(ask(dollars, **changes), ACTOR, now, claim)


class Ways:
    """Counts the statements that held in one go, and those that did not fit."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.fitted: list[bool] = []
        take = swift.take

        def noted(*served: Any, **more: Any) -> bool:
            self.fitted.append(take(*served, **more))
            return self.fitted[-1]

        monkeypatch.setattr(swift, "take", noted)


@pytest.fixture
def ways(monkeypatch: pytest.MonkeyPatch) -> Ways:
    return Ways(monkeypatch)


def dearer(dollars: str) -> None:
    """Make a million input tokens of testco/tiny cost so many dollars from yesterday on."""
    price = ContractPrice.objects.get(meter="input_tokens", known_to=None)
    draft = rating.ContractDraft(
        provider="testco",
        model="tiny",
        meter="input_tokens",
        amount=Decimal(dollars),
        unit_size=1_000_000,
        currency="USD",
        valid_from=NOW - timedelta(days=1),
        valid_to=None,
        replaces=price.public_id,
    )
    rating.record_contract_price(draft=draft, actor=ACTOR, now=NOW)
    rating.adopt_version(actor=ACTOR, now=NOW)


def decisions(*group: Asked) -> list[Decision]:
    found = reserve(group)
    assert all(isinstance(one, Answered) for one in found), found
    return [one.decision for one in found if isinstance(one, Answered) and one.decision]


def verdicts(*group: Asked) -> list[str]:
    return [one.verdict.value for one in decisions(*group)]


def test_once_a_window_is_known_a_group_is_held_in_one_statement(
    fresh_tenant: Any, ways: Ways
) -> None:
    tiny_prices()
    key = budget(limit=Limit.HARD, amount=Decimal(10))
    wide = budget(name="All", scope={}, amount=Decimal(100))
    assert verdicts(asked("1")) == ["allow"]
    assert ways.fitted == []  # nobody knew the windows yet
    found = decisions(asked("2"), asked("3"), asked("1", tags={"team": "ads"}))
    assert ways.fitted == [True]
    assert [one.verdict.value for one in found] == ["allow"] * 3
    assert counters(key) == (ZERO, Decimal(6), ZERO)
    assert counters(wide) == (ZERO, Decimal(7), ZERO)
    holds = {row.public_id: row for row in Hold.objects.all()}
    kept = {row.public_id: row for row in GuardrailDecision.objects.all()}
    for one, amount in zip(found, (2, 3, 1), strict=True):
        assert one.hold is not None and one.id is not None
        held, row = holds[one.hold], kept[one.id]
        assert (held.amount, held.currency, held.state) == (amount, "USD", "open")
        assert (held.made_by_identity, held.expires_at) == (ACTOR.identity, one.expires_at)
        assert (row.verdict, row.hold, row.amount, row.reasons) == ("allow", one.hold, amount, [])
        assert row.request["input_tokens"] == amount * 1_000_000
    assert HoldPart.objects.count() == 7
    assert verified()


def test_a_group_that_does_not_fit_whole_is_decided_on_one_by_one(
    fresh_tenant: Any, ways: Ways
) -> None:
    tiny_prices()
    key = budget(limit=Limit.HARD, amount=Decimal(4))
    assert verdicts(asked("1")) == ["allow"]
    assert verdicts(asked("2"), asked("2"), asked("1")) == ["allow", "deny", "allow"]
    assert counters(key) == (ZERO, Decimal(4), ZERO)
    assert verdicts(asked("0.000001")) == ["deny"]
    assert GuardrailDecision.objects.count() == 5
    assert verified()


def test_use_that_was_booked_meanwhile_leaves_no_room(fresh_tenant: Any, ways: Ways) -> None:
    tiny_prices()
    key = budget(limit=Limit.HARD, amount=Decimal(4))
    assert verdicts(asked("1")) == ["allow"]
    spend("e1", "2.5")
    assert verdicts(asked("1")) == ["deny"]
    assert ways.fitted == [False]
    assert verdicts(asked("0.5")) == ["allow"]
    assert counters(key) == (Decimal("2.5"), Decimal("1.5"), ZERO)
    assert verified()


def test_prices_and_budgets_that_moved_are_read_anew(fresh_tenant: Any, ways: Ways) -> None:
    tiny_prices()
    key = budget(limit=Limit.HARD, amount=Decimal(10))
    assert verdicts(asked("1")) == ["allow"]
    dearer("4")
    found = decisions(asked("1"))
    assert ways.fitted[0] is False
    assert found[0].estimate.amount == 4
    other = budget(name="New", limit=Limit.HARD, amount=Decimal(5), scope={})
    assert verdicts(asked("1")) == ["allow"]
    assert counters(other) == (ZERO, Decimal(4), ZERO)
    assert verdicts(asked("1")) == ["deny"]
    assert counters(key) == (ZERO, Decimal(9), ZERO)


def test_policies_speak_before_anything_is_held(fresh_tenant: Any, ways: Ways) -> None:
    tiny_prices()
    key = budget(limit=Limit.HARD, amount=Decimal(10))
    assert verdicts(asked("1")) == ["allow"]
    for name, verdict, most in (
        ("Big", Verdict.DENY, 3_000_000),
        ("Large", Verdict.WARN, 1_500_000),
    ):
        rules = Rules(max_context_tokens=most)
        draft = PolicyDraft(
            name=name, rules=rules, scope={}, verdict=verdict, valid_from=NOW.date()
        )
        services.create_policy(draft=draft, actor=ACTOR, now=NOW)
    assert verdicts(asked("1")) == ["allow"]
    assert verdicts(asked("4"), asked("2"), asked("1")) == ["deny", "warn", "allow"]
    assert verdicts(asked("2")) == ["warn"]
    assert ways.fitted[-1] is True
    assert counters(key) == (ZERO, Decimal(7), ZERO)


def test_a_key_answers_once_whichever_way_it_goes(fresh_tenant: Any, ways: Ways) -> None:
    tiny_prices()
    key = budget(limit=Limit.HARD, amount=Decimal(10))
    first = reserve([asked("1", key="a")])
    again, other, second = reserve([asked("1", key="a"), asked("2", key="a"), asked("1", key="b")])
    assert isinstance(first[0], Answered) and isinstance(again, Answered)
    assert first[0].answer is not None and again.answer is not None
    assert (again.answer.body, again.answer.replayed) == (first[0].answer.body, True)
    assert isinstance(other, accounts.KeyInFlight)
    assert isinstance(second, Answered) and second.answer is not None
    ((repeated,), (reused,)) = reserve([asked("1", key="b")]), reserve([asked("2", key="b")])
    assert isinstance(repeated, Answered) and repeated.answer is not None
    assert repeated.answer.body == second.answer.body
    assert isinstance(reused, accounts.KeyReused)
    assert counters(key) == (ZERO, Decimal(2), ZERO)
    (third,) = reserve([asked("1", key="c")])
    assert ways.fitted[-1] is True
    assert isinstance(third, Answered) and third.answer is not None
    row = KeptAnswer.objects.get(key="c")
    assert (bytes(row.body), row.status) == (third.answer.body, 200)
    assert verified()


def test_whoever_is_refused_hurts_nobody_in_the_group(fresh_tenant: Any) -> None:
    tiny_prices()
    key = budget(limit=Limit.HARD, amount=Decimal(10))
    decisions(asked("1"))
    good, bad = reserve([asked("1"), asked("1", ttl_seconds=0)])
    assert isinstance(good, Answered)
    assert isinstance(bad, Refusal)
    assert counters(key) == (ZERO, Decimal(2), ZERO)


def test_rolling_windows_and_raises_that_ended_are_brought_up_to_date(fresh_tenant: Any) -> None:
    tiny_prices()
    rolling = budget(name="R", window=Window.ROLLING, days=10, limit=Limit.HARD, amount=Decimal(3))
    raised = budget(name="S", limit=Limit.HARD, amount=Decimal(3))
    services.raise_limit(
        budget=raised,
        amount=Decimal(5),
        expires_at=NOW + timedelta(hours=1),
        reason="launch",
        actor=ACTOR,
        now=NOW,
    )
    spend("e1", "2")
    assert verdicts(asked("1", ttl_seconds=60)) == ["allow"]
    assert verdicts(asked("1")) == ["deny"]
    later = NOW + timedelta(days=8)
    assert verdicts(asked("1", now=later, ttl_seconds=60)) == ["allow"]
    assert verdicts(asked("1", now=later)) == ["deny"]  # the raise has ended
    assert counters(raised, later.date()) == (Decimal(2), Decimal(1), ZERO)
    assert counters(rolling, later.date()) == (ZERO, Decimal(1), ZERO)
    assert verified(later)


def race(schema: str, count: int, act: Any) -> list[Any]:
    """Run `act(number)` on so many threads with connections of their own, all at once."""
    start, found = Barrier(count), []

    def run(number: int) -> None:
        with schema_context(schema):
            start.wait()
            found.append(act(number))
        connection.close()

    threads = [Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_a_hundred_that_race_for_room_for_fifty_pass_exactly_fifty(fresh_tenant: Any) -> None:
    """Ten connections at once, five groups of two each, every group by itself, on two windows."""
    tiny_prices()
    key = budget(limit=Limit.HARD, amount=Decimal(50))
    budget(name="All", scope={}, amount=Decimal(1_000), limit=Limit.HARD)
    reserve([asked("0.0")])  # the windows are known from now on

    def group(number: int) -> list[str]:
        return [
            verdict
            for turn in range(5)
            for verdict in verdicts(
                asked("1", key=f"{number}-{turn}a"), asked("1", f"{number}-{turn}b")
            )
        ]

    found = [verdict for each in race(fresh_tenant.schema, 10, group) for verdict in each]
    assert (found.count("allow"), found.count("deny")) == (50, 50)
    assert counters(key) == (ZERO, Decimal(50), ZERO)
    assert KeptAnswer.objects.count() == 100
    assert Hold.objects.filter(amount=1).count() == 50
    assert verified()


def test_one_key_from_everywhere_at_once_holds_once(fresh_tenant: Any) -> None:
    tiny_prices()
    key = budget(limit=Limit.HARD, amount=Decimal(50))
    reserve([asked("0.0")])
    found = race(fresh_tenant.schema, 12, lambda number: reserve([asked("1", key="one")])[0])
    answered = [one for one in found if isinstance(one, Answered)]
    assert all(isinstance(one, Answered | accounts.KeyInFlight) for one in found)
    assert len({one.answer.body for one in answered if one.answer}) == 1
    assert counters(key) == (ZERO, Decimal(1), ZERO)
    assert verified()


def test_tenants_share_neither_books_nor_windows_nor_keys_of_requests(fresh_tenant: Any) -> None:
    """Their budgets, windows and prices have the same ids; what is kept tells them apart."""
    other = provision(slug=f"fresh-{uuid4().hex[:8]}")
    try:
        keys = {}
        for schema, dollars, amount in ((fresh_tenant.schema, "1", 10), (other.schema, "2", 3)):
            with schema_context(schema):
                contract(input_tokens=dollars, output_tokens="3")
                keys[schema] = budget(limit=Limit.HARD, amount=Decimal(amount))
        spent = {}
        for _ in range(2):  # the second time by what is kept
            for schema in keys:
                with schema_context(schema):
                    (found,) = reserve([asked("1", key="same")])
                    assert isinstance(found, Answered)
                    (more,) = decisions(asked("1"))
                    spent.setdefault(schema, []).append(more.verdict.value)
        assert spent == {fresh_tenant.schema: ["allow", "allow"], other.schema: ["deny", "deny"]}
        for schema, held in ((fresh_tenant.schema, 3), (other.schema, 2)):
            with schema_context(schema):
                assert counters(keys[schema]) == (ZERO, Decimal(held), ZERO)
                assert verified()
    finally:
        drop_tenant(slug=other.slug, schema=other.schema)


def test_windows_of_a_tenant_that_was_dropped_are_not_taken_for_those_of_the_next(
    fresh_tenant: Any, ways: Ways
) -> None:
    tiny_prices()
    budget(limit=Limit.HARD, amount=Decimal(10))
    other = budget(name="Other", scope={"team": "ads"}, amount=Decimal(10))
    decisions(asked("1"))
    window = BudgetWindow.objects.get(budget__public_id=other)
    mine = BudgetWindow.objects.exclude(pk=window.pk).get()
    swift.memory.note((mine.budget_id, mine.starts_on), window.pk, Decimal(10))
    assert verdicts(asked("1")) == ["allow"]
    assert ways.fitted == [False]
    assert counters(other, date(2026, 1, 20)) == (ZERO, ZERO, ZERO)
    assert verified()


def test_a_budget_that_is_being_changed_holds_up_nobody_who_opens_its_window(
    fresh_tenant: Any,
) -> None:
    tiny_prices()
    key = budget(limit=Limit.HARD, amount=Decimal(10))
    later = NOW + timedelta(days=40)
    found: list[str] = []

    def run() -> None:
        with schema_context(fresh_tenant.schema):
            with connection.cursor() as cursor:
                cursor.execute("SET lock_timeout = '5s'")
            found.extend(verdicts(asked("1", now=later)))
        connection.close()

    with transaction.atomic():
        live_row(key, ACTOR)
        thread = Thread(target=run)
        thread.start()
        thread.join()
    assert found == ["allow"]
