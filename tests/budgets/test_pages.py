"""The pages of budgets and guardrails: what they show, keep, refuse, and who may use them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from apps.budgets.domain.budgets import Basis, Threshold
from apps.budgets.domain.limits import Limit
from apps.budgets.models import Budget, Justification, ModelPolicy
from apps.core.domain.access import Role
from tests.accounts.people import person, signed_in
from tests.budgets.base import NOW, budget, moment, spend, standing, tiny_prices
from tests.ingest.factories import teams


@pytest.fixture
def pages(acme: Any, time_machine: Any) -> Any:
    time_machine.move_to(NOW)
    tiny_prices()
    return signed_in("acme", person(Role.OWNER))


FORM = {
    "name": "Search",
    "amount": "10",
    "currency": "usd",
    "limit": "hard",
    "window": "month",
    "scope_team": "search",
    "thresholds": "50, held 90, forecast 100",
    "owners": "ana@example.com, ben@example.com",
    "unpriced": "deny",
    "on_failure": "open",
}


def test_a_budget_is_set_shown_changed_raised_snoozed_and_retired(pages):
    made = pages.post("/budgets/new/", FORM, follow=True)
    assert made.status_code == 200
    text = made.content.decode()
    assert "The budget is set." in text
    assert "team search is not registered" in text
    row = Budget.objects.get()
    assert row.currency == "USD"
    assert row.facts.owners == ("ana@example.com", "ben@example.com")
    assert Threshold(Decimal(90), Basis.HELD) in row.facts.thresholds
    url = f"/budgets/{row.public_id}/"
    edited = FORM | {"amount": "12", "starts_on": "", "window": "month"}
    assert pages.post(f"{url}edit/", edited).status_code == 302
    assert standing(row.public_id).counters.limit == 12
    raised = {"amount": "3", "expires_at": "2026-01-25T10:00", "reason": "launch"}
    assert "raised until" in pages.post(f"{url}raise/", raised, follow=True).content.decode()
    assert standing(row.public_id).counters.limit == 15
    silent = {"until": "2026-01-25T10:00", "reason": "known"}
    assert (
        "Alerts are held back" in pages.post(f"{url}snooze/", silent, follow=True).content.decode()
    )
    assert "retired" in pages.post(f"{url}retire/", {}, follow=True).content.decode()
    again = pages.post(f"{url}retire/", {}, follow=True).content.decode()
    assert "The budget is retired; set a new one." in again


def test_a_wrong_form_comes_back_with_the_reason_beside_the_field(pages):
    wrong = FORM | {"window": "fixed", "thresholds": "many", "currency": "dollars"}
    answer = pages.post("/budgets/new/", wrong)
    assert answer.status_code == 422
    assert "Write percents such as 80" in answer.content.decode()
    answer = pages.post("/budgets/new/", FORM | {"window": "fixed"})
    assert answer.status_code == 422
    assert "Give the last day." in answer.content.decode()
    assert Budget.objects.count() == 0


def test_the_lists_show_budget_against_actual_and_the_tree(pages):
    teams("search")
    budget(limit=Limit.HARD)
    budget(name="Center", scope={"cost_center": "cc-search"})
    budget(name="Everything", scope={}, amount=Decimal(4))
    budget(name="Euros", currency="EUR")
    for day in range(1, 20):
        spend(f"d{day}", "0.5", time=f"2026-01-{day:02}T15:00:00Z", now=moment(19, 16))
    table = pages.get("/budgets/").content.decode()
    assert "9.50" in table
    assert "over" in table
    assert "no budget rate of USD" in table
    assert "incomplete" in table.lower()
    tree = pages.get("/budgets/?view=tree").content.decode()
    assert (
        tree.index("Whole organization") < tree.index(">search</span>") < tree.index("Team search")
    )
    csv = pages.get("/budgets/?format=csv")
    assert csv.status_code == 200
    assert b"Everything" in b"".join(csv) if csv.streaming else b"Everything" in csv.content
    assert "forecast over" in table.lower()
    near = pages.get("/budgets/?state=forecast_over").content.decode()
    assert "Center" in near
    assert "Everything" not in near
    search = Budget.objects.get(name="Search").public_id
    page = pages.get(f"/budgets/{search}/").content.decode()
    assert "The budget lasts until Jan 21, 2026" in page
    past = {"amount": "5", "expires_at": "2025-01-01T10:00", "reason": "Launch"}
    refused = pages.post(f"/budgets/{search}/raise/", past, follow=True).content.decode()
    assert "Until: Give a moment to come, within a year." in refused


def test_the_tester_answers_with_reasons_and_snippets(pages):
    budget(limit=Limit.HARD, amount=Decimal("0.5"))
    ask = {
        "provider": "testco",
        "model": "tiny",
        "input_tokens": "1000000",
        "output_tokens": "0",
        "requests": "1",
        "team": "search",
    }
    text = pages.get("/guardrails/", ask).content.decode()
    assert "has no room" in text
    assert "budget_exhausted" in text
    assert "/api/v1/guardrails/authorize" in text
    assert "&quot;team&quot;: &quot;search&quot;" in text
    assert pages.get("/guardrails/").status_code == 200
    analyst = signed_in("acme", person(Role.ANALYST))
    assert "needs the scope budgets:authorize" in analyst.get("/guardrails/").content.decode()
    assert analyst.get("/budgets/new/").status_code == 403


def test_a_policy_is_tried_and_put_in_force_and_a_context_justified(pages):
    spend("a", "1", time="2025-12-10T12:00:00Z")
    form = {
        "name": "Short",
        "verdict": "deny",
        "on_failure": "open",
        "valid_from": "2026-01-01",
        "max_context_tokens": "500000",
        "hours": "",
    }
    tried = pages.post("/guardrails/policies/new/", form | {"try": "yes"}).content.decode()
    assert "context_too_large" in tried
    assert ModelPolicy.objects.count() == 0
    assert pages.post("/guardrails/policies/new/", form).status_code == 302
    row = ModelPolicy.objects.get()
    listed = pages.get("/guardrails/policies/").content.decode()
    assert "Context up to 500,000 tokens" in listed
    changed = form | {"max_context_tokens": "600000", "valid_from": "2026-01-20"}
    assert pages.post(f"/guardrails/policies/{row.public_id}/", changed).status_code == 302
    assert ModelPolicy.objects.count() == 2
    empty = {**form, "max_context_tokens": ""}
    refused = pages.post("/guardrails/policies/new/", empty)
    assert refused.status_code == 422
    assert "Say at least one thing" in refused.content.decode()
    justified = {
        "team": "search",
        "valid_from": "2026-01-20",
        "valid_to": "2026-02-20",
        "reason": "Contracts are read whole",
    }
    assert pages.post("/guardrails/policies/", justified).status_code == 302
    assert Justification.objects.get().scope == {"team": "search"}
    retired = pages.post(f"/guardrails/policies/{row.public_id}/retire/", follow=True)
    assert "holds no more" in retired.content.decode()
    assert pages.get("/guardrails/decisions/").status_code == 200


def test_a_member_sees_budgets_of_their_teams_only(pages):
    budget(name="Search money")
    ads = budget(name="Ads money", scope={"team": "ads"})
    member = signed_in("acme", person(Role.MEMBER, teams=("search",)))
    text = member.get("/budgets/").content.decode()
    assert "Search money" in text
    assert "Ads money" not in text
    assert member.get(f"/budgets/{ads}/").status_code == 404
