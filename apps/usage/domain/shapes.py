"""Reads the usage objects of providers' own responses into our token counts.

Facts about each shape, checked on real response bodies, are in docs/usage.md: where cached
tokens lie inside the input and where beside it, and which keys repeat another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from apps.core.domain.errors import Unprocessable
from apps.usage.domain.drafts import UsageCounts

Shape = Callable[[Mapping[str, Any]], UsageCounts]


class ShapeUnknown(Unprocessable):
    """No reader knows the usage object of this provider."""

    default_code = "usage_shape_unknown"


class ShapeBroken(Unprocessable):
    """A count in the usage object is no whole number of at least zero."""

    default_code = "usage_shape_broken"


def openai(usage: Mapping[str, Any]) -> UsageCounts:
    """Read Chat Completions (`prompt_tokens`) or Responses (`input_tokens`) usage.

    Cached, cache-written and audio tokens are inside the input; reasoning inside the output.
    """
    inside = _part(usage, "prompt_tokens_details") or _part(usage, "input_tokens_details")
    outside = _part(usage, "completion_tokens_details") or _part(usage, "output_tokens_details")
    return UsageCounts(
        input_tokens=_count(usage, "prompt_tokens", "input_tokens"),
        cached_input_tokens=_count(inside, "cached_tokens"),
        cache_write_tokens=_count(inside, "cache_write_tokens"),
        input_audio_tokens=_count(inside, "audio_tokens"),
        output_tokens=_count(usage, "completion_tokens", "output_tokens"),
        output_audio_tokens=_count(outside, "audio_tokens"),
        reasoning_tokens=_count(outside, "reasoning_tokens"),
    )


def anthropic(usage: Mapping[str, Any]) -> UsageCounts:
    """Read Messages usage: cache reads and writes stand beside `input_tokens`.

    Writes are split by lifetime where the response says so; the total is then not added again.
    """
    split = _part(usage, "cache_creation")
    writes: int | dict[str, int] = {
        lifetime: count for lifetime, key in _LIFETIMES.items() if (count := _count(split, key))
    } or _count(usage, "cache_creation_input_tokens")
    return UsageCounts(
        input_tokens=_count(usage, "input_tokens"),
        cached_input_tokens=_count(usage, "cache_read_input_tokens"),
        cache_write_tokens=writes,
        output_tokens=_count(usage, "output_tokens"),
        input_excludes_cache=True,
    )


def gemini(usage: Mapping[str, Any]) -> UsageCounts:
    """Read `usageMetadata`: cached content is inside the prompt; thoughts add to candidates.

    Tokens of tool use are input of their own, beside the prompt.
    """
    thoughts = _count(usage, "thoughtsTokenCount")
    return UsageCounts(
        input_tokens=_count(usage, "promptTokenCount") + _count(usage, "toolUsePromptTokenCount"),
        cached_input_tokens=_count(usage, "cachedContentTokenCount"),
        input_audio_tokens=_modality(usage, "promptTokensDetails", "AUDIO"),
        cached_input_audio_tokens=_modality(usage, "cacheTokensDetails", "AUDIO"),
        output_tokens=_count(usage, "candidatesTokenCount") + thoughts,
        output_audio_tokens=_modality(usage, "candidatesTokensDetails", "AUDIO"),
        reasoning_tokens=thoughts,
    )


def bedrock(usage: Mapping[str, Any]) -> UsageCounts:
    """Read Converse `usage` or the counts of an invocation log; the cache stands beside input.

    Converse sends cache counts under two names with the same value: one is read, never both.
    """
    details = _split_details(usage)
    writes: int | dict[str, int] = details or _count(
        usage, "cacheWriteInputTokens", "cacheWriteInputTokenCount"
    )
    return UsageCounts(
        input_tokens=_count(usage, "inputTokens", "inputTokenCount"),
        cached_input_tokens=_count(usage, "cacheReadInputTokens", "cacheReadInputTokenCount"),
        cache_write_tokens=writes,
        output_tokens=_count(usage, "outputTokens", "outputTokenCount"),
        input_excludes_cache=True,
    )


SHAPES: Final[Mapping[str, Shape]] = {
    "openai": openai,
    "azure": openai,
    "anthropic": anthropic,
    "google": gemini,
    "gemini": gemini,
    "vertex": gemini,
    "aws": bedrock,
    "bedrock": bedrock,
}


def usage_counts(*, provider: str, usage: Mapping[str, Any]) -> UsageCounts:
    """Return the counts of a provider's own usage object.

    :raises ShapeUnknown: when no reader knows the provider.
    :raises ShapeBroken: when a count is no whole number of at least zero.
    """
    reader = SHAPES.get(provider.strip().lower())
    if reader is None:
        known = ", ".join(sorted(SHAPES))
        raise ShapeUnknown(f"No reader for the usage of {provider!r}; known are {known}.")
    return reader(usage)


_LIFETIMES: Final = {"5m": "ephemeral_5m_input_tokens", "1h": "ephemeral_1h_input_tokens"}


def _count(usage: Mapping[str, Any], *names: str) -> int:
    for name in names:
        value = usage.get(name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise ShapeBroken(f"{name} is {value!r}; a count is a whole number of at least 0.")
        return value
    return 0


def _part(usage: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = usage.get(name)
    return part if isinstance(part, Mapping) else {}


def _modality(usage: Mapping[str, Any], name: str, modality: str) -> int:
    details = usage.get(name)
    parts = details if isinstance(details, list) else []
    return sum(
        _count(part, "tokenCount")
        for part in parts
        if isinstance(part, Mapping) and part.get("modality") == modality
    )


def _split_details(usage: Mapping[str, Any]) -> dict[str, int]:
    details = usage.get("cacheDetails")
    parts = details if isinstance(details, list) else []
    split: dict[str, int] = {}
    for part in parts:
        if isinstance(part, Mapping) and isinstance(part.get("ttl"), str):
            split[part["ttl"]] = split.get(part["ttl"], 0) + _count(part, "inputTokens")
    return {lifetime: count for lifetime, count in split.items() if count}
