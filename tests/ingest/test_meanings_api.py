"""The unpriced queue, mappings and price corrections at the API."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from apps.core.domain.access import Scope, system_actor
from apps.core.domain.months import Month
from apps.periods import services as periods
from apps.rating import selectors as rating
from apps.rating.models import ModelMapping
from apps.usage.models import PriceCorrection, Rollup
from tests.accounts.people import bearer, browser, service_key
from tests.ingest.factories import NOW, contract, event, send

LARGE = {"input_tokens": 1_000_000}
MAPPINGS = "/api/v1/prices/mappings"
BODY = {
    "sent_provider": "house",
    "sent_model": "Big-One",
    "provider": "testco",
    "model": "tiny",
    "valid_from": "2026-01-01T00:00:00Z",
    "note": "our gateway's name of it",
}


@pytest.fixture
def api(acme: Any) -> Any:
    """Call the API of acme with a key that reads usage and costs, and writes prices."""
    contract(input_tokens="2.50")
    send([event("a", provider="house", model="big-one", usage=LARGE), event("b", usage=LARGE)])
    return caller(Scope.USAGE_READ, Scope.COSTS_READ, Scope.PRICES_WRITE)


def caller(*scopes: Scope) -> Any:
    key, client = service_key(*scopes), browser("acme")

    def call(method: str, path: str, body: Any = None, **query: str) -> Any:
        send_it = getattr(client, method)
        if method == "get":
            return send_it(path, query, headers=bearer(key))
        return send_it(path, body, content_type="application/json", headers=bearer(key))

    return call


def test_the_queue_says_why_and_the_worst_case(api: Any) -> None:
    answer = api("get", "/api/v1/usage/unpriced", period="2026-01")
    assert answer.status_code == 200
    (row,) = answer.json()["results"]
    row, worst = {**row}, row["worst_case"]
    del row["worst_case"]
    assert row == {
        "period": "2026-01",
        "provider": "house",
        "model": "big-one",
        "sku": "house big-one",
        "meter": "input_tokens",
        "unit": "token",
        "quantity": "1000000",
        "events": 1,
        "first_day": "2026-01-15",
        "last_day": "2026-01-15",
        "reason": "unknown_provider",
        "message": "The provider is unknown.",
    }
    assert worst["basis"] == "any"
    assert worst["peers"] > 100
    assert answer.json()["worst_case"] == worst["amount"]
    assert api("get", "/api/v1/usage/unpriced").json()["results"] == answer.json()["results"]
    assert api("get", "/api/v1/usage/unpriced", period="2026-13").status_code == 400
    assert api("get", "/api/v1/usage/unpriced", month="2026-01").status_code == 400


def test_a_mapping_is_dry_run_confirmed_ended_and_withdrawn(api: Any) -> None:
    seen = api("post", f"{MAPPINGS}?dry_run=true", BODY)
    assert seen.status_code == 200
    assert seen.json()["mapping"] is None
    assert seen.json()["months"] == [
        {
            "period": "2026-01",
            "state": "open",
            "rated_again": True,
            "cells": 2,
            "cost_before": {},
            "cost_after": {"USD": "2.5"},
        }
    ]
    assert ModelMapping.objects.count() == 0
    done = api("post", MAPPINGS, BODY)
    assert done.status_code == 201
    assert done.json()["months"][0]["cost_after"] == {"USD": "5"}
    mapping = done.json()["mapping"]
    assert (mapping["sent_model"], mapping["model"]) == ("big-one", "tiny")
    assert api("get", "/api/v1/usage/unpriced").json()["results"] == []
    assert api("get", MAPPINGS).json()["results"] == [mapping]
    one = f"{MAPPINGS}/{mapping['id']}"
    assert api("get", one).json() == mapping
    end = {"valid_to": "2026-01-20T00:00:00Z"}
    assert api("post", f"{one}/end?dry_run=true", end).json()["cells"] == 0
    ended = api("post", f"{one}/end", end).json()["mapping"]
    assert ended["valid_to"] == "2026-01-20T00:00:00Z"
    gone = f"{MAPPINGS}/{ended['id']}/withdraw"
    assert api("post", f"{gone}?dry_run=true").json()["cells"] == 2
    assert api("post", gone, {"reason": ""}).status_code == 400
    assert api("post", gone, {"reason": "a guess"}).status_code == 200
    assert len(api("get", "/api/v1/usage/unpriced").json()["results"]) == 1
    assert api("post", gone, {"reason": "again"}).status_code == 404


@pytest.mark.parametrize(
    ("change", "status", "field"),
    [
        ({"model": "nobody"}, 400, "model"),
        ({"sent_model": ""}, 400, "sent_model"),
        ({"valid_from": "soon"}, 400, "valid_from"),
        ({"colour": "red"}, 400, "colour"),
    ],
)
def test_bad_mappings_name_the_field(
    api: Any, change: dict[str, Any], status: int, field: str
) -> None:
    for query in ("", "?dry_run=true"):
        answer = api("post", MAPPINGS + query, BODY | change)
        assert answer.status_code == status
        assert answer.json()["errors"][0]["field"] == field
    assert ModelMapping.objects.count() == 0


def test_flags_and_names_are_known_or_refused(api: Any) -> None:
    assert api("post", f"{MAPPINGS}?dry_run=maybe", BODY).status_code == 400
    assert api("post", f"{MAPPINGS}?dryrun=true", BODY).status_code == 400
    assert api("get", f"{MAPPINGS}/{uuid4()}").status_code == 404
    assert ModelMapping.objects.count() == 0


def test_reading_keys_write_no_mapping(api: Any) -> None:
    reader = caller(Scope.USAGE_READ, Scope.COSTS_READ)
    assert reader("get", MAPPINGS).status_code == 200
    for query in ("", "?dry_run=true"):
        assert reader("post", MAPPINGS + query, BODY).status_code == 403
    answer = reader("post", "/api/v1/prices/corrections", {"period": "2026-01", "reason": "x"})
    assert answer.status_code == 403


def test_prices_of_a_closed_month_are_corrected_after_a_dry_run(api: Any) -> None:
    path = "/api/v1/prices/corrections"
    assert api("post", path, {"period": "2026-01", "reason": "x"}).json()["code"] == "month_open"
    version = rating.current_version().version
    periods.freeze(
        month=Month(2026, 1), actor=system_actor("t"), now=NOW, price_book_version=version
    )
    assert api("post", MAPPINGS, BODY).status_code == 201
    seen = api("post", f"{path}?dry_run=true", {"period": "2026-01"})
    assert seen.status_code == 200
    assert (seen.json()["booked_in"], seen.json()["difference"]) == ("2026-02", {"USD": "2.5"})
    assert [line["meter"] for line in seen.json()["lines"]] == ["input_tokens"]
    assert PriceCorrection.objects.count() == 0
    assert api("post", path, {"period": "2026-01"}).json()["code"] == "reason_required"
    done = api("post", path, {"period": "2026-01", "reason": "mapped late"})
    assert done.json() == seen.json() | {"dry_run": False}
    assert Rollup.objects.filter(period="2026-02-01").exclude(price=0).count() == 1
    again = api("post", path, {"period": "2026-01", "reason": "mapped late"})
    assert again.json()["facts"] == 0
