"""LiteLLM's payloads: what they mean, what is no use at all, and the door that takes them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.test import Client

from apps.core.domain.access import Scope
from apps.ingest.domain import litellm
from apps.ingest.domain.translated import NotTranslated
from apps.usage.domain.digest import digest_v1
from apps.usage.domain.drafts import Draft, Rejected
from apps.usage.domain.normalize import meters_of
from apps.usage.models import Event, RawUsage, Rollup
from tests.accounts.people import bearer, service_key
from tests.ingest.factories import NOW, contract

START = 1768472430.123456


def payload(name: str = "chatcmpl-1", **changes: Any) -> dict[str, Any]:
    """Return a standard logging payload as litellm 1.106 logs it, prompts cut."""
    usage = {
        "prompt_tokens": 12_307,
        "completion_tokens": 550,
        "total_tokens": 12_857,
        "prompt_tokens_details": {
            "cached_tokens": 0,
            "cache_creation_tokens": 12_304,
            "text_tokens": 3,
            "audio_tokens": None,
        },
        "completion_tokens_details": None,
        "cache_creation_input_tokens": 12_304,
        "cache_read_input_tokens": 0,
    }
    return {
        "id": name,
        "litellm_call_id": "call-1",
        "trace_id": "trace-1",
        "call_type": "acompletion",
        "cache_hit": None,
        "status": "success",
        "custom_llm_provider": "testco",
        "startTime": START,
        "endTime": START + 2,
        "model": "tiny",
        "metadata": {
            "usage_object": usage,
            "user_api_key_alias": "gateway-eu",
            "user_api_key_team_alias": "search",
            "user_api_key_user_id": "u-7",
            "spend_logs_metadata": {"feature": "summarize", "ticket": 12},
            "requester_metadata": {"experiment": "exp-1", "noise": "x"},
        },
        "response_cost": 0.00022500000000000002,
        "prompt_tokens": 12_307,
        "completion_tokens": 550,
        "total_tokens": 12_857,
        "request_tags": ["environment:production", "red", "User-Agent: litellm/1.106"],
        "end_user": "customer-9",
        "messages": [{"role": "user", "content": "hi"}],
        "response": {"service_tier": "default"},
        **changes,
    }


def spend_log(name: str = "chatcmpl-1") -> dict[str, Any]:
    """Return the row of the spend log that the same call leaves."""
    sent = payload(name)
    return {
        "request_id": name,
        "call_type": "acompletion",
        "api_key": "88dc28d0f030c55ed4ab77ed8faf098196cb1c05df778539800c9f1243fe6b4b",
        "spend": 0.000225,
        "total_tokens": 12_857,
        "prompt_tokens": 12_307,
        "completion_tokens": 550,
        "startTime": "2026-01-15 10:20:30.123",
        "endTime": "2026-01-15 10:20:32.123",
        "model": "tiny",
        "custom_llm_provider": "testco",
        "user": "u-7",
        "metadata": json.dumps(sent["metadata"]),
        "cache_hit": "False",
        "request_tags": json.dumps(sent["request_tags"]),
        "team_id": "team-uuid",
        "end_user": "customer-9",
        "status": "success",
    }


def only(sent: Any, **how: Any) -> Draft:
    taken = litellm.drafts_of(litellm.read_payloads(body=json.dumps(sent).encode(), lines=False))
    (draft,) = taken.drafts
    assert isinstance(draft, Draft), draft
    return draft


def test_a_payload() -> None:
    draft = only(payload())
    assert meters_of(draft) == (
        {"input_tokens": 3, "cache_write_tokens": 12_304, "output_tokens": 550},
        12_307,
    )
    assert (draft.source, draft.id, draft.provider, draft.model) == (
        "litellm",
        "chatcmpl-1",
        "testco",
        "tiny",
    )
    assert draft.time == datetime(2026, 1, 15, 10, 20, 30, 123456, tzinfo=UTC)
    assert draft.tags == {
        "environment": "production",
        "litellm_tags": "red",
        "experiment": "exp-1",
        "feature": "summarize",
        "ticket": "12",
        "team": "search",
        "user": "u-7",
    }
    assert (draft.credential, draft.end_user, draft.trace_id) == (
        "gateway-eu",
        "customer-9",
        "trace-1",
    )
    assert (draft.operation, draft.service_tier, draft.status) == ("chat", None, "ok")
    assert draft.reported_cost is not None
    assert draft.reported_cost.amount == Decimal("0.00022500000000000002")
    assert (
        draft.raw_usage is not None and "audio_tokens" in draft.raw_usage["prompt_tokens_details"]
    )


def test_the_spend_log_tells_the_same_use() -> None:
    logged, posted = only(spend_log()), only(payload())
    assert digest_v1(logged) == digest_v1(posted)
    assert meters_of(logged) == meters_of(posted)
    assert digest_v1(only(payload(prompt_tokens=1))) != digest_v1(posted)


@pytest.mark.parametrize(
    "call", ["aretrieve_batch", "retrieve_batch", "acreate_batch", "afile_content"]
)
def test_looking_after_batches_is_no_use(call: str) -> None:
    taken = litellm.drafts_of([payload(), payload("p", call_type=call, prompt_tokens=0)])
    assert (len(taken.drafts), taken.ignored) == (1, 1)


def test_a_cache_hit_counts_and_costs_nothing() -> None:
    for hit in (True, "True"):
        draft = only(payload(cache_hit=hit))
        assert meters_of(draft) == ({}, 0)
        assert (draft.operation, draft.reported_cost) == ("cache_hit", None)


def test_tries_of_a_call_are_uses_of_their_own() -> None:
    failed = payload("fac272bf", status="failure", response_cost=0, metadata={}, prompt_tokens=0)
    failed |= {"completion_tokens": 0, "total_tokens": 0, "response": None}
    first, second = only(failed), only(payload())
    assert (first.status, second.status) == ("error", "ok")
    assert first.id != second.id
    assert first.trace_id == second.trace_id
    assert meters_of(first) == ({}, 0)


@pytest.mark.parametrize(
    ("call", "usage", "meters"),
    [
        ("aspeech", None, {"unreported_calls": 1}),
        ("aimage_generation", {"images": 1}, {"unreported_calls": 1}),
        ("acompletion", {"prompt_tokens": 0, "completion_tokens": 0}, {"unreported_calls": 1}),
        ("amoderation", None, {}),
        ("atranscription", {"type": "duration", "seconds": 36}, {"input_audio_hours": "0.01"}),
        ("arerank", {"billed_units": {"search_units": 2}}, {"search_units": "2"}),
    ],
)
def test_calls_that_count_no_tokens(call: str, usage: Any, meters: dict[str, Any]) -> None:
    nothing = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0, "response": None}
    draft = only(payload(call_type=call, metadata={"usage_object": usage}, **nothing))
    assert meters_of(draft)[0] == {meter: Decimal(count) for meter, count in meters.items()}


def test_totals_stand_in_for_a_usage_object() -> None:
    draft = only(payload(metadata=None, response="text"))
    assert meters_of(draft)[0] == {"input_tokens": 12_307, "output_tokens": 550}
    unknown = payload(response_cost=0.0, response_cost_failure_debug_info={"error_str": "unmapped"})
    assert only(unknown).reported_cost is None


@pytest.mark.parametrize(
    ("provider", "model", "sold"),
    [
        ("bedrock", "bedrock/converse/anthropic.claude-3", ("bedrock", "anthropic.claude-3")),
        ("openrouter", "openrouter/openai/gpt-4o", ("openrouter", "openai/gpt-4o")),
        (None, "anthropic/claude-3-7-sonnet", ("anthropic", "claude-3-7-sonnet")),
        ("vertex_ai", "gemini-2.5-pro", ("vertex_ai", "gemini-2.5-pro")),
        (None, "tiny", ("unknown", "tiny")),
    ],
)
def test_names_of_models(provider: str | None, model: str, sold: tuple[str, str]) -> None:
    draft = only(payload(custom_llm_provider=provider, model=model))
    assert (draft.provider, draft.model) == sold


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ([], None),
        ({"startTime": START, "model": "tiny"}, "id"),
        (payload(model=""), "model"),
        (payload(startTime="yesterday"), "startTime"),
        (payload(startTime=None), "startTime"),
        (payload(startTime=1e300), "startTime"),
    ],
)
def test_what_cannot_be_understood(sent: Any, field: str | None) -> None:
    with pytest.raises(NotTranslated) as refused:
        litellm.translate(json.loads(json.dumps(sent), parse_float=Decimal))
    assert refused.value.problem.field == field


def test_usage_that_contradicts_itself_is_named() -> None:
    odd = {"prompt_tokens": 5, "completion_tokens": 5, "total_tokens": 99}
    body = json.dumps(payload(metadata={"usage_object": odd})).encode()
    taken = litellm.drafts_of(litellm.read_payloads(body=body, lines=False))
    (one,) = taken.drafts
    assert isinstance(one, Rejected)
    assert (one.problem.field, one.problem.code) == ("raw_usage.total_tokens", "not_disjoint")


@pytest.fixture
def client(acme: Any) -> Any:
    with time_machine.travel(NOW, tick=False):
        yield Client(headers={"host": "acme.localhost", **bearer(service_key(Scope.USAGE_WRITE))})


def post(client: Client, sent: Any, **how: Any) -> Any:
    return client.post(
        "/api/v1/ingest/litellm", json.dumps(sent), content_type="application/json", **how
    )


def test_the_door(client: Client) -> None:
    contract(input_tokens="3", cache_write_tokens="3.75", output_tokens="15")
    sent = [payload(), payload("poll", call_type="aretrieve_batch"), payload("b", model="")]
    answer = post(client, sent).json()
    assert {k: answer[k] for k in ("accepted", "rejected", "ignored", "unpriced")} == {
        "accepted": 1,
        "rejected": 1,
        "ignored": 1,
        "unpriced": 0,
    }
    assert answer["errors"][0]["index"] == 2
    assert sum(row.cost or 0 for row in Rollup.objects.all()) == Decimal("0.054399")
    assert RawUsage.objects.get().raw["cache_creation_input_tokens"] == 12_304
    assert post(client, payload()).json()["duplicates"] == 1
    assert post(client, [spend_log()]).json()["duplicates"] == 1
    assert post(client, payload(prompt_tokens=7)).json()["conflicts"] == 1
    other = post(client, payload(), headers={"x-source": "proxy-2"}).json()
    assert other["accepted"] == 1
    assert Event.objects.count() == 2
    lines = "\n".join(json.dumps(payload(name)) for name in "xy")
    answer = client.post("/api/v1/ingest/litellm", lines, content_type="application/x-ndjson")
    assert answer.json()["accepted"] == 2


def test_who_may_not(client: Client) -> None:
    assert (
        client.post("/api/v1/ingest/litellm?x=1", "[]", content_type="application/json").status_code
        == 400
    )
    assert post(client, "no").status_code == 400
    nobody = Client(headers={"host": "acme.localhost"})
    assert post(nobody, []).status_code == 401
    reader = Client(headers={"host": "acme.localhost", **bearer(service_key(Scope.USAGE_READ))})
    assert post(reader, []).status_code == 403
