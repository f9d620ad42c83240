"""Usage objects as providers send them (docs/usage.md): read into disjoint meters."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.usage.domain.drafts import Draft
from apps.usage.domain.normalize import meters_of
from apps.usage.domain.shapes import ShapeBroken, ShapeUnknown, reading, usage_counts

NAMES = [
    "prompt_tokens",
    "completion_tokens",
    "input_tokens",
    "output_tokens",
    "total_tokens",
    "prompt_tokens_details",
    "cached_tokens",
    "cache_creation",
    "cache_creation_input_tokens",
    "ephemeral_5m_input_tokens",
    "promptTokenCount",
    "totalTokenCount",
    "inputTokens",
    "billed_units",
    "reasoning_tokens",
    "odd_tokens",
    "server_tool_use",
    "seconds",
]

# fmt: off
BODIES: list[tuple[str, str, dict[str, Any], dict[str, int], int]] = [
    ("openai", "chat completions, cached and reasoning",
     {"prompt_tokens": 2006, "completion_tokens": 300, "total_tokens": 2306,
      "prompt_tokens_details": {"cached_tokens": 1920, "audio_tokens": 0},
      "completion_tokens_details": {"reasoning_tokens": 128, "audio_tokens": 0,
                                    "accepted_prediction_tokens": 0}},
     {"input_tokens": 86, "cached_input_tokens": 1920, "output_tokens": 300}, 2006),
    ("openai", "chat completions without details",
     {"prompt_tokens": 9, "completion_tokens": 12, "total_tokens": 21},
     {"input_tokens": 9, "output_tokens": 12}, 9),
    ("openai", "responses, with a cache write",
     {"input_tokens": 1000, "output_tokens": 500, "total_tokens": 1500,
      "input_tokens_details": {"cached_tokens": 400, "cache_write_tokens": 100},
      "output_tokens_details": {"reasoning_tokens": 320}},
     {"input_tokens": 500, "cached_input_tokens": 400, "cache_write_tokens": 100,
      "output_tokens": 500}, 1000),
    ("azure", "audio in and out",
     {"prompt_tokens": 120, "completion_tokens": 80,
      "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 100},
      "completion_tokens_details": {"audio_tokens": 60}},
     {"input_tokens": 20, "input_audio_tokens": 100, "output_tokens": 20,
      "output_audio_tokens": 60}, 120),
    ("anthropic", "the body of LiteLLM issue 9812",
     {"input_tokens": 3, "cache_creation_input_tokens": 12304, "cache_read_input_tokens": 0,
      "output_tokens": 550},
     {"input_tokens": 3, "cache_write_tokens": 12304, "output_tokens": 550}, 12307),
    ("anthropic", "writes split by lifetime are not added to their total",
     {"input_tokens": 1500, "cache_creation_input_tokens": 1500,
      "cache_creation": {"ephemeral_5m_input_tokens": 500, "ephemeral_1h_input_tokens": 1000},
      "cache_read_input_tokens": 200, "output_tokens": 500, "service_tier": "standard",
      "server_tool_use": {"web_search_requests": 1}},
     {"input_tokens": 1500, "cached_input_tokens": 200, "cache_write_1h_tokens": 1000,
      "cache_write_5m_tokens": 500, "output_tokens": 500, "web_searches": 1}, 3200),
    ("gemini", "thoughts add to candidates, tool prompts to the prompt",
     {"promptTokenCount": 264, "cachedContentTokenCount": 64, "candidatesTokenCount": 100,
      "thoughtsTokenCount": 36, "toolUsePromptTokenCount": 10, "totalTokenCount": 410,
      "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 264}],
      "trafficType": "ON_DEMAND"},
     {"input_tokens": 210, "cached_input_tokens": 64, "output_tokens": 136}, 274),
    ("google", "audio in the prompt",
     {"promptTokenCount": 500, "candidatesTokenCount": 20,
      "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 100},
                              {"modality": "AUDIO", "tokenCount": 400}]},
     {"input_tokens": 100, "input_audio_tokens": 400, "output_tokens": 20}, 500),
    ("bedrock", "converse sends cache counts under two names",
     {"inputTokens": 512, "outputTokens": 256, "totalTokens": 1068,
      "cacheReadInputTokens": 200, "cacheReadInputTokenCount": 200,
      "cacheWriteInputTokens": 100, "cacheWriteInputTokenCount": 100},
     {"input_tokens": 512, "cached_input_tokens": 200, "cache_write_tokens": 100,
      "output_tokens": 256}, 812),
    ("aws", "an invocation log",
     {"inputTokenCount": 512, "cacheReadInputTokenCount": 0, "cacheWriteInputTokenCount": 0,
      "outputTokenCount": 256},
     {"input_tokens": 512, "output_tokens": 256}, 512),
    ("openai", "responses of a model that writes a cache of several lifetimes",
     {"input_tokens": 1000, "output_tokens": 10, "total_tokens": 1010,
      "input_tokens_details": {"cached_tokens": 100, "cache_write_tokens": 50,
                               "cache_write_30m_tokens": 20, "cache_write_12h_tokens": 30}},
     {"input_tokens": 850, "cached_input_tokens": 100, "cache_write_12h_tokens": 30,
      "cache_write_30m_tokens": 20, "output_tokens": 10}, 1000),
    ("openai", "images in and out are priced apart",
     {"input_tokens": 373, "output_tokens": 4160, "total_tokens": 4533,
      "input_tokens_details": {"text_tokens": 50, "image_tokens": 323},
      "output_tokens_details": {"text_tokens": 0, "image_tokens": 4160}},
     {"input_tokens": 50, "input_image_tokens": 323, "output_image_tokens": 4160}, 373),
    ("openai", "realtime, with cached audio",
     {"total_tokens": 253, "input_tokens": 132, "output_tokens": 121,
      "input_token_details": {"text_tokens": 119, "audio_tokens": 13, "image_tokens": 0,
                              "cached_tokens": 64,
                              "cached_tokens_details": {"text_tokens": 60, "audio_tokens": 4}},
      "output_token_details": {"text_tokens": 30, "audio_tokens": 91}},
     {"input_tokens": 59, "cached_input_tokens": 60, "input_audio_tokens": 9,
      "cached_input_audio_tokens": 4, "output_tokens": 30, "output_audio_tokens": 91}, 132),
    ("openai", "predictions, accepted or not, are inside the output",
     {"prompt_tokens": 20, "completion_tokens": 40, "total_tokens": 60,
      "completion_tokens_details": {"accepted_prediction_tokens": 10,
                                    "rejected_prediction_tokens": 15}},
     {"input_tokens": 20, "output_tokens": 40}, 20),
    ("openai", "whisper is charged by time",
     {"type": "duration", "seconds": 27}, {"input_audio_hours": Decimal("0.0075")}, 0),
    ("anthropic", "tools, thinking and both cache lifetimes",
     {"input_tokens": 10, "cache_creation_input_tokens": 300, "cache_read_input_tokens": 20,
      "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200},
      "output_tokens": 50, "output_tokens_details": {"thinking_tokens": 30},
      "server_tool_use": {"web_search_requests": 3, "web_fetch_requests": 2},
      "service_tier": "standard", "inference_geo": "global"},
     {"input_tokens": 10, "cached_input_tokens": 20, "cache_write_1h_tokens": 200,
      "cache_write_5m_tokens": 100, "output_tokens": 50, "web_searches": 3}, 330),
    ("aws", "a Messages body through Bedrock is told by its shape",
     {"input_tokens": 5, "cache_read_input_tokens": 7, "output_tokens": 2},
     {"input_tokens": 5, "cached_input_tokens": 7, "output_tokens": 2}, 12),
    ("google", "as the Python SDK dumps it",
     {"prompt_token_count": 20, "candidates_token_count": 5, "thoughts_token_count": 3,
      "total_token_count": 28,
      "prompt_tokens_details": [{"modality": "AUDIO", "token_count": 15}]},
     {"input_tokens": 5, "input_audio_tokens": 15, "output_tokens": 8}, 20),
    ("vertex_ai", "pictures of a prompt are charged as text, those made apart",
     {"promptTokenCount": 270, "candidatesTokenCount": 1300, "totalTokenCount": 1570,
      "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 12},
                              {"modality": "IMAGE", "tokenCount": 258}],
      "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 1290}]},
     {"input_tokens": 270, "output_tokens": 10, "output_image_tokens": 1290}, 270),
    ("google", "the Live API has prices of its own for what it sees",
     {"promptTokenCount": 300, "responseTokenCount": 40, "totalTokenCount": 340,
      "promptTokensDetails": [{"modality": "VIDEO", "tokenCount": 258},
                              {"modality": "AUDIO", "tokenCount": 32}],
      "responseTokensDetails": [{"modality": "AUDIO", "tokenCount": 40}]},
     {"input_tokens": 10, "input_video_tokens": 258, "input_audio_tokens": 32,
      "output_audio_tokens": 40}, 300),
    ("bedrock", "an invocation log as it is nested, and cache writes by lifetime",
     {"inputTokens": 10, "outputTokens": 5, "totalTokens": 145, "cacheReadInputTokens": 100,
      "cacheWriteInputTokens": 30, "cacheDetails": [{"ttl": "5m", "inputTokens": 10},
                                                    {"ttl": "1h", "inputTokens": 20}]},
     {"input_tokens": 10, "cached_input_tokens": 100, "cache_write_1h_tokens": 20,
      "cache_write_5m_tokens": 10, "output_tokens": 5}, 140),
    ("bedrock", "counts of a record of the log",
     {"input": {"inputTokenCount": 9, "cacheReadInputTokenCount": 2},
      "output": {"outputTokenCount": 4}},
     {"input_tokens": 9, "cached_input_tokens": 2, "output_tokens": 4}, 11),
    ("openrouter", "with its cost beside",
     {"prompt_tokens": 194, "completion_tokens": 2, "total_tokens": 196, "is_byok": False,
      "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0, "video_tokens": 0},
      "completion_tokens_details": {"reasoning_tokens": 0, "image_tokens": 0},
      "cost": Decimal("0.00095"), "cost_details": {"upstream_inference_cost": None}},
     {"input_tokens": 194, "output_tokens": 2}, 194),
    ("groq", "times of the queue are no counts",
     {"queue_time": Decimal("0.0377"), "prompt_tokens": 18, "prompt_time": Decimal("0.0006"),
      "completion_tokens": 556, "completion_time": Decimal("0.46"), "total_tokens": 574,
      "total_time": Decimal("0.4642"), "prompt_tokens_details": {"cached_tokens": 8}},
     {"input_tokens": 10, "cached_input_tokens": 8, "output_tokens": 556}, 18),
    ("cohere", "what is billed, not what the model saw",
     {"billed_units": {"input_tokens": Decimal("5.0"), "output_tokens": 418},
      "tokens": {"input_tokens": 71, "output_tokens": 418}},
     {"input_tokens": 5, "output_tokens": 418}, 5),
    ("cohere", "rerank is billed by searches",
     {"billed_units": {"search_units": 1}}, {"search_units": 1}, 0),
    ("mistral", "a chat",
     {"prompt_tokens": 16, "completion_tokens": 34, "total_tokens": 50,
      "prompt_token_details": {"cached_tokens": 6}, "num_cached_tokens": 6},
     {"input_tokens": 10, "cached_input_tokens": 6, "output_tokens": 34}, 16),
    ("mistral", "what it heard is in the total and charged by time",
     {"prompt_audio_seconds": 203, "prompt_tokens": 4, "completion_tokens": 635,
      "total_tokens": 3264},
     {"input_tokens": 4, "output_tokens": 635, "input_audio_hours": Decimal("0.056389")}, 4),
    ("mistral", "reading documents",
     {"pages_processed": 3, "doc_size_bytes": 12345}, {"input_document_pages": 3}, 0),
    ("xai", "reasoning stands beside the completion, as the total tells",
     {"prompt_tokens": 32, "completion_tokens": 9, "total_tokens": 135,
      "prompt_tokens_details": {"text_tokens": 32, "audio_tokens": 0, "image_tokens": 0,
                                "cached_tokens": 6},
      "completion_tokens_details": {"reasoning_tokens": 94, "audio_tokens": 0,
                                    "accepted_prediction_tokens": 0},
      "num_sources_used": 2, "cost_in_usd_ticks": 1_234_500},
     {"input_tokens": 26, "cached_input_tokens": 6, "output_tokens": 103,
      "search_sources": 2}, 32),
    ("xai", "responses count reasoning inside, tools apart",
     {"input_tokens": 32, "output_tokens": 103, "total_tokens": 135,
      "input_tokens_details": {"cached_tokens": 6},
      "output_tokens_details": {"reasoning_tokens": 94},
      "server_side_tool_usage_details": {"web_search_calls": 1, "x_search_calls": 2,
                                         "mcp_calls": 0}},
     {"input_tokens": 26, "cached_input_tokens": 6, "output_tokens": 103, "web_searches": 1,
      "x_search_calls": 2}, 32),
    ("perplexity", "citations and reasoning are beside and priced",
     {"prompt_tokens": 33, "completion_tokens": 7163, "total_tokens": 7196,
      "citation_tokens": 20016, "num_search_queries": 18, "reasoning_tokens": 73997,
      "search_context_size": "low", "cost": {"total_cost": Decimal("0.5")}},
     {"input_tokens": 33, "output_tokens": 7163, "output_citation_tokens": 20016,
      "output_reasoning_tokens": 73997, "web_searches": 18}, 33),
    ("deepseek", "hits and misses of the cache make up the prompt",
     {"prompt_tokens": 100, "completion_tokens": 5, "total_tokens": 105,
      "prompt_cache_hit_tokens": 64, "prompt_cache_miss_tokens": 36},
     {"input_tokens": 36, "cached_input_tokens": 64, "output_tokens": 5}, 100),
    ("anthropic", "as LiteLLM writes it, cache inside and told twice",
     {"prompt_tokens": 12_307, "completion_tokens": 550, "total_tokens": 12_857,
      "prompt_tokens_details": {"cached_tokens": 0, "cache_creation_tokens": 12_304,
                                "cache_creation_token_details": {
                                    "ephemeral_5m_input_tokens": 12_000,
                                    "ephemeral_1h_input_tokens": 304}},
      "cache_creation_input_tokens": 12_304, "cache_read_input_tokens": 0},
     {"input_tokens": 3, "cache_write_1h_tokens": 304, "cache_write_5m_tokens": 12_000,
      "output_tokens": 550}, 12_307),
    ("new-lab", "token classes nobody knows are kept as they are",
     {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15, "smell_tokens": 4,
      "completion_tokens_details": {"dreamTokens": 2}, "input_video_tokens": 1, "speed": 9},
     {"input_tokens": 10, "output_tokens": 5, "smell_tokens": 4,
      "completion_tokens_details.dream_tokens": 2, "raw.input_video_tokens": 1}, 10),
    ("new-lab", "speeds, limits and fractions are no counts",
     {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 0, "tokens_per_second": 54,
      "max_tokens": 100, "token_time": Decimal("0.5"), "half_tokens": Decimal("1.5"),
      "maxOutputTokens": 7},
     {"input_tokens": 10, "output_tokens": 5}, 10),
    ("anthropic", "compacting is beside the totals, an advisor is another model",
     {"input_tokens": 23000, "output_tokens": 1000, "cache_read_input_tokens": 7,
      "cache_creation_input_tokens": 5, "cache_creation": {"ephemeral_1h_input_tokens": 5},
      "iterations": [
          {"type": "compaction", "input_tokens": 180000, "output_tokens": 3500,
           "cache_read_input_tokens": 3, "cache_creation_input_tokens": 2},
          {"type": "message", "input_tokens": 23000, "output_tokens": 1000,
           "cache_read_input_tokens": 7, "cache_creation_input_tokens": 5},
          {"type": "advisor_message", "model": "claude-opus-4-6", "input_tokens": 823,
           "output_tokens": 531, "cache_read_input_tokens": 0, "cache_creation_input_tokens": 9,
           "cache_creation": {"ephemeral_5m_input_tokens": 9}},
          {"type": "advisor_message", "input_tokens": 1, "output_tokens": 2}]},
     {"input_tokens": 203000, "cached_input_tokens": 10, "cache_write_1h_tokens": 5,
      "cache_write_5m_tokens": 2, "output_tokens": 4500, "advisor_message.input_tokens": 824,
      "advisor_message.output_tokens": 533, "advisor_message.cache_creation_input_tokens": 9},
     203017),
]
# fmt: on


@pytest.mark.parametrize(
    ("provider", "body", "meters", "context"),
    [(provider, body, meters, context) for provider, _, body, meters, context in BODIES],
    ids=[f"{provider}: {name}" for provider, name, *_ in BODIES],
)
def test_bodies(provider: str, body: dict[str, Any], meters: dict[str, int], context: int) -> None:
    read = reading(provider=provider, usage=body)
    draft = Draft(
        id="a", time=datetime(2026, 1, 1, tzinfo=UTC), usage=read.counts, meters=dict(read.meters)
    )
    assert meters_of(draft) == (meters, context)


def test_the_body_of_issue_9812_costs_what_was_billed() -> None:
    _, _, body, meters, _ = BODIES[4]
    price = {"input_tokens": "3", "cache_write_tokens": "3.75", "output_tokens": "15"}
    cost = sum(Decimal(price[meter]) * count for meter, count in meters.items()) / 1_000_000
    assert cost == Decimal("0.054399")
    assert body["input_tokens"] == 3


def test_unknown_providers_and_broken_counts() -> None:
    with pytest.raises(ShapeUnknown, match="acme-ai"):
        usage_counts(provider="acme-ai", usage={})
    for value in ("12", -1, 1.5, True):
        with pytest.raises(ShapeBroken, match="prompt_tokens"):
            usage_counts(provider="openai", usage={"prompt_tokens": value})


def test_a_total_that_is_not_the_sum_is_named() -> None:
    bodies = [
        (
            "openai",
            {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 99},
            "total_tokens",
        ),
        ("bedrock", {"inputTokens": 10, "outputTokens": 5, "totalTokens": 99}, "totalTokens"),
        (
            "google",
            {"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 3},
            "totalTokenCount",
        ),
        (
            "anthropic",
            {
                "input_tokens": 1,
                "cache_creation_input_tokens": 5,
                "cache_creation": {"ephemeral_5m_input_tokens": 4},
            },
            "cache_creation_input_tokens",
        ),
        (
            "openai",
            {"prompt_tokens": 10, "prompt_tokens_details": {"cached_tokens": 11}},
            "prompt_tokens",
        ),
        (
            "bedrock",
            {"inputTokens": 1, "cacheReadInputTokens": 5, "cacheReadInputTokenCount": 6},
            "cacheReadInputTokenCount",
        ),
        (
            "google",
            {"promptTokenCount": 5, "cachedContentTokenCount": 6},
            "cachedContentTokenCount",
        ),
    ]
    for provider, body, field in bodies:
        with pytest.raises(ShapeBroken) as refused:
            reading(provider=provider, usage=body)
        assert refused.value.errors[0].field == f"raw_usage.{field}"


def test_a_use_that_was_bound_to_a_region_says_so() -> None:
    body = {"input_tokens": 1, "output_tokens": 1, "cache_read_input_tokens": 0}
    assert reading(provider="anthropic", usage=body | {"inference_geo": "us"}).region == "geo:us"
    for anywhere in ("global", "not_available", "", None):
        assert reading(provider="anthropic", usage=body | {"inference_geo": anywhere}).region == ""
    passed_on = {"prompt_tokens": 1, "completion_tokens": 1, "inference_geo": "US", "speed": "fast"}
    read = reading(provider="litellm", usage=passed_on)
    assert (read.region, read.service_tier) == ("geo:us", "fast")


@pytest.mark.parametrize(
    ("model", "images"),
    [("gemini-2.5-flash", 0), ("gemini-embedding-2", 258), ("gemini-live-2.5-flash", 258)],
)
def test_images_of_a_prompt_are_apart_only_where_the_model_charges_them_apart(
    model: str, images: int
) -> None:
    chat = {
        "promptTokenCount": 270,
        "candidatesTokenCount": 5,
        "promptTokensDetails": [{"modality": "IMAGE", "tokenCount": 258}],
    }
    behind = {"prompt_tokens": 270, "prompt_tokens_details": {"image_tokens": 258}}
    for usage in (chat, behind):
        read = reading(provider="google", usage=usage, model=model)
        assert (read.counts.input_image_tokens or 0, read.unknown) == (images, ())


def test_conditions_and_costs_that_the_object_tells() -> None:
    batch = {"input_tokens": 1, "output_tokens": 1, "cache_read_input_tokens": 0}
    assert reading(provider="anthropic", usage=batch | {"service_tier": "batch"}).batch
    assert reading(provider="anthropic", usage=batch | {"speed": "fast"}).service_tier == "fast"
    tiered = reading(provider="anthropic", usage=batch | {"service_tier": "priority"})
    assert (tiered.service_tier, tiered.batch) == ("priority", False)
    costs = {
        body[1]: read.cost.amount
        for body in BODIES
        if (read := reading(provider=body[0], usage=body[2])).cost is not None
    }
    assert sorted(costs.values()) == [Decimal("0.00012345"), Decimal("0.00095"), Decimal("0.5")]


@given(
    st.recursive(
        st.one_of(st.integers(-3, 50), st.none(), st.booleans(), st.text(max_size=3)),
        lambda inner: st.dictionaries(st.sampled_from(NAMES), inner, max_size=5),
        max_leaves=12,
    ).filter(lambda sent: isinstance(sent, dict)),
    st.sampled_from(["openai", "anthropic", "google", "bedrock", "cohere", "xai", "?"]),
)
def test_any_object_is_read_or_refused_by_name(sent: dict[str, Any], provider: str) -> None:
    try:
        read = reading(provider=provider, usage=sent)
    except ShapeUnknown:
        return
    except ShapeBroken as refused:
        assert refused.errors[0].field.startswith("raw_usage")
        return
    assert all(quantity > 0 for quantity in read.meters.values())
