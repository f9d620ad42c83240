"""Turns the decoder's words into a problem that names the field, the reason and the remedy."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from apps.usage.domain.drafts import Draft, Exact, OutcomeSent, Problem, ReportedCost, UsageCounts

_PATH: Final = re.compile(r" - at `\$(?P<path>[^`]*)`$")
_UNKNOWN: Final = re.compile(r"unknown field `(?P<name>.*)`", re.DOTALL)
_MISSING: Final = re.compile(r"missing required field `(?P<name>.*)`", re.DOTALL)
_EXPECTED: Final = re.compile(r"^Expected (?P<what>.*)$", re.DOTALL)

_SHAPES: Final[Mapping[str, type[msgspec.Struct]]] = {
    "": Draft,
    "usage": UsageCounts,
    "outcome": OutcomeSent,
    "reported_cost": ReportedCost,
}
_MAPS: Final = {"tags", "meters", "usage.cache_write_tokens"}


def explain(message: str, sent: object) -> Problem:
    """Return the problem behind a decoder's message; `sent` is the item, loosely decoded."""
    found = _PATH.search(message)
    path = found["path"].lstrip(".") if found else ""
    reason = message[: found.start()] if found else message
    if not isinstance(sent, Mapping):
        return Problem(None, "type", "An item is a JSON object with id, source, time and usage.")
    if unknown := _UNKNOWN.search(reason):
        return _unknown(path, unknown["name"])
    if missing := _MISSING.search(reason):
        name = _join(path, missing["name"])
        return Problem(name, "missing", f"The field {name} is required; add it.")
    if path.endswith("[...]"):
        path = _inner(path.removesuffix("[...]"), sent)
    return _wrong(path, reason)


def _unknown(path: str, name: str) -> Problem:
    field = _join(path, name[:80])
    known = ", ".join(_SHAPES[path].__struct_fields__) if path in _SHAPES else ""
    hint = "Token classes that have no field of their own go to meters" if path == "usage" else ""
    remedy = hint or f"Known are {known}"
    return Problem(field, "unknown_field", f"The field {field!r} is unknown. {remedy}.")


def _wrong(path: str, reason: str) -> Problem:
    field = path or None
    if "RFC3339" in reason or "datetime" in reason:
        return Problem(
            field or "time",
            "time",
            "Write the time as RFC 3339 with an offset: 2026-11-03T10:20:30.123456Z.",
        )
    if "out of range" in reason or "<=" in reason or ">=" in reason or "below" in reason:
        return Problem(field, "range", f"{field}: {_plain(reason)}.")
    if "length" in reason:
        return Problem(field, "length", f"{field}: {_plain(reason)}.")
    if "enum" in reason:
        return Problem(field, "choice", f"{field}: {reason}; allowed are {_choices(path)}.")
    return Problem(field, "type", f"{field or 'item'}: {_plain(reason)}.")


def _choices(path: str) -> str:
    return "ok, error, cancelled, partial" if path == "status" else "those of the documentation"


def _plain(reason: str) -> str:
    expected = _EXPECTED.match(reason)
    text = expected["what"] if expected else reason
    text = text.replace("`", "").replace(" | null", "")
    return f"expected {text}" if expected else text


def _inner(path: str, sent: Mapping[str, Any]) -> str:
    """Name the key of a map whose value is wrong, which the decoder does not."""
    value: Any = sent
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    if path not in _MAPS or not isinstance(value, Mapping):
        return path
    for key, inner in value.items():
        if _is_wrong(path, inner):
            return f"{path}.{key[:80]}"
    return path


def _is_wrong(path: str, inner: object) -> bool:
    if path == "tags":
        return not isinstance(inner, str)
    if path == "meters":
        try:
            Exact.of(inner)
        except ValueError:
            return True
        return False
    whole = isinstance(inner, int) and not isinstance(inner, bool)
    return not whole or not 0 <= int(str(inner)) < 10**18


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
