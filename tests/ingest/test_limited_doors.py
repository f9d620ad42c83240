"""Every door for events is held to the limit of its key, before and behind its body."""

from __future__ import annotations

import json
from typing import Any

import pytest

from apps.accounts import middleware
from apps.core.domain.access import Scope
from apps.core.domain.limits import Limits
from apps.ingest.models import IngestBatch
from apps.usage.models import Event
from tests.accounts.people import bearer, browser, service_key
from tests.ingest.factories import event, send
from tests.ingest.spans import as_json, as_protobuf, span
from tests.ingest.test_litellm import payload

CLOUD = {
    "specversion": "1.0",
    "id": "c1",
    "source": "s",
    "type": "tokens",
    "time": "2026-01-15T10:00:00Z",
    "data": {"tokens": 1},
}
LAGO = {
    "transaction_id": "l1",
    "external_subscription_id": "sub_1",
    "code": "llm_tokens",
    "timestamp": 1768471200,
    "properties": {"model": "gpt-4o", "input_tokens": 1},
}
JSON = "application/json"
DOORS = {
    "native": ("/api/v1/usage/events", json.dumps(event("n1")), JSON),
    "cloudevents": ("/api/v1/events", json.dumps(CLOUD), "application/cloudevents+json"),
    "lago": ("/api/v1/events", json.dumps({"event": LAGO}), JSON),
    "lago batch": ("/api/v1/events/batch", json.dumps({"events": [LAGO]}), JSON),
    "otlp json": ("/v1/traces", json.dumps(as_json(span())), JSON),
    "otlp protobuf": ("/v1/traces", as_protobuf(span()), "application/x-protobuf"),
    "litellm": ("/api/v1/ingest/litellm", json.dumps([payload()]), JSON),
}


@pytest.mark.parametrize("when", ["before its body is read", "when its events are counted"])
@pytest.mark.parametrize("door", DOORS)
def test_a_key_in_debt_is_told_to_wait_and_leaves_no_trace(
    acme: Any, monkeypatch: pytest.MonkeyPatch, door: str, when: str
) -> None:
    if when == "when its events are counted":
        monkeypatch.setattr(middleware, "EVENT_DOORS", frozenset())
    key = service_key(Scope.USAGE_WRITE, limits=Limits(events_per_second=1))
    client = browser("acme", raise_request_exception=False)
    first = json.dumps([event(f"e{number}") for number in range(90)])
    sent = client.post("/api/v1/usage/events", first, content_type=JSON, headers=bearer(key))
    assert sent.status_code == 200, sent.content
    path, body, kind = DOORS[door]
    answer = client.post(path, body, content_type=kind, headers=bearer(key))
    assert answer.status_code == 429
    wait = int(answer.headers["Retry-After"])
    assert 1 < wait <= 81
    assert answer.headers["X-RateLimit-Reset"] == str(wait)
    assert answer.headers["X-RateLimit-Resource"] == "events"
    assert Event.objects.count() == 90
    assert IngestBatch.objects.count() == 1


@pytest.mark.parametrize("door", DOORS)
def test_every_door_counts_its_events(acme: Any, door: str) -> None:
    key = service_key(Scope.USAGE_WRITE, limits=Limits(events_per_second=1))
    path, body, kind = DOORS[door]
    answer = browser("acme").post(path, body, content_type=kind, headers=bearer(key))
    assert answer.status_code in (200, 204), answer.content
    assert answer.headers["X-RateLimit-Limit"] == "10"
    assert answer.headers["X-RateLimit-Remaining"] == "9"


@pytest.mark.parametrize("query", ["", "?dry_run=true"])
def test_a_conflict_tells_nothing_of_an_event_out_of_sight(acme: Any, query: str) -> None:
    """Ids are unique in the organization, so that one is taken must be said; what it is, not."""
    send([event("theirs", tags={"team": "ads"}), event("ours", tags={"team": "search"})])
    scopes = (Scope.USAGE_READ, Scope.USAGE_WRITE, Scope.USAGE_CORRECT)
    key, client = service_key(*scopes, bound_tags={"team": "search"}), browser("acme")

    def post(path: str, body: Any) -> Any:
        return client.post(path, json.dumps(body), content_type=JSON, headers=bearer(key))

    said = []
    for name in ("theirs", "ours"):
        sent = [event(name, usage={"input_tokens": 7}, tags={})]
        answer = post(f"/api/v1/usage/events{query}", sent).json()
        assert (answer["conflicts"], answer["errors"][0]["code"]) == (1, "conflict")
        said.append(json.dumps(answer | {"batch": None}).replace(name, "it"))
    assert said[0] == said[1]
    for deed in ("void", "revert"):
        hidden, missing = (
            post(f"/api/v1/usage/events/gateway/{name}/{deed}", {"reason": "x"})
            for name in ("theirs", "nobodys")
        )
        assert (hidden.status_code, missing.status_code) == (404, 404)
        words = [hidden.json()["detail"], missing.json()["detail"]]
        assert words[0].replace("theirs", "it") == words[1].replace("nobodys", "it")
