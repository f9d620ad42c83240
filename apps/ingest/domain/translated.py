"""What a door makes of a payload of another form: fields of ours, and what it is known by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from apps.core.domain.canonical import plain_decimal
from apps.usage.domain.decode import draft_of
from apps.usage.domain.digest import digest_of_payload
from apps.usage.domain.drafts import Draft, Exact, Problem, Rejected, SealedDraft

STANDARD_TAGS: Final = ("team", "product", "feature", "customer", "experiment", "environment")
"""The dimensions that every report knows; docs/directory.md."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLION: Final = 1_000_000
_MOST_DECIMALS: Final = Decimal("1E-24")
_TAG_KEY: Final = 64
_TAG_VALUE: Final = 256
_MOST_TAGS: Final = 24


@dataclass(frozen=True, slots=True)
class Translated:
    """One use as a payload tells it: fields of the wire form, and what makes it the same payload.

    `payload` holds what was sent, not what is made of it: its digest tells a replay from a
    conflict, whatever becomes of the translation. `raw` is kept on the event to look at where the
    fields hold no usage object of a provider.
    """

    fields: dict[str, Any]
    payload: Mapping[str, Any]
    raw: Mapping[str, Any] | None = None


class NotTranslated(Exception):
    """A payload that cannot be understood; carries the id, if one was found, and the problem."""

    def __init__(
        self, field: str | None, code: str, message: str, *, id: str | None = None
    ) -> None:
        super().__init__(message)
        self.problem = Problem(field, code, message)
        self.id = id


@dataclass(slots=True)
class Taken:
    """What became of the payloads of a request: drafts in order, and how many were no use at all.

    `places` are the indexes that the drafts had among the payloads.
    """

    drafts: list[Draft | Rejected] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    ignored: int = 0

    def add(self, draft: Draft | Rejected, *, place: int) -> None:
        """Take a draft that was made of the payload at a place."""
        self.drafts.append(draft)
        self.places.append(place)


def sealed_draft(translated: Translated, *, door: str, index: int) -> Draft | Rejected:
    """Return the draft of a translated payload, known by what was sent."""
    draft = draft_of(translated.fields, index=index, source=None, lax=True)
    if isinstance(draft, Rejected):
        return draft
    fields = {name: getattr(draft, name) for name in Draft.__struct_fields__}
    payload = {name: value for name, value in translated.payload.items() if value is not None}
    if translated.raw is not None:
        fields["raw_usage"] = dict(translated.raw)
    return SealedDraft(**fields, sealed=digest_of_payload(door=door, payload=payload))


def rejected(refused: NotTranslated, index: int) -> Rejected:
    """Return the rejection of a payload that was not understood."""
    return Rejected(index, refused.id, refused.problem)


def mapping_at(value: Any, *path: str) -> Mapping[str, Any]:
    """Return the object under a path, an empty one where there is none."""
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def text(value: Any) -> str:
    """Return a scalar as text, "" for anything else; true and false as such words."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, Decimal):
        return plain_decimal(value)
    return str(value) if isinstance(value, int) else ""


def first_text(*values: Any) -> str:
    """Return the first of the values that is a text with something in it."""
    return next((found for value in values if (found := text(value))), "")


def tags_of(pairs: Iterable[tuple[Any, Any]]) -> dict[str, str]:
    """Return tags that keep our limits; the first of a key holds, empty ones are left out.

    What is too long for a tag is left out as well: it is a note, no label.
    """
    tags: dict[str, str] = {}
    for key, value in pairs:
        name, label = text(key), text(value)
        fits = 0 < len(name.encode()) <= _TAG_KEY and 0 < len(label.encode()) <= _TAG_VALUE
        if fits and "\0" not in name + label and len(tags) < _MOST_TAGS:
            tags.setdefault(name, label)
    return tags


def money(value: Any) -> str | None:
    """Return an amount as the wire form takes it, None for what is none.

    Senders that compute in binary fractions send noise beyond any price: 24 decimals are kept.
    """
    if isinstance(value, str):
        try:
            value = Exact.of(value.strip())
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    exact = Decimal(value)
    if not exact.is_finite() or not 0 <= exact < _MILLION * _MILLION:
        return None
    return plain_decimal(exact.quantize(_MOST_DECIMALS).normalize())


def since_epoch(value: int | Decimal, *, unit: int = 1) -> datetime:
    """Return the moment of a count of seconds, or of parts of one, since 1970, to the microsecond.

    :raises OverflowError: when the moment is none of the calendar.
    """
    micros = int(Decimal(value) * _MILLION / unit)
    return _EPOCH + timedelta(microseconds=micros)
