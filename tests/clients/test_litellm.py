"""LiteLLM under the guard: the real library, sync and async, and the hooks that its proxy calls."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")

import litellm
from finops_metering import Client, Denied, Guard
from finops_metering import litellm as hooks
from finops_metering.litellm import FinOpsGuard
from finops_metering.litellm_calls import event_of, is_guarded, is_use, tags_of

from tests.clients.fakes import serving
from tests.clients.guardrails import Guardrails
from tests.clients.hooks import hooked

CALL: Any = {
    "model": "openai/gpt-4o",
    "messages": [{"role": "user", "content": "Hello?"}],
    "max_tokens": 300,
    "metadata": {"tags": ["team:search", "word"], "feature": "hello"},
}


@pytest.fixture
def platform() -> Guardrails:
    return Guardrails()


@pytest.fixture
def client(platform: Guardrails) -> Iterator[Client]:
    with (
        serving(platform.handler()) as url,
        Client(url, "k", source="litellm", flush_interval=0.02) as made,
    ):
        yield made


@pytest.fixture
def hook(client: Client) -> Iterator[FinOpsGuard]:
    with hooked(FinOpsGuard(Guard(client), models={"small": "openai/gpt-4o-mini"})) as made:
        yield made


async def until(true: Callable[[], bool]) -> None:
    for _ in range(300):
        if true():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it did not come true")


def test_an_async_call_is_authorized_and_metered(
    hook: FinOpsGuard, client: Client, platform: Guardrails
) -> None:
    async def work() -> Any:
        answer = await litellm.acompletion(**CALL, mock_response="Hello.")
        await until(lambda: client.stats().accepted == 1)
        return answer

    answer = asyncio.run(work())
    assert platform.asked == [
        {
            "provider": "openai",
            "model": "gpt-4o",
            "tags": {"team": "search", "feature": "hello"},
            "estimate": {"input_tokens": 7, "output_tokens": 300},
        }
    ]
    event = platform.events[answer.id]
    assert event["hold"] in platform.holds
    assert event["raw_usage"]["total_tokens"] == answer.usage.total_tokens
    assert (event["provider"], event["model"], event["source"]) == ("openai", "gpt-4o", "litellm")
    assert event["tags"] == {"team": "search", "feature": "hello"}
    assert platform.states() == ["used"]


def test_a_streamed_call(hook: FinOpsGuard, client: Client, platform: Guardrails) -> None:
    async def work() -> None:
        stream = await litellm.acompletion(**CALL, mock_response="Hello you.", stream=True)
        assert [chunk async for chunk in stream]
        await until(lambda: client.stats().accepted == 1)

    asyncio.run(work())
    assert platform.states() == ["used"]
    assert len(platform.asked) == 1


def test_a_refused_call_does_not_go_out(hook: FinOpsGuard, platform: Guardrails) -> None:
    platform.room *= 0

    async def work() -> None:
        with pytest.raises(Denied, match="no room"):
            await litellm.acompletion(**CALL, mock_response="Hello.")

    asyncio.run(work())
    with pytest.raises(Denied, match="no room"):
        hook.completion(**CALL, mock_response="Hello.")
    assert platform.events == {}


def test_a_call_that_fails_gives_the_money_back(hook: FinOpsGuard, platform: Guardrails) -> None:
    async def work() -> None:
        with pytest.raises(litellm.exceptions.InternalServerError):
            await litellm.acompletion(**CALL, mock_response=Exception("no"))
        await until(lambda: platform.states() == ["void"])

    asyncio.run(work())
    with pytest.raises(litellm.exceptions.InternalServerError):
        hook.completion(**CALL, mock_response=Exception("no"))
    asyncio.run(until(lambda: platform.states() == ["void", "void"]))


def test_a_sync_call_that_litellm_never_began_gives_the_money_back(
    hook: FinOpsGuard, platform: Guardrails
) -> None:
    with pytest.raises(litellm.exceptions.BadRequestError, match="LLM Provider NOT provided"):
        hook.completion("nobody-knows-it", CALL["messages"])
    asyncio.run(until(lambda: platform.states() == ["void"]))


def test_a_sync_call_takes_model_and_messages_as_litellm_does(
    hook: FinOpsGuard, client: Client, platform: Guardrails
) -> None:
    answer = hook.completion(CALL["model"], CALL["messages"], mock_response="Hello.")
    asyncio.run(until(lambda: client.stats().accepted == 1))
    assert platform.events[answer.id]["hold"] in platform.holds


def test_a_sync_call(hook: FinOpsGuard, client: Client, platform: Guardrails) -> None:
    answer = hook.completion(**CALL, mock_response="Hello.")
    asyncio.run(until(lambda: client.stats().accepted == 1))
    assert platform.events[answer.id]["hold"] in platform.holds
    assert len(platform.asked) == 1


def test_calls_within_a_block_are_part_of_it(
    hook: FinOpsGuard, client: Client, platform: Guardrails
) -> None:
    with hook.guard.authorize(
        provider="openai", model="gpt-4o", estimate={"output_tokens": 9, "requests": 2}
    ):
        hook.completion(**CALL, mock_response="Hello.")
        hook.completion(**CALL, mock_response="Hello.")
        deadline = time.monotonic() + 6
        while client.stats().accepted < 2 and time.monotonic() < deadline:
            time.sleep(0.02)
    assert len(platform.asked) == 1
    assert platform.states() == ["used"]


# The proxy's hooks -------------------------------------------------------------------------------


def test_the_proxys_request(hook: FinOpsGuard, client: Client, platform: Guardrails) -> None:
    """The proxy asks once, tries twice, and its answer names the hold."""
    key = SimpleNamespace(key_alias="batch-jobs", team_alias="search", team_id="t1", user_id="ann")
    data = {**CALL, "model": "small", "metadata": {}, "litellm_call_id": "call-1"}

    async def work() -> None:
        await hook.async_pre_call_hook(key, None, data, "completion")
        sent = {**CALL, "model": "openai/gpt-4o-mini", "litellm_call_id": "call-1"}
        with pytest.raises(litellm.exceptions.InternalServerError):
            await litellm.acompletion(**sent, mock_response=Exception("no"))
        await asyncio.sleep(0.2)
        assert platform.states() == ["open"]  # the router tries again
        await litellm.acompletion(**sent, mock_response="Hello.")
        await until(lambda: client.stats().accepted == 1)

    asyncio.run(work())
    assert len(platform.asked) == 1
    asked = platform.asked[0]
    assert (asked["provider"], asked["model"]) == ("openai", "gpt-4o-mini")
    assert asked["tags"] == {"team": "search", "user": "ann"}
    assert asked["credential"] == "batch-jobs"
    assert platform.states() == ["used"]


def test_a_request_of_the_proxy_that_fails(hook: FinOpsGuard, platform: Guardrails) -> None:
    data = {**CALL, "litellm_call_id": "call-2"}

    async def work() -> None:
        await hook.async_pre_call_hook(None, None, data, "acompletion")
        await hook.async_post_call_failure_hook(data, RuntimeError("no"), None)

    asyncio.run(work())
    assert platform.states() == ["void"]


def test_the_hook_of_the_configuration(monkeypatch: Any, platform: Guardrails) -> None:
    with serving(platform.handler()) as url:
        monkeypatch.setenv("FINOPS_URL", url)
        monkeypatch.setenv("FINOPS_KEY", "k")
        made = hooks.hook
        assert made is hooks.hook
        assert made.guard.check(provider="openai", model="m", estimate={}).decision == "allow"
        made.guard.client.close()
        del hooks.__dict__["hook"]


def test_what_is_read_of_calls() -> None:
    assert is_guarded("aembedding")
    assert is_guarded("anthropic_messages")
    assert not is_guarded("image_generation")
    told = {
        "request_tags": ["team: a", "User-Agent: x", "word"],
        "metadata": {"team": "b", "spend_logs_metadata": {"job": 7}, "user_api_key_user_id": "u"},
    }
    assert tags_of(told) == {"team": "a", "job": "7", "user": "u"}
    cached = event_of({"id": "x", "cache_hit": True, "model": "m", "response_cost": 0.1}, None)
    assert (cached["operation"], cached["usage"]) == ("cache_hit", {"input_tokens": 0})
    logged = {"model": "azure/gpt", "custom_llm_provider": "azure", "response_cost": 1.5e-07}
    event = event_of({**logged, "prompt_tokens": 3}, None)
    assert event["model"] == "gpt"
    assert event["reported_cost"]["amount"] == "0.00000015"
    unheard = event_of({"model": "dall-e-3", "call_type": "aimage_generation"}, None)
    assert (unheard["meters"], "raw_usage" in unheard) == ({"unreported_calls": 1}, False)
    uses = {
        kind: is_use(kind)
        for kind in ("acompletion", "aresponses", "acreate_file", "acreate_batch")
    }
    assert list(uses.values()) == [True, True, False, False]
    assert event["raw_usage"] == {"prompt_tokens": 3, "completion_tokens": 0, "total_tokens": 0}
