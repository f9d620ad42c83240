"""`/api/v1/prices/what-if` and the what-if page."""

from __future__ import annotations

from typing import Any

import pytest

from apps.core.domain.access import Role, Scope
from tests.accounts.people import bearer, browser, person, service_key, signed_in
from tests.ingest.factories import contract, event, send, teams

PATH = "/api/v1/prices/what-if"
PRICE = {"model": "tiny", "provider": "testco", "unit_size": 1_000_000, "currency": "USD"}
SEED = {
    "month": "2026-01",
    "prices": [
        {**PRICE, "meter": "input_tokens", "amount": "0.12"},
        {**PRICE, "meter": "output_tokens", "amount": "0.36"},
    ],
}


@pytest.fixture
def ask(acme: Any) -> Any:
    key = service_key(Scope.COSTS_READ)
    client = browser("acme")

    def call(body: Any) -> Any:
        return client.post(PATH, body, content_type="application/json", headers=bearer(key))

    return call


def test_the_seeds_example_over_the_api(ask: Any) -> None:
    contract(input_tokens="1", output_tokens="2")
    teams("search")
    send([event(usage={"input_tokens": 128_000, "output_tokens": 128_000})])
    answer = ask(SEED)
    assert answer.status_code == 200
    body = answer.json()
    assert body["total"] == {
        "was": "0.384000000000",
        "would_be": "0.061440000000",
        "difference": "-0.322560000000",
        "percent": "-84",
        "comparable": {
            "was": "0.384000000000",
            "would_be": "0.061440000000",
            "difference": "-0.322560000000",
            "percent": "-84",
        },
    }
    assert (body["month"], body["currency"], body["unpriced"]) == ("2026-01", "USD", [])
    assert body["rows"][0] == {
        "team": "search",
        "model": "tiny",
        "meter": "output_tokens",
        "quantity": "128000",
        "was": "0.256000000000",
        "would_be": "0.046080000000",
        "difference": "-0.209920000000",
        "percent": "-82",
        "comparable": {
            "was": "0.256000000000",
            "would_be": "0.046080000000",
            "difference": "-0.209920000000",
            "percent": "-82",
        },
    }


def test_a_model_is_taken_for_another_and_what_lacks_a_price_is_null(ask: Any) -> None:
    contract(input_tokens="1", output_tokens="2", cached_input_tokens="0.5")
    contract(model="big", input_tokens="3", output_tokens="4")
    send([event()])
    tiny, big = ({"provider": "testco", "model": name} for name in ("tiny", "big"))
    body = ask(
        {
            "month": "2026-01",
            "substitutions": [{"from": tiny, "to": big}],
            "group_by": ["meter"],
            "filters": {"team": ""},
        }
    ).json()
    rows = {row["meter"]: row for row in body["rows"]}
    assert rows["cached_input_tokens"]["would_be"] is None
    assert rows["cached_input_tokens"]["was"] == "0.000400000000"
    assert body["unpriced"] == [
        {**big, "meter": "cached_input_tokens", "quantity": "800"},
    ]
    assert body["total"]["would_be"] is None


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "month"),
        ({"month": "2026-13"}, "month"),
        ({**SEED, "colour": 1}, "colour"),
        ({**SEED, "prices": [{**PRICE, "meter": "input_tokens"}]}, "amount"),
        ({**SEED, "prices": [{**SEED["prices"][0], "amount": 0.1}]}, "amount"),
        ({**SEED, "prices": [{**SEED["prices"][0], "unit_size": 7}]}, "unit_size"),
        ({**SEED, "substitutions": [{"from": {"model": "a"}}]}, "to"),
        ({**SEED, "substitutions": [{"from": {"model": "a"}, "to": {"model": "b"}}]}, "to"),
        ({**SEED, "filters": {"color": "red"}}, "color"),
        ({**SEED, "group_by": ["color"]}, "color"),
    ],
)
def test_a_wrong_question_is_answered_by_its_field(ask: Any, body: Any, field: str) -> None:
    answer = ask(body)
    assert answer.status_code in (400, 422)
    assert field in answer.content.decode()


def test_a_month_outside_the_calendar_is_missing(ask: Any) -> None:
    assert ask({**SEED, "month": "1999-01"}).status_code in (400, 404)


def test_the_page_asks_by_its_query_string_and_exports_what_it_shows(acme: Any) -> None:
    contract(input_tokens="1", output_tokens="2")
    teams("search")
    send([event(usage={"input_tokens": 128_000, "output_tokens": 128_000})])
    analyst = signed_in("acme", person(Role.ANALYST))
    empty = analyst.get("/prices/what-if/?month=2026-01")
    assert empty.status_code == 200
    assert "testco/tiny" in empty.content.decode()
    query = {
        "month": "2026-01",
        "model_1": "testco/tiny",
        "meter_1": "input_tokens",
        "amount_1": "0.12",
        "size_1": "1000000",
        "model_2": "testco/tiny",
        "meter_2": "output_tokens",
        "amount_2": "0.36",
        "size_2": "1000000",
    }
    page = analyst.get("/prices/what-if/", query).content.decode().replace("\xa0", " ")
    assert "It would have cost USD 0.32 less, 84.0%" in page
    file = analyst.get("/prices/what-if/", {**query, "format": "csv"}).content.decode()
    assert "0.04608" in file and "-0.20992" in file
    wrong = analyst.get("/prices/what-if/", {**query, "model_1": "tiny"}).content.decode()
    assert "Write it as provider/model" in wrong
    half = {"month": "2026-01", "used_1": "testco/tiny", "other_1": ""}
    assert "Fill in both, or neither" in analyst.get("/prices/what-if/", half).content.decode()
    nowhere = {"month": "2026-01", "used_1": "testco/tiny", "other_1": "testco/none"}
    assert "No price names testco none" in analyst.get("/prices/what-if/", nowhere).content.decode()
