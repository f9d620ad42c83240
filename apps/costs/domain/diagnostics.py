"""What was odd about an imported file and was accepted all the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_MESSAGES: Final = {
    "literal_null": "holds the text NULL; read as no value",
    "empty": "is empty where the standard wants a value; kept as unknown",
    "missing_column": "is absent though the standard wants it; kept as unknown",
    "timestamp_format": "is not written as 2024-09-01T00:00:00Z; read as UTC",
    "case": "differs from the standard in upper and lower case; corrected",
    "unknown_value": "has a value that the standard does not list; kept",
    "unknown_column": "belongs to no version of the standard and has no x_ prefix; kept aside",
    "tags_unreadable": "is no JSON object of keys and values; the row has no tags",
    "tag_value": "holds values that are no text; written as text",
    "number_format": "has a number in a form that the standard does not allow; read all the same",
    "period_empty": "ends when it starts; kept",
}


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One kind of oddity of one column: how often, and the line where it was first seen."""

    code: str
    column: str
    count: int
    first_line: int

    @property
    def message(self) -> str:
        """Say what was done about it."""
        return f"{self.column} {_MESSAGES[self.code]}."


class Notebook:
    """Counts oddities while a file is read."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], list[int]] = {}

    def note(self, code: str, column: str, line: int) -> None:
        """Count one oddity; `line` is the line of the file, the header being 1."""
        seen = self._seen.get((code, column))
        if seen is None:
            self._seen[code, column] = [1, line]
        else:
            seen[0] += 1

    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """Return everything noted, by column."""
        return tuple(
            Diagnostic(code, column, count, first)
            for (code, column), (count, first) in sorted(
                self._seen.items(), key=lambda item: (item[0][1], item[0][0])
            )
        )
