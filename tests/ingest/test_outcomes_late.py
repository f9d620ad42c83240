"""Outcomes that come after their events: by event, trace and experiment, through API and page."""

from __future__ import annotations

from typing import Any

import pytest

from apps.core.domain.access import Role, Scope
from tests.accounts.people import bearer, browser, person, service_key, signed_in
from tests.ingest.factories import NOW, event, send
from tests.ingest.test_pages import text_of

ONE = "/api/v1/usage/events/gateway/one"
SENT = [
    {"name": "accepted", "success": True, "value": "0.40", "source": "gateway", "id": "one"},
    {"name": "resolved", "success": False, "trace_id": "t1", "time": "2026-01-16T00:00:00Z"},
    {"name": "goal", "experiment": "exp-42", "time": "2026-01-17T00:00:00Z"},
    {"name": "elsewhere", "trace_id": "t2"},
    {"name": "other-goal", "experiment": "exp-43"},
    {"name": "neighbor", "source": "gateway", "id": "two", "trace_id": "t1"},
]


@pytest.fixture
def told(acme: Any, time_machine: Any) -> Any:
    """Two events of one trace and one experiment, and what came of them, told before and after."""
    time_machine.move_to(NOW)
    key = service_key(Scope.USAGE_READ, Scope.USAGE_WRITE)
    client = browser("acme")

    def post(body: Any) -> Any:
        path = "/api/v1/usage/outcomes"
        return client.post(path, body, content_type="application/json", headers=bearer(key))

    assert post(SENT[2:]).json() == {"accepted": 4, "duplicates": 0}
    tags = {"team": "search", "experiment": "exp-42"}
    send([event("one", tags=tags, trace_id="t1"), event("two", trace_id="t1")])
    assert post(SENT).json() == {"accepted": 2, "duplicates": 4}
    return lambda path: client.get(path, headers=bearer(key)).json()


def test_an_event_answers_with_all_that_came_of_it(told: Any) -> None:
    outcomes = told(ONE)["outcomes"]
    assert {(each["name"], each["told_of"]) for each in outcomes} == {
        ("accepted", "event"),
        ("resolved", "trace"),
        ("goal", "experiment"),
    }
    accepted = next(each for each in outcomes if each["name"] == "accepted")
    assert (accepted["success"], accepted["value"]) == (True, "0.4")
    assert told("/api/v1/usage/events?source=gateway&id=one")["outcomes"] == outcomes
    names = [each["name"] for each in told("/api/v1/usage/events/gateway/two")["outcomes"]]
    assert sorted(names) == ["neighbor", "resolved"]


def test_the_page_says_what_each_was_told_of(told: Any) -> None:
    page = text_of(signed_in("acme", person(Role.ANALYST)).get("/usage/events/gateway/one/"))
    for word in ("of its trace", "of its experiment", "accepted", "resolved", "goal"):
        assert word in page, word
    for word in ("elsewhere", "other-goal", "neighbor"):
        assert word not in page, word
