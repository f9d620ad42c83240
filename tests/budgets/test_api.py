"""Budgets and guardrails at the API: the contract, idempotency, refusals, what keys may do."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from apps.core.domain.access import Scope
from tests.accounts.people import bearer, browser, service_key
from tests.budgets.base import NOW, spend, tiny_prices
from tests.ingest.factories import event

EVERY = (
    Scope.BUDGETS_READ,
    Scope.BUDGETS_WRITE,
    Scope.BUDGETS_AUTHORIZE,
    Scope.USAGE_WRITE,
)
SEARCH = {
    "name": "Search",
    "scope": {"team": "search", "model": "tiny"},
    "window": "month",
    "amount": "3.00",
    "currency": "USD",
    "limit": "hard",
    "thresholds": ["50", "80", "100"],
}
ASK = {
    "provider": "testco",
    "model": "tiny",
    "tags": {"team": "search"},
    "estimate": {"input_tokens": 1_000_000, "output_tokens": 0},
    "ttl_seconds": 60,
}


class Api:
    """Calls the API with a key of some scopes."""

    def __init__(self, *scopes: Scope, **fields: Any) -> None:
        self.key = service_key(*(scopes or EVERY), **fields)
        self.client = browser("acme")

    def get(self, path: str) -> Any:
        return self.client.get(f"/api/v1/{path}", headers=bearer(self.key))

    def post(self, path: str, body: Any, key: str = "", method: str = "post") -> Any:
        headers = bearer(self.key) | ({"idempotency-key": key} if key else {})
        call = getattr(self.client, method)
        return call(f"/api/v1/{path}", data=body, content_type="application/json", headers=headers)

    def authorize(self, **changes: Any) -> Any:
        return self.post("guardrails/authorize", ASK | changes, key=str(uuid4()))


@pytest.fixture
def api(acme: Any, time_machine: Any) -> Api:
    time_machine.move_to(NOW)
    tiny_prices()
    return Api()


def test_a_budget_from_setting_to_retirement(api):
    spend("a", "1")
    made = api.post("budgets", SEARCH)
    assert made.status_code == 201, made.content
    body = made.json()
    assert (body["spent"], body["left"]) == ("1.000000000000", "2.000000000000")
    assert body["window"] == {
        "kind": "month",
        "starts_on": "2026-01-01",
        "ends_on": "2026-01-31",
        "days": None,
    }
    assert body["thresholds"][0] == {"percent": "50", "basis": "actual"}
    assert "team search is not registered" in body["warnings"][0]
    one = f"budgets/{body['id']}"
    assert api.get(one).json()["forecast"]["reason"].startswith("Not enough history")
    changed = api.post(one, SEARCH | {"amount": "5"}, method="put")
    assert changed.json()["available"] == "5.000000000000"
    more = {"amount": "1", "expires_at": "2026-01-25T00:00:00Z", "reason": "launch"}
    assert api.post(f"{one}/raises", more).json()["available"] == "6.000000000000"
    quiet = {"until": "2026-01-25T00:00:00Z", "reason": "known"}
    assert api.post(f"{one}/snooze", quiet).status_code == 200
    assert [each["id"] for each in api.get("budgets").json()["results"]] == [body["id"]]
    assert api.post(f"{one}/retire", {}).json()["state"] == "retired"
    assert api.get("budgets").json()["results"] == []
    assert len(api.get("budgets?retired=true").json()["results"]) == 1
    assert api.post(one, SEARCH, method="put").json()["code"] == "budget_retired"


def test_a_wrong_budget_names_every_field(api):
    wrong = SEARCH | {"scope": {"color": "red"}, "amount": 3.0, "limit": "firm", "colour": 1}
    refused = api.post("budgets", wrong)
    assert refused.status_code == 400
    assert {one["field"] for one in refused.json()["errors"]} >= {"colour"}
    refused = api.post("budgets", SEARCH | {"scope": {"color": "red"}, "currency": "usd"})
    assert refused.status_code == 422
    assert {one["field"] for one in refused.json()["errors"]} == {"scope.color", "currency"}


def test_authorize_settle_and_void(api):
    api.post("budgets", SEARCH)
    first = api.authorize().json()
    assert first["decision"] == "allow"
    assert first["estimate"] == {"amount": "1.000000000000", "currency": "USD"}
    assert first["expires_at"].startswith("2026-01-20T12:01:0")
    assert first["on_failure"] == "open"
    second, third, fourth = (api.authorize().json() for _ in range(3))
    assert fourth["decision"] == "deny"
    assert fourth["reasons"][0]["code"] == "budget_exhausted"
    settled = api.post(f"guardrails/holds/{first['hold']}/settle", {"amount": "0.25"})
    assert (settled.json()["state"], settled.json()["settled_amount"]) == (
        "settled",
        "0.250000000000",
    )
    used = event(
        "used", usage={"input_tokens": 500_000, "output_tokens": 0}, tags={"team": "search"}
    )
    by_event = api.post(f"guardrails/holds/{second['hold']}/settle", {"event": used})
    assert by_event.status_code == 200, by_event.content
    assert by_event.json()["state"] == "used"
    assert by_event.json()["event_ref"] == "gateway/used"
    assert api.post(f"guardrails/holds/{third['hold']}/void", {}).json()["state"] == "void"
    (budget,) = api.get("budgets").json()["results"]
    assert (budget["spent"], budget["held"]) == ("0.500000000000", "0.250000000000")
    kept = api.get("guardrails/decisions?decision=deny").json()["results"]
    assert [one["id"] for one in kept] == [fourth["id"]]


def test_authorize_wants_a_key_and_holds_once_under_it(api):
    api.post("budgets", SEARCH)
    assert api.post("guardrails/authorize", ASK).json()["code"] == "idempotency_key_required"
    once = api.post("guardrails/authorize", ASK, key="one")
    again = api.post("guardrails/authorize", ASK, key="one")
    assert once.json() == again.json()
    assert again.headers["idempotent-replayed"] == "true"
    (budget,) = api.get("budgets").json()["results"]
    assert budget["held"] == "1.000000000000"
    other = api.post("guardrails/authorize", ASK | {"ttl_seconds": 9}, key="one")
    assert other.status_code == 409


def test_check_takes_no_key_and_keeps_nothing(api):
    api.post("budgets", SEARCH | {"amount": "0.5"})
    found = api.post("guardrails/check", ASK).json()
    assert (found["decision"], found["hold"], found["id"]) == ("deny", None, None)
    assert api.get("guardrails/decisions").json()["results"] == []


def test_a_policy_is_tried_put_in_force_replaced_and_retired(api):
    spend("a", "1")
    spend("b", "0.1")
    policy = {
        "name": "Short contexts",
        "scope": {"team": "search"},
        "rules": {"max_context_tokens": 500_000},
    }
    tried = api.post("guardrails/policies/dry-run", policy | {"month": "2026-01"}).json()
    assert (tried["requests"], tried["matched"], tried["blocked"]) == (2, 2, 1)
    assert tried["blocked_cost"] == {"USD": "1.000000000000"}
    assert tried["rows"][0]["reason"] == "context_too_large"
    made = api.post("guardrails/policies", policy | {"valid_from": "2026-01-01"})
    assert made.status_code == 201, made.content
    assert api.authorize().json()["reasons"][0]["policy"] == made.json()["id"]
    wider = policy | {"rules": {"max_context_tokens": 2_000_000}, "valid_from": "2026-01-20"}
    other = api.post(f"guardrails/policies/{made.json()['id']}", wider, method="put").json()
    assert api.authorize().json()["decision"] == "allow"
    assert api.post(f"guardrails/policies/{other['id']}/retire", {}).status_code == 204
    listed = [one["id"] for one in api.get("guardrails/policies").json()["results"]]
    assert listed == [made.json()["id"]]
    wrong = policy | {"valid_from": "2026-01-01", "rules": {"hours": "never", "x": 1}}
    refused = api.post("guardrails/policies", wrong).json()
    assert {one["field"] for one in refused["errors"]} == {"rules.hours", "rules.x"}


def test_a_key_with_bound_tags_sees_and_sets_what_is_theirs_only(api):
    api.post("budgets", SEARCH)
    bound = Api(*EVERY, bound_tags={"team": "ads"})
    assert bound.get("budgets").json()["results"] == []
    assert bound.post("budgets", SEARCH).json()["code"] == "scope_out_of_sight"
    assert bound.post("guardrails/check", ASK).json()["code"] == "tag_forbidden"
    (budget,) = api.get("budgets").json()["results"]
    assert bound.get(f"budgets/{budget['id']}").status_code == 404
    hold = api.authorize().json()["hold"]
    assert bound.post(f"guardrails/holds/{hold}/void", {}).status_code == 404


@pytest.mark.parametrize(
    ("path", "method"),
    [
        ("budgets", "get"),
        ("budgets", "post"),
        ("guardrails/check", "post"),
        ("guardrails/authorize", "post"),
        ("guardrails/policies", "post"),
    ],
)
def test_a_key_without_the_scope_is_refused(api, path, method):
    poor = Api(Scope.USAGE_READ)
    answer = poor.get(path) if method == "get" else poor.post(path, {}, key="k")
    assert answer.status_code == 403
    assert answer.json()["code"] == "scope_missing"
