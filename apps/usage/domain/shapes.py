"""Reads the usage objects of providers' own responses into our token counts and meters.

Facts about each shape, checked on real response bodies, are in docs/usage.md: where cached
tokens lie inside the input and where beside it, which keys repeat another, and which total the
provider states. What contradicts that total is refused: nothing is counted twice.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from apps.catalog.domain.conditions import ONLY_IN
from apps.usage.domain.drafts import UsageCounts
from apps.usage.domain.sent_usage import Sent, ShapeBroken, ShapeUnknown, broken, meter_of
from apps.usage.domain.shape_anthropic import anthropic
from apps.usage.domain.shape_openai import openai, perplexity
from apps.usage.domain.shape_reading import Reading, check_total, hours

__all__ = ["Reading", "ShapeBroken", "ShapeUnknown", "reading", "usage_counts"]

Shape = Callable[[Sent, str], Reading]


def gemini(sent: Sent, provider: str) -> Reading:
    """Read `usageMetadata`: cached content is inside the prompt; thoughts add to candidates.

    Tokens of tool use are input of their own, beside the prompt. Images and video of a prompt are
    charged as text, but by the Live API and embeddings, which have prices of their own for them.
    What only looks like one of these (a prompt that was blocked) is unpriced, not guessed at.
    """
    thoughts = sent.count("thoughtsTokenCount")
    prompt, tools = sent.count("promptTokenCount"), sent.count("toolUsePromptTokenCount")
    made = sent.count("candidatesTokenCount", "responseTokenCount")
    check_total(sent, "totalTokenCount", [prompt, made, thoughts, tools])
    inside = ("promptTokensDetails", "toolUsePromptTokensDetails")
    outside = ("candidatesTokensDetails", "responseTokensDetails")
    apart = sent.images_apart or not sent.has("candidatesTokenCount", "thoughtsTokenCount")
    seen = {
        kind: sum(sent.modality(name, kind) for name in inside) if kind == "AUDIO" or apart else 0
        for kind in ("AUDIO", "IMAGE", "VIDEO")
    }
    counts = UsageCounts(
        input_tokens=prompt + tools,
        cached_input_tokens=sent.count("cachedContentTokenCount"),
        input_audio_tokens=seen["AUDIO"],
        cached_input_audio_tokens=sent.modality("cacheTokensDetails", "AUDIO"),
        input_image_tokens=seen["IMAGE"],
        input_video_tokens=seen["VIDEO"],
        output_tokens=made + thoughts,
        output_audio_tokens=sum(sent.modality(name, "AUDIO") for name in outside),
        output_image_tokens=sum(sent.modality(name, "IMAGE") for name in outside),
        output_video_tokens=sum(sent.modality(name, "VIDEO") for name in outside),
        reasoning_tokens=thoughts,
    )
    if (counts.cached_input_tokens or 0) > prompt:
        raise broken(
            "cachedContentTokenCount",
            f"cachedContentTokenCount {counts.cached_input_tokens} exceeds promptTokenCount "
            f"{prompt}; it is part of it.",
            code="cached_exceeds_input",
        )
    return Reading(counts)


def bedrock(sent: Sent, provider: str) -> Reading:
    """Read Converse `usage` or the counts of an invocation log; the cache stands beside input.

    Converse sends cache counts under two names with the same value: one is read, never both.
    """
    split: dict[str, int] = {}
    for part in sent.parts("cacheDetails"):
        count = Sent(part).count("inputTokens")
        if isinstance(part.get("ttl"), str) and count:
            split[part["ttl"]] = split.get(part["ttl"], 0) + count
    given = sent.count("inputTokens", "inputTokenCount", "input.inputTokenCount")
    made = sent.count("outputTokens", "outputTokenCount", "output.outputTokenCount")
    cached = sent.count(*_bedrock_names("cacheReadInputToken"))
    written = sent.count(*_bedrock_names("cacheWriteInputToken"))
    if split and written and sum(split.values()) != written:
        raise broken(
            "cacheDetails",
            f"The cache writes by lifetime, {sum(split.values())}, are not cacheWriteInputTokens, "
            f"{written}; they are the same tokens.",
            code="not_disjoint",
        )
    check_total(sent, "totalTokens", [given, made, cached, written or sum(split.values())])
    return Reading(
        UsageCounts(
            input_tokens=given,
            cached_input_tokens=cached,
            cache_write_tokens=split or written,
            output_tokens=made,
            input_excludes_cache=True,
        )
    )


def cohere(sent: Sent, provider: str) -> Reading:
    """Read what Cohere bills (`billed_units`); `tokens` are what the model saw, and free."""
    read = Reading(
        UsageCounts(
            input_tokens=sent.count("billed_units.input_tokens"),
            output_tokens=sent.count("billed_units.output_tokens"),
        )
    )
    read.add("search_units", sent.count("billed_units.search_units"))
    read.add("classifications", sent.count("billed_units.classifications"))
    read.add("input_images", sent.count("billed_units.images"))
    read.add("input_image_tokens", sent.count("billed_units.image_tokens"))
    sent.passes_over("tokens.input_tokens", "tokens.output_tokens", "cached_tokens")
    return read


def pages(sent: Sent, provider: str) -> Reading:
    """Read the usage of reading documents: pages, not tokens."""
    read = Reading(UsageCounts())
    read.add("input_document_pages", sent.count("pages_processed"))
    return read


def duration(sent: Sent, provider: str) -> Reading:
    """Read usage by the time of what was heard: seconds, kept as hours with 6 decimals."""
    read = Reading(UsageCounts())
    read.add("input_audio_hours", hours(sent.amount("seconds") or Decimal(0)))
    return read


def reading(*, provider: str, usage: Mapping[str, Any], model: str = "") -> Reading:
    """Return what a provider's own usage object says, whatever its shape.

    The shape decides where it is plain; where two providers share one, the provider does. The
    model tells whether images that are part of a prompt are charged apart.

    :raises ShapeUnknown: when no reader knows the shape.
    :raises ShapeBroken: when a count is no count, or contradicts the provider's own total.
    """
    usage = _in_camel_case(usage) if "prompt_token_count" in usage else usage
    sent = Sent(usage, model=model)
    read = _shape_of(sent, provider.strip().lower())(sent, provider.strip().lower())
    _where_and_how(sent, read)
    unknown = sent.unknown()
    for path, count in unknown.items():
        read.add(meter_of(path), count)
    read.unknown = (*read.unknown, *unknown)
    return read


def usage_counts(*, provider: str, usage: Mapping[str, Any]) -> UsageCounts:
    """Return the token counts alone of a provider's own usage object.

    :raises ShapeUnknown: when no reader knows the shape.
    :raises ShapeBroken: when a count is no count, or contradicts the provider's own total.
    """
    return reading(provider=provider, usage=usage).counts


def _where_and_how(sent: Sent, read: Reading) -> None:
    """Note what costs more and stands beside the counts, in Anthropic's own words.

    A use that was to stay in a region (`inference_geo`) is bound to it; "global" and
    "not_available" are not bound. Gateways pass these words on in usage of other shapes.
    """
    if sent.at("speed") == "fast":
        read.service_tier = "fast"
    place = sent.at("inference_geo")
    if isinstance(place, str) and place.strip().lower() not in _ANYWHERE:
        read.region = f"{ONLY_IN}{place.strip().lower()}"[:_REGION_LENGTH]


def _shape_of(sent: Sent, provider: str) -> Shape:
    for names, shape in _SHAPES:
        if sent.has(*names):
            return shape
    if sent.at("input.inputTokenCount") is not None:
        return bedrock
    if sent.has("input_tokens", "output_tokens"):
        is_anthropic = sent.has(*_ANTHROPIC) or provider in _MESSAGES
        return anthropic if is_anthropic and not sent.has("total_tokens") else openai
    if sent.has("seconds"):
        return duration
    found = ", ".join(sent.names_in("")[:8]) or "nothing"
    raise ShapeUnknown(
        f"No reader knows a usage object of {provider or 'this provider'!r} with {found[:200]}; "
        "send the counts as usage, or as meters."
    )


def _in_camel_case(usage: Mapping[str, Any]) -> dict[str, Any]:
    """Return Gemini's usage as its Python SDK dumps it, by the names of the API."""
    return {
        _SNAKE.sub(lambda found: found[1].upper(), name): [
            {_SNAKE.sub(lambda f: f[1].upper(), key): inner for key, inner in part.items()}
            for part in value
            if isinstance(part, Mapping)
        ]
        if isinstance(value, list)
        else value
        for name, value in usage.items()
    }


def _bedrock_names(stem: str) -> tuple[str, ...]:
    return (f"{stem}s", f"{stem}Count", f"input.{stem}Count")


_ANTHROPIC: Final = (
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
    "cache_creation",
    "server_tool_use",
    "iterations",
)
_MESSAGES: Final = frozenset({"anthropic", "claude"})
_ANYWHERE: Final = frozenset({"", "global", "not_available"})
_REGION_LENGTH: Final = 64
_SNAKE: Final = re.compile(r"_([a-z])")
_SHAPES: Final[tuple[tuple[tuple[str, ...], Shape], ...]] = (
    (("citation_tokens", "num_search_queries"), perplexity),
    (("prompt_tokens", "completion_tokens"), openai),
    (("promptTokenCount", "candidatesTokenCount", "responseTokenCount"), gemini),
    (("inputTokens", "inputTokenCount", "outputTokens"), bedrock),
    (("billed_units",), cohere),
    (("pages_processed",), pages),
)
