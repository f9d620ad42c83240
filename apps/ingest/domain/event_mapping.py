"""What an event of another vocabulary means here, as somebody told us: field by field."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from apps.core.domain.errors import FieldError, Invalid
from apps.ingest.domain.foreign import ForeignEvent
from apps.ingest.domain.rows import event_of
from apps.ingest.domain.understanding import Row, understand
from apps.usage.domain.drafts import UsageCounts

MOST_FIELDS: Final = 64
MOST_LENGTH: Final = 300

_PLAIN: Final = frozenset(
    {
        "account",
        "batch",
        "credential",
        "end_user",
        "hold",
        "input_excludes_cache",
        "model",
        "operation",
        "outcome.name",
        "outcome.success",
        "outcome.value",
        "provider",
        "region",
        "reported_cost.amount",
        "reported_cost.currency",
        "service",
        "service_tier",
        "status",
        "trace_id",
        *(f"usage.{name}" for name in UsageCounts.__struct_fields__),
    }
)
_KEYED: Final = re.compile(
    r"tags\..{1,64}|meters\.[a-z][a-z0-9_.:-]{0,63}|usage\.cache_write_tokens\.[0-9]{1,3}[smhd]"
)
_ENVELOPE: Final = ("subject", "type", "source", "id", "trace_id")
_PATH: Final = re.compile(r"(?:data(?:\.[^.|=]+)+)|" + "|".join(_ENVELOPE))


class MappingRefused(Invalid):
    """A mapping that cannot be understood; names its fields."""

    default_code = "mapping_refused"


@dataclass(frozen=True, slots=True)
class EventMapping:
    """Fields of the native event, each with where its value comes from.

    A value is a path (`data.usage.prompt`, `subject`, `type`), a fixed text after `=` (`=openai`),
    or several of them separated by `|`, of which the first that is there counts.
    """

    fields: Mapping[str, str]

    def row(self, event: ForeignEvent) -> Row:
        """Return the columns that an event means by this mapping."""
        found = {field: _value(expression, event) for field, expression in self.fields.items()}
        return {field: value for field, value in found.items() if value is not None}


def checked_mapping(fields: Mapping[str, str]) -> EventMapping:
    """Return the mapping of fields, each expression trimmed.

    :raises MappingRefused: when a field or an expression is unknown, or nothing would be counted.
    """
    errors = list(_errors(fields))
    if errors:
        raise MappingRefused(errors[0].message, errors=tuple(errors))
    return EventMapping({name.strip(): text.strip() for name, text in sorted(fields.items())})


def fields_from_text(text: str) -> dict[str, str]:
    """Read a mapping as people write it: `field: where it comes from`, one a line.

    :raises MappingRefused: when a line has no colon, or a field comes twice.
    """
    fields: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        name, colon, expression = line.partition(": ") if ": " in line else line.rpartition(":")
        name = name.strip()
        if not colon or not name:
            message = f"Line {number}: write a field, a colon, and where it comes from."
            raise MappingRefused(message, errors=(FieldError("fields", "line", message),))
        if name in fields:
            message = f"Line {number}: {name} is there twice; keep one."
            raise MappingRefused(message, errors=(FieldError("fields", "twice", message),))
        fields[name] = expression.strip()
    return fields


def fields_as_text(fields: Mapping[str, str]) -> str:
    """Return a mapping as people write it, one field a line."""
    return "\n".join(f"{name}: {expression}" for name, expression in fields.items())


def fields_of(event: ForeignEvent, mapping: EventMapping | None) -> dict[str, Any]:
    """Return the fields of the native event, all but its time, by a mapping or the default."""
    row = mapping.row(event) if mapping is not None else understand(event)
    named = {"id": event.id, "source": event.source}
    if event.trace_id:
        row.setdefault("trace_id", event.trace_id)
    return {**event_of({name: _settled(name, value) for name, value in row.items()}), **named}


def _errors(fields: Mapping[str, str]) -> Iterable[FieldError]:
    if not fields:
        yield FieldError("fields", "missing", "Say what at least one field comes from.")
        return
    if len(fields) > MOST_FIELDS:
        yield FieldError("fields", "too_many", f"A mapping has at most {MOST_FIELDS} fields.")
    for name, expression in fields.items():
        at = f"fields.{name[:80]}"
        if name.strip() not in _PLAIN and not _KEYED.fullmatch(name.strip()):
            yield FieldError(
                at,
                "unknown_field",
                f"{name[:80]!r} is no field of an event; use provider, model, usage.input_tokens, "
                "service, meters.CODE, tags.KEY and the others of the API.",
            )
        elif not isinstance(expression, str) or not _is_expression(expression):
            yield FieldError(
                at,
                "expression",
                "Write where it comes from: data.NAME, subject, type, source, id, a fixed text "
                "after = (=openai), or several separated by |.",
            )
    yield from _subject_errors({name.strip() for name in fields})


def _subject_errors(names: set[str]) -> Iterable[FieldError]:
    counts_tokens = any(name.startswith("usage.") for name in names)
    counts_meters = any(name.startswith("meters.") for name in names)
    if "service" in names:
        if "model" in names or counts_tokens:
            yield FieldError(
                "fields.service",
                "ambiguous",
                "Map either provider and model with usage, or service with meters.",
            )
        elif not counts_meters:
            message = "A service needs a meter: meters.pages with data.pages, or with =1."
            yield FieldError("fields", "missing", message)
        return
    for name in ("provider", "model"):
        if name not in names:
            message = f"Map {name} too, or a service with meters."
            yield FieldError(f"fields.{name}", "missing", message)
    if not counts_tokens and not counts_meters:
        message = "Map what is counted: usage.input_tokens, usage.output_tokens or meters.CODE."
        yield FieldError("fields", "missing", message)


def _is_expression(expression: str) -> bool:
    if len(expression) > MOST_LENGTH:
        return False
    parts = [part.strip() for part in expression.split("|")]
    return all((part[:1] == "=" and len(part) > 1) or _PATH.fullmatch(part) for part in parts)


def _value(expression: str, event: ForeignEvent) -> Any:
    for part in expression.split("|"):
        path = part.strip()
        value = path[1:] if path[:1] == "=" else _at(path, event)
        if value is not None and value != "" and not isinstance(value, Mapping | list):
            return value
    return None


def _at(path: str, event: ForeignEvent) -> Any:
    if path.startswith("data."):
        value: Any = event.data
        for part in path.split(".")[1:]:
            value = value.get(part) if isinstance(value, Mapping) else None
        return value
    envelope = {
        "subject": event.subject,
        "type": event.name,
        "source": event.source,
        "id": event.id,
        "trace_id": event.trace_id,
    }
    return envelope.get(path)


def _settled(column: str, value: Any) -> Any:
    """Return a value as the wire form takes it: only counts and flags are other than text."""
    if column.startswith(_NUMBERS) and isinstance(value, int) and not isinstance(value, bool):
        return value
    if column in _FLAGS:
        return value
    return str(value).lower() if isinstance(value, bool) else str(value)


_NUMBERS: Final = ("usage.", "meters.")
_FLAGS: Final = ("batch", "input_excludes_cache", "usage.input_excludes_cache", "outcome.success")
