"""OpenAI's and Anthropic's SDKs, metered in one line: every answer counts once, none is broken."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from anthropic import Anthropic, AsyncAnthropic
from finops_metering import meter_anthropic, meter_openai, tagged
from openai import AsyncOpenAI, BadRequestError, OpenAI

from tests.clients.fakes import (
    CHAT_USAGE,
    MESSAGE_USAGE,
    RESPONSES_USAGE,
    Providers,
    serving,
)

MESSAGES: Any = [{"role": "user", "content": "Hello?"}]
MODEL = "gpt-4o"


class Notes:
    """Keeps what is recorded."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.breaks = False

    def record_raw(self, event: Mapping[str, Any]) -> str:
        if self.breaks:
            raise RuntimeError("metering is broken")
        self.events.append(dict(event))
        return str(event["id"])

    @property
    def only(self) -> dict[str, Any]:
        (event,) = self.events
        return event


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture(scope="module")
def provider_url() -> Iterator[str]:
    with serving(Providers) as url:
        yield url


@pytest.fixture
def openai(provider_url: str, notes: Notes) -> OpenAI:
    return meter_openai(
        OpenAI(api_key="k", base_url=f"{provider_url}/v1"),
        notes,
        tags={"team": "search"},
        account="proj_1",
    )


@pytest.fixture
def anthropic(provider_url: str, notes: Notes) -> Anthropic:
    return meter_anthropic(
        Anthropic(api_key="k", base_url=provider_url), notes, tags={"team": "search"}
    )


def async_openai(provider_url: str, notes: Notes) -> AsyncOpenAI:
    return meter_openai(AsyncOpenAI(api_key="k", base_url=f"{provider_url}/v1"), notes)


def async_anthropic(provider_url: str, notes: Notes) -> AsyncAnthropic:
    return meter_anthropic(AsyncAnthropic(api_key="k", base_url=provider_url), notes)


# OpenAI ------------------------------------------------------------------------------------------


def test_a_chat(openai: OpenAI, notes: Notes) -> None:
    with tagged(feature="hello"):
        answer = openai.chat.completions.create(model=MODEL, messages=MESSAGES)
    assert answer.choices[0].message.content == "Hello."
    event = notes.only
    assert event["id"] == answer.id
    assert event["raw_usage"] == CHAT_USAGE
    assert (event["provider"], event["model"]) == ("openai", "gpt-4o-2024-08-06")
    assert event["time"].isoformat() == "2026-01-15T10:00:00+00:00"
    assert event["tags"] == {"team": "search", "feature": "hello"}
    assert (event["status"], event["operation"], event["account"]) == ("ok", "chat", "proj_1")
    assert event["service_tier"] == "default"


def test_a_streamed_chat_asks_for_usage_and_hides_it(openai: OpenAI, notes: Notes) -> None:
    stream = openai.chat.completions.create(model=MODEL, messages=MESSAGES, stream=True)
    words = [chunk.choices[0].delta.content for chunk in stream]  # each chunk has a choice
    assert words == ["Hel", "lo", ".", None]
    assert Providers.seen[-1]["stream_options"] == {"include_usage": True}
    assert (notes.only["raw_usage"], notes.only["status"]) == (CHAT_USAGE, "ok")


def test_a_program_that_asks_for_usage_itself_gets_it(openai: OpenAI, notes: Notes) -> None:
    stream = openai.chat.completions.create(
        model=MODEL, messages=MESSAGES, stream=True, stream_options={"include_usage": True}
    )
    assert [chunk.usage is not None for chunk in stream] == [False] * 4 + [True]
    assert notes.only["raw_usage"] == CHAT_USAGE


def test_a_server_that_does_not_know_include_usage(provider_url: str, notes: Notes) -> None:
    sdk = meter_openai(
        OpenAI(api_key="k", base_url=f"{provider_url}/v1"), notes, include_usage=False
    )
    list(sdk.chat.completions.create(model=MODEL, messages=MESSAGES, stream=True))
    assert "stream_options" not in Providers.seen[-1]
    assert notes.only["usage"] == {"input_tokens": 0}
    assert notes.only["status"] == "partial"


@pytest.mark.parametrize("how", ["close", "with", "drop"])
def test_a_stream_that_is_left_early_is_partial(openai: OpenAI, notes: Notes, how: str) -> None:
    stream = openai.chat.completions.create(model=MODEL, messages=MESSAGES, stream=True)
    next(iter(stream))
    if how == "close":
        stream.close()
    elif how == "with":
        with stream:
            pass
    del stream
    gc.collect()  # the SDK's stream refers to itself
    event = notes.only
    assert event["id"].startswith("chatcmpl-")
    assert (event["status"], event["usage"]) == ("partial", {"input_tokens": 0})
    assert "raw_usage" not in event


def test_the_streaming_helper(openai: OpenAI, notes: Notes) -> None:
    with openai.chat.completions.stream(model=MODEL, messages=MESSAGES) as stream:
        final = stream.get_final_completion()
    assert final.choices[0].message.content == "Hello."
    assert notes.only["raw_usage"] == CHAT_USAGE


