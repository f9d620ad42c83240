"""Reads usage of the OpenAI shape, which most providers speak, each with words of its own."""

from __future__ import annotations

from typing import Final

from apps.usage.domain.drafts import UsageCounts
from apps.usage.domain.sent_usage import Sent, broken
from apps.usage.domain.shape_reading import (
    LIFETIME,
    Reading,
    check_total,
    costs,
    not_the_sum,
    tools,
)


def openai(sent: Sent, provider: str) -> Reading:
    """Read Chat Completions (`prompt_tokens`) or Responses (`input_tokens`), and their kin.

    Cached, cache-written and audio tokens are inside the input. Reasoning is inside the output,
    but where the stated total says that it stands beside it (xAI, Gemini behind this shape).
    """
    given = sent.count("prompt_tokens", "input_tokens")
    cached = sent.count(*_within("cached_tokens"), *_CACHED)
    writes = _cache_writes(sent)
    pictured = _INSIDE if sent.images_apart else _PRICED_APART
    reasoning = sent.count(*_beyond("reasoning_tokens"), "reasoning_tokens")
    made = _output_of(sent, given, reasoning, provider)
    written = writes if isinstance(writes, int) else sum(writes.values())
    if cached + written > given:
        raise broken(
            "prompt_tokens" if sent.has("prompt_tokens") else "input_tokens",
            f"The input of {given} tokens is said to include {cached} cached and {written} "
            "cache-written ones, which are more; send usage with input_excludes_cache: true if "
            "they stand beside it.",
            code="cached_exceeds_input",
        )
    read = Reading(
        UsageCounts(
            input_tokens=given,
            cached_input_tokens=cached,
            cache_write_tokens=writes,
            input_audio_tokens=sent.count(*_within("audio_tokens")),
            cached_input_audio_tokens=sent.count(*_within("cached_tokens_details.audio_tokens")),
            input_image_tokens=sent.count(*_within("image_tokens", pictured)),
            cached_input_image_tokens=sent.count(
                *_within("cached_tokens_details.image_tokens", pictured)
            ),
            input_video_tokens=sent.count(
                *_within("video_tokens", _INSIDE if sent.images_apart else ())
            ),
            output_tokens=made,
            output_audio_tokens=sent.count(*_beyond("audio_tokens")),
            output_image_tokens=sent.count(*_beyond("image_tokens")),
            output_video_tokens=sent.count(*_beyond("video_tokens")),
            reasoning_tokens=reasoning,
        )
    )
    sent.passes_over(*_REPEATED)
    tools(sent, read)
    costs(sent, read)
    return read


def perplexity(sent: Sent, provider: str) -> Reading:
    """Read Sonar's usage: citations and reasoning stand beside the completion, each priced."""
    read = Reading(
        UsageCounts(
            input_tokens=sent.count("prompt_tokens"), output_tokens=sent.count("completion_tokens")
        )
    )
    check_total(sent, "total_tokens", [sent.count("prompt_tokens"), read.counts.output_tokens])
    read.add("output_citation_tokens", sent.count("citation_tokens"))
    read.add("output_reasoning_tokens", sent.count("reasoning_tokens"))
    tools(sent, read)
    costs(sent, read)
    return read


def _output_of(sent: Sent, given: int, reasoning: int, provider: str) -> int:
    """Return the whole output; the stated total tells whether reasoning is inside it."""
    made = sent.count("completion_tokens", "output_tokens")
    total = sent.stated("total_tokens")
    if total is None:
        beside = reasoning > made or (provider in _BESIDE and sent.has("completion_tokens"))
        return made + reasoning if beside else made
    if total == given + made and reasoning <= made:
        return made
    if reasoning and total == given + made + reasoning:
        return made + reasoning
    if total > given + made and sent.at("prompt_audio_seconds"):
        return made  # the rest is what was heard, which is charged by time
    raise not_the_sum("total_tokens", total, [given, made])


def _cache_writes(sent: Sent) -> int | dict[str, int]:
    """Return the cache writes of the OpenAI shape: by lifetime where it tells them."""
    split: dict[str, int] = {}
    for part in ("", *_INSIDE, *(f"{part}.cache_creation_token_details" for part in _INSIDE)):
        for name in sent.names_in(part):
            if found := LIFETIME.fullmatch(name):
                count = sent.count(f"{part}.{name}" if part else name)
                if count:
                    split[found[1]] = count
    written = sent.count(
        *_within("cache_write_tokens"),
        *_within("cache_creation_tokens"),
        "cache_creation_input_tokens",
        "input_cache_write_tokens",
    )
    rest = written - sum(split.values())
    if split and written and rest:
        raise broken(
            "prompt_tokens_details",
            f"The cache writes by lifetime, {sum(split.values())}, are not all {written} of them.",
            code="not_disjoint",
        )
    return split or written


_INSIDE: Final = (
    "prompt_tokens_details",
    "input_tokens_details",
    "input_token_details",
    "prompt_token_details",
)
_OUTSIDE: Final = ("completion_tokens_details", "output_tokens_details", "output_token_details")
_PRICED_APART: Final = ("input_tokens_details", "input_token_details")
"""Where images and realtime state image tokens, which have a price of their own there."""


def _within(name: str, parts: tuple[str, ...] = _INSIDE) -> list[str]:
    return [f"{part}.{name}" for part in parts]


def _beyond(name: str) -> list[str]:
    return [f"{part}.{name}" for part in _OUTSIDE]


_CACHED: Final = (
    "cache_read_input_tokens",
    "prompt_cache_hit_tokens",
    "cached_prompt_text_tokens",
    "num_cached_tokens",
    "cached_tokens",
)
_REPEATED: Final = (
    "prompt_cache_miss_tokens",
    "total_tokens",
    *_within("text_tokens"),
    *_within("cached_tokens_details.text_tokens"),
    *_within("image_tokens"),
    *_within("video_tokens"),
    *_beyond("text_tokens"),
    *_beyond("accepted_prediction_tokens"),
    *_beyond("rejected_prediction_tokens"),
)
_BESIDE: Final = frozenset({"xai", "x-ai", "grok"})
