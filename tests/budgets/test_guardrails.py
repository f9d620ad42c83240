"""Guardrails: room is decided by the database, every reason is told, holds end one way only."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from threading import Barrier, Thread
from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, transaction
from django_tenants.utils import schema_context

from apps.budgets import selectors, services
from apps.budgets.domain.budgets import OnFailure, Unpriced
from apps.budgets.domain.decisions import Ask, Verdict
from apps.budgets.domain.limits import Limit
from apps.budgets.domain.policies import PolicyDraft, Rules
from apps.budgets.domain.tags import TagState
from apps.budgets.models import BudgetWindow, GuardrailDecision, Hold, HoldPart
from apps.core.domain.access import Actor, Scope
from apps.core.domain.errors import Forbidden, Invalid
from tests.budgets.base import (
    ACTOR,
    NOW,
    budget,
    counters,
    moment,
    spend,
    tiny_prices,
    verified,
)
from tests.ingest.factories import contract, event, send

NONE = Decimal(0)


def ask(dollars: str = "1", **changes: Any) -> Ask:
    """Ask for a use of team search that costs so many dollars at `tiny_prices`."""
    fields: dict[str, Any] = {
        "provider": "testco",
        "model": "tiny",
        "tags": {"team": "search"},
        "input_tokens": int(Decimal(dollars) * 1_000_000),
        **changes,
    }
    return Ask(**fields)


def authorize(dollars: str = "1", now=NOW, **changes: Any):
    return services.authorize(ask=ask(dollars, **changes), actor=ACTOR, now=now)


def test_a_settled_hold_is_not_voided_as_its_call_took_place(acme):
    tiny_prices()
    key = budget(limit=Limit.HARD)
    held = authorize("1")
    settled = services.Actual(amount=Decimal("0.4"), currency="USD")
    services.settle(hold=held.hold, actual=settled, actor=ACTOR, now=NOW)
    with pytest.raises(services.HoldSettled), transaction.atomic():
        services.void(hold=held.hold, actor=ACTOR, now=NOW)
    assert counters(key) == (NONE, Decimal("0.4"), NONE)
    nothing = services.Actual(amount=NONE, currency="USD")
    services.settle(hold=held.hold, actual=nothing, actor=ACTOR, now=NOW)
    assert counters(key) == (NONE, NONE, NONE)
    assert verified()


def test_without_budgets_and_policies_everything_is_allowed_and_nothing_held(acme):
    found = authorize()
    assert (found.verdict, found.hold, found.reasons) == (Verdict.ALLOW, None, ())
    assert found.estimate.amount is None  # nobody knows the price; it is not nothing
    assert GuardrailDecision.objects.get().verdict == "allow"


def test_an_authorization_holds_its_cost_in_every_budget_or_in_none(acme):
    tiny_prices()
    large = budget(limit=Limit.HARD)
    small = budget(limit=Limit.HARD, amount=Decimal("1.5"), scope={})
    first = authorize("1")
    assert first.verdict is Verdict.ALLOW
    assert first.estimate.amount == 1
    assert first.expires_at == NOW + timedelta(seconds=300)
    assert counters(large)[1] == counters(small)[1] == 1
    second = authorize("1")
    assert second.verdict is Verdict.DENY
    assert second.hold is None
    assert [(one.code, one.budget) for one in second.reasons] == [("budget_exhausted", small)]
    assert "USD 0.50 is left, and USD 1.00 is asked for" in second.reasons[0].message
    assert counters(large)[1] == counters(small)[1] == 1
    assert verified()


def test_check_answers_the_same_and_writes_nothing(acme):
    tiny_prices()
    key = budget(limit=Limit.HARD, amount=Decimal(1))
    assert services.check(ask=ask("1"), actor=ACTOR, now=NOW).verdict is Verdict.ALLOW
    assert services.check(ask=ask("2"), actor=ACTOR, now=NOW).verdict is Verdict.DENY
    assert counters(key)[1] == 0
    assert (Hold.objects.count(), GuardrailDecision.objects.count()) == (0, 0)


def test_a_soft_limit_warns_and_holds(acme):
    tiny_prices()
    key = budget(amount=Decimal(1))
    found = authorize("2")
    assert found.verdict is Verdict.WARN
    assert found.hold is not None
    assert counters(key) == (NONE, Decimal(2), NONE)


@pytest.mark.parametrize(
    ("unpriced", "verdict"),
    [(Unpriced.DENY, Verdict.DENY), (Unpriced.NEEDS_APPROVAL, Verdict.NEEDS_APPROVAL)],
)
def test_a_model_without_a_price_is_refused_under_a_hard_limit(acme, unpriced, verdict):
    tiny_prices()
    budget(limit=Limit.HARD, unpriced=unpriced)
    found = authorize(model="unknown-9")
    assert (found.verdict, found.hold) == (verdict, None)
    assert found.reasons[0].code == "unpriced"
    assert "input_tokens of testco/unknown-9" in found.reasons[0].message
    given = authorize(model="unknown-9", amount=Decimal(2), currency="USD")
    assert given.verdict is Verdict.ALLOW


def test_an_event_that_names_its_hold_releases_it_and_spends_what_it_cost(acme):
    tiny_prices()
    key = budget(limit=Limit.HARD, amount=Decimal(3))
    found = authorize("2")
    spend("a", "2.5", hold=str(found.hold))
    assert counters(key) == (Decimal("2.5"), NONE, NONE)
    row = Hold.objects.get()
    assert (row.state, row.event_ref) == ("used", '["gateway", "a"]')
    spend("b", "2.5", hold=str(found.hold))
    assert counters(key) == (Decimal(5), NONE, Decimal(2))
    assert verified()


def test_use_above_the_hold_is_overrun_and_blocks_the_next(acme):
    tiny_prices()
    key = budget(limit=Limit.HARD, amount=Decimal(3))
    first, other = authorize("1"), authorize("2")
    spend("a", "4", hold=str(first.hold))
    assert counters(key) == (Decimal(4), Decimal(2), Decimal(3))
    assert authorize("0.01").verdict is Verdict.DENY
    services.void(hold=other.hold, actor=ACTOR, now=NOW)
    assert counters(key) == (Decimal(4), NONE, Decimal(1))
    assert verified()


def test_settling_resizes_the_hold_and_waits_for_the_event(acme):
    tiny_prices()
    key = budget(limit=Limit.HARD, amount=Decimal(3))
    found = authorize("2")
    settled = services.settle(
        hold=found.hold, actual=services.Actual(amount=Decimal(5)), actor=ACTOR, now=NOW
    )
    assert (settled.state, settled.settled_amount) == ("settled", 5)
    assert settled.expires_at.date() == date(2026, 2, 1)
    assert counters(key) == (NONE, Decimal(5), Decimal(2))
    services.settle(
        hold=found.hold,
        actual=services.Actual(input_tokens=1_000_000, output_tokens=0),
        actor=ACTOR,
        now=NOW,
    )
    assert counters(key) == (NONE, Decimal(1), NONE)
    assert services.expire_due(now=NOW + timedelta(days=1)) == 0
    spend("a", "1", hold=str(found.hold))
    assert counters(key) == (Decimal(1), NONE, NONE)
    with pytest.raises(services.HoldEnded):
        services.settle(
            hold=found.hold, actual=services.Actual(amount=Decimal(1)), actor=ACTOR, now=NOW
        )
    assert verified()


def test_settling_by_reference_releases_when_the_event_is_there(acme):
    tiny_prices()
    key = budget(limit=Limit.HARD, amount=Decimal(3))
    first, second = authorize("1"), authorize("1")
    spend("a", "1")
    reference = services.Actual(event_ref=("gateway", "a"))
    assert services.settle(hold=first.hold, actual=reference, actor=ACTOR, now=NOW).state == "used"
    assert counters(key) == (Decimal(1), Decimal(1), NONE)
    reference = services.Actual(event_ref=("gateway", "b"))
    waiting = services.settle(hold=second.hold, actual=reference, actor=ACTOR, now=NOW)
    assert (waiting.state, waiting.event_ref) == ("settled", "gateway/b")
    spend("b", "1")
    assert counters(key) == (Decimal(2), Decimal(1), NONE)
    assert services.expire_due(now=NOW) == 1
    assert counters(key) == (Decimal(2), NONE, NONE)
    assert verified()


def test_an_expired_hold_gives_its_room_back_to_whoever_asks_next(acme):
    tiny_prices()
    key = budget(limit=Limit.HARD, amount=Decimal(1))
    assert authorize("1", ttl_seconds=60).verdict is Verdict.ALLOW
    assert authorize("1", now=NOW + timedelta(seconds=59)).verdict is Verdict.DENY
    later = NOW + timedelta(seconds=60)
    assert services.check(ask=ask("1"), actor=ACTOR, now=later).verdict is Verdict.ALLOW
    assert authorize("1", now=later).verdict is Verdict.ALLOW
    assert sorted(Hold.objects.values_list("state", flat=True)) == ["expired", "open"]
    assert services.expire_due(now=later + timedelta(hours=1)) == 1
    assert counters(key)[1] == 0
    assert verified()


def test_a_raise_gives_room_until_it_ends(acme):
    tiny_prices()
    key = budget(limit=Limit.HARD, amount=Decimal(1))
    authorize("1", ttl_seconds=86_400)
    services.raise_limit(
        budget=key,
        amount=Decimal(1),
        expires_at=NOW + timedelta(minutes=10),
        reason="launch",
        actor=ACTOR,
        now=NOW,
    )
    later = NOW + timedelta(minutes=10)
    assert services.check(ask=ask("1"), actor=ACTOR, now=NOW).verdict is Verdict.ALLOW
    assert authorize("1", now=later).verdict is Verdict.DENY
    assert BudgetWindow.objects.get().raised == 0


def test_the_database_refuses_a_hold_above_the_limit(acme):
    tiny_prices()
    budget(limit=Limit.HARD, amount=Decimal(1))
    for statement in (
        "UPDATE budgets_budgetwindow SET held = held + 2",
        "UPDATE budgets_budgetwindow SET held = held + 2, overrun = overrun + 1",
    ):
        with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM budgets_guardraildecision")
        cursor.execute("TRUNCATE budgets_guardraildecision")


def test_policies_object_to_models_sizes_prices_hours_and_environments(acme):
    tiny_prices()
    rules = Rules(
        allowed_models=("tiny*", "testco/small"),
        denied_models=("tiny-old",),
        environments=("production",),
        max_context_tokens=500_000,
        max_output_tokens=1_000,
        ultra_context_tokens=400_000,
        price_ceiling=Decimal("0.1"),
        currency="USD",
        hours="mon-fri 09:00-18:00",
    )
    draft = PolicyDraft(
        name="House rules",
        rules=rules,
        scope={"team": "search"},
        valid_from=NOW.date(),
        on_failure=OnFailure.CLOSED,
    )
    services.create_policy(draft=draft, actor=ACTOR, now=NOW)
    found = authorize("0.6", now=moment(20, 7), output_tokens=2_000)
    assert {one.code for one in found.reasons} == {
        "context_too_large",
        "output_too_large",
        "context_not_justified",
        "price_ceiling",
        "outside_hours",
        "environment_not_allowed",
    }
    assert found.on_failure == "closed"
    denied = authorize(
        "0.01",
        model="tiny-old",
        tags={"team": "search", "environment": "production"},
        now=moment(20, 16),
    )
    assert {one.code for one in denied.reasons} == {"model_denied", "price_unknown"}
    fine = {"tags": {"team": "search", "environment": "production"}, "now": moment(20, 16)}
    assert authorize("0.05", **fine).verdict is Verdict.ALLOW
    assert authorize("0.6").verdict is Verdict.DENY
    assert authorize("0.6", tags={"team": "ads"}).verdict is Verdict.ALLOW


def test_an_ultra_large_context_passes_with_a_current_justification(acme):
    tiny_prices()
    rules = Rules(ultra_context_tokens=400_000)
    draft = PolicyDraft(name="Ultra", rules=rules, scope={}, valid_from=NOW.date())
    services.create_policy(draft=draft, actor=ACTOR, now=NOW)
    assert authorize("0.5").verdict is Verdict.DENY
    services.justify(
        draft=services.JustificationDraft(
            scope={"team": "search"},
            reason="Contracts are read whole: saves 2 lawyers a day",
            valid_from=NOW.date(),
            valid_to=NOW.date() + timedelta(days=5),
        ),
        actor=ACTOR,
        now=NOW,
    )
    assert authorize("0.5").verdict is Verdict.ALLOW
    assert authorize("0.5", tags={"team": "ads"}).verdict is Verdict.DENY
    assert authorize("0.5", now=NOW + timedelta(days=5)).verdict is Verdict.DENY


def test_bound_tags_and_teams_limit_what_may_be_authorized(acme):
    tiny_prices()
    budget(limit=Limit.HARD, amount=Decimal(1), scope={}, name="Board")
    scopes = frozenset({Scope.BUDGETS_AUTHORIZE})
    key = Actor(kind="key", label="key:ads", scopes=scopes, bound_tags={"team": "ads"})
    with pytest.raises(Forbidden) as refused, transaction.atomic():
        services.authorize(ask=ask("1"), actor=key, now=NOW)
    assert refused.value.code == "tag_forbidden"
    found = services.authorize(ask=ask("2", tags={}), actor=key, now=NOW)
    assert found.verdict is Verdict.DENY
    assert "Board" not in found.reasons[0].message
    assert "left" not in found.reasons[0].message
    member = Actor(kind="user", label="m", scopes=scopes, user_id=1, teams=frozenset({"ads"}))
    held = services.authorize(ask=ask("0.5", tags={}), actor=member, now=NOW)
    assert Hold.objects.get().scope == {"team": "ads"}
    other = Actor(kind="user", label="o", scopes=scopes, user_id=2, teams=frozenset({"search"}))
    with pytest.raises(services.HoldMissing):
        services.void(hold=held.hold, actor=other, now=NOW)


def test_kept_reasons_tell_readers_no_figure_of_budgets_out_of_their_sight(acme):
    tiny_prices()
    budget(limit=Limit.HARD, amount=Decimal(1), scope={}, name="Board")
    budget(limit=Limit.HARD, amount=Decimal(1), name="Own")
    services.authorize(ask=ask("2"), actor=ACTOR, now=NOW)
    [whole] = selectors.decisions(actor=ACTOR)
    assert "Board has no room: USD 1.00 is left" in whole.reasons[0]["message"]
    scopes = frozenset({Scope.BUDGETS_READ})
    member = Actor(kind="user", label="m", scopes=scopes, user_id=1, teams=frozenset({"search"}))
    [seen] = selectors.decisions(actor=member)
    assert seen.reasons[0]["message"] == "A budget above yours has no room."
    assert "Own has no room: USD 1.00 is left" in seen.reasons[1]["message"]


def grant(*, experiment: str):
    """Open a grant of 5 USD for the team search until the end of January."""
    return services.open_grant(
        experiment=experiment,
        name="Trial",
        team="search",
        amount=Decimal(5),
        currency="USD",
        starts_on=date(2026, 1, 10),
        ends_on=date(2026, 1, 31),
        owners=[],
        limit="hard",
        actor=ACTOR,
        now=NOW,
    )


def test_a_closed_grant_refuses_its_tag(acme):
    tiny_prices()
    opened = grant(experiment="exp-1")
    tags = {"team": "search", "experiment": "exp-1"}
    assert authorize("1", tags=tags).verdict is Verdict.ALLOW
    assert services.close_grant(grant=opened, actor=ACTOR, now=NOW) == 4
    refused = authorize("1", tags=tags)
    assert [one.code for one in refused.reasons] == ["grant_not_open"]


def test_an_experiment_that_is_not_approved_needs_an_approval(acme):
    tiny_prices()
    budget(limit=Limit.HARD)
    tags = {"team": "search", "experiment": "exp-7"}
    assert authorize("1", tags=tags).verdict is Verdict.ALLOW  # no request has the tag
    services.announce_tag(experiment="exp-7", state=TagState.NOT_APPROVED, now=NOW)
    found = authorize("1", tags=tags)
    assert (found.verdict, found.hold) == (Verdict.NEEDS_APPROVAL, None)
    assert [one.code for one in found.reasons] == ["experiment_not_approved"]
    assert authorize("1").verdict is Verdict.ALLOW
    services.announce_tag(experiment="exp-7", state=TagState.OPEN, now=NOW)
    assert authorize("1", tags=tags).verdict is Verdict.ALLOW


def test_the_money_of_an_experiment_is_for_its_team(acme):
    tiny_prices()
    grant(experiment="exp-1")
    assert authorize("1", tags={"team": "search", "experiment": "exp-1"}).verdict is Verdict.ALLOW
    refused = authorize("1", tags={"team": "ads", "experiment": "exp-1"})
    assert [one.code for one in refused.reasons] == ["grant_of_another_team"]
    assert refused.verdict is Verdict.DENY


def test_an_ask_that_cannot_be_names_its_fields(acme):
    with pytest.raises(Invalid) as refused:
        authorize("1", model="", ttl_seconds=0, requests=0, cached_input_tokens=9_000_000)
    assert {error.field for error in refused.value.errors} == {
        "model",
        "ttl_seconds",
        "estimate.requests",
        "estimate.cached_input_tokens",
    }


def test_decisions_are_witnessed_and_a_changed_hold_is_noticed(acme, owner_connection):
    tiny_prices()
    budget(limit=Limit.HARD)
    authorize("1")
    authorize("100")
    later = NOW + timedelta(hours=2)
    found = services.witness_decisions(actor=ACTOR, now=later)
    assert found.decisions == 2
    assert services.witness_decisions(actor=ACTOR, now=later) is None
    assert services.broken_witnesses() == []
    Hold.objects.update(amount=Decimal("0.5"))
    assert services.broken_witnesses() == [found]


def run_at_once(schema: str, count: int, work) -> list[Any]:
    """Do work on threads that start together, and return what it gave."""
    start, results = Barrier(min(count, 16)), []

    def worker(turns: int) -> None:
        with schema_context(schema):
            start.wait()
            results.extend(work() for _ in range(turns))
        connection.close()

    size = min(count, 16)
    turns = [count // size + (n < count % size) for n in range(size)]
    threads = [Thread(target=worker, args=(each,)) for each in turns]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_fifty_at_once_for_ten_get_exactly_ten(fresh_tenant):
    tiny_prices()
    key = budget(limit=Limit.HARD, amount=Decimal(10))
    found = run_at_once(fresh_tenant.schema, 50, lambda: authorize("1"))
    assert [one.verdict for one in found].count(Verdict.ALLOW) == 10
    assert [one.verdict for one in found].count(Verdict.DENY) == 40
    assert counters(key) == (NONE, Decimal(10), NONE)
    assert HoldPart.objects.count() == 10
    assert verified()


@pytest.mark.slow
def test_two_hundred_at_once_with_long_context_prices_stay_within_45_cents(fresh_tenant):
    contract(model="ultra", input_tokens="0.12", output_tokens="0.36")
    key = budget(limit=Limit.HARD, amount=Decimal("0.45"), scope={})
    long = {"model": "ultra", "input_tokens": 128_000, "output_tokens": 128_000}

    def use():
        now = NOW
        found = services.authorize(ask=ask("0", **long), actor=ACTOR, now=now)
        if found.hold is not None:
            usage = {"input_tokens": 128_000, "output_tokens": 128_000}
            body = event(str(uuid4()), model="ultra", usage=usage, hold=str(found.hold))
            assert send([body]).accepted == 1
        return found

    found = run_at_once(fresh_tenant.schema, 200, use)
    allowed = [one for one in found if one.verdict is Verdict.ALLOW]
    assert {one.estimate.amount for one in allowed} == {Decimal("0.06144")}
    assert len(allowed) == 7
    assert counters(key) == (Decimal("0.43008"), NONE, NONE)
    assert verified()
