"""The events door: forms, encodings, limits, receipts; bad input is answered, never a 500."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any
from unittest import mock

import pytest
import time_machine
import zstandard
from django.db import OperationalError
from django.test import Client

from apps.accounts import selectors as accounts
from apps.core.domain.access import Role, Scope
from apps.usage.models import Event, EventKey, Rollup
from tests.accounts.people import bearer, person, service_key
from tests.ingest.factories import NOW, contract, event, send

URL = "/api/v1/usage/events"
Post = Callable[..., Any]


@pytest.fixture
def clock() -> Any:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def client(acme: Any, clock: Any) -> Client:
    key = service_key(Scope.USAGE_WRITE, Scope.USAGE_READ, Scope.USAGE_CORRECT)
    made = Client(headers={"host": "acme.localhost", **bearer(key)})
    made.raise_request_exception = False
    return made


@pytest.fixture
def post(client: Client) -> Post:
    def send(body: Any, *, kind: str = "application/json", query: str = "", **headers: str) -> Any:
        data = body if isinstance(body, bytes | str) else json.dumps(body)
        return client.post(URL + query, data=data, content_type=kind, headers=headers or None)

    return send


def test_every_form_is_taken(post: Post) -> None:
    assert post([event("a"), event("b")]).json()["accepted"] == 2
    assert post({"events": [event("c")]}).json()["accepted"] == 1
    assert post(event("d")).json()["accepted"] == 1
    lines = "\n".join(json.dumps(event(name)) for name in "ef") + "\n\n"
    assert post(lines, kind="application/x-ndjson").json()["accepted"] == 2
    assert {key.event_id for key in EventKey.objects.all()} == set("abcdef")


def test_the_receipt(post: Post) -> None:
    post([event("dup"), event("con")])
    answer = post(
        [
            event("new"),
            event("dup"),
            event("con", region="eu"),
            event("bad", usage={"input_tokens": 1, "tokens": 2}),
            event("who", model="never-heard-of"),
        ]
    )
    assert answer.status_code == 200
    body = answer.json()
    assert {name: body[name] for name in body if name not in ("batch", "errors")} == {
        "accepted": 2,
        "duplicates": 1,
        "conflicts": 1,
        "rejected": 1,
        "unpriced": 2,
    }
    assert [(e["index"], e["id"], e["code"], e["field"]) for e in body["errors"]] == [
        (2, "con", "conflict", None),
        (3, "bad", "unknown_field", "usage.tokens"),
    ]


def test_a_batch_can_be_read_again(post: Post, client: Client) -> None:
    receipt = post([event("a"), event("b", model=None)]).json()
    again = client.get(f"/api/v1/usage/batches/{receipt['batch']}").json()
    assert {name: again[name] for name in receipt} == receipt


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.compress])
def test_compressed_bodies(post: Post, compress: Callable[[bytes], bytes]) -> None:
    encoding = "gzip" if compress is gzip.compress else "zstd"
    body = compress(json.dumps([event("a")]).encode())
    assert post(body, **{"content-encoding": encoding}).json()["accepted"] == 1


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.compress])
def test_a_truncated_body_stores_nothing(post: Post, compress: Callable[[bytes], bytes]) -> None:
    encoding = "gzip" if compress is gzip.compress else "zstd"
    body = compress(json.dumps([event(f"e{n}") for n in range(200)]).encode())
    for end in (len(body) // 2, len(body) - 4, 1):
        answer = post(body[:end], **{"content-encoding": encoding})
        assert answer.status_code == 400
        assert answer.json()["code"] == "body_broken"
    assert EventKey.objects.count() == 0


def test_a_body_that_is_no_gzip(post: Post) -> None:
    answer = post([event()], **{"content-encoding": "gzip"})
    assert (answer.status_code, answer.json()["code"]) == (400, "body_broken")
    answer = post([event()], **{"content-encoding": "br"})
    assert (answer.status_code, answer.json()["code"]) == (400, "content_encoding")


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.compress])
def test_a_bomb_is_stopped(post: Post, compress: Callable[[bytes], bytes]) -> None:
    encoding = "gzip" if compress is gzip.compress else "zstd"
    answer = post(compress(b" " * (17 * 1024 * 1024)), **{"content-encoding": encoding})
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


def test_too_many_events(post: Post) -> None:
    answer = post(b"[" + b",".join([b"{}"] * 10_001) + b"]")
    assert (answer.status_code, answer.json()["code"]) == (413, "too_many_events")


def test_other_charsets_and_types(post: Post) -> None:
    latin = "application/json; charset=iso-8859-1"
    assert post([event()], kind=latin).json()["code"] == "charset"
    assert post([event()], kind="application/json; charset=UTF-8").status_code == 200
    answer = post("a=b", kind="application/x-www-form-urlencoded")
    assert (answer.status_code, answer.json()["code"]) == (400, "content_type")


BAD_BODIES = [
    b"",
    b"[",
    b"{",
    b"nonsense",
    b'"text"',
    b"null",
    b"[" * 100_000,
    b'{"events":' * 5_000,
    b"[" * 3_000 + b"]" * 3_000,
    json.dumps([event()]).encode("utf-16"),
    b'{"events": [], "more": 1}',
    b'{"events": {}}',
]


@pytest.mark.parametrize("body", BAD_BODIES)
def test_bodies_that_cannot_be_split(post: Post, body: bytes) -> None:
    answer = post(body)
    assert answer.status_code == 400, answer.content[:200]
    assert answer["Content-Type"] == "application/problem+json"
    assert EventKey.objects.count() == 0


def raw(**changes: str) -> str:
    """Return one event with some values as literal JSON text."""
    body = {name: json.dumps(value) for name, value in event().items()} | changes
    return "{" + ",".join(f'"{name}":{value}' for name, value in body.items()) + "}"


BAD_ITEMS = {
    "a huge number": (raw(usage='{"input_tokens":' + "9" * 5000 + "}"), "usage.input_tokens"),
    "above the limit": (raw(usage='{"input_tokens":1000000000000000000}'), "usage.input_tokens"),
    "negative": (raw(usage='{"input_tokens":-1}'), "usage.input_tokens"),
    "a fraction of a token": (raw(usage='{"input_tokens":1.5}'), "usage.input_tokens"),
    "tokens as text": (raw(usage='{"input_tokens":"12"}'), "usage.input_tokens"),
    "two gigabytes of digits": (raw(meters='{"gb":"1e2000000000"}'), "meters.gb"),
    "too fine": (raw(meters='{"gb":"0.0000001"}'), "meters.gb"),
    "a float": (raw(meters='{"gb":0.1}'), "meters.gb"),
    "not a number": (raw(meters='{"gb":"NaN"}'), "meters.gb"),
    "a reserved meter": (raw(meters='{"requests":"2"}'), "meters.requests"),
    "a meter stated twice": (raw(meters='{"output_tokens":"2"}'), "meters.output_tokens"),
    "the year 9999": (raw(time='"9999-12-31T23:59:59Z"'), "time"),
    "the year 9999, west": (raw(time='"9999-12-31T23:59:59-05:00"'), "time"),
    "the year 1, east": (raw(time='"0001-01-01T00:00:00+05:00"'), "time"),
    "no offset": (raw(time='"2026-01-15T10:00:00"'), "time"),
    "a second too many": (raw(time='"2026-01-15T10:00:61Z"'), "time"),
    "a NUL in a tag": (raw(tags='{"team":"a\\u0000b"}'), "tags.team"),
    "a NUL in the id": (raw(id='"a\\u0000"'), "id"),
    "half a character": (raw(id='"\\ud800"'), None),
    "a long id": (raw(id=json.dumps("é" * 101)), "id"),
    "a long tag value": (raw(tags=json.dumps({"team": "x" * 257})), "tags.team"),
    "a long tag key": (raw(tags=json.dumps({"k" * 65: "x"})), "tags"),
    "many tags": (raw(tags=json.dumps({f"k{n}": "x" for n in range(33)})), "tags"),
    "a number as tag": (raw(tags='{"team":7}'), "tags.team"),
    "a deep tag": (raw(tags='{"team":' + "[" * 50 + "]" * 50 + "}"), None),
    "cached above input": (
        raw(usage='{"input_tokens":1,"cached_input_tokens":2}'),
        "usage.cached_input_tokens",
    ),
    "reasoning above output": (
        raw(usage='{"output_tokens":1,"reasoning_tokens":2}'),
        "usage.reasoning_tokens",
    ),
    "an unknown field": (raw(modle='"x"'), "modle"),
    "no id": (raw().replace('"id":"evt-1",', ""), "id"),
    "no source": (raw().replace('"source":"gateway",', ""), "source"),
    "an unknown status": (raw(status='"fine"'), "status"),
    "a wrong currency": (
        raw(reported_cost='{"amount":"1","currency":"usd"}'),
        "reported_cost.currency",
    ),
    "service and model": (raw(service='"ocr"'), "service"),
    "no object": ("7", None),
}


@pytest.mark.parametrize("name", BAD_ITEMS)
def test_a_bad_item_is_named_and_the_rest_is_stored(post: Post, name: str) -> None:
    item, field = BAD_ITEMS[name]
    good = json.dumps(event("good"))
    for at, body in ((1, f"[{good},{item}]"), (0, f"[{item},{good}]")):
        answer = post(body)
        assert answer.status_code == 200, answer.content[:300]
        receipt = answer.json()
        (error,) = receipt["errors"]
        assert (error["index"], error["field"]) == (at, field), error
        assert error["message"]
        assert receipt["rejected"] == 1
    assert [key.event_id for key in EventKey.objects.all()] == ["good"]


def test_broken_lines_lose_no_others(post: Post) -> None:
    lines = b"\n".join([json.dumps(event("a")).encode(), b"{broken", b"\xff\xfe", b"[]", b""])
    lines += json.dumps(event("b")).encode()
    receipt = post(lines, kind="application/x-ndjson").json()
    assert (receipt["accepted"], receipt["rejected"]) == (2, 3)
    assert [error["index"] for error in receipt["errors"]] == [1, 2, 3]


def test_the_source_may_come_by_header(post: Post) -> None:
    receipt = post([event("a", source=None), event("b")], **{"X-Source": "from-header"}).json()
    assert receipt["accepted"] == 2
    assert {key.source for key in EventKey.objects.all()} == {"from-header", "gateway"}


def test_atomic_is_all_or_nothing(post: Post) -> None:
    answer = post([event("a"), event("b", model=None)], query="?atomic=true")
    assert answer.status_code == 422
    body = answer.json()
    assert (body["code"], body["errors"][0]["index"], body["errors"][0]["field"]) == (
        "batch_refused",
        1,
        "model",
    )
    assert EventKey.objects.count() == 0
    assert post([event("a")], query="?atomic=true").json()["accepted"] == 1


def test_a_dry_run_stores_nothing(post: Post) -> None:
    contract(input_tokens="2.50", cached_input_tokens="1", output_tokens="10")
    post([event("stored")])
    before = (Event.objects.count(), set(Rollup.objects.values_list()))
    answer = post(
        [
            event("stored"),
            event("stored", region="eu"),
            event("new"),
            event("new"),
            event("odd", model="odd"),
            event("bad", model=None),
        ],
        query="?dry_run=true",
    ).json()
    errors = [(error["index"], error["code"]) for error in answer.pop("errors")]
    assert errors == [(1, "conflict"), (5, "missing")]
    assert answer == {
        "accepted": 2,
        "duplicates": 2,
        "conflicts": 1,
        "rejected": 1,
        "unpriced": 1,
        "batch": None,
    }
    assert (Event.objects.count(), set(Rollup.objects.values_list())) == before
    assert post([event()], query="?dry_run=maybe").json()["code"] == "flag"


def test_bound_tags_are_filled_in_and_defended(acme: Any, clock: Any) -> None:
    key = service_key(Scope.USAGE_WRITE, bound_tags={"team": "search"})
    client = Client(headers={"host": "acme.localhost", **bearer(key)})
    body = [event("a", tags=None), event("b"), event("c", tags={"team": "ads"})]
    receipt = client.post(URL, json.dumps(body), content_type="application/json").json()
    assert (receipt["accepted"], receipt["rejected"]) == (2, 1)
    assert receipt["errors"][0]["code"] == "tag_forbidden"


@pytest.mark.parametrize(
    ("teams", "sent", "taken"),
    [
        (("search",), {"team": "ads"}, False),
        (("search",), {}, True),
        (("search",), {"team": "search"}, True),
        (("search", "ads"), {}, False),
        (("search", "ads"), {"team": "ads"}, True),
        ((), {"team": "ads"}, False),
    ],
)
def test_a_member_books_usage_of_own_teams_only(
    acme: Any, clock: Any, teams: tuple[str, ...], sent: dict[str, str], taken: bool
) -> None:
    user = person(Role.MEMBER, teams=teams)
    actor = accounts.actor_of_person(user.email)
    receipt = send([event("a", tags=sent)], actor=actor)
    assert (receipt.accepted, receipt.rejected) == (int(taken), int(not taken))
    if not taken:
        assert (receipt.errors[0].field, receipt.errors[0].code) == ("tags.team", "tag_forbidden")


def test_who_may_not(acme: Any, clock: Any) -> None:
    client = Client(headers={"host": "acme.localhost"})
    assert client.post(URL, "[]", content_type="application/json").status_code == 401
    wrong = Client(headers={"host": "acme.localhost", "authorization": "Bearer fp_acme_x_y"})
    answer = wrong.post(URL, "[]", content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_key")
    reader = service_key(Scope.USAGE_READ)
    client = Client(headers={"host": "acme.localhost", **bearer(reader)})
    answer = client.post(URL, "[]", content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")


def test_a_database_that_does_not_answer(post: Post) -> None:
    lost = OperationalError("the connection was lost")
    with mock.patch("apps.ingest.services.accept.usage.current_sheet", side_effect=lost):
        answer = post([event()])
    assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
    assert answer["Retry-After"] == "5"


def test_an_empty_batch(post: Post) -> None:
    receipt = post([]).json()
    assert (receipt["accepted"], receipt["errors"]) == (0, [])


def test_now_is_the_doors(post: Post) -> None:
    post([event()])
    assert Event.objects.get().received_at == NOW
    assert isinstance(NOW, datetime)
