"""The short way of the busiest door answers like the ordinary one, and no longer than it may."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from io import BytesIO
from typing import Any, NamedTuple
from wsgiref.util import setup_testing_defaults

import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.db import OperationalError, connection
from django.utils import timezone

from apps.accounts import keyring
from apps.accounts import services as accounts
from apps.accounts.models import ApiKey
from apps.core.domain.access import Scope, system_actor
from apps.core.domain.limits import Limits
from apps.core.ttl import TtlCache
from apps.ingest.services import accept
from apps.tenants import roster
from apps.tenants import services as tenants
from apps.usage.models import Event
from finops_platform.doors import ShortWays
from tests.accounts.people import service_key
from tests.ingest.factories import event

PATH = "/api/v1/usage/events"


class Answer(NamedTuple):
    status: str
    headers: dict[str, str]
    body: Any


class Caller:
    """Sends requests to a door as a server would, and counts those that went the ordinary way."""

    def __init__(self, slug: str, key: str) -> None:
        self.ordinary = 0
        self.slug, self.key = slug, key
        self._handler = WSGIHandler()
        self.door = ShortWays(self._ordinary)

    def _ordinary(self, environ: Any, start: Any) -> Any:
        self.ordinary += 1
        return self._handler(environ, start)

    def post(self, body: bytes, *, path: str = PATH, **more: str) -> Answer:
        environ: dict[str, Any] = {
            "REQUEST_METHOD": "POST",
            "PATH_INFO": path,
            "QUERY_STRING": "",
            "HTTP_HOST": f"{self.slug}.localhost",
            "HTTP_AUTHORIZATION": f"Bearer {self.key}",
            "CONTENT_TYPE": "application/json",
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.input": BytesIO(body),
            **more,
        }
        setup_testing_defaults(environ)
        seen: list[Any] = []
        answer = self.door(environ, lambda *head: seen.append(head))
        content = b"".join(answer)
        if hasattr(answer, "close"):
            answer.close()
        return Answer(seen[-1][0], dict(seen[-1][1]), json.loads(content))

    def send(self, *events: dict[str, Any], **more: str) -> Answer:
        return self.post(json.dumps(events).encode(), **more)


@pytest.fixture
def caller(fresh_tenant: Any) -> Iterator[Caller]:
    key = service_key(Scope.USAGE_WRITE).text
    yield Caller(fresh_tenant.slug, key)
    connection.set_tenant(fresh_tenant)  # type: ignore[attr-defined]


def test_the_first_request_of_a_key_goes_the_ordinary_way_and_those_like_it_do_not(
    caller: Caller,
) -> None:
    first, second = caller.send(event("one")), caller.send(event("two"), event("two"))
    assert caller.ordinary == 1
    assert (first.status, second.status) == ("200 OK", "200 OK")
    assert first.headers.keys() == second.headers.keys()
    own = {"Content-Length", "X-Request-ID", "X-RateLimit-Remaining", "X-RateLimit-Reset"}
    for name in first.headers.keys() - own:
        assert first.headers[name] == second.headers[name], name
    assert second.headers["Content-Security-Policy"]
    assert first.body.keys() == second.body.keys()
    assert (second.body["accepted"], second.body["duplicates"]) == (1, 1)
    assert set(Event.objects.values_list("event_id", flat=True)) == {"one", "two"}


def test_errors_of_items_read_the_same(caller: Caller) -> None:
    bad = [event("old", model="else"), event("future", time="2031-01-01T00:00:00Z"), {"id": 7}]
    caller.send(event("old"))
    ordinary = caller.send(*bad, HTTP_X_FORWARDED_HOST="learned.anew")
    short = caller.send(*bad)
    assert caller.ordinary == 2
    assert {**ordinary.body, "batch": ""} == {**short.body, "batch": ""}
    assert short.body["conflicts"] == 1
    assert len(short.body["errors"]) == 3


@pytest.mark.parametrize(
    ("body", "more"),
    [
        (b"{not json", {}),
        (b"[]", {"QUERY_STRING": "dry_run=true"}),
        (gzip.compress(b"[]", mtime=0), {"HTTP_CONTENT_ENCODING": "gzip"}),
        (b"[]", {"CONTENT_TYPE": "text/plain"}),
        (b"[]", {"CONTENT_LENGTH": ""}),
        (b"[]", {"CONTENT_LENGTH": "3"}),
        (b"[]", {"HTTP_AUTHORIZATION": "Bearer nothing"}),
        (b"[]", {"REQUEST_METHOD": "PUT"}),
        (json.dumps([event(f"e{n}") for n in range(51)]).encode(), {}),
    ],
)
def test_what_is_not_plain_goes_the_ordinary_way_with_its_body(
    caller: Caller, body: bytes, more: dict[str, str]
) -> None:
    caller.send(event("first"))
    there = Caller(caller.slug, caller.key).post(body, **more)
    here = caller.post(body, **more)
    assert caller.ordinary == 2
    assert here.status == there.status
    assert here.body.get("code") == there.body.get("code")


def test_a_sender_is_named_by_its_header_and_a_request_by_its_id(caller: Caller) -> None:
    caller.send(event("first"))
    answer = caller.send(event("x", source=None), HTTP_X_SOURCE="header", HTTP_X_REQUEST_ID="a" * 9)
    assert caller.ordinary == 1
    assert answer.headers["X-Request-ID"] == "a" * 9
    assert Event.objects.get(event_id="x").source == "header"


def test_a_revoked_key_and_a_suspended_tenant_are_shut_out_at_once(
    caller: Caller, fresh_tenant: Any
) -> None:
    actor = system_actor("tests")
    caller.send(event("first"))
    caller.send(event("second"))
    key = ApiKey.objects.get()
    accounts.revoke_key(actor=actor, key=key.public_id, now=timezone.now())
    assert caller.send(event("third")).status.startswith("401")
    other = Caller(caller.slug, service_key(Scope.USAGE_WRITE).text)
    assert other.send(event("fourth")).status == "200 OK"
    connection.set_tenant(fresh_tenant)  # type: ignore[attr-defined]
    tenants.suspend(actor=actor, slug=fresh_tenant.slug, reason="unpaid", now=timezone.now())
    assert other.send(event("fifth")).status.startswith("403")
    connection.set_tenant(fresh_tenant)  # type: ignore[attr-defined]
    assert set(Event.objects.values_list("event_id", flat=True)) == {"first", "second", "fourth"}


def test_what_was_proved_is_asked_again_when_it_is_too_old(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    for module, name in ((keyring, "_holders"), (roster, "by_host"), (roster, "by_schema")):
        monkeypatch.setattr(module, name, TtlCache(seconds=15, limit=9, clock=lambda: now[0]))
    for at, ordinary in ((0.0, 1), (14.0, 1), (16.0, 2), (17.0, 2)):
        now[0] = at
        assert caller.send(event(f"at-{at}")).status == "200 OK"
        assert caller.ordinary == ordinary


def test_a_key_that_is_too_fast_is_told_so(fresh_tenant: Any) -> None:
    limits = Limits(events_per_second=1)
    caller = Caller(fresh_tenant.slug, service_key(Scope.USAGE_WRITE, limits=limits).text)
    caller.send(event("first"))
    debt = caller.send(*[event(f"e{number}") for number in range(50)])
    assert (debt.status, debt.headers["X-RateLimit-Remaining"]) == ("200 OK", "0")
    assert debt.headers["X-RateLimit-Resource"] == "events"
    refused = caller.send(event("late"))
    assert refused.status == "429 Too Many Requests"
    assert 1 < int(refused.headers["Retry-After"]) <= 42
    connection.set_tenant(fresh_tenant)  # type: ignore[attr-defined]
    assert Event.objects.count() == 51


def test_a_database_that_is_away_is_a_503_and_the_same_again_is_stored(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller.send(event("first"))

    def away(_: Any) -> Any:
        raise OperationalError("gone")

    monkeypatch.setattr(accept._together, "_write", away)
    answer = caller.send(event("second"))
    assert answer.status == "503 Service Unavailable"
    assert answer.body["code"] == "database_unavailable"
    assert answer.headers["Retry-After"] == "5"
    monkeypatch.undo()
    assert caller.send(event("second")).body["accepted"] == 1


def test_a_batch_goes_the_short_way_too_and_is_counted_before_it_is_read(
    caller: Caller, fresh_tenant: Any
) -> None:
    many = [event(f"b{number}") for number in range(200)]
    caller.send(event("first"))
    answer = caller.send(*many, *many[:3])
    assert (answer.status, caller.ordinary) == ("200 OK", 1)
    assert (answer.body["accepted"], answer.body["duplicates"]) == (200, 3)
    there = Caller(caller.slug, caller.key).send(*many)
    here = caller.send(*many)
    assert here.headers.keys() == there.headers.keys()
    assert {**here.body, "batch": ""} == {**there.body, "batch": ""}
    broken = caller.post(b"[" + b" " * 40_000)
    assert (broken.status, broken.body["code"]) == ("400 Bad Request", "not_json")
    assert caller.ordinary == 1
    limited = Caller(
        caller.slug, service_key(Scope.USAGE_WRITE, limits=Limits(events_per_second=10)).text
    )
    limited.send(event("one"))
    late = [event(f"late{number}") for number in range(200)]
    assert limited.send(*late).status == "200 OK"
    refused = limited.send(*[event(f"never{number}") for number in range(200)])
    assert refused.status == "429 Too Many Requests"
    connection.set_tenant(fresh_tenant)  # type: ignore[attr-defined]
    assert Event.objects.count() == 1 + 200 + 1 + 200
