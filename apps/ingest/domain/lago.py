"""Reads Lago's events, one or a batch, and answers in Lago's words.

Source: the API reference of Lago, as lago-python-client 1.55 speaks it.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from apps.ingest.domain.foreign import (
    BodyUnreadable,
    Door,
    ForeignEvent,
    ForeignRefused,
    read_json,
    text_of,
)
from apps.usage.domain.drafts import Rejected

Answer = dict[str, Any]

SOURCE: Final = "lago:"
"""A Lago event is known by subscription and transaction; the subscription makes the source."""

_NAMESPACE: Final = uuid.UUID("6f0f5a0e-7a44-5c1c-9a0c-1d9d3f1f2c55")
_KNOWN: Final = frozenset(
    {
        "transaction_id",
        "external_subscription_id",
        "external_customer_id",
        "code",
        "timestamp",
        "precise_total_amount_cents",
        "properties",
    }
)
_MOST_SECONDS: Final = 10**11
"""What is larger counts milliseconds, which Lago does not take."""


def read_one(body: bytes) -> list[ForeignEvent | Rejected]:
    """Return the event of `{"event": {...}}`, or why it cannot be taken.

    :raises BodyUnreadable: when the body has another shape.
    """
    sent = read_json(body)
    if not isinstance(sent, Mapping) or "event" not in sent:
        raise BodyUnreadable('Send {"event": {...}}.')
    return [_read(sent["event"], 0)]


def read_batch(body: bytes) -> list[ForeignEvent | Rejected]:
    """Return every event of `{"events": [...]}`, or why it cannot be taken, in order.

    :raises BodyUnreadable: when the body has another shape.
    """
    sent = read_json(body)
    items = sent.get("events") if isinstance(sent, Mapping) else None
    if not isinstance(items, list):
        raise BodyUnreadable('Send {"events": [{...}, {...}]}.')
    return [_read(item, index) for index, item in enumerate(items)]


def shown(event: ForeignEvent, *, received_at: datetime) -> Answer:
    """Return a stored event as Lago shows it; its `lago_id` is the same at every replay."""
    at = event.time or received_at
    milliseconds = at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {
        "lago_id": str(uuid.uuid5(_NAMESPACE, f"{event.source}\n{event.id}")),
        "transaction_id": event.id,
        "lago_customer_id": None,
        "code": event.name,
        "timestamp": milliseconds,
        "precise_total_amount_cents": event.payload.get("precise_total_amount_cents"),
        "properties": dict(event.data),
        "lago_subscription_id": None,
        "external_subscription_id": event.subject,
        "created_at": received_at.astimezone(UTC).isoformat(timespec="seconds")[:19] + "Z",
    }


def error_details(errors: Sequence[tuple[int, str | None, str]], *, batch: bool) -> Answer:
    """Return Lago's `error_details` of (index, field, code) errors; a batch has them by index."""
    details: Answer = {}
    for index, field, code in errors:
        within = details.setdefault(str(index), {}) if batch else details
        within.setdefault(_FIELDS.get(field or "", field or "event"), []).append(
            _CODES.get(code, code)
        )
    return details


_FIELDS: Final = {"id": "transaction_id", "time": "timestamp", "source": "external_subscription_id"}
_CODES: Final = {
    "conflict": "value_already_exist",
    "missing": "value_is_mandatory",
    "time": "invalid_format",
}


def _read(item: Any, index: int) -> ForeignEvent | Rejected:
    try:
        return _event(item)
    except ForeignRefused as refused:
        return Rejected(index, refused.id, refused.problem)


def _event(item: Any) -> ForeignEvent:
    if not isinstance(item, Mapping):
        raise ForeignRefused(None, "type", "An event is a JSON object.")
    name = item.get("transaction_id")
    known = name[:200] if isinstance(name, str) else None
    for field in item:
        if field not in _KNOWN:
            raise ForeignRefused(
                field[:80],
                "unknown_field",
                f"The field {field[:80]!r} is unknown; what is of your own goes into properties.",
                id=known,
            )
    subject = text_of(item, "external_subscription_id", id=known)
    properties = item.get("properties")
    if properties is not None and not isinstance(properties, Mapping):
        raise ForeignRefused("properties", "type", "properties is a JSON object.", id=known)
    return ForeignEvent(
        door=Door.LAGO,
        name=text_of(item, "code", id=known),
        source=f"{SOURCE}{subject}",
        id=text_of(item, "transaction_id", id=known),
        subject=subject,
        time=_timestamp(item.get("timestamp"), known),
        data=properties or {},
        payload={key: value for key, value in item.items() if value is not None},
        charge=_charge(item.get("precise_total_amount_cents"), known),
    )


def _timestamp(sent: object, known: str | None) -> datetime | None:
    """Read Unix seconds, whole or with a fraction, as a number or as text."""
    if sent is None or sent == "":
        return None
    try:
        if isinstance(sent, bool) or not isinstance(sent, str | int | Decimal):
            raise ValueError("no number")
        seconds = Decimal(sent)
        if not seconds.is_finite() or not 0 <= seconds < _MOST_SECONDS:
            raise ValueError("out of range")
        whole, rest = divmod(seconds, 1)
        moment = datetime.fromtimestamp(int(whole), tz=UTC)
        return moment.replace(microsecond=int(rest * 1_000_000))
    except (ValueError, InvalidOperation, OverflowError):
        raise ForeignRefused(
            "time",
            "time",
            "Write the timestamp as Unix seconds, such as 1795457683 or 1795457683.123.",
            id=known,
        ) from None


def _charge(sent: object, known: str | None) -> Decimal | None:
    """Read the amount in cents; returns whole units of the currency."""
    if sent is None or sent == "":
        return None
    try:
        if isinstance(sent, bool) or not isinstance(sent, str | int | Decimal):
            raise ValueError("no number")
        cents = Decimal(sent)
        if not cents.is_finite() or cents < 0:
            raise ValueError("out of range")
        return cents.scaleb(-2)
    except (ValueError, InvalidOperation):
        raise ForeignRefused(
            "precise_total_amount_cents",
            "type",
            'Write the amount in cents as text, such as "1234.56".',
            id=known,
        ) from None
