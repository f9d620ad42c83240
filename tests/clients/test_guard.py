"""Guards on the wire: what is asked, what ends a hold, what a lost answer or a bad day does."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from typing import Any

import pytest
from anthropic import Anthropic
from finops_metering import (
    ApiError,
    AsyncClient,
    AsyncGuard,
    Client,
    Denied,
    Guard,
    NeedsApproval,
    Unreachable,
    current_hold,
    meter_anthropic,
    meter_openai,
    tagged,
)
from finops_metering.estimates import of_body
from openai import AsyncOpenAI, BadRequestError, OpenAI

from tests.clients.fakes import CHAT_USAGE, Providers, serving
from tests.clients.guardrails import Guardrails

MESSAGES: Any = [{"role": "user", "content": "Hello?"}]
SIZE = {"input_tokens": 1_000, "output_tokens": 200}
GPT: Any = {"provider": "openai", "model": "gpt-4o"}


@pytest.fixture
def platform() -> Guardrails:
    return Guardrails()


@pytest.fixture
def url(platform: Guardrails) -> Iterator[str]:
    with serving(platform.handler()) as address:
        yield address


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    with Client(url, "k", source="gateway", tags={"team": "search"}, flush_interval=0.02) as made:
        yield made


@pytest.fixture
def guard(client: Client) -> Guard:
    return Guard(client, tags={"environment": "production"})


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    with serving(Providers) as address:
        yield address


# Blocks ------------------------------------------------------------------------------------------


def test_a_block_asks_with_every_tag_and_its_event_names_the_hold(
    guard: Guard, client: Client, platform: Guardrails
) -> None:
    with guard.authorize(**GPT, estimate=SIZE, tags={"experiment": "exp-42"}) as hold:
        assert current_hold() is hold
        hold.record(**GPT, usage={"input_tokens": 900, "output_tokens": 150})
    assert current_hold() is None
    assert platform.asked == [
        {
            **GPT,
            "tags": {"team": "search", "environment": "production", "experiment": "exp-42"},
            "estimate": SIZE,
        }
    ]
    assert client.flush(10)
    (event,) = platform.events.values()
    assert event["hold"] == hold.id
    assert event["tags"] == platform.asked[0]["tags"]
    assert platform.states() == ["used"]
    assert platform.settled == []  # ingest releases it; nothing more is sent


def test_no_means_that_the_block_does_not_run(guard: Guard, platform: Guardrails) -> None:
    platform.room, ran = platform.room * 0, False
    with pytest.raises(Denied, match=r"no room.*budget_exhausted") as refused:  # noqa: SIM117
        with guard.authorize(**GPT, estimate=SIZE):
            ran = True
    assert not ran
    assert refused.value.decision.reasons[0].code == "budget_exhausted"
    platform.verdict = "needs_approval"
    with pytest.raises(NeedsApproval):
        guard.authorize(**GPT, estimate=SIZE)
    assert platform.holds == {}


def test_an_exception_gives_the_money_back(guard: Guard, platform: Guardrails) -> None:
    with pytest.raises(ZeroDivisionError), guard.authorize(**GPT, estimate=SIZE):
        1 / 0  # noqa: B018
    assert platform.states() == ["void"]
    assert str(platform.room) == "1.00"


def test_an_exception_after_the_use_settles_by_it(
    guard: Guard, client: Client, platform: Guardrails
) -> None:
    with pytest.raises(ZeroDivisionError):  # noqa: SIM117
        with guard.authorize(**GPT, estimate={**SIZE, "requests": 3}) as hold:
            hold.record(**GPT, id="e1", usage={"input_tokens": 1})
            1 / 0  # noqa: B018
    assert platform.settled == [{"event_ref": {"source": "gateway", "id": "e1"}}]
    assert client.flush(10)
    assert "hold" not in platform.events["e1"]


def test_the_last_of_several_requests_names_the_hold(
    guard: Guard, client: Client, platform: Guardrails
) -> None:
    with guard.authorize(**GPT, estimate={**SIZE, "requests": 3}) as hold:
        for number in range(4):
            hold.record(**GPT, id=f"e{number}", usage={"input_tokens": 1})
    assert client.flush(10)
    assert [platform.events[f"e{n}"].get("hold") for n in range(4)] == [None, None, hold.id, None]
    assert platform.settled == []


def test_settled_by_hand_and_a_block_without_use(guard: Guard, platform: Guardrails) -> None:
    with guard.authorize(estimate={"amount": "1.20", "currency": "USD"}) as hold:
        hold.settle(amount="0.80", currency="USD")
    assert platform.settled == [{"amount": "0.80", "currency": "USD"}]
    assert platform.asked[0]["estimate"] == {"amount": "1.20", "currency": "USD"}
    with pytest.raises(ApiError) as refused:
        hold.void()
    assert refused.value.code == "hold_ended"
    with guard.authorize(**GPT, estimate=SIZE):
        pass  # somebody else may tell the use: the hold is left to its end
    assert platform.states() == ["settled", "open"]


def test_a_decorated_function_is_a_block(guard: Guard, platform: Guardrails) -> None:
    @guard.guarded(**GPT, estimate=lambda prompt: {"input_tokens": len(prompt)})
    def ask(prompt: str) -> str:
        hold = current_hold()
        assert hold is not None
        hold.record(**GPT, usage={"input_tokens": 5})
        return prompt.upper()

    assert ask("hello") == "HELLO"
    assert platform.asked[0]["estimate"] == {"input_tokens": 5}
    assert ask.__name__ == "ask"

    @guard.guarded(**GPT, estimate=SIZE)
    async def ask_async(prompt: str) -> str:
        assert current_hold() is not None
        return prompt.upper()

    assert asyncio.run(ask_async("hello")) == "HELLO"
    assert len(platform.asked) == 2


def test_check_holds_nothing(guard: Guard, platform: Guardrails) -> None:
    found = guard.check(**GPT, estimate=SIZE)
    assert (found.decision, found.hold, str(found.amount)) == ("allow", None, "0.10")
    platform.room *= 0
    assert guard.check(**GPT, estimate=SIZE).decision == "deny"
    assert platform.holds == {}


# Bad days ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["lost", "break", (503, {"Retry_After": "0"}), (502, {})])
def test_it_asks_again_under_the_same_key_and_holds_once(
    guard: Guard, platform: Guardrails, step: Any
) -> None:
    platform.plan = [step, step]
    hold = guard.authorize(**GPT, estimate=SIZE)
    assert len(platform.holds) == 1
    assert hold.id in platform.holds
    assert len(platform.keys) == 1


def test_a_first_answer_that_is_still_worked_on_is_waited_for(
    guard: Guard, platform: Guardrails
) -> None:
    platform.plan = [(409, {"Retry_After": "0"})]
    assert guard.authorize(**GPT, estimate=SIZE).id in platform.holds
    platform.plan = [(409, {})]
    with pytest.raises(ApiError):
        guard.authorize(**GPT, estimate=SIZE)


def test_a_wrong_key_is_an_error_and_lets_nothing_pass(guard: Guard, platform: Guardrails) -> None:
    platform.plan = [(401, {})]
    with pytest.raises(ApiError) as refused:
        guard.authorize(**GPT, estimate=SIZE)
    assert refused.value.status == 401


def test_failing_open_or_closed(platform: Guardrails, client: Client) -> None:
    bad = [(503, {"Retry_After": "60"})]
    platform.plan = list(bad)
    with Guard(client, when_unreachable="open").authorize(**GPT, estimate=SIZE) as hold:
        assert (hold.id, hold.decision.answered) == (None, False)
        hold.record(**GPT, id="e1", usage={"input_tokens": 1})
    platform.plan = list(bad)
    with pytest.raises(Unreachable, match="fails closed"):
        Guard(client, when_unreachable="closed").authorize(**GPT, estimate=SIZE)
    assert client.flush(10)
    assert "hold" not in platform.events["e1"]


def test_the_server_says_how_to_fail(platform: Guardrails, client: Client) -> None:
    guard = Guard(client)
    platform.on_failure = "closed"
    guard.check(**GPT, estimate=SIZE)
    platform.plan = [(503, {"Retry_After": "60"})] * 2
    with pytest.raises(Unreachable):
        guard.authorize(**GPT, estimate=SIZE)
    other = {**GPT, "model": "gpt-4o-mini"}  # never asked about: open
    assert guard.authorize(**other, estimate=SIZE).id is None


def test_nobody_is_there(client: Client) -> None:
    with serving(Guardrails().handler()) as gone:
        pass
    with Client(gone, "k", source="s") as lost:
        guard = Guard(lost, when_unreachable="open", timeout=0.3)
        assert guard.authorize(**GPT, estimate=SIZE).id is None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_child_asks_on_connections_of_its_own(guard: Guard, platform: Guardrails) -> None:
    guard.check(**GPT, estimate=SIZE)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            said = guard.check(**GPT, estimate=SIZE).decision
        except BaseException as error:
            said = repr(error)
        os.write(writing, said.encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reading, 200) == b"allow"
    assert guard.check(**GPT, estimate=SIZE).decision == "allow"
    assert len(platform.checked) == 3


# Asyncio -----------------------------------------------------------------------------------------


def test_asyncio(url: str, platform: Guardrails) -> None:
    async def work() -> None:
        async with AsyncClient(url, "k", source="gateway", flush_interval=0.02) as client:
            guard = AsyncGuard(client)
            async with guard.authorize(**GPT, estimate=SIZE) as hold:
                assert current_hold() is hold
                hold.record(**GPT, usage={"input_tokens": 1})
            with pytest.raises(ZeroDivisionError):
                async with guard.authorize(**GPT, estimate=SIZE):
                    1 / 0  # noqa: B018
            kept = await guard.authorize(**GPT, estimate=SIZE)
            assert kept.id in platform.holds
            assert (await guard.check(**GPT, estimate=SIZE)).decision == "allow"
            many = await asyncio.gather(
                *(guard.authorize(**GPT, estimate=SIZE) for _ in range(20)), return_exceptions=True
            )
            assert sum(isinstance(one, Denied) for one in many) == 12
            assert await client.flush(10)
            assert platform.states()[:3] == ["used", "void", "open"]

    asyncio.run(work())


def test_a_cancelled_question_gives_back_what_it_would_hold(url: str, platform: Guardrails) -> None:
    async def work() -> None:
        async with AsyncClient(url, "k", source="gateway") as client:
            guard = AsyncGuard(client)
            platform.lock.acquire()  # the answer takes its time
            asking = asyncio.ensure_future(guard.authorize(**GPT, estimate=SIZE).start())
            await asyncio.sleep(0.05)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            platform.lock.release()
            for _ in range(200):
                if platform.states() == ["void"]:
                    break
                await asyncio.sleep(0.02)
            assert platform.states() == ["void"]

    asyncio.run(work())


# SDKs --------------------------------------------------------------------------------------------


def test_every_call_of_an_sdk_is_authorized(
    guard: Guard, client: Client, platform: Guardrails, provider: str
) -> None:
    openai = meter_openai(
        OpenAI(api_key="k", base_url=f"{provider}/v1"), client, guard=guard, account="proj_1"
    )
    with tagged(feature="hello"):
        answer = openai.chat.completions.create(model="gpt-4o", messages=MESSAGES, max_tokens=300)
    assert platform.asked[0] == {
        **GPT,
        "account": "proj_1",
        "tags": {"team": "search", "environment": "production", "feature": "hello"},
        "estimate": {"input_tokens": 7, "output_tokens": 300},
    }
    list(openai.chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=True))
    openai.responses.create(model="gpt-4o", input="Hello?")
    openai.embeddings.create(model="text-embedding-3-small", input=["Hello", "you"])
    assert platform.asked[3]["estimate"] == {"input_tokens": 3, "output_tokens": 0}
    anthropic = meter_anthropic(Anthropic(api_key="k", base_url=provider), client, guard=guard)
    anthropic.messages.create(model="claude", max_tokens=9, messages=MESSAGES)
    assert platform.asked[4]["provider"] == "anthropic"
    assert client.flush(10)
    assert platform.states() == ["used"] * 5
    event = platform.events[answer.id]
    assert (event["raw_usage"], event["hold"]) == (CHAT_USAGE, next(iter(platform.holds)))
    assert event["tags"] == platform.asked[0]["tags"]


def test_a_refused_call_does_not_reach_the_provider(
    guard: Guard, client: Client, platform: Guardrails, provider: str
) -> None:
    platform.room *= 0
    openai = meter_openai(OpenAI(api_key="k", base_url=f"{provider}/v1"), client, guard=guard)
    before = len(Providers.seen)
    with pytest.raises(Denied):
        openai.chat.completions.create(model="gpt-4o", messages=MESSAGES)
    assert len(Providers.seen) == before


def test_a_call_that_the_provider_refuses_gives_the_money_back(
    guard: Guard, client: Client, platform: Guardrails, provider: str
) -> None:
    openai = meter_openai(OpenAI(api_key="k", base_url=f"{provider}/v1"), client, guard=guard)
    with pytest.raises(BadRequestError):
        openai.chat.completions.create(model="broken", messages=MESSAGES)
    assert platform.states() == ["void"]


def test_calls_within_a_block_are_part_of_it(
    guard: Guard, client: Client, platform: Guardrails, provider: str
) -> None:
    openai = meter_openai(OpenAI(api_key="k", base_url=f"{provider}/v1"), client, guard=guard)
    with guard.authorize(**GPT, estimate={**SIZE, "requests": 2}, tags={"experiment": "exp-1"}):
        for _ in range(2):
            openai.chat.completions.create(model="gpt-4o", messages=MESSAGES)
    assert client.flush(10)
    assert len(platform.asked) == 1
    assert platform.states() == ["used"]
    assert {event["tags"]["experiment"] for event in platform.events.values()} == {"exp-1"}


def test_an_async_sdk_is_guarded_too(url: str, platform: Guardrails, provider: str) -> None:
    async def work() -> None:
        async with AsyncClient(url, "k", source="gateway", flush_interval=0.02) as client:
            openai = meter_openai(
                AsyncOpenAI(api_key="k", base_url=f"{provider}/v1"),
                client,
                guard=AsyncGuard(client),
            )
            await openai.chat.completions.create(model="gpt-4o", messages=MESSAGES)
            with pytest.raises(BadRequestError):
                await openai.chat.completions.create(model="broken", messages=MESSAGES)
            platform.room *= 0
            with pytest.raises(Denied):
                await openai.chat.completions.create(model="gpt-4o", messages=MESSAGES)
            assert await client.flush(10)

    asyncio.run(work())
    assert platform.states() == ["used", "void"]


# Estimates ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "tokens"),
    [
        ({"messages": [{"role": "user", "content": "x" * 400}]}, (4 + 1 + 100, 1_024)),
        ({"messages": [], "max_tokens": 50, "n": 3}, (0, 150)),
        ({"input": "Hello?", "max_output_tokens": 7}, (2, 7)),
        ({"prompt": ["ab", "cd"], "max_tokens": 1}, (2, 1)),
        ({"input": [[1, 2, 3]], "max_tokens": 1}, (3, 1)),
        (
            {"messages": [{"content": [{"type": "image_url", "image_url": {"url": "x" * 9_000}}]}]},
            (1_000, 1_024),
        ),
        ({"messages": None, "max_tokens": "many"}, (0, 1_024)),
    ],
)
def test_estimates_of_bodies(body: dict[str, Any], tokens: tuple[int, int]) -> None:
    found = of_body(body)
    assert (found["input_tokens"], found["output_tokens"]) == tokens
    json.dumps(found)
