"""Makes token counts disjoint, so that sum(quantity x price) is right by construction."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

import msgspec

from apps.usage.domain.drafts import Draft, Problem, UsageCounts

REQUESTS: Final = "requests"
"""The meter that every event writes once; "events" in any answer is its quantity."""

Quantities = dict[str, int | Decimal]

_compact: Final = msgspec.json.Encoder(decimal_format="number")


Metered = tuple[Quantities, int]
"""What an event counts: disjoint meters without zeros, and the whole context in tokens."""


class NotDisjoint(Exception):
    """The counts contradict each other; carries the problem."""

    def __init__(self, field: str, message: str, *, code: str = "not_disjoint") -> None:
        super().__init__(message)
        self.problem = Problem(field, code, message)


def meters_of(draft: Draft) -> Metered:
    """Return the disjoint meters of a settled draft; `requests` is left to the rollup.

    Rated input meters sum to the whole input, and output meters to the whole output: cached and
    cache-written tokens are taken out of the input unless they stand beside it, audio out of
    both, and reasoning stays inside output. The context is all input, cached or not.

    :raises NotDisjoint: when a part exceeds its whole, or a meter is stated twice.
    """
    usage = draft.usage
    if usage is None:
        quantities: Quantities = {}
        context = 0
    else:
        quantities, context = _token_meters(usage, beside=bool(draft.input_excludes_cache))
    if draft.meters:
        _add_free_meters(quantities, draft.meters)
    return quantities, context


def meters_json(quantities: Quantities) -> bytes:
    """Return the meters as the database keeps them: a JSON object of exact numbers."""
    return _compact.encode(quantities)


def _token_meters(usage: UsageCounts, *, beside: bool) -> Metered:
    cached = usage.cached_input_tokens or 0
    writes = usage.cache_write_tokens or 0
    written = writes if isinstance(writes, int) else sum(writes.values())
    fresh = usage.input_tokens or 0
    output = usage.output_tokens or 0
    if usage.input_excludes_cache or beside:
        context = fresh + cached + written
    else:
        context = fresh
        fresh -= cached + written
        if fresh < 0:
            raise _cache_exceeds(cached, written, context)
    if (usage.reasoning_tokens or 0) > output:
        raise NotDisjoint(
            "usage.reasoning_tokens",
            f"reasoning_tokens {usage.reasoning_tokens} exceed output_tokens {output}; they are "
            "part of them.",
        )
    quantities: Quantities = {}
    if (
        usage.input_audio_tokens
        or usage.output_audio_tokens
        or usage.cached_input_audio_tokens
        or usage.input_image_tokens
        or usage.output_image_tokens
        or usage.cached_input_image_tokens
        or usage.input_video_tokens
        or usage.output_video_tokens
    ):
        for modality in ("audio", "image", "video"):
            fresh, cached, output = _take(modality, usage, (fresh, cached, output), quantities)
    if fresh:
        quantities["input_tokens"] = fresh
    if cached:
        quantities["cached_input_tokens"] = cached
    if written:
        _put_writes(quantities, writes)
    if output:
        quantities["output_tokens"] = output
    return quantities, context


def _put_writes(quantities: Quantities, writes: int | dict[str, int]) -> None:
    if isinstance(writes, int):
        quantities["cache_write_tokens"] = writes
        return
    for lifetime, count in sorted(writes.items()):
        if count:
            quantities[f"cache_write_{lifetime}_tokens"] = count


def _take(
    modality: str, usage: UsageCounts, text: tuple[int, int, int], quantities: Quantities
) -> tuple[int, int, int]:
    """Take a modality out of fresh input, cached input and output; put its own meters."""
    fresh, cached, output = text
    seen: int = getattr(usage, f"input_{modality}_tokens") or 0
    recalled: int = getattr(usage, f"cached_input_{modality}_tokens", 0) or 0
    made: int = getattr(usage, f"output_{modality}_tokens") or 0
    if recalled > min(cached, seen):
        raise NotDisjoint(
            f"usage.cached_input_{modality}_tokens",
            f"cached_input_{modality}_tokens {recalled} exceed cached_input_tokens {cached} or "
            f"input_{modality}_tokens {seen}; they are part of both.",
        )
    if seen - recalled > fresh:
        raise NotDisjoint(
            f"usage.input_{modality}_tokens",
            f"input_{modality}_tokens {seen} exceed the input; they are part of it.",
        )
    if made > output:
        raise NotDisjoint(
            f"usage.output_{modality}_tokens",
            f"output_{modality}_tokens {made} exceed output_tokens {output}; they are part of "
            "them.",
        )
    for meter, count in (
        (f"input_{modality}_tokens", seen - recalled),
        (f"cached_input_{modality}_tokens", recalled),
        (f"output_{modality}_tokens", made),
    ):
        if count:
            quantities[meter] = count
    return fresh - (seen - recalled), cached - recalled, output - made


def _add_free_meters(quantities: Quantities, free: Mapping[str, Decimal]) -> None:
    for code, quantity in free.items():
        if code in quantities:
            raise NotDisjoint(
                f"meters.{code}",
                f"The meter {code} is counted in usage already; state it once.",
                code="meter_twice",
            )
        if quantity:
            whole = quantity == quantity.to_integral_value()
            quantities[code] = int(quantity) if whole else Decimal(quantity)


def _cache_exceeds(cached: int, written: int, total: int) -> NotDisjoint:
    part = "cached_input_tokens" if cached > total else "cache_write_tokens"
    return NotDisjoint(
        f"usage.{part}",
        f"cached {cached} and cache-written {written} tokens exceed input_tokens {total}, which "
        "include them; if they stand beside it, send input_excludes_cache: true.",
        code="cached_exceeds_input",
    )
