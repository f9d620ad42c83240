"""Backfills at the API, and their close while usage arrives."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from django.db import connection
from django_tenants.utils import schema_context

from apps.core.domain.access import Scope
from apps.core.domain.errors import Refusal
from apps.ingest.services import backfill_close as closing
from apps.usage import services as usage
from apps.usage.models import Event, Rollup
from tests.accounts.people import bearer, browser, service_key
from tests.ingest.factories import NOW, WRITER, contract, event, send
from tests.ingest.test_backfills import LATER, NEW, RIGHT, opened, post

PATH = "/api/v1/usage/backfills"
BODY = {
    "source": "gateway",
    "starts_at": "2026-01-15T00:00:00Z",
    "ends_at": "2026-01-16T00:00:00Z",
    "reason": "the gateway counted twice",
}


def caller(*scopes: Scope) -> Any:
    key, client = service_key(*scopes), browser("acme")

    def call(method: str, path: str, body: Any = None) -> Any:
        how: dict[str, Any] = {"headers": bearer(key)}
        if method == "post":
            how |= {"data": body, "content_type": "application/json"}
        return getattr(client, method)(path, **how)

    return call


@pytest.fixture
def api(acme: Any, time_machine: Any) -> Any:
    time_machine.move_to(NOW)
    contract(input_tokens="2.50")
    send([event("same"), event("wrong"), event("gone")])
    time_machine.move_to(LATER)
    return caller(Scope.USAGE_READ, Scope.USAGE_WRITE, Scope.USAGE_CORRECT)


def test_a_backfill_from_opening_to_revert(api: Any) -> None:
    rollups = set(Rollup.objects.values_list())
    made = api("post", PATH, BODY)
    assert made.status_code == 201
    assert (made.json()["state"], made.json()["posted"]) == ("open", 0)
    one = f"{PATH}/{made.json()['id']}"
    sent = api("post", f"{one}/events", [event("same"), RIGHT, NEW, event("x", source="batch")])
    assert sent.status_code == 200
    assert (sent.json()["accepted"], sent.json()["rejected"]) == (3, 1)
    assert sent.json()["errors"][0]["code"] == "outside_scope"
    assert api("post", f"{one}/events", {"events": [RIGHT]}).json()["duplicates"] == 1
    seen = api("post", f"{one}/close?dry_run=true").json()
    assert (seen["kept"], seen["added"], seen["amended"], seen["voided"]) == (1, 1, 1, 1)
    shown = {(row["sku"], row["meter"]): row for row in seen["meters"]}
    assert shown["testco/tiny", "input_tokens"] == {
        "sku": "testco/tiny",
        "meter": "input_tokens",
        "quantity_before": "800",
        "quantity_after": "7",
        "cost_before": "0.002",
        "cost_after": "0.0000175",
        "currency": "USD",
    }
    assert api("get", one).json()["state"] == "open"
    assert set(Rollup.objects.values_list()) == rollups
    done = api("post", f"{one}/close")
    assert (done.status_code, done.json()["backfill"]["state"]) == (200, "closed")
    assert api("post", f"{one}/close").json()["code"] == "backfill_not_open"
    assert api("post", f"{one}/revert", {"reason": ""}).status_code == 400
    assert api("post", f"{one}/revert", {"reason": "no"}).json()["state"] == "reverted"
    assert set(Rollup.objects.values_list()) == rollups
    assert [row["id"] for row in api("get", PATH).json()["results"]] == [made.json()["id"]]
    other = api("post", PATH, BODY).json()["id"]
    assert api("post", f"{PATH}/{other}/abandon").json()["state"] == "abandoned"


def test_bad_requests_name_the_field(api: Any) -> None:
    for change, field in (
        ({"starts_at": "soon"}, "starts_at"),
        ({"ends_at": "2026-01-14T00:00:00Z"}, "ends_at"),
        ({"colour": "red"}, "colour"),
        ({"tags": ["team"]}, "tags"),
    ):
        answer = api("post", PATH, BODY | change)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, field)
    assert api("get", f"{PATH}/00000000-0000-0000-0000-000000000001").status_code == 404


def test_writing_alone_opens_no_backfill(api: Any) -> None:
    writer = caller(Scope.USAGE_WRITE, Scope.USAGE_READ)
    assert writer("post", PATH, BODY).status_code == 403
    assert writer("get", PATH).status_code == 200


@pytest.mark.slow
def test_closes_and_ingest_at_once_count_everything_once(fresh_tenant: Any) -> None:
    schema = fresh_tenant.schema

    def inside(work: Any) -> Any:
        try:
            with schema_context(schema):
                return work()
        except Refusal as refusal:
            return refusal
        finally:
            connection.close()

    with schema_context(schema):
        contract(input_tokens="2.50", output_tokens="10", cached_input_tokens="1")
        send([event(f"old-{n}") for n in range(50)])
        backfill = opened()
        posted = [event(f"old-{n}", usage={"input_tokens": n}) for n in range(25)]
        posted += [event(f"new-{n}", usage={"input_tokens": n}) for n in range(25)]
        post(backfill, *posted)

    def close() -> None:
        closing.close_backfill(backfill=backfill, actor=WRITER, now=LATER)

    def ingest(n: int) -> Any:
        both = [event(f"new-{n}", usage={"input_tokens": n}), event(f"fresh-{n}")]
        return send(both, received_at=LATER)

    works = [close, close, *(partial(ingest, n) for n in range(25))]
    with ThreadPoolExecutor(6) as pool:
        results = list(pool.map(inside, works))
    assert sorted(isinstance(each, Refusal) for each in results[:2]) == [False, True]
    assert not any(isinstance(each, Refusal) for each in results[2:])
    with schema_context(schema):
        assert usage.verify_rollups() == []
        sums = {
            meter: sum(r.quantity for r in Rollup.objects.filter(meter=meter))
            for meter in ("requests", "input_tokens")
        }
        tokens = 2 * sum(range(25)) + 25 * 400
        assert sums == {"requests": 25 + 25 + 25, "input_tokens": tokens}
        assert Event.objects.filter(event_id__startswith="new-", sign=1).count() == 25
