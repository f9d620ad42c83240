"""Takes LiteLLM's flat price keys apart: base, cache lifetime, context, tier or batch."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, NamedTuple

from apps.catalog.domain.conditions import Conditions
from apps.catalog.domain.published import Rate
from apps.catalog.domain.statements import cleaned

_HOUR: Final = 3600
_MOST_DECIMALS: Final = 18
_CREATION: Final = "cache_creation_input_token_cost"


class Meaning(NamedTuple):
    """What a key prices: a meter, for `size` units; `factor` of the stated units make one ours."""

    meter: str
    size: int
    factor: int = 1


_MILLION: Final = 10**6
_TOKENS: Final = {
    "input_cost_per_token": "input_tokens",
    "input_cost_per_token_cache_hit": "cached_input_tokens",
    "output_cost_per_token": "output_tokens",
    "output_cost_per_reasoning_token": "output_reasoning_tokens",
    "citation_cost_per_token": "output_citation_tokens",
    "cache_read_input_token_cost": "cached_input_tokens",
    "cache_read_input_audio_token_cost": "cached_input_audio_tokens",
    "cache_read_input_image_token_cost": "cached_input_image_tokens",
    _CREATION: "cache_write_tokens",
    "cache_creation_input_audio_token_cost": "cache_write_audio_tokens",
    "input_cost_per_audio_token": "input_audio_tokens",
    "output_cost_per_audio_token": "output_audio_tokens",
    "input_cost_per_image_token": "input_image_tokens",
    "output_cost_per_image_token": "output_image_tokens",
    "input_cost_per_video_token": "input_video_tokens",
    "output_cost_per_video_token": "output_video_tokens",
}
_BASES: Final[dict[str, Meaning]] = {
    **{key: Meaning(meter, _MILLION) for key, meter in _TOKENS.items()},
    "input_cost_per_character": Meaning("input_characters", _MILLION),
    "output_cost_per_character": Meaning("output_characters", _MILLION),
    "input_cost_per_request": Meaning("requests", 1000),
    "input_cost_per_text_message": Meaning("input_text_messages", 1000),
    "output_cost_per_image": Meaning("output_images", 1),
    "input_cost_per_audio_per_second": Meaning("input_audio_hours", 1, _HOUR),
    "input_cost_per_video_per_second": Meaning("input_video_hours", 1, _HOUR),
    "output_cost_per_video_per_second": Meaning("output_video_hours", 1, _HOUR),
    "ocr_cost_per_page": Meaning("input_document_pages", 1000),
    "annotation_cost_per_page": Meaning("input_annotated_document_pages", 1000),
    "code_interpreter_cost_per_session": Meaning("code_interpreter_sessions", 1),
    "google_maps_grounding_cost_per_query": Meaning("maps_grounding_calls", 1000),
}
_BY_MODE: Final[dict[tuple[str, str], Meaning]] = {
    ("input_cost_per_second", "audio_transcription"): Meaning("audio_hours", 1, _HOUR),
    ("output_cost_per_second", "video_generation"): Meaning("output_video_hours", 1, _HOUR),
    ("input_cost_per_query", "rerank"): Meaning("rerank_queries", 1000),
    ("input_cost_per_query", "search"): Meaning("web_searches", 1000),
    **{
        ("input_cost_per_image", mode): Meaning("input_images", 1)
        for mode in ("chat", "responses", "embedding")
    },
}
"""Keys whose meaning depends on what the model does; under another mode they mean nothing."""

_PER_THOUSAND: Final = {"file_search_cost_per_1k_calls": Meaning("file_search_calls", 1000)}
_SIZED: Final = {
    "output_cost_per_second_": Meaning("output_video_hours", 1, _HOUR),
    "output_cost_per_image_": Meaning("output_images", 1),
}
_SIZE: Final = re.compile(r"\d{3,4}p?|\d(?:\.\d)?[kK]", re.ASCII)
_KEY: Final = re.compile(
    r"(?P<base>.+?)"
    r"(?:_above_(?P<count>\d+)(?P<unit>min|m|hr|h|d)s?)?"
    r"(?:_above_(?P<thousands>\d+)k_tokens)?"
    r"(?:_(?P<tier>batches|priority|flex|ultrafast|fast))?",
    re.ASCII,
)
_LIFETIME_UNITS: Final = {"min": "m", "m": "m", "hr": "h", "h": "h", "d": "d"}
_NO_PRICE: Final = re.compile(
    r"supports_\w+|max_\w+|use[sd]?_\w+|supported_\w+|token_count_\w+|gemini_\w+|vertex_ai_\w+|"
    r"bedrock_\w+|\w+_reasoning_effort|reasoning_effort_levels|thinking_always_on|comment|"
    r"deprecation_date|litellm_provider|metadata|mode|output_vector_size|prompt_cache_min_tokens|"
    r"rpm|tpm|source|web_search_billing_unit|audio_transcription_config"
)


@dataclass(frozen=True, slots=True)
class PriceKey:
    """A key taken apart; `stated_for` units of the source cost the number it holds."""

    meaning: Meaning
    conditions: Conditions
    stated_for: int = 1

    def rate(self, stated: Decimal) -> Rate:
        """Return the price per our unit size, exact but for the float's noise.

        :raises ValueError: when it is negative or needs more than 18 decimals.
        """
        meaning = self.meaning
        amount = cleaned(stated) * meaning.factor * meaning.size / self.stated_for
        if amount < 0:
            raise ValueError("a price below zero")
        if -int(amount.normalize().as_tuple().exponent) > _MOST_DECIMALS:
            raise ValueError("more decimals than a price can have")
        return Rate(amount.normalize() + 0, meaning.size)


def is_price(key: str) -> bool:
    """Tell whether a key may be about a price; what is known to be about something else is not."""
    return _NO_PRICE.fullmatch(key) is None


def read_key(key: str, *, mode: str) -> PriceKey | None:
    """Take a key apart; None when any part of it is unknown: nothing is guessed."""
    if key in _PER_THOUSAND:
        return PriceKey(_PER_THOUSAND[key], Conditions(), stated_for=1000)
    for prefix, meaning in _SIZED.items():
        size = key.removeprefix(prefix)
        if size != key and _SIZE.fullmatch(size):
            return PriceKey(meaning, Conditions(other=f"resolution={size.lower()}"))
    found = _KEY.fullmatch(key)
    if found is None:
        return None
    base, tier = found["base"], found["tier"] or ""
    known = _BASES.get(base) or _BY_MODE.get((base, mode))
    if known is None:
        return None
    meaning = known
    if found["count"] is not None:
        if base != _CREATION:
            return None
        lifetime = f"{found['count']}{_LIFETIME_UNITS[found['unit']]}"
        meaning = meaning._replace(meter=f"cache_write_{lifetime}_tokens")
    batch = tier == "batches"
    return PriceKey(
        meaning,
        Conditions(
            service_tier="" if batch else tier,
            batch=batch,
            context_gt=int(found["thousands"] or 0) * 1000,
        ),
    )
