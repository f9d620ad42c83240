"""`/api/v1/prices` and `/api/v1/price-book`: shapes, paging, refusals."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from apps.core.domain.access import Scope
from apps.rating.models import ContractPrice
from tests.accounts.people import bearer, browser, service_key

PRICES = "/api/v1/prices"
BODY: dict[str, Any] = {
    "provider": "openai",
    "model": "gpt-4o-2024-08-06",
    "meter": "input_tokens",
    "amount": "2.00",
    "unit_size": 1_000_000,
    "currency": "USD",
    "valid_from": "2026-10-01T00:00:00Z",
}


@pytest.fixture
def api(acme):
    """Call the API of acme with a key that may read costs and write prices."""
    key = service_key(Scope.COSTS_READ, Scope.PRICES_WRITE)
    client = browser("acme")

    def call(method: str, path: str = PRICES, body: Any = None, **query: str):
        send = getattr(client, method)
        if method == "get":
            return send(path, query, headers=bearer(key))
        return send(path, body, content_type="application/json", headers=bearer(key))

    return call


def test_a_list_price_shows_its_unit_and_source(api):
    answer = api("get", provider="openai", model="gpt-4o", meter="input_tokens", on="2026-10-10")
    assert answer.status_code == 200
    (price,) = [row for row in answer.json()["results"] if not row["conditions"]["batch"]]
    assert price == {
        "id": None,
        "kind": "list",
        "provider": "openai",
        "model": "gpt-4o",
        "meter": "input_tokens",
        "conditions": {
            "service_tier": "",
            "batch": False,
            "region": "",
            "context_gt": 0,
            "window": "",
            "other": "",
        },
        "amount": "2.5",
        "currency": "USD",
        "unit_size": 1_000_000,
        "unit": "1M tokens",
        "price": "$2.50 per 1M tokens",
        "valid_from": None,
        "valid_to": None,
        "known_from": "2026-01-01T12:00:00Z",
        "known_to": None,
        "source": "genai-prices 0.2.3",
        "note": "",
        "adopted": True,
        "superseded_by": None,
        "replaces": None,
        "cost_model": None,
    }


def test_a_contract_price_is_recorded_canonically_and_supersedes_the_list(api):
    made = api("post", body={**BODY, "note": "MSA 2026"})
    assert made.status_code == 201
    price = made.json()
    assert (price["model"], price["price"]) == ("gpt-4o", "$2.00 per 1M tokens")
    assert (price["adopted"], price["kind"], price["note"]) == (False, "contract", "MSA 2026")
    listed = api("get", provider="openai", model="gpt-4o", meter="input_tokens", on="2026-10-10")
    rows = listed.json()["results"]
    assert [row["kind"] for row in rows] == ["contract", "list"]
    assert rows[1]["superseded_by"] == price["id"]
    before = api("get", provider="openai", model="gpt-4o", meter="input_tokens", on="2026-09-10")
    assert [row["superseded_by"] for row in before.json()["results"]] == [None]
    assert api("get", f"{PRICES}/{price['id']}").json() == price
    assert api("get", "/api/v1/price-book").json()["outdated"] is True


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("amount", 2.5),
        ("amount", "two"),
        ("amount", "NaN"),
        ("amount", "-1"),
        ("amount", "9" * 2000),
        ("amount", "1e400"),
        ("amount", None),
        ("unit_size", 3600),
        ("unit_size", 10**30),
        ("unit_size", "many"),
        ("currency", "usd"),
        ("currency", "DOLLAR"),
        ("meter", "Input tokens"),
        ("model", ""),
        ("model", "gpt*4o"),
        ("model", "gpt\x00"),
        ("valid_from", "yesterday"),
        ("valid_from", "2026-10-01T00:00:00"),
        ("valid_from", "9999-12-31T00:00:00Z"),
        ("valid_from", 7),
        ("valid_to", "2026-01-01"),
        ("window", "always"),
        ("context_gt", -1),
        ("context_gt", 10**30),
        ("replaces", "this one"),
        ("batch", "perhaps"),
        ("price", "2.00"),
        ("note", "n" * 501),
    ],
)
def test_each_wrong_field_is_named_and_nothing_is_stored(api, field, value):
    answer = api("post", body={**BODY, field: value})
    assert answer.status_code == 400
    problem = answer.json()
    assert answer["content-type"] == "application/problem+json"
    assert field in [fault["field"] for fault in problem["errors"]]
    assert all(fault["message"] for fault in problem["errors"])
    assert not ContractPrice.objects.exists()


@pytest.mark.parametrize("body", [[], "text", 1, None, [BODY]])
def test_a_body_of_another_shape_is_refused(api, body):
    assert api("post", body=body).status_code == 400


def test_a_unit_slip_is_named_and_confirmed(api):
    slip = {**BODY, "amount": "0.002"}
    answer = api("post", body=slip)
    assert answer.status_code == 400
    assert answer.json()["code"] == "unit_slip"
    assert answer.json()["errors"][0]["field"] == "confirm_unit_slip"
    assert api("post", body={**slip, "confirm_unit_slip": True}).status_code == 201


def test_overlap_is_a_conflict_and_replacing_is_not(api):
    first = api("post", body=BODY).json()["id"]
    later = {**BODY, "amount": "1.90", "valid_from": "2026-11-01T00:00:00Z"}
    answer = api("post", body=later)
    assert (answer.status_code, answer.json()["code"]) == (409, "price_overlap")
    assert first in answer.json()["detail"]
    assert api("post", body={**later, "replaces": first}).status_code == 201


def test_ending_and_withdrawing(api):
    first = api("post", body=BODY).json()["id"]
    ended = api("post", f"{PRICES}/{first}/end", {"valid_to": "2026-11-01"})
    assert ended.status_code == 200
    assert ended.json()["valid_to"] == "2026-11-01T00:00:00Z"
    again = api("post", f"{PRICES}/{first}/end", {"valid_to": "2026-11-01"})
    assert (again.status_code, again.json()["code"]) == (404, "price_unknown")
    price = ended.json()["id"]
    assert api("post", f"{PRICES}/{price}/withdraw", {"reason": ""}).status_code == 400
    gone = api("post", f"{PRICES}/{price}/withdraw", {"reason": "typed wrong"})
    assert gone.status_code == 200
    assert gone.json()["known_to"] is not None


def test_prices_are_listed_as_they_were_known(api):
    price = api("post", body=BODY).json()
    query = {"provider": "openai", "model": "gpt-4o", "kind": "contract"}
    before = api("get", **query, known_at="2026-06-01").json()["results"]
    assert before == []
    after = api("get", **query, known_at=price["known_from"]).json()["results"]
    assert [row["id"] for row in after] == [price["id"]]


def test_an_unknown_price_is_missing(api):
    assert api("get", f"{PRICES}/{uuid4()}").status_code == 404


def test_pages_hold_every_price_once_in_both_directions(api):
    api("post", body=BODY)
    api("post", body={**BODY, "model": "gpt-4o*", "meter": "output_tokens", "amount": "9"})
    query = {"provider": "openai", "q": "gpt-4o", "page_size": "7"}
    pages = []
    answer = api("get", **query).json()
    assert answer["previous"] is None
    while True:
        pages.append(answer["results"])
        if answer["next"] is None:
            break
        answer = api("get", answer["next"]).json()
    rows = [str(row) for page in pages for row in page]
    assert len(rows) == len(set(rows)) > 20
    whole = api("get", provider="openai", q="gpt-4o", page_size="500").json()["results"]
    assert [row for page in pages for row in page] == whole
    backward = [answer["results"]]
    while answer["previous"] is not None:
        answer = api("get", answer["previous"]).json()
        backward.append(answer["results"])
    assert [row for page in reversed(backward) for row in page] == whole


@pytest.mark.parametrize(
    "query",
    [
        {"cursor": "nonsense"},
        {"cursor": "WyJuIiwxLDIsMyw0LDVd"},
        {"on": "soon"},
        {"on": "0001-01-01T00:00:00+14:00"},
        {"known_at": "9999-12-31T23:59:59-12:00"},
        {"page_size": "0"},
        {"page_size": "501"},
        {"page_size": "x"},
        {"kind": "guess"},
        {"provider": "a\x00b"},
    ],
)
def test_a_wrong_query_is_answered(api, query):
    answer = api("get", **query)
    assert answer.status_code == 400
    assert answer.json()["detail"]


def test_listing_takes_few_queries(api, django_assert_max_num_queries):
    api("get")
    with django_assert_max_num_queries(12):
        assert len(api("get", page_size="500").json()["results"]) == 500


@pytest.mark.parametrize("scopes", [[Scope.USAGE_WRITE], [Scope.COSTS_READ]])
def test_scopes_are_asked_for(acme, scopes):
    key = service_key(*scopes)
    client = browser("acme")
    wrote = client.post(PRICES, BODY, content_type="application/json", headers=bearer(key))
    assert (wrote.status_code, wrote.json()["code"]) == (403, "scope_missing")
    read = client.get(PRICES, headers=bearer(key))
    assert read.status_code == (200 if Scope.COSTS_READ in scopes else 403)
    assert not ContractPrice.objects.exists()


def test_nobody_reads_prices_without_a_key(acme):
    assert browser("acme").get(PRICES).status_code == 401
