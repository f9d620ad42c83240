"""What LiteLLM's data says of a call: whether it is guarded, whose it is, what it used."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

STANDARD_TAGS = ("team", "product", "feature", "customer", "experiment", "environment")

_OPERATIONS = {
    "completion": "chat",
    "text_completion": "completion",
    "embedding": "embeddings",
    "embeddings": "embeddings",
    "responses": "chat",
    "anthropic_messages": "chat",
    "generate_content": "chat",
}


_NO_USE = re.compile("batch|file|fine_tuning|vector_store|input_items|moderation|_responses$")
"""Call types that look after things, or cost nothing."""


def operation_of(call_type: str) -> str:
    """Return the operation of a call type; the type itself where it is none of ours."""
    name = call_type.removeprefix("a") if call_type != "anthropic_messages" else call_type
    return _OPERATIONS.get(name, name)


def is_guarded(call_type: str) -> bool:
    """Tell whether a call is one of text tokens: only of those the size is known before."""
    return operation_of(call_type) in _OPERATIONS.values()


def is_use(call_type: str) -> bool:
    """Tell whether a call uses a model; looking after files and batches is none."""
    return _NO_USE.search(call_type) is None or call_type == "aresponses"


def tags_of(data: Mapping[str, Any], key: Any = None) -> dict[str, str]:
    """Return the tags of a request or of what is logged of it; the first to name one says it.

    In order: request tags (`team:search`), metadata by the six standard names, spend log
    metadata, then the team and user of the proxy's key.
    """
    found: dict[str, str] = {}
    for name, value in _told(data, key):
        if value not in (None, "") and name not in found:
            found[str(name)] = str(value)
    return found


def event_of(logged: Mapping[str, Any], start: datetime | None) -> dict[str, Any]:
    """Return a standard logging payload of a successful call as an event, but for its tags.

    An answer from LiteLLM's own cache is a request without tokens. A call that was charged and
    counts nothing (speech, images) is the meter `unreported_calls`: unpriced, never free.
    """
    about = _mapping(logged.get("metadata"))
    event: dict[str, Any] = {
        "id": logged.get("id") or logged.get("litellm_call_id"),
        "time": start,
        "provider": logged.get("custom_llm_provider") or "unknown",
        "model": _model(logged),
        "operation": operation_of(str(logged.get("call_type") or "")) or None,
        "trace_id": logged.get("trace_id") or logged.get("litellm_call_id"),
        "credential": about.get("user_api_key_alias"),
        "end_user": logged.get("end_user") or None,
    }
    if logged.get("cache_hit") is True:
        return {**event, "operation": "cache_hit", "usage": {"input_tokens": 0}}
    cost = logged.get("response_cost")
    if cost:
        event["reported_cost"] = {"amount": _plain(cost), "currency": "USD"}
    usage = _usage(logged, about)
    if not any(isinstance(count, int) and count > 0 for count in usage.values()):
        return {**event, "usage": {"input_tokens": 0}, "meters": {"unreported_calls": 1}}
    return {**event, "raw_usage": usage}


def _told(data: Mapping[str, Any], key: Any) -> Iterator[tuple[str, Any]]:
    about = {**_mapping(data.get("litellm_metadata")), **_mapping(data.get("metadata"))}
    for tag in [*_listed(data.get("request_tags")), *_listed(about.get("tags"))]:
        name, mark, value = str(tag).partition(":")
        if mark and name.strip().lower() != "user-agent":
            yield name.strip(), value.strip()
    requested = _mapping(about.get("requester_metadata"))
    yield from ((name, about.get(name) or requested.get(name)) for name in STANDARD_TAGS)
    yield from _mapping(about.get("spend_logs_metadata")).items()
    for name, fields in (
        ("team", ("team_alias", "team_id")),
        ("user", ("user_id",)),
    ):
        for field in fields:
            yield name, getattr(key, field, None)
            yield name, about.get(f"user_api_key_{field}")


def _usage(logged: Mapping[str, Any], about: Mapping[str, Any]) -> dict[str, Any]:
    whole = _mapping(about.get("usage_object"))
    found = {name: value for name, value in whole.items() if value is not None and name != "cost"}
    if found:
        return found
    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    return {name: logged.get(name) or 0 for name in names}


def _model(logged: Mapping[str, Any]) -> str:
    name = str(logged.get("model") or "")
    return name.removeprefix(f"{logged.get('custom_llm_provider')}/")


def _plain(cost: Any) -> str:
    """Return a number without an exponent: LiteLLM's costs are floats."""
    return f"{Decimal(repr(cost) if isinstance(cost, float) else str(cost)):f}"


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else []


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
