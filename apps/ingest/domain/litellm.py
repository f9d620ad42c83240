"""Reads what LiteLLM logs of a call: standard logging payloads, and rows of its spend log.

Source: `StandardLoggingPayload` and `LiteLLM_SpendLogs` of litellm 1.106. Prompt tokens include
what was cached; a retried call has one `litellm_call_id` and an `id` for each try; looking after
a batch is no use of a model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import msgspec

from apps.ingest.domain.foreign import BodyUnreadable, read_json
from apps.ingest.domain.otlp import UNREPORTED
from apps.ingest.domain.translated import (
    STANDARD_TAGS,
    NotTranslated,
    Taken,
    Translated,
    first_text,
    mapping_at,
    money,
    rejected,
    sealed_draft,
    since_epoch,
    tags_of,
    text,
)
from apps.usage.domain.shapes import ShapeBroken, ShapeUnknown, reading

DOOR: Final = "litellm"
SOURCE: Final = "litellm"

_OPERATIONS: Final = {
    "completion": "chat",
    "anthropic_messages": "chat",
    "generate_content": "chat",
    "text_completion": "completion",
    "embedding": "embedding",
    "image_generation": "image",
    "image_edit": "image",
    "transcription": "audio",
    "speech": "audio",
}
_NO_USE: Final = frozenset(
    verb + noun
    for noun in ("batch", "batches", "file", "files", "fine_tuning_job", "fine_tuning_jobs")
    for verb in ("create_", "retrieve_", "list_", "cancel_", "delete_", "")
) | {"file_content", "get_responses", "delete_responses", "list_input_items", "vector_store_list"}
_FREE: Final = frozenset({"moderation"})
_STANDARD_TIERS: Final = frozenset({"", "default", "standard", "auto", "on_demand"})
_ROUTES: Final = frozenset({"converse", "invoke", "responses", "bedrock", "global"})
_TOTALS: Final = ("prompt_tokens", "completion_tokens", "total_tokens")
_NOT_A_TAG: Final = "user-agent"


def read_payloads(*, body: bytes, lines: bool) -> list[Any]:
    """Return the payloads of a body: a list, one, or one a line.

    The callback sends lines as `application/json`, too: what begins with an object may be either.

    :raises BodyUnreadable: when it is no JSON.
    """
    parts = [line for line in body.split(b"\n") if line.strip()]
    if lines or (len(parts) > 1 and all(line.lstrip()[:1] == b"{" for line in parts)):
        return [read_json(line) for line in parts]
    sent = read_json(body)
    if not isinstance(sent, list | Mapping):
        raise BodyUnreadable("Send one standard logging payload, or a list of them.")
    return sent if isinstance(sent, list) else [sent]


def drafts_of(payloads: Sequence[Any], *, source: str = "") -> Taken:
    """Return the uses that payloads tell; those that are no use of a model are counted only."""
    taken = Taken()
    for index, payload in enumerate(payloads):
        try:
            translated = translate(payload, source=source)
        except NotTranslated as refused:
            taken.add(rejected(refused, len(taken.drafts)), place=index)
            continue
        if translated is None:
            taken.ignored += 1
            continue
        draft = sealed_draft(translated, door=DOOR, index=len(taken.drafts))
        taken.add(draft, place=index)
    return taken


def translate(payload: Any, *, source: str = "") -> Translated | None:
    """Return the use that a payload tells, None when it is none: looking after batches and files.

    An answer from LiteLLM's own cache cost nothing: it is a request without tokens.

    :raises NotTranslated: when id, model or time are missing or cannot be read.
    """
    if not isinstance(payload, Mapping):
        raise NotTranslated(None, "type", "A payload is a JSON object, as LiteLLM logs it.")
    call = text(payload.get("call_type"))
    call = call.removeprefix("a") if call[:1] == "a" and call != "anthropic_messages" else call
    if call in _NO_USE:
        return None
    payload = {**payload, **_whole_totals(payload)}
    name = first_text(payload.get("id"), payload.get("request_id"), payload.get("litellm_call_id"))
    if not name:
        raise NotTranslated("id", "missing", "The payload names no id; log it as id or request_id.")
    provider, model = _sold(payload, name)
    fields: dict[str, Any] = {
        "id": name,
        "source": source or SOURCE,
        "time": _moment(payload.get("startTime"), name),
        "provider": provider,
        "model": model,
        "operation": _OPERATIONS.get(call, call) or None,
        "service_tier": _tier(payload),
        "status": "error" if text(payload.get("status")) == "failure" else "ok",
        "trace_id": first_text(payload.get("trace_id"), payload.get("litellm_call_id")) or None,
        "tags": _tags(payload),
        **_who(payload),
        **_counts(payload),
    }
    payload_known = {key: payload.get(key) for key in _KNOWN_BY}
    payload_known["id"] = name
    payload_known["time"] = f"{fields['time']:%Y-%m-%dT%H:%M:%S}"
    return Translated({key: value for key, value in fields.items() if value}, payload_known)


_KNOWN_BY: Final = (
    "status",
    "model",
    "custom_llm_provider",
    "prompt_tokens",
    "completion_tokens",
    "end_user",
)
"""With id and second of the call, what the callback and the spend log say alike of one call."""


def _whole_totals(payload: Mapping[str, Any]) -> dict[str, int]:
    """Return totals that a file has as text, as numbers."""
    return {
        key: int(value)
        for key in _TOTALS
        if isinstance(value := payload.get(key), str) and value.isdecimal() and len(value) < 19
    }


def _sold(payload: Mapping[str, Any], name: str) -> tuple[str, str]:
    """Return provider and model; routes that LiteLLM puts before a model's name are taken off."""
    provider = first_text(payload.get("custom_llm_provider"))
    model = first_text(payload.get("model"), payload.get("model_group"))
    if not model:
        raise NotTranslated(
            "model", "missing", "The payload names no model; log it as model.", id=name
        )
    head, slash, rest = model.partition("/")
    if not provider and slash:
        provider, model = head, rest
    head, slash, rest = model.partition("/")
    while slash and rest and head.lower() in {provider.lower(), *_ROUTES}:
        model = rest
        head, slash, rest = model.partition("/")
    return provider or "unknown", model


