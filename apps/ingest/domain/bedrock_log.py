"""Reads Bedrock's invocation log: one record a request, as S3 and CloudWatch have them.

Source: model invocation logging, schema ModelInvocationLog 1.0. The counts of the record leave
cached tokens out of the input; a response that tells more of its cache is read instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from apps.ingest.domain.otlp import UNREPORTED
from apps.ingest.domain.translated import (
    NotTranslated,
    Taken,
    Translated,
    first_text,
    mapping_at,
    rejected,
    sealed_draft,
    tags_of,
)

DOOR: Final = "bedrock"
_COUNTS: Final = {
    "input": ("inputTokenCount", "cacheReadInputTokenCount", "cacheWriteInputTokenCount"),
    "output": ("outputTokenCount",),
}
_RICHER: Final = ("cacheDetails", "cache_creation")
"""Keys of a response's usage that the record's own counts do not hold."""


def drafts_of(records: Sequence[Any], *, source: str = "") -> Taken:
    """Return the uses that records tell; records of another kind are counted only."""
    taken = Taken()
    for index, record in enumerate(records):
        place = len(taken.drafts)
        try:
            translated = translate(record, source=source)
        except NotTranslated as refused:
            taken.add(rejected(refused, place), place=index)
            continue
        if translated is None:
            taken.ignored += 1
            continue
        taken.add(sealed_draft(translated, door=DOOR, index=place), place=index)
    return taken


def translate(record: Any, *, source: str = "") -> Translated | None:
    """Return the use that a record tells, None when it is no record of an invocation.

    :raises NotTranslated: when request id, model or time are missing or cannot be read.
    """
    if not isinstance(record, Mapping):
        raise NotTranslated(None, "type", "A record is a JSON object, as Bedrock logs it.")
    if record.get("schemaType", "ModelInvocationLog") != "ModelInvocationLog":
        return None
    name, model = first_text(record.get("requestId")), first_text(record.get("modelId"))
    for field, value in (("requestId", name), ("modelId", model)):
        if not value:
            message = f"The record has no {field}; send it as Bedrock wrote it."
            raise NotTranslated(field, "missing", message, id=name or None)
    account = first_text(record.get("accountId"))
    operation = first_text(record.get("operation"))
    fields: dict[str, Any] = {
        "id": name,
        "source": source or f"bedrock:{account}",
        "time": _moment(record.get("timestamp"), name),
        "provider": "bedrock",
        "model": model,
        "region": first_text(record.get("region")),
        "operation": "chat" if operation.startswith("Converse") else operation.lower(),
        "account": account,
        "credential": _principal(record),
        "status": "error" if record.get("errorCode") else "ok",
        "tags": tags_of(mapping_at(record, "requestMetadata").items()),
        **_usage(record),
    }
    known_by = {
        "timestamp": fields["time"].isoformat(),
        "model": model,
        "counts": _counts(record),
        "metadata": dict(mapping_at(record, "requestMetadata")),
        "error": first_text(record.get("errorCode")) or None,
    }
    return Translated({key: value for key, value in fields.items() if value}, known_by)


def _usage(record: Mapping[str, Any]) -> dict[str, Any]:
    said = mapping_at(record, "output", "outputBodyJson", "usage")
    if any(key in said for key in _RICHER):
        return {"raw_usage": dict(said)}
    if counts := _counts(record):
        return {"raw_usage": counts}
    meters = {} if record.get("errorCode") else {UNREPORTED: "1"}
    return {"usage": {"input_tokens": 0}, "meters": meters}


def _counts(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the record's own counts, as one flat object."""
    return {
        name: value
        for part, names in _COUNTS.items()
        for name in names
        if (value := mapping_at(record, part).get(name)) is not None
    }


def _principal(record: Mapping[str, Any]) -> str:
    """Return who called, as far as it is a label: a role, without the session it was taken for."""
    arn = first_text(mapping_at(record, "identity").get("arn"))
    head, mark, tail = arn.rpartition(":assumed-role/")
    return f"{head}{mark}{tail.partition('/')[0]}"[:200] if mark else arn[:200]


def _moment(sent: Any, name: str) -> datetime:
    try:
        read = msgspec.convert(sent, datetime)
        return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
    except (msgspec.ValidationError, ValueError, OverflowError):
        raise NotTranslated(
            "timestamp", "time", "timestamp is no RFC 3339 moment.", id=name
        ) from None
