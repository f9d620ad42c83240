"""Guards against the running platform: what is held, what is spent, what a budget lets by."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")

import litellm
from finops_metering import (
    ApiError,
    AsyncClient,
    AsyncGuard,
    Client,
    Denied,
    Guard,
    NeedsApproval,
    meter_openai,
)
from finops_metering.litellm import FinOpsGuard
from openai import OpenAI

from apps.budgets.domain.budgets import Unpriced
from apps.budgets.domain.limits import Limit
from apps.budgets.models import Hold
from apps.core.domain.access import Scope
from finops_platform.provisioning import extend_months
from tests.accounts.people import service_key
from tests.budgets.base import budget, standing, verified
from tests.clients.fakes import Providers, serving
from tests.clients.hooks import hooked
from tests.clients.test_gateway import gateway
from tests.ingest.factories import contract

pytestmark = [pytest.mark.live, pytest.mark.slow]

SCOPES = (Scope.USAGE_WRITE, Scope.USAGE_READ, Scope.BUDGETS_AUTHORIZE)
GPT: Any = {"provider": "openai", "model": "gpt-4o"}
DEAR = {"input_tokens": 100_000, "output_tokens": 0}  # 0.25 USD
MESSAGES: Any = [{"role": "user", "content": "Hello?"}]


@pytest.fixture
def now(fresh_tenant: Any) -> datetime:
    made = datetime.now(UTC)
    extend_months(tenant=fresh_tenant, now=made)
    contract(
        provider="openai",
        model="gpt-4o",
        input_tokens="2.5",
        cached_input_tokens="1.25",
        output_tokens="10",
    )
    return made


@pytest.fixture
def search(now: datetime) -> UUID:
    return budget(amount=Decimal("1"), limit=Limit.HARD, now=now)


@pytest.fixture
def url(web_port: int) -> str:
    return f"http://127.0.0.1:{web_port}"


@pytest.fixture
def client(search: UUID, url: str) -> Iterator[Client]:
    key = service_key(*SCOPES).text
    with Client(url, key, source="gateway", tags={"team": "search"}, flush_interval=0.02) as made:
        yield made


@pytest.fixture
def guard(client: Client) -> Guard:
    return Guard(client, timeout=20)


def money(budget: UUID) -> tuple[Decimal, Decimal]:
    """Return what is spent and held."""
    found = standing(budget, datetime.now(UTC).date()).counters
    return found.spent, found.held


def states() -> list[str]:
    return list(Hold.objects.order_by("id").values_list("state", flat=True))


def test_a_hold_lives_until_its_event_is_spent(guard: Guard, client: Client, search: UUID) -> None:
    with guard.authorize(**GPT, estimate=DEAR) as hold:
        assert money(search) == (0, Decimal("0.25"))
        name = hold.record(**GPT, usage={"input_tokens": 40_000, "output_tokens": 1_000})
        assert client.flush(20)
        assert money(search) == (Decimal("0.11"), 0)
    assert states() == ["used"]
    assert client.event(name)["id"] == name
    assert name in Hold.objects.get().event_ref
    assert verified(datetime.now(UTC))


def test_what_does_not_fit_is_denied_and_what_fails_is_given_back(
    guard: Guard, search: UUID
) -> None:
    with pytest.raises(ZeroDivisionError), guard.authorize(**GPT, estimate={**DEAR, "requests": 4}):
        assert money(search) == (0, 1)
        with pytest.raises(Denied, match="Search") as refused:
            guard.authorize(**GPT, estimate={"input_tokens": 1})
        assert refused.value.decision.reasons[0].code == "budget_exhausted"
        assert guard.check(**GPT, estimate={"input_tokens": 1}).decision == "deny"
        1 / 0  # noqa: B018
    assert money(search) == (0, 0)
    assert guard.check(**GPT, estimate={"input_tokens": 1}).decision == "allow"
    assert states() == ["void"]


def test_one_question_holds_once_however_often_it_is_asked(guard: Guard, search: UUID) -> None:
    first = guard.authorize(**GPT, estimate=DEAR, idempotency_key="a-job")
    again = guard.authorize(**GPT, estimate=DEAR, idempotency_key="a-job")
    assert first.id == again.id
    assert money(search) == (0, Decimal("0.25"))
    with pytest.raises(ApiError) as refused:
        guard.authorize(**GPT, estimate={"input_tokens": 1}, idempotency_key="a-job")
    assert refused.value.code == "idempotency_conflict"


def test_settled_by_hand(guard: Guard, client: Client, search: UUID) -> None:
    settled = guard.authorize(**GPT, estimate=DEAR).settle(amount="0.10", currency="USD")
    assert settled["state"] == "settled"
    assert money(search) == (0, Decimal("0.10"))
    guard.authorize(**GPT, estimate=DEAR).settle(usage={"input_tokens": 4_000})
    assert money(search) == (0, Decimal("0.11"))
    with guard.authorize(**GPT, estimate={**DEAR, "requests": 3}) as hold:
        name = hold.record(**GPT, usage={"input_tokens": 4_000})  # one of three
    assert client.flush(20)
    assert name in Hold.objects.order_by("id").values_list("event_ref", flat=True)[2]
    with pytest.raises(ApiError) as refused:
        hold.settle(event={"id": "x"})
    assert refused.value.status in (400, 409, 422)


def test_an_unpriced_model_is_refused_under_a_hard_limit(
    guard: Guard, client: Client, now: datetime
) -> None:
    unknown: Any = {"provider": "nobody", "model": "unheard-of"}
    with pytest.raises(Denied, match="Nobody knows"):
        guard.authorize(**unknown, estimate=DEAR)
    budget(
        name="Lab",
        scope={"team": "lab"},
        limit=Limit.HARD,
        unpriced=Unpriced.NEEDS_APPROVAL,
        now=now,
    )
    with pytest.raises(NeedsApproval):
        guard.authorize(**unknown, estimate=DEAR, tags={"team": "lab"})


def test_many_at_once_stay_within(guard: Guard, client: Client, search: UUID) -> None:
    """A budget for four takes four of thirty, whoever asks first; each then spends its hold."""

    def one(number: int) -> bool:
        try:
            with guard.authorize(**GPT, estimate=DEAR) as hold:
                hold.record(**GPT, id=f"e{number}", usage={"input_tokens": 100_000})
        except Denied:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(one, range(30))) == 4
    assert client.flush(20)
    assert money(search) == (1, 0)
    assert verified(datetime.now(UTC))


def test_a_guarded_sdk(guard: Guard, client: Client, search: UUID) -> None:
    with serving(Providers) as provider:
        openai = meter_openai(OpenAI(api_key="k", base_url=f"{provider}/v1"), client, guard=guard)
        # the answer's time is in January; the event is spent there, and the hold is released
        openai.responses.create(model="gpt-4o", input="Hello?", max_output_tokens=1_000)
        assert money(search)[1] > 0
        assert client.flush(20)
        assert states() == ["used"]
        assert money(search)[1] == 0
        with pytest.raises(Denied):
            openai.chat.completions.create(model="gpt-4o", messages=MESSAGES, max_tokens=200_000)


def test_asyncio(client: Client, url: str, search: UUID) -> None:
    key = service_key(*SCOPES).text

    async def work() -> None:
        async with AsyncClient(url, key, source="a", tags={"team": "search"}) as asynchronous:
            guard = AsyncGuard(asynchronous, timeout=20)
            async with guard.authorize(**GPT, estimate=DEAR) as hold:
                hold.record(**GPT, usage={"input_tokens": 8_000})
            many = await asyncio.gather(
                *(guard.authorize(**GPT, estimate=DEAR) for _ in range(8)),
                return_exceptions=True,
            )
            assert sum(isinstance(one, Denied) for one in many) == 5
            assert await asynchronous.flush(20)

    asyncio.run(work())
    assert states().count("used") == 1
    assert money(search) == (Decimal("0.02"), Decimal("0.75"))


def test_litellm(guard: Guard, client: Client, search: UUID) -> None:
    call: Any = {"model": "openai/gpt-4o", "messages": MESSAGES, "max_tokens": 1_000}

    async def work() -> None:
        await litellm.acompletion(**call, mock_response="Hello.")
        for _ in range(500):
            if client.stats().accepted:
                break
            await asyncio.sleep(0.02)
        with pytest.raises(Denied):
            await litellm.acompletion(**{**call, "max_tokens": 200_000}, mock_response="Hello.")

    with hooked(FinOpsGuard(guard)):
        asyncio.run(work())
    assert states() == ["used"]
    spent, held = money(search)
    assert spent == Decimal("0.000225")  # 10 tokens in, 20 out, as the mock says
    assert held == 0


def test_the_gateway(guard: Guard, client: Client, search: UUID) -> None:
    with serving(Providers) as provider, gateway(client, provider) as at:
        openai = OpenAI(api_key="k", base_url=f"{at}/v1", max_retries=0)
        openai.responses.create(model="gpt-4o", input="Hello?")
        list(openai.responses.create(model="gpt-4o", input="Hello?", stream=True))
    assert client.flush(20)
    assert states() == ["used", "used"]
    assert money(search)[1] == 0
    assert client.stats().accepted == 2
