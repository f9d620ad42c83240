"""The client against the running platform, and the wrappers against both."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from anthropic import Anthropic
from finops_metering import (
    ApiError,
    AsyncClient,
    Client,
    EventError,
    meter_anthropic,
    meter_openai,
)
from openai import OpenAI

from apps.core.domain.access import Scope
from apps.core.domain.limits import Limits
from apps.ingest.models import IngestBatch
from apps.usage import services as usage
from apps.usage.models import Event, Rollup
from finops_platform.provisioning import extend_months
from tests.accounts.people import service_key
from tests.clients.fakes import Providers, serving

pytestmark = [pytest.mark.live, pytest.mark.slow]

SCOPES = (Scope.USAGE_WRITE, Scope.USAGE_READ, Scope.USAGE_CORRECT)
AT = datetime(2026, 1, 15, 10, tzinfo=UTC)


@pytest.fixture
def url(web_port: int) -> str:
    return f"http://127.0.0.1:{web_port}"


@pytest.fixture
def client(fresh_tenant: Any, url: str) -> Iterator[Client]:
    key = service_key(*SCOPES).text
    with Client(url, key, source="gateway", flush_interval=0.05) as made:
        yield made


def totals() -> dict[str, int]:
    found: dict[str, int] = {}
    for row in Rollup.objects.all():
        found[row.meter] = found.get(row.meter, 0) + int(row.quantity)
    return found


def one(client: Client, number: int, **fields: Any) -> str:
    return client.record(
        **{
            "id": f"e{number}",
            "provider": "openai",
            "model": "gpt-4o",
            "usage": {"input_tokens": 100, "cached_input_tokens": 40, "output_tokens": 7},
            "time": AT + timedelta(seconds=number),
            "tags": {"team": "search"},
            **fields,
        }
    )


def test_what_is_recorded_is_stored_once_and_summed(client: Client) -> None:
    for number in range(2_500):
        one(client, number)
    assert client.flush(60)
    for number in range(0, 2_500, 5):  # the same again
        one(client, number)
    assert client.flush(60)
    stats = client.stats()
    assert (stats.accepted, stats.duplicates, stats.refused) == (2_500, 500, 0)
    assert totals() == {
        "input_tokens": 150_000,
        "cached_input_tokens": 100_000,
        "output_tokens": 17_500,
        "requests": 2_500,
    }
    assert usage.verify_rollups() == []
    found = client.summary(start="2026-01-15", end="2026-01-16", group_by=["tag:team"])
    assert found["rows"][0]["tag:team"] == "search"
    assert found["rows"][0]["events"] == 2_500


def test_refusals_corrections_and_outcomes(fresh_tenant: Any, url: str) -> None:
    told: list[EventError] = []
    key = service_key(*SCOPES).text
    with Client(
        url, key, source="https://gateway.example/a b", flush_interval=0.05, on_error=told.append
    ) as client:
        one(client, 1)
        assert client.flush(30)
        one(client, 1, usage={"input_tokens": 5})
        one(client, 2, time=datetime.now(UTC) + timedelta(days=2))
        assert client.flush(30)
        assert [(error.id, error.code) for error in told] == [
            ("e1", "conflict"),
            ("e2", "time_in_future"),
        ]
        amended = client.amend(
            "e1",
            {"provider": "openai", "model": "gpt-4o", "usage": {"input_tokens": 9}, "time": AT},
            reason="counted wrong",
        )
        assert amended["meters"]["input_tokens"] == "9"
        assert client.void("e1", reason="a test")["state"] == "void"
        assert client.event("e1")["state"] == "void"
        with pytest.raises(ApiError) as refused:
            client.void("e1", reason="again")
        assert refused.value.status == 409
        assert client.outcome("accepted", id="e1", success=True)["accepted"] == 1
        with pytest.raises(ApiError) as missing:
            client.summary(start="2026-01-15", end="2026-01-16", group_by=["shoe_size"])
        assert missing.value.status in (400, 422)


def test_the_client_keeps_to_its_keys_limit_and_loses_nothing(fresh_tenant: Any, url: str) -> None:
    key = service_key(*SCOPES, limits=Limits(events_per_second=100)).text
    client = Client(url, key, source="gateway", batch_size=300, flush_interval=0.05)
    for number in range(1_500):
        one(client, number)
    assert client.flush(60)
    stats = client.stats()
    client.close()
    assert (stats.accepted, stats.duplicates) == (1_500, 0)
    assert stats.retries >= 1
    assert Event.objects.count() == 1_500
    assert IngestBatch.objects.count() == 5  # what was refused left no trace


def test_asyncio(fresh_tenant: Any, url: str) -> None:
    key = service_key(*SCOPES).text

    async def work() -> None:
        async with AsyncClient(url, key, source="gateway", flush_interval=0.05) as client:
            names = [
                client.record(
                    provider="openai", model="gpt-4o", usage={"output_tokens": 1}, time=AT
                )
                for _ in range(100)
            ]
            assert await client.flush(30)
            assert client.stats().accepted == 100
            assert (await client.event(names[0]))["id"] == names[0]
            summed = await client.summary(start="2026-01-15", end="2026-01-16")
            assert summed["total"]["events"] == 100
            await client.void(names[0], reason="a test")
        with pytest.raises(ValueError, match="hold up the event loop"):
            AsyncClient(url, key, source="x", when_full="block")

    asyncio.run(work())


def test_metered_sdks_end_in_the_platforms_sums(fresh_tenant: Any, client: Client) -> None:
    extend_months(tenant=fresh_tenant, now=datetime.now(UTC))  # embeddings and messages happen now
    with serving(Providers) as providers:
        openai = meter_openai(
            OpenAI(api_key="k", base_url=f"{providers}/v1"), client, tags={"team": "search"}
        )
        anthropic = meter_anthropic(Anthropic(api_key="k", base_url=providers), client)
        asked: Any = {"messages": [{"role": "user", "content": "Hello?"}]}
        answer = openai.chat.completions.create(model="gpt-4o", **asked)
        list(openai.chat.completions.create(model="gpt-4o", stream=True, **asked))
        openai.responses.create(model="gpt-4o", input="Hello?")
        openai.embeddings.create(model="text-embedding-3-small", input="Hello")
        anthropic.messages.create(model="claude", max_tokens=9, **asked)
        with anthropic.messages.stream(model="claude", max_tokens=9, **asked) as helper:
            helper.get_final_message()
    assert client.flush(30)
    stats = client.stats()
    assert (stats.accepted, stats.refused) == (6, 0)
    assert totals() == {
        "input_tokens": 2 * 400 + 60 + 8 + 2 * 50,
        "cached_input_tokens": 2 * 800 + 30 + 2 * 100,
        "cache_write_tokens": 2 * 20,
        "output_tokens": 2 * 300 + 10 + 2 * 40,
        "requests": 6,
    }
    stored = client.event(answer.id)
    assert stored["raw_usage"]["prompt_tokens"] == 1200
    assert stored["tags"] == {"team": "search"}