def _counts(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Return the provider's own usage object, or LiteLLM's totals; nothing for a cache hit.

    A call that was charged and counts nothing is no free one: it waits, unpriced.
    """
    if text(payload.get("cache_hit")).lower() == "true":
        return {"usage": {"input_tokens": 0}, "operation": "cache_hit"}
    usage = _usage_object(payload)
    if not _tells_units(usage, payload):
        usage = {key: payload[key] for key in _TOTALS if payload.get(key)}
    fields: dict[str, Any] = {"raw_usage": usage} if usage else {"usage": {"input_tokens": 0}}
    if not usage and _is_charged(payload):
        fields["meters"] = {UNREPORTED: "1"}
    unpriced = payload.get("response_cost_failure_debug_info")
    spent = payload.get("spend") if "spend" in payload else payload.get("response_cost")
    amount = None if unpriced else money(spent)
    if amount is not None:
        fields["reported_cost"] = {"amount": amount, "currency": "USD"}
    return fields


def _tells_units(usage: Mapping[str, Any], payload: Mapping[str, Any]) -> bool:
    """Tell whether a usage object counts anything; one that contradicts itself is refused later."""
    if usage.get("prompt_tokens") or usage.get("completion_tokens"):
        return True
    try:
        read = reading(provider=text(payload.get("custom_llm_provider")), usage=usage)
    except ShapeUnknown:
        return False
    except ShapeBroken:
        return True
    counts = msgspec.structs.asdict(read.counts)
    return bool(read.meters) or any(count for count in counts.values() if count is not True)


def _is_charged(payload: Mapping[str, Any]) -> bool:
    """Tell whether a call that counts nothing is charged for all the same: speech, images."""
    failed = text(payload.get("status")) == "failure"
    return not failed and text(payload.get("call_type")).removeprefix("a") not in _FREE


def _usage_object(payload: Mapping[str, Any]) -> dict[str, Any]:
    found = mapping_at(_metadata(payload), "usage_object") or mapping_at(
        payload, "response", "usage"
    )
    return {key: value for key, value in found.items() if value is not None}


def _tier(payload: Mapping[str, Any]) -> str | None:
    tier = first_text(
        mapping_at(payload, "response").get("service_tier"),
        mapping_at(payload, "cost_breakdown").get("service_tier"),
        _usage_object(payload).get("service_tier"),
    )
    return None if tier.lower() in _STANDARD_TIERS or tier == "batch" else tier


def _who(payload: Mapping[str, Any]) -> dict[str, str | None]:
    """Return the key that was used, and the end user, of whom only a hash is kept."""
    about = _metadata(payload)
    key = first_text(
        about.get("user_api_key_alias"), about.get("user_api_key_hash"), payload.get("api_key")
    )
    end_user = first_text(payload.get("end_user"), about.get("user_api_key_end_user_id"))
    return {"credential": key[:200] or None, "end_user": end_user[:200] or None}


def _tags(payload: Mapping[str, Any]) -> dict[str, str]:
    """Return tags: request tags first, then metadata, then what LiteLLM knows of the key."""
    about = _metadata(payload)
    return tags_of(
        [
            *_request_tags(payload.get("request_tags")),
            *((key, about.get(key)) for key in STANDARD_TAGS),
            *_pairs(about.get("requester_metadata"), only=STANDARD_TAGS),
            *_pairs(about.get("spend_logs_metadata")),
            ("team", first_text(about.get("user_api_key_team_alias"), about.get("team_alias"))),
            ("team", first_text(about.get("user_api_key_team_id"), about.get("team_id"))),
            ("team", payload.get("team_id")),
            ("organization", first_text(about.get("user_api_key_org_alias"))),
            (
                "organization",
                first_text(about.get("user_api_key_org_id"), payload.get("organization_id")),
            ),
            ("user", first_text(about.get("user_api_key_user_id"), payload.get("user"))),
        ]
    )


def _request_tags(sent: Any) -> Iterator[tuple[str, str]]:
    """Yield `key:value` and `key=value` as tags; words alone become one tag, `litellm_tags`."""
    listed = _json(sent) if isinstance(sent, str) else sent
    words = []
    for tag in listed if isinstance(listed, list) else []:
        word = text(tag)
        marks = [mark for mark in (":", "=") if mark in word]
        if not marks:
            words.append(word)
            continue
        key, _, value = word.partition(min(marks, key=word.index))
        if key.strip().lower() != _NOT_A_TAG:
            yield key.strip(), value.strip()
    yield "litellm_tags", ",".join(sorted(set(words)))


def _pairs(sent: Any, *, only: Sequence[str] = ()) -> Iterator[tuple[str, Any]]:
    for key, value in sent.items() if isinstance(sent, Mapping) else ():
        if not only or key in only:
            yield key, value


def _metadata(payload: Mapping[str, Any]) -> Mapping[str, Any]:
    sent = payload.get("metadata")
    return mapping_at(_json(sent) if isinstance(sent, str) else sent)


def _json(sent: str) -> Any:
    try:
        return read_json(sent.encode())
    except BodyUnreadable:
        return None


def _moment(sent: Any, name: str) -> datetime:
    """Return the start of a call: seconds since 1970, or a text, in UTC where it has no offset."""
    try:
        if isinstance(sent, int | Decimal) and not isinstance(sent, bool):
            return since_epoch(sent)
        if isinstance(sent, datetime):
            read = sent
        elif isinstance(sent, str) and sent.replace(".", "", 1).isdigit():
            return since_epoch(Decimal(sent))
        else:
            read = msgspec.convert(str(sent).replace(" ", "T", 1), datetime)
        return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
    except (msgspec.ValidationError, ValueError, OverflowError, InvalidOperation):
        raise NotTranslated(
            "startTime",
            "time",
            "startTime is no moment: write seconds since 1970, or RFC 3339.",
            id=name,
        ) from None
