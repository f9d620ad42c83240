"""Events of other vocabularies, before it is told what they mean here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

import msgspec

from apps.core.domain.errors import Invalid
from apps.usage.domain.drafts import Problem

_WIDE: Final = 60
"""More digits than any number that is taken (rule 7)."""

_BEYOND: Final = 400
"""More places than a double has; what is larger or finer breaks whatever computes with it."""


class Door(StrEnum):
    """A vocabulary that others speak."""

    CLOUDEVENTS = "cloudevents"
    LAGO = "lago"


@dataclass(frozen=True, slots=True)
class ForeignEvent:
    """One event as another vocabulary has it.

    `name` is what a mapping is looked up by: a CloudEvent's type, a Lago event's code. `subject` is
    who used it. `time` is None where the sender gave none: then it is the moment of arrival.
    `payload` is everything as it was sent, by whose digest it is known for ever.
    """

    door: Door
    name: str
    source: str
    id: str
    subject: str
    time: datetime | None
    data: Mapping[str, Any]
    payload: Mapping[str, Any]
    trace_id: str = ""
    charge: Decimal | None = None


class ForeignRefused(Exception):
    """An item that does not keep its own vocabulary's rules; carries the problem."""

    def __init__(
        self, field: str | None, code: str, message: str, *, id: str | None = None
    ) -> None:
        super().__init__(message)
        self.problem = Problem(field, code, message)
        self.id = id


class BodyUnreadable(Invalid):
    """The body is no JSON of the form that the content type names."""

    default_code = "not_json"


def read_json(body: bytes) -> Any:
    """Return the JSON of a body; numbers with a point are exact decimals, never floats.

    :raises BodyUnreadable: when it is none, or nested too deeply.
    """
    try:
        return _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise BodyUnreadable(f"The body is no JSON that can be read: {error}.") from None


def text_of(item: Mapping[str, Any], name: str, *, id: str | None, required: bool = True) -> str:
    """Return a text field.

    :raises ForeignRefused: when it is missing though required, or no text.
    """
    value = item.get(name)
    if value is None or value == "":
        if required:
            raise ForeignRefused(name, "missing", f"The field {name} is required; add it.", id=id)
        return ""
    if not isinstance(value, str):
        raise ForeignRefused(name, "type", f"{name}: expected text, in quotes.", id=id)
    return value


def moment_of(text: str, *, field: str, id: str | None) -> datetime:
    """Read an RFC 3339 moment.

    :raises ForeignRefused: when it is none, or has no offset.
    """
    try:
        read = msgspec.convert(text, datetime)
        if read.tzinfo is None:
            raise ValueError("no offset")
        return read.astimezone(UTC)
    except (msgspec.ValidationError, ValueError, OverflowError):
        raise ForeignRefused(
            field, "time", "Write the time as RFC 3339 with an offset: 2026-11-03T10:20:30Z.", id=id
        ) from None


def _exact(text: str) -> Decimal | int:
    """Read a number with a point or an exponent; a whole one is a whole number.

    :raises ValueError: when it is beyond what any sender's language computes with.
    """
    value = Decimal(text)
    if value and abs(value.adjusted()) > _BEYOND:
        raise ValueError(f"the number {text[:40]} is beyond all that is counted")
    if value.is_finite() and abs(value.adjusted()) < _WIDE and value == value.to_integral_value():
        return int(value)
    return value.normalize() if len(value.as_tuple().digits) < _WIDE else value


_decoder: Final = msgspec.json.Decoder(float_hook=_exact)
