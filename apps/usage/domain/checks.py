"""The limits of rule 7 that the types cannot say; one place, whatever door an event came by."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from apps.usage.domain.drafts import Draft, Exact, Problem

MOST_EVENTS: Final = 10_000
MOST_BYTES: Final = 16 * 1024 * 1024
MOST_TAGS: Final = 32
TAG_KEY_BYTES: Final = 64
TAG_VALUE_BYTES: Final = 256
IDENTIFIER_BYTES: Final = 200
MOST_METERS: Final = 64
QUANTITY_DECIMALS: Final = -6

RESERVED_METERS: Final = frozenset({"requests"})
_METER: Final = re.compile(r"[a-z][a-z0-9_.:-]{0,63}")
_LIFETIME: Final = re.compile(r"[0-9]{1,3}[smhd]")
_CURRENCY: Final = re.compile(r"[A-Z]{3}")
_NAMES: Final = (
    "id",
    "source",
    "provider",
    "model",
    "service",
    "service_tier",
    "region",
    "operation",
    "account",
    "credential",
    "end_user",
    "trace_id",
)


def problem_of(draft: Draft, *, look_for_nul: bool) -> Problem | None:
    """Return the first limit that a settled draft breaks, or None; tags are looked at apart.

    Tags are the same for many events of a batch and are checked once a tag set. `look_for_nul`
    is False where the whole body is known to hold no NUL.
    """
    problem = _identity_problem(draft) or _subject_problem(draft)
    if problem is None and draft.meters:
        problem = _meters_problem(draft.meters)
    if problem is None and look_for_nul:
        problem = _nul_problem(draft)
    if problem is None and (draft.usage is not None or draft.reported_cost is not None):
        problem = _rest_problem(draft)
    return problem


def tags_problem(tags: Mapping[str, str]) -> Problem | None:
    """Return what is wrong with tags: their number, a size, or a NUL."""
    if len(tags) > MOST_TAGS:
        return Problem(
            "tags",
            "too_many_tags",
            f"{len(tags)} tags are more than {MOST_TAGS}; send fewer.",
        )
    for key, value in tags.items():
        if not 0 < _bytes(key) <= TAG_KEY_BYTES:
            return Problem(
                "tags",
                "tag_key_size",
                f"The tag key {key[:80]!r} must have 1 to {TAG_KEY_BYTES} bytes.",
            )
        if _bytes(value) > TAG_VALUE_BYTES:
            return Problem(
                f"tags.{key}",
                "tag_value_size",
                f"The value of the tag {key!r} has more than {TAG_VALUE_BYTES} bytes; shorten it, "
                "or send high-cardinality values as trace_id or end_user.",
            )
        if "\0" in key or "\0" in value:
            return Problem(f"tags.{key}".replace("\0", "\\0"), "nul", _NUL)
    return None


_NUL: Final = "The text holds a NUL character, which cannot be stored; remove it."


def _identity_problem(draft: Draft) -> Problem | None:
    if draft.source is None:
        return Problem(
            "source",
            "missing",
            "The item names no source; set the field, or the header X-Source for all items.",
        )
    if not draft.id.isascii() and _bytes(draft.id) > IDENTIFIER_BYTES:
        return _too_long("id")
    if not draft.source.isascii() and _bytes(draft.source) > IDENTIFIER_BYTES:
        return _too_long("source")
    return None


def _subject_problem(draft: Draft) -> Problem | None:
    if draft.service:
        return _service_problem(draft)
    if not draft.provider:
        wanted = "Name the provider and model, or a service with meters."
        return Problem("provider", "missing", wanted)
    if not draft.model:
        return Problem("model", "missing", "Name the model as the provider reports it.")
    if draft.usage is None and not draft.meters:
        return Problem("usage", "missing", _WANTED)
    return None


_WANTED: Final = (
    "Send the token counts in usage, the provider's own usage object in raw_usage, or meters."
)


def _service_problem(draft: Draft) -> Problem | None:
    if draft.usage is not None or draft.model:
        return Problem(
            "service",
            "ambiguous",
            "Send either provider and model with usage, or service with meters.",
        )
    if not draft.meters:
        return Problem("meters", "missing", 'A service needs meters, such as {"pages": "3"}.')
    return None


def _meters_problem(meters: dict[str, Exact]) -> Problem | None:
    if len(meters) > MOST_METERS:
        return Problem("meters", "too_many_meters", f"Send at most {MOST_METERS} meters.")
    for code, quantity in meters.items():
        if not _METER.fullmatch(code):
            return Problem(
                "meters",
                "meter_code",
                f"{code[:80]!r} is no meter code; use lower-case letters, digits and _ . : -, at "
                "most 64, starting with a letter.",
            )
        if code in RESERVED_METERS:
            return Problem(
                f"meters.{code}",
                "meter_reserved",
                f"The meter {code} is counted by the platform, one an event; leave it out.",
            )
        if quantity < 0:
            return Problem(
                f"meters.{code}", "range", "A quantity is never negative; void the event instead."
            )
        exponent = quantity.as_tuple().exponent
        if isinstance(exponent, int) and exponent < QUANTITY_DECIMALS:
            return Problem(
                f"meters.{code}",
                "quantity_precision",
                "A quantity has at most 6 decimals; round it, or count in a smaller unit.",
            )
    return None


def _nul_problem(draft: Draft) -> Problem | None:
    for name in _NAMES:
        text = getattr(draft, name)
        if text and "\0" in text:
            return Problem(name, "nul", _NUL)
    if draft.outcome is not None and "\0" in draft.outcome.name:
        return Problem("outcome.name", "nul", _NUL)
    return None


def _rest_problem(draft: Draft) -> Problem | None:
    cost = draft.reported_cost
    if cost is not None and not _CURRENCY.fullmatch(cost.currency):
        return Problem(
            "reported_cost.currency", "currency", "Write the currency as an ISO 4217 code: USD."
        )
    if cost is not None and cost.amount < 0:
        return Problem("reported_cost.amount", "range", "A reported cost is never negative.")
    writes = draft.usage.cache_write_tokens if draft.usage is not None else 0
    if isinstance(writes, dict):
        for lifetime in writes:
            if not _LIFETIME.fullmatch(lifetime):
                return Problem(
                    "usage.cache_write_tokens",
                    "cache_lifetime",
                    f"{lifetime[:20]!r} is no cache lifetime; write it as 5m or 1h.",
                )
    return None


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def _too_long(name: str) -> Problem:
    return Problem(name, "too_long", f"{name} has at most {IDENTIFIER_BYTES} bytes; shorten it.")
