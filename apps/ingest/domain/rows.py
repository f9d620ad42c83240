"""Lays a row of a file out as an event: columns are the wire form's names, joined by dots."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from apps.usage.domain.drafts import UsageCounts

_COUNTS: Final = frozenset(UsageCounts.__struct_fields__) - {"input_excludes_cache"}
_MAPS: Final = ("tags", "meters", "usage", "outcome", "reported_cost")
_SHORT: Final = {"tag": "tags", "meter": "meters"}
_WRITES: Final = "cache_write_tokens"


def event_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row as an event.

    `tags.team` (or `tag:team`), `meters.pages` (or `meter:pages`), `usage.input_tokens` (or just
    `input_tokens`), `usage.cache_write_tokens.5m`, `outcome.name`, `reported_cost.amount`. Empty
    cells are absent. Columns that hold whole maps, as in Parquet, are taken as they are.
    """
    event: dict[str, Any] = {}
    for column, value in row.items():
        if value is None or value == "":
            continue
        name = column.strip()
        if name in _COUNTS:
            name = f"usage.{name}"
        head, separator, rest = name.partition(":") if ":" in name else name.partition(".")
        head = _SHORT.get(head, head)
        if separator and head in _MAPS and rest:
            _put(event, head, rest, value)
        elif head in _MAPS and isinstance(value, Mapping):
            event.setdefault(head, {}).update(_present(value))
        else:
            event[name] = value
    return event


def _put(event: dict[str, Any], head: str, rest: str, value: Any) -> None:
    inner = event.setdefault(head, {})
    if head == "usage" and rest.startswith(f"{_WRITES}."):
        inner = inner.setdefault(_WRITES, {})
        rest = rest.removeprefix(f"{_WRITES}.")
    inner[rest] = value


def _present(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}
