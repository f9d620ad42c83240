"""The meters that providers publish prices for, and their units in words."""

from __future__ import annotations

from dataclasses import dataclass
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
}

METERS: Final[dict[str, MeterFacts]] = {
    meter.code: meter
    for meter in (
        *(MeterFacts(code, "token", label, MILLION) for code, label in _TOKENS.items()),
        MeterFacts(REQUESTS, "request", "Requests", THOUSAND, tool=True),
        MeterFacts("web_searches", "search", "Web searches", THOUSAND, tool=True),
        MeterFacts("storage_searches", "search", "Storage searches", THOUSAND, tool=True),
        MeterFacts("audio_hours", "hour", "Audio hours", 1),
        MeterFacts("input_audio_hours", "hour", "Audio input hours", 1),
        MeterFacts("input_document_pages", "page", "Document pages", THOUSAND),
        MeterFacts("input_annotated_document_pages", "page", "Annotated pages", THOUSAND),
        MeterFacts("input_characters", "character", "Input characters", MILLION),
        MeterFacts("input_text_messages", "message", "Text messages", THOUSAND),
    )
}

DEFAULT_LIFETIME: Final = {"cache_write_5m_tokens": "cache_write_tokens"}
"""Meters that cost what another does when they have no price: five minutes is the default."""

_SIZE_WORDS: Final = {1_000_000_000: "1B", MILLION: "1M", THOUSAND: "1K"}


def meter_facts(code: str) -> MeterFacts:
    """Return what is known of a meter; a code we never heard of counts plain units."""
    known = METERS.get(code)
    if known is not None:
        return known
    unit = "token" if code.endswith("_tokens") else "unit"
    size = MILLION if unit == "token" else 1
    return MeterFacts(code, unit, code.replace("_", " ").capitalize(), size)


def plural(unit: str) -> str:
    """Return the plural of a unit: tokens, searches."""
    return f"{unit}es" if unit.endswith("ch") else f"{unit}s"


def unit_in_words(*, unit_size: int, unit: str) -> str:
    """Say what a price is for: "1M tokens", "100 pages", "hour"."""
    if unit_size == 1:
        return unit
    return f"{_SIZE_WORDS.get(unit_size, f'{unit_size:,}')} {plural(unit)}"
