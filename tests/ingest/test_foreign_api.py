"""The doors of CloudEvents and Lago: what they store, what they answer, what they refuse."""

from __future__ import annotations

import gzip
import json
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.db import IntegrityError, transaction
from django.test import Client

from apps.core.domain.access import Role, Scope
from apps.core.domain.errors import Forbidden
from apps.ingest import selectors, services
from apps.ingest.domain.event_mapping import MappingRefused
from apps.ingest.models import EventMapping
from apps.ingest.services.mappings import EventMappingMissing
from apps.usage import selectors as usage
from apps.usage.models import Event, EventKey, Rollup
from tests.accounts.people import bearer, person, service_key, signed_in
from tests.ingest.factories import NOW, WRITER
from tests.ingest.test_foreign_domain import CE, LAGO

ONE = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"


@pytest.fixture
def client(acme: Any) -> Any:
    with time_machine.travel(NOW, tick=False):
        key = service_key(Scope.USAGE_WRITE, Scope.USAGE_READ, Scope.USAGE_CORRECT)
        made = Client(headers={"host": "acme.localhost", **bearer(key)})
        made.raise_request_exception = False
        yield made


def post(client: Client, body: Any, kind: str, *, to: str = "", **headers: str) -> Any:
    data = body if isinstance(body, bytes) else json.dumps(body)
    return client.post(f"/api/v1/events{to}", data=data, content_type=kind, headers=headers or None)


def meters() -> dict[str, Decimal]:
    found: dict[str, Decimal] = {}
    for row in Rollup.objects.all():
        found[row.meter] = found.get(row.meter, Decimal(0)) + row.quantity
    return found


def test_structured_events_with_parameters_of_the_media_type(client: Client) -> None:
    answer = post(client, CE, f"{ONE}; charset=utf-8")
    assert (answer.status_code, answer.content) == (204, b"")
    assert meters() == {"input_tokens": 1500, "requests": 1}
    found = usage.event(source=CE["source"], event_id=CE["id"], actor=WRITER)
    assert found.as_dict()["tags"] == {"customer": "customer-1"}


def test_a_replay_is_a_duplicate_whatever_the_mapping_says_by_then(client: Client) -> None:
    untimed = {name: value for name, value in CE.items() if name != "time"}
    assert post(client, untimed, ONE).status_code == 204
    services.record_mapping(
        door="cloudevents",
        name="prompt",
        fields={"service": "=chat", "meters.turns": "=1"},
        actor=WRITER,
        now=NOW,
    )
    with time_machine.travel(NOW.replace(hour=15), tick=False):
        answer = post(client, untimed, ONE, prefer="return=representation")
    assert answer.json() | {"batch": None} == {
        "accepted": 0,
        "duplicates": 1,
        "conflicts": 0,
        "rejected": 0,
        "unpriced": 0,
        "batch": None,
        "errors": [],
    }
    assert post(client, {**CE, "id": "later"}, ONE).status_code == 204
    assert meters() == {"input_tokens": 1500, "turns": 1, "requests": 2}


def test_a_batch_keeps_the_good_and_names_the_bad(client: Client) -> None:
    batch = [{**CE, "id": "a"}, {**CE, "id": "b", "specversion": "0.3"}, {**CE, "id": "c"}]
    answer = post(client, batch, BATCH)
    assert answer.status_code == 400
    assert answer["content-type"] == "application/problem+json"
    body = answer.json()
    assert (body["accepted"], body["rejected"], body["code"]) == (2, 1, "specversion")
    assert [(e["index"], e["id"], e["field"]) for e in body["errors"]] == [(1, "b", "specversion")]
    assert "The 2 others are stored" in body["detail"]
    assert {key.event_id for key in EventKey.objects.all()} == {"a", "c"}


def test_another_payload_under_a_known_id_is_a_conflict(client: Client) -> None:
    post(client, CE, ONE)
    answer = post(client, {**CE, "data": {**CE["data"], "tokens": "9"}}, ONE)
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert meters() == {"input_tokens": 1500, "requests": 1}


def test_plain_json_of_either_kind_and_headers_as_attributes(client: Client) -> None:
    assert post(client, {**CE, "id": "a"}, "application/json").status_code == 204
    assert post(client, [{**CE, "id": "b"}], "application/json").status_code == 204
    headers = {
        "ce-specversion": "1.0",
        "ce-id": "c",
        "ce-source": "gateway",
        "ce-type": "prompt",
        "ce-subject": "M%C3%BCller",
        "ce-time": "2026-01-15T10:00:00Z",
    }
    answer = post(client, CE["data"], "application/json", **headers)
    assert answer.status_code == 204
    assert usage.event(source="gateway", event_id="c", actor=WRITER).as_dict()["tags"] == {
        "customer": "Müller"
    }
    assert meters() == {"input_tokens": 4500, "requests": 3}


