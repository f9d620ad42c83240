"""Reads a body of usage events: the whole at once when all is well, else item by item."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC
from enum import StrEnum
from typing import Any, Final

import msgspec

from apps.core.domain.errors import Invalid, TooLarge
from apps.usage.domain.checks import MOST_EVENTS, problem_of
from apps.usage.domain.drafts import (
    Draft,
    Problem,
    Rejected,
    SealedDraft,
    UsageCounts,
    Wire,
    read_exact,
)
from apps.usage.domain.explain import explain
from apps.usage.domain.raw import exact_object, exactly, with_raw_usage

DEEPEST: Final = 16
"""Levels of nesting that are looked into in an item; a valid event needs five."""

DEEPEST_BODY: Final = 64
"""Levels up to which a body is split into items, so that a deep one loses no other."""


class Form(StrEnum):
    """How the events are laid out in the body."""

    JSON = "json"
    LINES = "ndjson"


class NotReadable(Invalid):
    """The body as a whole cannot be read."""

    default_code = "not_json"


class _Envelope(Wire):
    events: list[Draft]


_item: Final = msgspec.json.Decoder(Draft, dec_hook=read_exact, float_hook=exactly)
_array: Final = msgspec.json.Decoder(list[Draft], dec_hook=read_exact, float_hook=exactly)
_envelope: Final = msgspec.json.Decoder(_Envelope, dec_hook=read_exact, float_hook=exactly)
_loose: Final = msgspec.json.Decoder()
_parts: Final = msgspec.json.Decoder(list[msgspec.Raw])
_fields: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])

_ENVELOPED: Final = re.compile(rb'\s*\{\s*"events"\s*:')
_STRING: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_NOT_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))
_NULL: Final = re.compile(rb"null")  # its search is faster than that of bytes
_ENDLESS: Final = 40
_MIDDLE: Final = 5000
_BOM: Final = b"\xef\xbb\xbf"
_DECODING: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def decode_events(*, body: bytes, form: Form, source: str | None = None) -> list[Draft | Rejected]:
    """Return a draft, or what is wrong with it, for every item of the body, in order.

    The body is an array, `{"events": [...]}`, one object, or one object a line. One bad item
    never loses the others. `source` stands in where an item names none.

    :raises NotReadable: when the body cannot be split into items at all.
    :raises TooLarge: when it has more than 10,000 items.
    """
    body = body.removeprefix(_BOM)
    try:
        drafts = _all_at_once(body, form)
    except _DECODING:
        return _one_by_one(_split(body, form), source)
    _refuse_many(len(drafts))
    nulls = _NULL.search(body) is not None
    nul = (b"\\" in body and b"\\u0000" in body) or "\0" in (source or "")
    return _settled(drafts, source, nulls=nulls, nul=nul)


def _settled(
    drafts: Sequence[Draft], source: str | None, *, nulls: bool, nul: bool
) -> list[Draft | Rejected]:
    """Settle drafts; a hot loop that leaves alone what `settled` would leave as it is."""
    found: list[Draft | Rejected] = []
    for index, draft in enumerate(drafts):
        name, usage = draft.source, draft.usage
        is_plain = (
            name is not None
            and usage is not None
            and draft.time.tzinfo is UTC
            and type(usage.cache_write_tokens) is int
            and draft.model
            and draft.provider
            and not draft.service
            and not draft.meters
            and draft.raw_usage is None
            and draft.reported_cost is None
            and draft.id.isascii()
            and name.isascii()
        )
        if nulls or nul or not is_plain:
            found.append(settled(draft, index=index, source=source, nulls=nulls, look_for_nul=nul))
        else:
            found.append(draft)
    return found


def draft_of(
    fields: Mapping[str, Any], *, index: int, source: str | None, lax: bool
) -> Draft | Rejected:
    """Return the draft of a mapping, a row of a file; `lax` reads numbers written as text."""
    if fields.get("raw_usage") is not None:
        fields = {**fields, "raw_usage": exact_object(fields["raw_usage"])}
    try:
        draft = msgspec.convert(fields, Draft, strict=not lax, dec_hook=read_exact)
    except (msgspec.ValidationError, ValueError, OverflowError) as error:
        return Rejected(index, _id_of(fields), explain(str(error), fields))
    return settled(draft, index=index, source=source)


def settled(
    draft: Draft,
    *,
    index: int,
    source: str | None,
    nulls: bool = True,
    look_for_nul: bool = True,
) -> Draft | Rejected:
    """Return the draft with source, nulls, zone and raw usage settled, or the limit it breaks.

    `nulls` and `look_for_nul` are False where the body is known to hold none of either.
    """
    if nulls:
        _replace_nulls(draft)
    if draft.source is None:
        draft.source = source
    if draft.time.tzinfo is not UTC:
        try:
            draft.time = draft.time.astimezone(UTC)
        except OverflowError:
            return Rejected(index, draft.id, _outside(draft))
    usage = draft.usage
    if usage is not None and type(usage.cache_write_tokens) is dict:
        writes = {key: count for key, count in usage.cache_write_tokens.items() if count}
        usage.cache_write_tokens = writes or 0
    if draft.raw_usage is not None and type(draft) is Draft:
        read = with_raw_usage(draft)
        if isinstance(read, Problem):
            return Rejected(index, draft.id, read)
        draft = read
    problem = problem_of(draft, look_for_nul=look_for_nul)
    return draft if problem is None else Rejected(index, draft.id, problem)


def _outside(draft: Draft) -> Problem:
    code = "time_in_future" if draft.time.year > _MIDDLE else "time_before_first_period"
    return Problem("time", code, "The time lies outside the calendar; send the moment of use.")


def _all_at_once(body: bytes, form: Form) -> Sequence[Draft]:
    if form is Form.LINES:
        return _item.decode_lines(body)
    if _ENVELOPED.match(body):
        return _envelope.decode(body).events
    if body.lstrip()[:1] == b"{":
        return [_item.decode(body)]
    return _array.decode(body)


def _split(body: bytes, form: Form) -> list[bytes]:
    if form is Form.LINES:
        lines = [line for line in body.split(b"\n") if line.strip()]
        _refuse_many(len(lines))
        return lines
    if _depth_exceeds(body, DEEPEST_BODY):
        raise NotReadable(
            f"The JSON is nested deeper than {DEEPEST_BODY} levels; an event needs five.",
            code="too_deep",
        )
    try:
        parts = _items_of(body)
    except _DECODING as error:
        parts = _patiently(body, error)
    _refuse_many(len(parts))
    return parts


def _patiently(body: bytes, error: Exception) -> list[bytes]:
    """Split a body that only a forgiving parser reads: text somewhere in it is no Unicode.

    The items are written again as they were, so that the bad ones fail on their own.
    """
    try:
        sent = json.loads(body.decode("utf-8", "surrogateescape"), parse_int=_whole)
    except (ValueError, RecursionError):
        raise NotReadable(_where(error)) from None
    if isinstance(sent, dict):
        sent = sent.get("events", [sent])
    if not isinstance(sent, list):
        raise NotReadable('Send an array of events, {"events": [...]}, or one object.')
    return [json.dumps(item).encode() for item in sent]


def _whole(digits: str) -> int:
    return int(digits) if len(digits) < _ENDLESS else 10**_ENDLESS


def _items_of(body: bytes) -> list[bytes]:
    if body.lstrip()[:1] != b"{":
        return [bytes(part) for part in _parts.decode(body)]
    fields = _fields.decode(body)
    if "events" not in fields:
        return [body]
    for name in fields:
        if name != "events":
            raise NotReadable(
                f"Beside events the body holds the unknown field {name!r}; remove it.",
                code="unknown_field",
            )
    return [bytes(part) for part in _parts.decode(fields["events"])]


def _one_by_one(parts: list[bytes], source: str | None) -> list[Draft | Rejected]:
    return [_one(part, index, source) for index, part in enumerate(parts)]


def _one(part: bytes, index: int, source: str | None) -> Draft | Rejected:
    try:
        draft = _item.decode(part)
    except UnicodeDecodeError:
        return Rejected(index, None, _NOT_UTF8)
    except (msgspec.DecodeError, RecursionError) as error:
        return _rejected(part, index, error)
    return settled(draft, index=index, source=source)


_NOT_UTF8: Final = Problem(
    None, "encoding", "The item's text is not valid Unicode; encode it as UTF-8."
)


def _rejected(part: bytes, index: int, error: Exception) -> Rejected:
    if _depth_exceeds(part, DEEPEST):
        message = f"The item is nested deeper than {DEEPEST} levels; an event needs five."
        return Rejected(index, None, Problem(None, "too_deep", message))
    try:
        sent = _loose.decode(part)
    except UnicodeDecodeError:
        return Rejected(index, None, _NOT_UTF8)
    except msgspec.ValidationError:
        sent = {}  # a number too large for any type; the typed decoder named its field
    except msgspec.DecodeError as broken:
        half = b"\\ud" in part.lower()
        problem = _NOT_UTF8 if half else Problem(None, "not_json", _where(broken))
        return Rejected(index, None, problem)
    return Rejected(index, _id_of(sent), explain(str(error), sent))


def _id_of(sent: object) -> str | None:
    name = sent.get("id") if isinstance(sent, Mapping) else None
    return name[:200] if isinstance(name, str) else None


def _replace_nulls(draft: Draft) -> None:
    for struct in (draft, draft.usage):
        if struct is None:
            continue
        kind = type(struct)
        for name in kind.__struct_fields__:
            if getattr(struct, name) is None:
                default = _DEFAULTS[kind].get(name)
                setattr(struct, name, {} if default is dict else default)


def _defaults(kind: type[msgspec.Struct]) -> dict[str, Any]:
    return {
        info.name: dict if info.default_factory is dict else info.default
        for info in msgspec.structs.fields(kind)
        if info.default is not msgspec.NODEFAULT or info.default_factory is dict
    }


def _refuse_many(count: int) -> None:
    if count > MOST_EVENTS:
        raise TooLarge(
            f"{count:,} events are more than {MOST_EVENTS:,} a request; send them in parts.",
            code="too_many_events",
        )


def _where(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "The body is not valid UTF-8; encode it as UTF-8."
    return f"The body is no JSON that can be read: {error}. Send UTF-8 JSON, or one object a line."


def _depth_exceeds(body: bytes, limit: int) -> bool:
    """Tell whether brackets nest deeper; unbalanced ones are left to the decoder to report."""
    brackets = _STRING.sub(b"", body).translate(None, _NOT_BRACKETS)
    for _ in range(limit):
        before = len(brackets)
        brackets = brackets.replace(b"{}", b"").replace(b"[]", b"")
        if len(brackets) == before:
            break
    return brackets.count(b"[") + brackets.count(b"{") > limit


_DEFAULTS: Final = {kind: _defaults(kind) for kind in (Draft, SealedDraft, UsageCounts)}
