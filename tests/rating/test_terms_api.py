"""`/api/v1/prices/discounts`, `/commitments`, `/cost-models`, `/quote`: shapes and refusals."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from apps.core.domain.access import Scope
from apps.rating import services
from tests.accounts.people import bearer, browser, service_key
from tests.rating.conftest import NOW

PRICES = "/api/v1/prices"
DISCOUNT: dict[str, Any] = {
    "provider": "openai",
    "model": "gpt-4o*",
    "percent": "15",
    "valid_from": "2026-10-01",
    "note": "MSA 2026",
}
COMMITMENT: dict[str, Any] = {
    "name": "OpenAI 2026",
    "provider": "openai",
    "measure": "spend",
    "currency": "USD",
    "levels": [{"commit": "10000", "percent": "5"}, {"commit": "50000", "percent": "12"}],
}
COST_MODEL: dict[str, Any] = {
    "name": "Llama on 8 H100",
    "provider": "in-house",
    "model": "llama-3-70b",
    "gpu_hourly_rate": "2.50",
    "gpus": "8",
    "currency": "USD",
    "throughput": {"input_tokens": "40000", "output_tokens": "5000"},
    "measured": {"input_tokens": "10000000000", "output_tokens": "500000000"},
    "hours": "744",
    "valid_from": "2026-10-01",
}


@pytest.fixture
def api(acme):
    key = service_key(Scope.COSTS_READ, Scope.PRICES_WRITE)
    client = browser("acme")

    def call(method: str, path: str, body: Any = None, **query: str) -> Any:
        send = getattr(client, method)
        if method == "get":
            return send(PRICES + path, query, headers=bearer(key))
        return send(PRICES + path, body, content_type="application/json", headers=bearer(key))

    return call


def test_a_discount_is_recorded_listed_ended_and_withdrawn(api, actor):
    made = api("post", "/discounts", DISCOUNT)
    assert made.status_code == 201
    found = made.json()
    assert (found["provider"], found["model"], found["percent"]) == ("openai", "gpt-4o*", "15")
    assert (found["batch"], found["context_gt"], found["adopted"]) == (None, None, False)
    assert found["reaches"] > 20
    (listed,) = api("get", "/discounts").json()["results"]
    assert listed["id"] == found["id"]
    assert api("get", "/discounts", on="2026-09-30").json()["results"] == []
    assert api("get", "/discounts", as_known_on="2026-01-01").json()["results"] == []
    ended = api("post", f"/discounts/{found['id']}/end", {"valid_to": "2026-12-01"}).json()
    assert (ended["valid_to"], ended["replaces"]) == ("2026-12-01T00:00:00Z", found["id"])
    done = api("post", f"/discounts/{ended['id']}/withdraw", {"reason": "Never signed"}).json()
    assert done["known_to"] is not None
    again = api("post", f"/discounts/{found['id']}/end", {"valid_to": "2026-12-01"})
    assert (again.status_code, again.json()["code"]) == (404, "discount_unknown")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"percent": 15}, None),
        ({"percent": 15.5}, "percent"),
        ({"percent": "101"}, "percent"),
        ({"valid_from": "soon"}, "valid_from"),
        ({"model": "gpt*4"}, "model"),
        ({"colour": "red"}, "colour"),
        ({"replaces": str(uuid4())}, "404"),
    ],
)
def test_a_wrong_discount_is_answered_by_its_field(api, changes, field):
    answer = api("post", "/discounts", {**DISCOUNT, **changes})
    if field is None:
        assert answer.status_code == 201
    elif field == "404":
        assert answer.status_code == 404
    else:
        assert answer.status_code == 400
        assert field in {error["field"] for error in answer.json()["errors"]}


def test_the_price_of_a_use_names_its_list_price_and_discount(api, actor):
    api("post", "/discounts", DISCOUNT)
    services.adopt_version(actor=actor, now=NOW)
    use = {"provider": "openai", "model": "gpt-4o-2024-08-06", "meter": "input_tokens"}
    body = api("get", "/quote", **use, at="2026-10-10").json()
    assert (body["model"], body["unpriced"], body["rivals"]) == ("gpt-4o", None, [])
    assert body["price"]["price"] == "$2.125 per 1M tokens"
    assert body["price"]["discount"]["percent"] == "15"
    assert body["price"]["discount"]["list_amount"] == "2.5"
    assert [one["price"] for one in body["beneath"]] == ["$2.50 per 1M tokens"]
    before = api("get", "/quote", **use, at="2026-10-10", as_known_on="2026-02-01").json()
    assert (before["price"]["kind"], before["price"]["amount"]) == ("list", "2.5")
    none = api("get", "/quote", **{**use, "meter": "output_video_tokens"}).json()
    assert none["price"] is None and none["unpriced"].startswith("No price names this meter")


def test_a_tie_is_unpriced_and_named(api, actor):
    one = api("post", "/discounts", {**DISCOUNT, "batch": False}).json()["id"]
    two = api("post", "/discounts", {**DISCOUNT, "service_tier": "standard"}).json()["id"]
    services.adopt_version(actor=actor, now=NOW)
    use = {"provider": "openai", "model": "gpt-4o", "meter": "input_tokens", "at": "2026-10-10"}
    body = api("get", "/quote", **use).json()
    assert body["price"] is None
    assert one in body["unpriced"] and two in body["unpriced"]
    assert len(body["rivals"]) == 2


def test_a_commitment_and_its_levels_in_force(api):
    made = api("post", "/commitments", COMMITMENT)
    assert made.status_code == 201
    agreed = made.json()
    assert [level["commit"] for level in agreed["levels"]] == ["10000", "50000"]
    path = f"/commitments/{agreed['id']}/levels"
    api("post", path, {"level": 1, "valid_from": "2026-10-01"})
    body = api("post", path, {"level": 2, "valid_from": "2026-11-01"}).json()
    assert [(one["level"], one["valid_to"]) for one in body["terms"]] == [
        (1, "2026-11-01T00:00:00Z"),
        (2, None),
    ]
    term = body["terms"][1]["id"]
    done = api("post", f"{path}/{term}/withdraw", {"reason": "Not reached"}).json()
    assert [one["level"] for one in done["terms"]] == [1]
    assert api("post", f"{path}/{term}/withdraw", {"reason": "Again"}).status_code == 404
    assert api("post", path, {"level": 9, "valid_from": "2026-10-01"}).status_code == 404
    assert api("post", "/commitments", COMMITMENT).status_code == 409
    (listed,) = api("get", "/commitments").json()["results"]
    assert listed["id"] == agreed["id"]
    assert api("get", f"/commitments/{agreed['id']}").json()["name"] == "OpenAI 2026"


def test_a_cost_model_shows_each_step_to_its_prices(api, actor):
    made = api("post", "/cost-models", COST_MODEL)
    assert made.status_code == 201
    body = made.json()
    assert len(body["prices"]) == 2
    prices = {one["meter"]: one for one in body["derivation"]["prices"]}
    assert prices["output_tokens"]["steps"][0] == ["Fleet an hour", "20 USD"]
    derived = api("get", f"/{body['prices'][0]}").json()
    assert derived["source"] == "derived"
    assert derived["amount"] == prices[derived["meter"]]["amount"]
    assert api("get", f"/cost-models/{body['id']}").json() == body
    (listed,) = api("get", "/cost-models").json()["results"]
    assert listed["id"] == body["id"]
    wrong = api("post", "/cost-models", {**COST_MODEL, "gpus": "0"})
    assert [error["field"] for error in wrong.json()["errors"]] == ["gpus"]


def test_provisioned_throughput_and_gpu_time_are_priced_by_their_own_meters(api, actor):
    for meter, amount in (("gpu_seconds", "0.000694"), ("ptu_hours", "1"), ("gpu_hours", "2.50")):
        body = {
            "provider": "azure",
            "model": "gpt-4o",
            "meter": meter,
            "amount": amount,
            "unit_size": 1,
            "currency": "USD",
            "valid_from": "2026-10-01",
        }
        assert api("post", "", body).status_code == 201
    services.adopt_version(actor=actor, now=NOW)
    use = {"provider": "azure", "model": "gpt-4o", "at": "2026-10-10"}
    said = [
        api("get", "/quote", **use, meter=m).json()["price"]["price"]
        for m in ("ptu_hours", "gpu_seconds")
    ]
    assert said == ["$1.00 per PTU-hour", "$0.000694 per GPU-second"]
