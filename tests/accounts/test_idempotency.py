"""Idempotency-Key: done once, answered alike, and never mixed up."""

from __future__ import annotations

import json
import threading
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django_tenants.utils import schema_context

from apps.accounts import services
from apps.accounts.models import KeptAnswer
from apps.accounts.services.answers import Answer, KeyInFlight, KeyNotUsable, KeyReused
from apps.allocation.models import Adjustment
from apps.core.domain.access import Scope
from finops_platform.tasks import forget_answers_everywhere
from tests.accounts.people import NOW, bearer, service_key
from tests.allocation.base import enter_directory

URL = "/api/v1/allocation/adjustments"
BODY = {
    "month": "2026-01",
    "sender": "ads",
    "receiver": "search",
    "amount": "12.50",
    "reason": "Ran search's batch",
}


@pytest.fixture
def client(acme: Any) -> Client:
    enter_directory()
    key = service_key(Scope.ALLOCATION_WRITE, Scope.BILLING_READ)
    return Client(headers={"host": "acme.localhost", **bearer(key)})


def post(client: Client, key: str, **changes: Any) -> Any:
    body = json.dumps({**BODY, **changes})
    return client.post(URL, body, content_type="application/json", headers={"idempotency-key": key})


def test_the_same_request_is_done_once_and_answered_alike(client: Client) -> None:
    first = post(client, "k-1")
    again = post(client, "k-1")
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.content == again.content
    assert not first.has_header("Idempotent-Replayed")
    assert again["Idempotent-Replayed"] == "true"
    assert Adjustment.objects.count() == 1
    assert post(client, "k-2").json()["code"] == "adj-2026-01-2"


def test_another_request_under_the_same_key_is_refused(client: Client) -> None:
    post(client, "k-1")
    answer = post(client, "k-1", amount="13.00")
    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_conflict")
    elsewhere = client.post(
        "/api/v1/allocation/rules",
        json.dumps(BODY),
        content_type="application/json",
        headers={"idempotency-key": "k-1"},
    )
    assert elsewhere.status_code == 409
    assert Adjustment.objects.count() == 1


def test_a_refusal_is_not_remembered(client: Client) -> None:
    assert post(client, "k-1", amount="-1").status_code == 422
    assert not KeptAnswer.objects.exists()
    assert post(client, "k-1").status_code == 201


def test_without_a_key_every_request_is_done(client: Client) -> None:
    for _ in range(2):
        client.post(URL, json.dumps(BODY), content_type="application/json")
    assert Adjustment.objects.count() == 2


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb"])
def test_a_key_that_cannot_be_one_is_refused(acme: Any, key: str) -> None:
    with pytest.raises(KeyNotUsable):
        services.answer_once(owner="o", key=key, request=b"", now=NOW, act=refuse_to_act)


def refuse_to_act() -> Answer:
    raise AssertionError("nothing may be done")


def answered(text: bytes = b"{}") -> Answer:
    return Answer(200, "application/json", text)


def test_owners_do_not_share_keys(acme: Any) -> None:
    for owner in ("a", "b"):
        found = services.answer_once(owner=owner, key="k", request=b"r", now=NOW, act=answered)
        assert not found.replayed
    with pytest.raises(KeyReused):
        services.answer_once(owner="a", key="k", request=b"s", now=NOW, act=refuse_to_act)


def test_tenants_do_not_share_keys(acme: Any, globex: Any) -> None:
    ask = {"owner": "a", "key": "k", "request": b"r", "now": NOW}
    with schema_context(acme.schema):
        services.answer_once(**ask, act=lambda: answered(b"acme"))
    with schema_context(globex.schema):
        found = services.answer_once(**ask, act=lambda: answered(b"globex"))
    assert (found.body, found.replayed) == (b"globex", False)


def test_a_key_is_good_for_thirty_days(acme: Any) -> None:
    ask = {"owner": "a", "key": "k", "request": b"r"}
    services.answer_once(**ask, now=NOW, act=lambda: answered(b"old"))
    late = NOW + timedelta(days=31)
    found = services.answer_once(**ask, now=late, act=lambda: answered(b"new"))
    assert (found.body, found.replayed) == (b"new", False)
    with time_machine.travel(late + timedelta(days=31), tick=False):
        assert forget_answers_everywhere() == 1
        assert forget_answers_everywhere() == 0


def test_what_was_done_goes_with_its_memory_when_it_fails(client: Client) -> None:
    def act() -> Answer:
        KeptAnswer.objects.create(
            owner="x",
            key="by the way",
            request_digest=b"0" * 16,
            status=200,
            content_type="",
            body=b"",
            created_at=NOW,
        )
        return Answer(422, "application/json", b"{}")

    found = services.answer_once(owner="a", key="k", request=b"r", now=NOW, act=act)
    assert found.status == 422
    assert not KeptAnswer.objects.exists()


def test_two_at_once_do_it_once(fresh_tenant: Any) -> None:
    """The second is told to come back while the first works, and then gets its answer."""
    inside, done = threading.Event(), threading.Event()
    ask = {"owner": "a", "key": "k", "request": b"r", "now": NOW}

    def slow() -> Answer:
        inside.set()
        assert done.wait(10)
        return answered(b"first")

    def first() -> None:
        with schema_context(fresh_tenant.schema):
            services.answer_once(**ask, act=slow)

    thread = threading.Thread(target=first)
    thread.start()
    assert inside.wait(10)
    with pytest.raises(KeyInFlight):
        services.answer_once(**ask, act=refuse_to_act)
    done.set()
    thread.join()
    found = services.answer_once(**ask, act=refuse_to_act)
    assert (found.body, found.replayed) == (b"first", True)
