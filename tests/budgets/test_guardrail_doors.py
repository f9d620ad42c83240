"""The short ways of guardrails answer like the ordinary ones, and keep to the same limits."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection

from apps.accounts import services as accounts
from apps.accounts.models import ApiKey
from apps.budgets.domain.limits import Limit
from apps.budgets.models import GuardrailDecision, Hold
from apps.core.domain.access import Scope, system_actor
from tests.accounts.people import service_key
from tests.budgets.base import budget, tiny_prices, verified
from tests.ingest.test_door import Answer, Caller

CHECK = "/api/v1/guardrails/check"
AUTHORIZE = "/api/v1/guardrails/authorize"
ASK: dict[str, Any] = {
    "provider": "testco",
    "model": "tiny",
    "tags": {"team": "search"},
    "estimate": {"input_tokens": 1_000_000},
}


class Guard(Caller):
    """Asks guardrails as a server would."""

    def ask(self, path: str, sent: Any = ASK, key: str = "", **more: str) -> Answer:
        headers = {} if path == CHECK else {"HTTP_IDEMPOTENCY_KEY": key or str(uuid4())}
        body = sent if isinstance(sent, bytes) else json.dumps(sent).encode()
        return self.post(body, path=path, **headers, **more)


@pytest.fixture
def guard(fresh_tenant: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Guard]:
    from django.utils import timezone

    from apps.core.db import enter_tenant
    from apps.tenants import selectors as tenants
    from finops_platform.provisioning import extend_months

    extend_months(tenant=tenants.current(), now=timezone.now())
    tiny_prices()
    budget(limit=Limit.HARD, amount=Decimal(3))
    key = service_key(Scope.BUDGETS_AUTHORIZE).text
    yield Guard(fresh_tenant.slug, key)
    enter_tenant(fresh_tenant)


def same(first: Answer, second: Answer, *, but: set[str]) -> None:
    assert first.status == second.status
    assert {**first.body, **dict.fromkeys(but)} == {**second.body, **dict.fromkeys(but)}
    assert first.headers.keys() == second.headers.keys()
    own = {"Content-Length", "X-Request-ID", "X-RateLimit-Remaining", "X-RateLimit-Reset"}
    for name in first.headers.keys() - own:
        assert first.headers[name] == second.headers[name], name


def test_a_check_reads_the_same_on_both_ways(guard: Guard) -> None:
    ordinary, short = guard.ask(CHECK), guard.ask(CHECK)
    assert guard.ordinary == 1
    same(ordinary, short, but=set())
    assert short.body["decision"] == "allow"
    assert short.body["estimate"] == {"amount": "1.000000000000", "currency": "USD"}
    assert Hold.objects.count() == GuardrailDecision.objects.count() == 0
    denied = {**ASK, "estimate": {"input_tokens": 4_000_000}}
    again = guard.ask(CHECK, denied, HTTP_X_FORWARDED_HOST="learned.anew")
    same(again, guard.ask(CHECK, denied), but=set())
    assert again.body["reasons"][0]["code"] == "budget_exhausted"


def test_an_authorization_reads_the_same_and_holds_once_a_key(guard: Guard) -> None:
    first, second = guard.ask(AUTHORIZE, key="a"), guard.ask(AUTHORIZE, key="b")
    assert guard.ordinary == 1
    same(first, second, but={"id", "hold", "expires_at"})
    assert first.body["hold"] != second.body["hold"]
    again = guard.ask(AUTHORIZE, key="a")  # kept by the ordinary way, given again by the short one
    assert guard.ordinary == 1
    assert (again.body, again.headers["Idempotent-Replayed"]) == (first.body, "true")
    there = Guard(guard.slug, guard.key).ask(AUTHORIZE, key="b")  # and the other way round
    assert (there.body, there.headers["Idempotent-Replayed"]) == (second.body, "true")
    other = guard.ask(AUTHORIZE, {**ASK, "estimate": {"input_tokens": 5}}, key="b")
    assert (other.status, other.body["code"]) == ("409 Conflict", "idempotency_conflict")
    third, fourth = guard.ask(AUTHORIZE), guard.ask(AUTHORIZE)
    assert (third.body["decision"], fourth.body["decision"]) == ("allow", "deny")
    assert guard.ordinary == 1
    assert Hold.objects.count() == 3
    assert verified()


UNUSUAL: list[Any] = [
    b"{not json",
    {**ASK, "estimate": None},
    {**ASK, "colour": "blue"},
    {**ASK, "tags": {"team": ""}},
    {**ASK, "tags": {"team": 7}},
    {**ASK, "provider": " testco "},
    {**ASK, "model": "x" * 201},
    {**ASK, "estimate": {"amount": "1.5", "currency": "USD"}},
    {**ASK, "estimate": {"input_tokens": "7"}},
    {**ASK, "ttl_seconds": 1.5},
    {"estimate": {"input_tokens": 1}, "provider": "testco", "model": "tiny\x00"},
]


def test_what_is_not_plain_goes_the_ordinary_way(guard: Guard) -> None:
    guard.ask(CHECK)
    for number, sent in enumerate(UNUSUAL):
        there, here = Guard(guard.slug, guard.key).ask(CHECK, sent), guard.ask(CHECK, sent)
        assert guard.ordinary == 2 + number, sent
        assert (there.status, there.body) == (here.status, here.body)


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({**ASK, "ttl_seconds": 0}, "ttl_seconds"),
    ({**ASK, "model": ""}, "model"),
    ({**ASK, "estimate": {"input_tokens": -1}}, "estimate.input_tokens"),
]


def test_refusals_read_the_same(guard: Guard) -> None:
    for path in (CHECK, AUTHORIZE):
        guard.ask(path)
        for sent, field in REFUSED:
            there, here = Guard(guard.slug, guard.key).ask(path, sent), guard.ask(path, sent)
            assert (there.status, there.body) == (here.status, here.body)
            assert here.status == "400 Bad Request"
            assert here.body["errors"][0]["field"] == field
    assert guard.ordinary == 2
    assert Hold.objects.count() == 1


def test_without_a_key_of_the_request_nothing_is_held(guard: Guard) -> None:
    guard.ask(AUTHORIZE)
    refused = guard.post(json.dumps(ASK).encode(), path=AUTHORIZE)
    assert (refused.status, refused.body["code"]) == ("400 Bad Request", "idempotency_key_required")
    assert Hold.objects.count() == 1


def test_a_revoked_key_and_one_without_the_scope_are_let_in_nowhere(guard: Guard) -> None:
    assert guard.ask(CHECK).status == guard.ask(CHECK).status == "200 OK"
    key = ApiKey.objects.latest("id")
    accounts.revoke_key(key=key.public_id, actor=system_actor("tests"), now=key.created_at)
    assert guard.ask(CHECK).status == "401 Unauthorized"
    other = Guard(guard.slug, service_key(Scope.USAGE_WRITE).text)
    assert other.ask(CHECK).status == other.ask(CHECK).status == "403 Forbidden"
    assert other.ordinary == 2


def test_a_passport_of_one_door_opens_no_other(guard: Guard) -> None:
    guard.ask(CHECK)
    assert guard.post(b"[]").status == "403 Forbidden"
    assert guard.ordinary == 2
    assert connection.in_atomic_block is False


def test_an_estimate_without_a_size_is_refused_and_one_of_nothing_is_not(guard: Guard) -> None:
    for path in (CHECK, AUTHORIZE):
        guard.ask(path)
        for size in ({}, {"requests": 3}):
            found = guard.ask(path, {**ASK, "estimate": size})
            assert found.status == "400 Bad Request"
            assert found.body["errors"][0]["field"] == "estimate.input_tokens"
        assert guard.ask(path, {**ASK, "estimate": {"input_tokens": 0}}).status == "200 OK"