def test_compressed_bodies(client: Client) -> None:
    body = gzip.compress(json.dumps(CE).encode())
    assert post(client, body, ONE, content_encoding="gzip").status_code == 204


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"", ONE, 400),
        (b"{", ONE, 400),
        (b"[]", ONE, 400),
        (b"{}", BATCH, 400),
        (b"<a/>", "application/xml", 400),
        (b"{}", "application/json; charset=latin-1", 400),
        (b'{"event": 1}', "application/json", 422),
        (b'{"a": 1}', "application/json", 400),
        (b"[" * 50_000, "application/json", 400),
        (json.dumps(CE).encode().replace(b'"data": {', b'"data": {"n": 1e9999999, '), ONE, 400),
        (json.dumps(CE | {"type": "a\0", "data": {}}).encode(), ONE, 400),
    ],
)
def test_what_is_no_event_is_refused(client: Client, body: bytes, kind: str, status: int) -> None:
    answer = post(client, body, kind)
    assert answer.status_code == status, answer.content
    assert answer["content-type"] == "application/problem+json"
    assert not Event.objects.exists()


def test_an_empty_batch_is_nothing_to_do(client: Client) -> None:
    assert post(client, [], BATCH).status_code == 204


def test_without_a_key_the_answer_is_lagos_and_ours(acme: Any) -> None:
    answer = post(Client(headers={"host": "acme.localhost"}), {"event": LAGO}, "application/json")
    assert answer.status_code == 401
    body = answer.json()
    assert (body["status"], body["error"], body["code"]) == (401, "Unauthorized", "unauthenticated")


def test_lago_single(client: Client) -> None:
    answer = post(client, {"event": LAGO}, "application/json")
    assert answer.status_code == 200
    shown = answer.json()["event"]
    assert shown["timestamp"] == "2026-01-15T10:00:00.123Z"
    assert shown["properties"] == {"model": "gpt-4o", "input_tokens": 100, "output_tokens": "20"}
    assert not answer.has_header("Idempotent-Replayed")
    stored = usage.event(source="lago:sub_1", event_id="tx-1", actor=WRITER).as_dict()
    assert stored["tags"] == {"customer": "sub_1"}
    assert stored["reported_cost"] == {"amount": "12.3456", "currency": "USD"}
    again = post(client, {"event": LAGO}, "application/json")
    assert again["Idempotent-Replayed"] == "true"
    assert again.json()["event"]["lago_id"] == shown["lago_id"]
    assert meters() == {"input_tokens": 100, "output_tokens": 20, "requests": 1}


def test_lago_refuses_in_its_own_words(client: Client) -> None:
    post(client, {"event": LAGO}, "application/json")
    changed = {**LAGO, "properties": {"model": "gpt-4o", "input_tokens": 1}}
    answer = post(client, {"event": changed}, "application/json")
    assert answer.status_code == 422
    body = answer.json()
    assert body["error"] == "Unprocessable Entity"
    assert body["code"] == "validation_errors"
    assert body["error_details"] == {"transaction_id": ["value_already_exist"]}
    iso = {**LAGO, "timestamp": "2026-01-15T10:00:00Z"}
    body = post(client, {"event": iso}, "application/json").json()
    assert body["error_details"] == {"timestamp": ["invalid_format"]}


def test_a_lago_batch_is_all_or_nothing(client: Client) -> None:
    def batch(*names: str, **changes: Any) -> dict[str, Any]:
        return {"events": [{**LAGO, "transaction_id": name, **changes} for name in names]}

    assert post(client, batch("a", "b"), "application/json", to="/batch").status_code == 200
    mixed = batch("b", "c")
    mixed["events"].append({**LAGO, "transaction_id": "d", "timestamp": "x"})
    answer = post(client, mixed, "application/json", to="/batch")
    assert answer.json()["error_details"] == {"2": {"timestamp": ["invalid_format"]}}
    assert EventKey.objects.count() == 2
    again = post(client, batch("b", "c"), "application/json", to="/batch")
    assert again["Idempotent-Replayed"] == "partly"
    assert [one["transaction_id"] for one in again.json()["events"]] == ["b", "c"]
    assert post(client, {"events": []}, "application/json", to="/batch").status_code == 400


def test_subscriptions_have_transactions_of_their_own(client: Client) -> None:
    post(client, {"event": LAGO}, "application/json")
    other = {**LAGO, "external_subscription_id": "sub_2"}
    assert post(client, {"event": other}, "application/json").status_code == 200
    assert {key.source for key in EventKey.objects.all()} == {"lago:sub_1", "lago:sub_2"}


def test_bound_tags_hold_at_these_doors_too(acme: Any) -> None:
    with time_machine.travel(NOW, tick=False):
        key = service_key(Scope.USAGE_WRITE, bound_tags={"team": "search"})
        limited = Client(headers={"host": "acme.localhost", **bearer(key)})
        assert post(limited, {**CE, "id": "a"}, ONE).status_code == 204
        data = {**CE["data"], "team": "chat"}
        answer = post(limited, {**CE, "id": "b", "data": data}, ONE)
    assert (answer.status_code, answer.json()["code"]) == (400, "tag_forbidden")
    assert usage.event(source=CE["source"], event_id="a", actor=WRITER).as_dict()["tags"] == {
        "customer": "customer-1",
        "team": "search",
    }


