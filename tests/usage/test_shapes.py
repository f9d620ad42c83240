"""Usage objects as providers send them (docs/usage.md): read into disjoint meters."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from apps.usage.domain.drafts import Draft
from apps.usage.domain.normalize import meters_of
from apps.usage.domain.shapes import ShapeBroken, ShapeUnknown, usage_counts

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
      "cache_write_5m_tokens": 500, "output_tokens": 500}, 3200),
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
]
# fmt: on


@pytest.mark.parametrize(
    ("provider", "body", "meters", "context"),
    [(provider, body, meters, context) for provider, _, body, meters, context in BODIES],
    ids=[f"{provider}: {name}" for provider, name, *_ in BODIES],
)
def test_bodies(provider: str, body: dict[str, Any], meters: dict[str, int], context: int) -> None:
    usage = usage_counts(provider=provider, usage=body)
    draft = Draft(id="a", time=datetime(2026, 1, 1, tzinfo=UTC), usage=usage)
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