def test_responses_plain_and_streamed(openai: OpenAI, notes: Notes) -> None:
    openai.responses.create(model=MODEL, input="Hello?")
    for _ in openai.responses.create(model=MODEL, input="Hello?", stream=True):
        pass
    assert [event["raw_usage"] for event in notes.events] == [RESPONSES_USAGE] * 2
    assert all(event["id"].startswith("resp_") for event in notes.events)
    assert {event["status"] for event in notes.events} == {"ok"}


def test_embeddings_are_known_by_their_request(openai: OpenAI, notes: Notes) -> None:
    openai.embeddings.create(model="text-embedding-3-small", input="Hello")
    event = notes.only
    assert event["id"].startswith("req_")
    assert event["raw_usage"] == {"prompt_tokens": 8, "total_tokens": 8}
    assert event["operation"] == "embeddings"


def test_raw_responses_and_clients_with_other_options(openai: OpenAI, notes: Notes) -> None:
    raw = openai.chat.completions.with_raw_response.create(model=MODEL, messages=MESSAGES)
    assert raw.parse().choices[0].message.content == "Hello."
    openai.with_options(max_retries=0).chat.completions.create(model=MODEL, messages=MESSAGES)
    assert [event["raw_usage"] for event in notes.events] == [CHAT_USAGE] * 2


def test_metering_twice_counts_once(openai: OpenAI, notes: Notes) -> None:
    meter_openai(openai, notes)
    openai.chat.completions.create(model=MODEL, messages=MESSAGES)
    assert len(notes.events) == 1


def test_a_call_that_fails_is_not_recorded_and_fails_as_ever(openai: OpenAI, notes: Notes) -> None:
    with pytest.raises(BadRequestError):
        openai.chat.completions.create(model="broken", messages=MESSAGES)
    assert notes.events == []


def test_metering_that_breaks_breaks_no_call(
    openai: OpenAI, anthropic: Anthropic, notes: Notes
) -> None:
    notes.breaks = True
    assert openai.chat.completions.create(model=MODEL, messages=MESSAGES).choices
    stream = openai.chat.completions.create(model=MODEL, messages=MESSAGES, stream=True)
    assert len(list(stream)) == 4
    assert anthropic.messages.create(model="claude", max_tokens=9, messages=MESSAGES).content


def test_async_openai(provider_url: str, notes: Notes) -> None:
    async def work() -> None:
        async with async_openai(provider_url, notes) as sdk:
            await sdk.chat.completions.create(model=MODEL, messages=MESSAGES)
            stream = await sdk.chat.completions.create(model=MODEL, messages=MESSAGES, stream=True)
            assert [chunk.choices[0].delta.content async for chunk in stream][:3] == [
                *("Hel", "lo", ".")
            ]
            early = await sdk.chat.completions.create(model=MODEL, messages=MESSAGES, stream=True)
            async for _ in early:
                break
            await early.close()
            async with sdk.chat.completions.stream(model=MODEL, messages=MESSAGES) as helper:
                await helper.get_final_completion()
            await sdk.embeddings.create(model="text-embedding-3-small", input="Hello")

    asyncio.run(work())
    assert [event["status"] for event in notes.events] == ["ok", "ok", "partial", "ok", "ok"]


# Anthropic ---------------------------------------------------------------------------------------


def test_a_message(anthropic: Anthropic, notes: Notes) -> None:
    answer = anthropic.messages.create(model="claude", max_tokens=9, messages=MESSAGES)
    event = notes.only
    assert event["id"] == answer.id
    assert event["raw_usage"] == {**MESSAGE_USAGE, "output_tokens": 40}
    assert (event["provider"], event["model"]) == ("anthropic", "claude-sonnet-4-20250514")
    assert event["tags"] == {"team": "search"}


def test_a_streamed_message_counts_what_the_last_event_says(
    anthropic: Anthropic, notes: Notes
) -> None:
    for _ in anthropic.messages.create(
        model="claude", max_tokens=9, messages=MESSAGES, stream=True
    ):
        pass
    with anthropic.messages.stream(model="claude", max_tokens=9, messages=MESSAGES) as helper:
        assert "".join(helper.text_stream) == "Hello."
    wanted = {**MESSAGE_USAGE, "output_tokens": 40}
    assert [event["raw_usage"] for event in notes.events] == [wanted] * 2
    assert {event["status"] for event in notes.events} == {"ok"}


def test_a_message_left_early_keeps_what_was_counted(anthropic: Anthropic, notes: Notes) -> None:
    with anthropic.messages.stream(model="claude", max_tokens=9, messages=MESSAGES) as helper:
        next(iter(helper))
    assert (notes.only["status"], notes.only["raw_usage"]) == ("partial", MESSAGE_USAGE)


def test_async_anthropic(provider_url: str, notes: Notes) -> None:
    async def work() -> None:
        async with async_anthropic(provider_url, notes) as sdk:
            await sdk.messages.create(model="claude", max_tokens=9, messages=MESSAGES)
            async with sdk.messages.stream(
                model="claude", max_tokens=9, messages=MESSAGES
            ) as helper:
                await helper.get_final_message()
            stream = await sdk.messages.create(
                model="claude", max_tokens=9, messages=MESSAGES, stream=True
            )
            async for _ in stream:
                break
            await stream.close()

    asyncio.run(work())
    assert [event["status"] for event in notes.events] == ["ok", "ok", "partial"]
    assert [event["raw_usage"]["output_tokens"] for event in notes.events] == [40, 40, 1]
