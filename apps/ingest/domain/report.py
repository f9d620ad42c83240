"""The report of bad rows as CSV, line by line; a sender's text never becomes a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

HEADS: Final = ("row", "id", "code", "field", "message")
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")


def csv_lines(problems: Iterable[Sequence[object]]) -> Iterator[str]:
    """Yield the CSV of problems, its head first; `problems` are rows as HEADS names them."""
    yield _line(HEADS)
    for problem in problems:
        yield _line([_inert(str(cell)) for cell in problem])


def _line(cells: Sequence[object]) -> str:
    out = io.StringIO(newline="")
    csv.writer(out).writerow(cells)
    return out.getvalue()


def _inert(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text
