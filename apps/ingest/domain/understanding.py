"""What an event of another vocabulary means when nobody told us: model, tokens, tags, or a meter.

Senders of such events have no common words for tokens; the ones understood here are those that
metering systems and their examples use. What is not understood becomes a service that counts one of
itself, unpriced, so that it shows up in the queue and waits for a mapping. Nothing is guessed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from apps.ingest.domain.foreign import ForeignEvent

Row = dict[str, Any]
"""Columns of the wire form, joined by dots, as `rows.event_of` reads them."""

STANDARD_TAGS: Final = ("team", "product", "feature", "customer", "experiment", "environment")

_MODEL: Final = ("model", "model_name", "model_id", "modelId")
_PROVIDER: Final = ("provider", "vendor", "model_provider")
_QUANTITY: Final = ("tokens", "token_count", "total_tokens", "quantity", "value")
_FIELDS: Final = ("service_tier", "region", "operation", "account", "credential", "end_user")

_COUNTS: Final[Mapping[str, str]] = {
    "input_tokens": "input_tokens",
    "prompt_tokens": "input_tokens",
    "tokens_in": "input_tokens",
    "output_tokens": "output_tokens",
    "completion_tokens": "output_tokens",
    "tokens_out": "output_tokens",
    "cached_input_tokens": "cached_input_tokens",
    "cached_tokens": "cached_input_tokens",
    "cache_read_tokens": "cached_input_tokens",
    "cache_read_input_tokens": "cached_input_tokens",
    "cache_write_tokens": "cache_write_tokens",
    "cache_creation_input_tokens": "cache_write_tokens",
    "reasoning_tokens": "reasoning_tokens",
}

_KINDS: Final[Mapping[str, tuple[str, ...]]] = {
    "input": ("input_tokens",),
    "prompt": ("input_tokens",),
    "system": ("input_tokens",),
    "user": ("input_tokens",),
    "output": ("output_tokens",),
    "completion": ("output_tokens",),
    "assistant": ("output_tokens",),
    "cached": ("cached_input_tokens",),
    "cached_input": ("cached_input_tokens",),
    "cache_read": ("cached_input_tokens",),
    "cache_write": ("cache_write_tokens",),
    "cache_creation": ("cache_write_tokens",),
    "reasoning": ("output_tokens", "reasoning_tokens"),
}
"""What the tokens of one event are when it says of which kind: each event counts its own."""

_MAKERS: Final = (
    ("openai", re.compile(r"gpt-|chatgpt|o[1-9](-|$)|text-embedding-|dall-e|whisper|tts-|codex")),
    ("anthropic", re.compile(r"claude")),
    ("google", re.compile(r"gemini|gemma")),
    ("mistral", re.compile(r"(open-)?mi[sx]tral|codestral|ministral|magistral|pixtral|devstral")),
    ("cohere", re.compile(r"command|rerank|embed-|c4ai")),
    ("x-ai", re.compile(r"grok")),
    ("deepseek", re.compile(r"deepseek")),
)
"""Whose models are named so; only a model's maker, never somebody who resells it."""

_NOT_A_CODE: Final = re.compile(r"[^a-z0-9_.:-]+")
_METER_LENGTH: Final = 64
UNKNOWN_PROVIDER: Final = "unknown"


def understand(event: ForeignEvent) -> Row:
    """Return the columns that an event means by the default understanding.

    A model with tokens is usage of that model; anything else is a service, named by the event's
    type or code, that counts one of itself.
    """
    data = event.data
    model = _text(data, _MODEL)
    counts = _counts(data) if model else {}
    if not model or not counts:
        return {"service": event.name, f"meters.{meter_code(event.name)}": 1, **_tags(event)}
    row: Row = {
        "provider": _text(data, _PROVIDER) or maker_of(model) or UNKNOWN_PROVIDER,
        "model": model,
        **counts,
        **_tags(event),
    }
    row.update({name: str(data[name]) for name in _FIELDS if _is_plain(data.get(name))})
    if trace := _text(data, ("trace_id",)):
        row["trace_id"] = trace
    return row


def maker_of(model: str) -> str:
    """Return the provider whose models are named so, empty when none is known."""
    bare = model.rsplit("/", 1)[-1].lower()
    for provider, pattern in _MAKERS:
        if pattern.match(bare):
            return provider
    return ""


def meter_code(name: str) -> str:
    """Return a name as a meter's code: lower case, at most 64 characters, a letter first."""
    code = _NOT_A_CODE.sub("_", name.lower()).strip("_.:-")[:_METER_LENGTH]
    code = code if code[:1].isalpha() else f"n_{code}"[:_METER_LENGTH]
    return "events" if code in ("n_", "requests") else code


def _counts(data: Mapping[str, Any]) -> Row:
    """Return the token counts: of their own names, or of the one kind that the event names."""
    own = {f"usage.{_COUNTS[name]}": data[name] for name in _COUNTS if _is_number(data.get(name))}
    if own:
        return own
    kind = _text(data, ("type", "token_type", "kind")).lower().removesuffix("_tokens")
    quantity = next((data[name] for name in _QUANTITY if _is_number(data.get(name))), None)
    if kind not in _KINDS or quantity is None:
        return {}
    row: Row = {f"usage.{name}": quantity for name in _KINDS[kind]}
    if kind.startswith("cache"):
        row["input_excludes_cache"] = True
    return row


def _tags(event: ForeignEvent) -> Row:
    """Return the six standard tags that the data names; the subject is the customer."""
    tags = {
        f"tags.{name}": str(event.data[name])
        for name in STANDARD_TAGS
        if _is_plain(event.data.get(name))
    }
    if event.subject:
        tags.setdefault("tags.customer", event.subject)
    return tags


def _text(data: Mapping[str, Any], names: tuple[str, ...]) -> str:
    for name in names:
        value = data.get(name)
        if isinstance(value, str) and value:
            return value
    return ""


def _is_plain(value: object) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool) and value != ""


def _is_number(value: object) -> bool:
    """Tell whether it is a number, or text that holds one, as many senders write them."""
    if isinstance(value, bool):
        return False
    if isinstance(value, int | Decimal):
        return True
    return isinstance(value, str) and value.strip().isdecimal()
