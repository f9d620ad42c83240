"""Limits of the running platform: across processes, between tenants, for Lago's client."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event as Signal
from typing import Any

import httpx
import pytest
from django_tenants.utils import schema_context
from lago_python_client import Client as Lago
from lago_python_client.exceptions import LagoRateLimitError
from lago_python_client.models import BatchEvent
from lago_python_client.models import Event as LagoEvent

from apps.core.domain.access import Scope
from apps.core.domain.limits import Limits
from apps.usage.models import Event
from tests import live
from tests.accounts.people import service_key
from tests.conftest import drop_tenant, provision
from tests.ingest.factories import event

pytestmark = [pytest.mark.live, pytest.mark.slow]


def lago_event(name: str) -> LagoEvent:
    return LagoEvent(
        transaction_id=name,
        external_subscription_id="sub_1",
        code="llm_tokens",
        timestamp=1768471200,
        properties={"model": "gpt-4o", "input_tokens": 1},
    )


def test_lagos_client_waits_as_it_is_told(fresh_tenant: Any, web_port: int) -> None:
    url = f"http://127.0.0.1:{web_port}"
    key = service_key(Scope.USAGE_WRITE, limits=Limits(requests_per_second=1)).text
    client = Lago(api_key=key, api_url=url)
    begun = time.monotonic()
    for number in range(13):  # ten may be saved up
        assert client.events.create(lago_event(f"e{number}")) is not None
    assert Event.objects.count() == 13
    assert time.monotonic() - begun >= 1
    slow = service_key(Scope.USAGE_WRITE, limits=Limits(events_per_second=1)).text
    impatient = Lago(api_key=slow, api_url=url, retry_on_rate_limit=False)
    impatient.events.batch_create(BatchEvent(events=[lago_event(f"f{n}") for n in range(90)]))
    with pytest.raises(LagoRateLimitError) as refused:
        impatient.events.create(lago_event("late"))
    assert (refused.value.limit, refused.value.remaining) == (10, 0)
    assert 1 < (refused.value.reset or 0) <= 81
    assert Event.objects.count() == 13 + 90


@pytest.fixture
def two_processes(fresh_tenant: Any, tmp_path: Path) -> Iterator[int]:
    with live.web(log=tmp_path / "web.log", workers=2) as port:
        yield port


def test_two_processes_hold_a_key_to_one_limit(fresh_tenant: Any, two_processes: int) -> None:
    key = service_key(Scope.USAGE_READ, limits=Limits(requests_per_second=10)).text
    url = f"http://127.0.0.1:{two_processes}/api/v1/usage/events"
    begun = time.monotonic()

    def ask(_: int) -> Counter[int]:
        found: Counter[int] = Counter()
        headers = {"Authorization": f"Bearer {key}", "Connection": "close"}  # meets both processes
        with httpx.Client(headers=headers, timeout=60) as http:
            for _ in range(30):
                found[http.get(url).status_code] += 1
        return found

    with ThreadPoolExecutor(8) as pool:
        answers = sum(pool.map(ask, range(8)), Counter[int]())
    flowed = 10 * (time.monotonic() - begun)
    assert set(answers) == {200, 429}
    assert 100 <= answers[200] <= 100 + flowed + 20


@pytest.fixture
def neighbor(committed_db: None) -> Iterator[Any]:
    tenant = provision(slug="neighbor")
    yield tenant
    drop_tenant(slug=tenant.slug, schema=tenant.schema)


def test_a_burst_of_one_tenant_does_not_starve_another(
    neighbor: Any, fresh_tenant: Any, web_port: int
) -> None:
    """One sends big batches on 16 connections; the other's small ones all get in meanwhile."""
    url = f"http://127.0.0.1:{web_port}/api/v1/usage/events"
    loud = {"Authorization": f"Bearer {service_key(Scope.USAGE_WRITE).text}"}
    with schema_context(neighbor.schema):
        quiet = {"Authorization": f"Bearer {service_key(Scope.USAGE_WRITE).text}"}
    over = Signal()
    stored: set[str] = set()

    def burst(number: int) -> Counter[str]:
        found: Counter[str] = Counter()
        turn = 0
        with httpx.Client(headers=loud, timeout=60) as client:
            while not over.is_set():
                names = [f"{number}-{turn}-{index}" for index in range(300)]
                answer = client.post(url, content=json.dumps([event(name) for name in names]))
                if answer.status_code == 200:
                    stored.update(names)
                    found["ok"] += 1
                else:
                    assert int(answer.headers["Retry-After"]) >= 1
                    found[answer.json()["code"]] += 1
                    over.wait(0.2)
                turn += 1
        return found

    with ThreadPoolExecutor(16) as pool:
        bursts = [pool.submit(burst, number) for number in range(16)]
        with httpx.Client(headers=quiet, timeout=60) as client:
            answers = []
            for number in range(25):
                body = json.dumps([event(f"q{number}")])
                answers.append(client.post(url, content=body).status_code)
                time.sleep(0.05)
        over.set()
        found = sum((one.result() for one in bursts), Counter[str]())
    assert answers == [200] * 25
    assert set(found) == {"ok", "too_many_in_flight"}
    assert Event.objects.count() == len(stored) == found["ok"] * 300
