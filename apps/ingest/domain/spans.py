"""Spans as OTLP brings them, whichever of its encodings they came in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

Scalar = str | int | Decimal | bool
Attributes = Mapping[str, Scalar]

ERROR: Final = 2
"""STATUS_CODE_ERROR."""

_WANTED: Final = (
    "gen_ai.",
    "llm.",
    "traceloop.",
    "openinference.",
    "openai.",
    "finops.",
    "service.",
    "deployment.",
    "enduser.",
    "user.",
    "server.",
)
_TALK: Final = ("gen_ai.prompt", "gen_ai.completion", "gen_ai.input", "gen_ai.output.messages")
_LONGEST: Final = 1_000
_LONGEST_NAME: Final = 200


@dataclass(frozen=True, slots=True)
class Span:
    """One span; ids in lower-case hex, times in nanoseconds since 1970.

    Attributes are scalars only, and none of what people said: prompts and answers are not read.
    """

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    start: int
    end: int
    status: int
    attributes: Attributes = field(default_factory=dict)
    resource: Attributes = field(default_factory=dict)

    @property
    def id(self) -> str:
        """Return the name of the event that the span becomes."""
        return f"{self.trace_id}:{self.span_id}"

    def first(self, *names: str) -> Scalar | None:
        """Return the first of the attributes that is there and not empty."""
        for name in names:
            value = self.attributes.get(name)
            if value is not None and value != "":
                return value
        return None

    def text(self, *names: str) -> str:
        """Return the first of the attributes that is a text, "" where none is."""
        for name in names:
            value = self.attributes.get(name)
            if isinstance(value, str) and value.strip():
                return value.strip()
        return ""


def wanted(name: str, standard: Iterable[str]) -> bool:
    """Tell whether an attribute is worth reading: it is none of prompts, answers or HTTP."""
    if len(name) > _LONGEST_NAME or "\0" in name:
        return False
    return (name.startswith(_WANTED) and not name.startswith(_TALK)) or name in standard


def scalar(value: object) -> Scalar | None:
    """Return a value that is kept of an attribute; long texts are left out."""
    if isinstance(value, str):
        return value.replace("\0", "") if len(value) <= _LONGEST else None
    return value if isinstance(value, bool | int | Decimal) else None
