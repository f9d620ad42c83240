"""The meters that providers publish prices for, and their units in words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

MILLION: Final = 1_000_000
THOUSAND: Final = 1_000
REQUESTS: Final = "requests"


@dataclass(frozen=True, slots=True)
class MeterFacts:
    """What is counted, in which unit, and the unit size that its prices usually carry.

    `tool` meters (searches, requests) cost the same in every service tier unless a tier has
    its own price; all others need a price of exactly the tier they were used in.
    """

    code: str
    unit: str
    label: str
    size: int
    tool: bool = False


_TOKENS: Final = {
    "input_tokens": "Input tokens",
    "cached_input_tokens": "Cached input tokens",
    "cache_write_tokens": "Cache write tokens",
    "cache_write_5m_tokens": "Cache write tokens, 5 minutes",
    "cache_write_1h_tokens": "Cache write tokens, 1 hour",
    "output_tokens": "Output tokens",
    "output_reasoning_tokens": "Reasoning tokens priced apart",
    "output_citation_tokens": "Citation tokens",
    "input_audio_tokens": "Audio input tokens",
    "cached_input_audio_tokens": "Cached audio input tokens",
    "output_audio_tokens": "Audio output tokens",
    "input_image_tokens": "Image input tokens",
    "cached_input_image_tokens": "Cached image input tokens",
    "output_image_tokens": "Image output tokens",
    "input_video_tokens": "Video input tokens",
    "output_video_tokens": "Video output tokens",
    "cached_input_video_tokens": "Cached video input tokens",
}
_TOOLS: Final = {
    "web_searches": ("search", "Web searches"),
    "storage_searches": ("search", "Storage searches"),
    "file_search_calls": ("call", "File search calls"),
    "maps_grounding_calls": ("call", "Maps grounding calls"),
    "rerank_queries": ("query", "Rerank queries"),
}

METERS: Final[dict[str, MeterFacts]] = {
    meter.code: meter
    for meter in (
        *(MeterFacts(code, "token", label, MILLION) for code, label in _TOKENS.items()),
        MeterFacts(REQUESTS, "request", "Requests", THOUSAND, tool=True),
        *(MeterFacts(code, *facts, THOUSAND, tool=True) for code, facts in _TOOLS.items()),
        MeterFacts(
            "code_interpreter_sessions", "session", "Code interpreter sessions", 1, tool=True
        ),
        MeterFacts("gpu_seconds", "GPU-second", "GPU seconds", 1),
        MeterFacts("gpu_hours", "GPU-hour", "GPU hours", 1),
        MeterFacts("ptu_hours", "PTU-hour", "Provisioned throughput hours", 1),
        MeterFacts("model_unit_hours", "model-unit-hour", "Model unit hours", 1),
        MeterFacts("audio_hours", "hour", "Audio hours", 1),
        MeterFacts("input_audio_hours", "hour", "Audio input hours", 1),
        MeterFacts("input_document_pages", "page", "Document pages", THOUSAND),
        MeterFacts("input_annotated_document_pages", "page", "Annotated pages", THOUSAND),
        MeterFacts("input_characters", "character", "Input characters", MILLION),
        MeterFacts("output_characters", "character", "Output characters", MILLION),
        MeterFacts("input_text_messages", "message", "Text messages", THOUSAND),
        MeterFacts("input_images", "image", "Input images", 1),
        MeterFacts("output_images", "image", "Output images", 1),
        MeterFacts("input_pixels", "pixel", "Input pixels", MILLION),
        MeterFacts("output_pixels", "pixel", "Output pixels", MILLION),
        MeterFacts("input_video_hours", "hour", "Video input hours", 1),
        MeterFacts("output_video_hours", "hour", "Video output hours", 1),
    )
}

CACHE_WRITES: Final = "cache_write_tokens"
DEFAULT_LIFETIME: Final = {"cache_write_5m_tokens": CACHE_WRITES}
"""Meters that cost what another does when they have no price: five minutes is the default."""

_CACHE_WRITE: Final = re.compile(r"cache_write_([1-9]\d{0,3})([smhd])_tokens", re.ASCII)
_LIFETIMES: Final = {"s": "second", "m": "minute", "h": "hour", "d": "day"}
_CALLS: Final = {
    "calls": "call",
    "searches": "search",
    "queries": "query",
    "sessions": "session",
    "requests": "request",
    "invocations": "invocation",
    "fetches": "fetch",
}
_SIZE_WORDS: Final = {1_000_000_000: "1B", MILLION: "1M", THOUSAND: "1K"}


@lru_cache(maxsize=4096)
def meter_facts(code: str) -> MeterFacts:
    """Return what is known of a meter; two sets are open, any other code counts plain units.

    Cache writes have any lifetime (`cache_write_30m_tokens`). What ends in calls, searches,
    queries, sessions, requests, invocations or fetches is the meter of a tool.
    """
    known = METERS.get(code)
    if known is not None:
        return known
    written = _CACHE_WRITE.fullmatch(code)
    if written is not None:
        count, unit = written.group(1), _LIFETIMES[written.group(2)]
        label = f"Cache write tokens, {count} {unit if count == '1' else plural(unit)}"
        return MeterFacts(code, "token", label, MILLION)
    label = code.replace("_", " ").capitalize()
    called = _CALLS.get(code.rpartition("_")[2])
    if called is not None:
        return MeterFacts(code, called, label, THOUSAND, tool=True)
    unit = "token" if code.endswith("_tokens") else "unit"
    return MeterFacts(code, unit, label, MILLION if unit == "token" else 1)


def meter_family(code: str) -> str:
    """Return what a meter's price is compared within: cache writes of all lifetimes are one."""
    return CACHE_WRITES if _CACHE_WRITE.fullmatch(code) else code


def plural(unit: str) -> str:
    """Return the plural of a unit: tokens, searches, queries."""
    if unit.endswith("ch"):
        return f"{unit}es"
    return f"{unit[:-1]}ies" if unit.endswith("ry") else f"{unit}s"


def unit_in_words(*, unit_size: int, unit: str) -> str:
    """Say what a price is for: "1M tokens", "100 pages", "hour"."""
    if unit_size == 1:
        return unit
    return f"{_SIZE_WORDS.get(unit_size, f'{unit_size:,}')} {plural(unit)}"