def test_the_scope_is_asked_for(acme: Any) -> None:
    with time_machine.travel(NOW, tick=False):
        key = service_key(Scope.USAGE_READ)
        reader = Client(headers={"host": "acme.localhost", **bearer(key)})
        assert post(reader, CE, ONE).status_code == 403
    assert not Event.objects.exists()


FIELDS = {"service": "=ocr", "meters.pages": "data.pages"}


def test_a_mapping_is_replaced_and_retired_and_told(acme: Any) -> None:
    first = services.record_mapping(door="lago", name="ocr", fields=FIELDS, actor=WRITER, now=NOW)
    second = services.record_mapping(
        door="lago", name=" ocr ", fields={**FIELDS, "tags.team": "=docs"}, actor=WRITER, now=NOW
    )
    (there,) = selectors.event_mappings()
    assert (there.id, there.name) == (second, "ocr")
    (gone,) = selectors.event_mappings(retired=True)
    assert (gone.id, gone.retired_by) == (first, WRITER.label)
    services.retire_mapping(mapping=second, actor=WRITER, now=NOW)
    assert selectors.event_mappings() == []
    with pytest.raises(EventMappingMissing):
        services.retire_mapping(mapping=second, actor=WRITER, now=NOW)


def test_the_database_keeps_mappings_as_they_were(acme: Any) -> None:
    services.record_mapping(door="lago", name="ocr", fields=FIELDS, actor=WRITER, now=NOW)
    for change in (
        lambda: EventMapping.objects.update(fields={}),
        lambda: EventMapping.objects.all().delete(),
        lambda: EventMapping.objects.create(
            door="lago", name="ocr", fields=FIELDS, created_by="x", created_at=NOW
        ),
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            change()


def test_refused_mappings_change_nothing(acme: Any) -> None:
    reader = service_key(Scope.USAGE_READ)
    assert reader is not None
    for door, name, fields in (("kafka", "a", FIELDS), ("lago", "", FIELDS), ("lago", "a", {})):
        with pytest.raises(MappingRefused):
            services.record_mapping(door=door, name=name, fields=fields, actor=WRITER, now=NOW)
    from dataclasses import replace

    nobody = replace(WRITER, scopes=frozenset({Scope.USAGE_WRITE}))
    with pytest.raises(Forbidden):
        services.record_mapping(door="lago", name="a", fields=FIELDS, actor=nobody, now=NOW)
    assert not EventMapping.objects.exists()


def test_the_pages_of_mappings(acme: Any) -> None:
    owner = signed_in("acme", person(Role.OWNER))
    form = {"door": "lago", "name": "ocr", "fields_text": "service: =ocr\nmeters.pages: data.n"}
    base = "/settings/event-mappings/"
    answer = owner.post(f"{base}new/", {**form, "fields_text": "service: =ocr"})
    assert b"A service needs a meter" in answer.content
    assert not EventMapping.objects.exists()
    assert owner.post(f"{base}new/", form).status_code == 302
    (there,) = selectors.event_mappings()
    assert b"ocr" in owner.get(base).content
    page = owner.get(f"{base}{there.id}/")
    assert b"meters.pages: data.n" in page.content
    sample = json.dumps({**LAGO, "code": "ocr", "properties": {"n": 4}})
    shown = owner.post(f"{base}preview/", {**form, "sample": sample})
    assert b"pages" in shown.content
    assert b">4<" in shown.content
    assert owner.post(f"{base}new/", {**form, "sample": sample, "preview": "1"}).status_code == 200
    broken = owner.post(f"{base}preview/", {**form, "sample": "{"})
    assert b"no JSON that can be read" in broken.content
    assert owner.post(f"{base}{there.id}/retire/").status_code == 302
    assert selectors.event_mappings() == []
    assert b"Retire this mapping" not in owner.get(f"{base}{there.id}/").content


def test_the_api_of_mappings(client: Client) -> None:
    url = "/api/v1/usage/event-mappings"
    body = {"door": "lago", "name": "ocr", "fields": {"service": "=ocr", "meters.pages": "data.n"}}
    made = client.post(url, body, content_type="application/json")
    assert made.status_code == 201
    assert made.json()["fields"] == body["fields"]
    assert client.get(url).json()["results"] == [made.json()]
    wrong = client.post(url, {**body, "fields": {"a": "b"}}, content_type="application/json")
    assert wrong.status_code == 400
    assert wrong.json()["errors"][0]["field"] == "fields.a"
    sample = {"door": "lago", "sample": {**LAGO, "code": "ocr", "properties": {"n": 4}}}
    tried = client.post(
        f"{url}/preview", {**sample, "mapping": body["fields"]}, content_type="application/json"
    )
    assert tried.json()["meters"] == {"pages": "4"}
    default = client.post(f"{url}/preview", sample, content_type="application/json")
    assert default.json()["meters"] == {"ocr": "1"}
    retired = client.post(f"{url}/{made.json()['id']}/retire")
    assert retired.json()["retired_at"]
    assert client.post(f"{url}/{made.json()['id']}/retire").status_code == 404
