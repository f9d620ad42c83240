"""Reads an event that came with the provider's own usage object instead of counts of ours."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec

from apps.usage.domain.digest import digest_v1
from apps.usage.domain.drafts import Draft, Exact, Problem, SealedDraft
from apps.usage.domain.normalize import NotDisjoint, meters_of
from apps.usage.domain.sent_usage import FIELD, ShapeBroken, ShapeUnknown
from apps.usage.domain.shapes import Reading, reading

MOST_BYTES: Final = 8 * 1024
_DEEPEST: Final = 8
_WIDEST: Final = 60

_json: Final = msgspec.json.Encoder(decimal_format="number", enc_hook=Decimal)


def with_raw_usage(draft: Draft) -> SealedDraft | Problem:
    """Return a settled draft with its raw usage read into counts, meters and reported cost.

    The draft is known for ever by what was sent (its digest is taken before anything is read), so
    a better reader later makes no conflict of it. What the sender states beside the object (its
    own meters, tier and reported cost) holds; only the region that the provider says the use was
    bound to goes over the sender's.
    """
    raw = draft.raw_usage or {}
    problem = _conflicting(draft) or _unkeepable(raw)
    if problem is not None:
        return problem
    sealed = digest_v1(draft)
    try:
        read = reading(provider=draft.provider or "", usage=raw, model=draft.model or "")
        return _read_into(draft, read, sealed)
    except (ShapeUnknown, ShapeBroken) as refused:
        named = refused.errors[0].field if refused.errors else FIELD
        return Problem(named, refused.code, refused.message)
    except NotDisjoint as refused:
        return Problem(FIELD, refused.problem.code, f"{FIELD}: {refused.problem.message}")


def _read_into(draft: Draft, read: Reading, sealed: bytes) -> SealedDraft | Problem:
    own = draft.meters or {}
    for code in read.meters:
        if code in own:
            message = f"The meter {code} is counted in {FIELD} already; state it once."
            return Problem(f"meters.{code}", "meter_twice", message)
    changed = {
        "usage": read.counts,
        "meters": {**own, **read.meters},
        "reported_cost": draft.reported_cost or read.cost,
        "service_tier": draft.service_tier or read.service_tier or None,
        "batch": draft.batch or read.batch,
        "region": read.region or draft.region,
        "sealed": sealed,
    }
    fields = {name: getattr(draft, name) for name in Draft.__struct_fields__}
    translated = SealedDraft(**(fields | changed))
    meters_of(translated)
    return translated


def raw_json(raw: Mapping[str, Any]) -> bytes:
    """Return a usage object as it is kept: JSON with exact numbers."""
    return _json.encode(raw)


def exactly(text: str) -> Exact | Decimal:
    """Read a number with a point or an exponent, the decoder's `float_hook`."""
    value = Decimal(text)
    try:
        return Exact.of(f"{value:f}" if abs(value.adjusted()) < _WIDEST else text)
    except ValueError:
        return value


def exact_object(value: Any) -> Any:
    """Return a usage object with the numbers of a reader that knows no exact ones made exact."""
    if isinstance(value, float):
        return exactly(repr(value))
    if isinstance(value, Mapping):
        return {name: exact_object(inner) for name, inner in value.items()}
    return [exact_object(inner) for inner in value] if isinstance(value, list) else value


def _conflicting(draft: Draft) -> Problem | None:
    if draft.service:
        return Problem(
            FIELD, "ambiguous", f"{FIELD} stands beside provider and model, not beside a service."
        )
    if draft.usage is not None:
        return Problem(
            "usage", "ambiguous", f"Send usage or {FIELD}, not both: they name the same tokens."
        )
    return None


def _unkeepable(raw: Mapping[str, Any]) -> Problem | None:
    """Return why an object cannot be kept as it came, or None."""
    if not _is_plain(raw, _DEEPEST):
        return Problem(
            FIELD,
            "raw_usage_content",
            f"{FIELD} is nested deeper than {_DEEPEST} levels, or holds a number beyond all "
            "counts; send the provider's usage object alone.",
        )
    encoded = raw_json(raw)
    if len(encoded) > MOST_BYTES:
        return Problem(
            FIELD,
            "raw_usage_size",
            f"{FIELD} has more than {MOST_BYTES // 1024} KiB; send the usage object alone, not the "
            "response.",
        )
    if b"\\u0000" in encoded:
        message = "The text holds a NUL character, which cannot be stored; remove it."
        return Problem(FIELD, "nul", message)
    return None


def _is_plain(value: Any, depth: int) -> bool:
    if isinstance(value, Mapping):
        return depth > 0 and all(_is_plain(inner, depth - 1) for inner in value.values())
    if isinstance(value, list):
        return depth > 0 and all(_is_plain(inner, depth - 1) for inner in value)
    if isinstance(value, Decimal):
        return value.is_finite() and abs(value.adjusted()) < _WIDEST
    if isinstance(value, float):
        return False
    return not isinstance(value, int) or abs(value) < 10**_WIDEST
