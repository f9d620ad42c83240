"""A document as tables: what CSV and XLSX are written from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Cell(StrEnum):
    """What a column holds; texts are guarded against formulas, numbers are plain decimals."""

    TEXT = "text"
    NUMBER = "number"
    EXACT = "exact"


@dataclass(frozen=True, slots=True)
class Column:
    """A column by its machine-readable name."""

    name: str
    kind: Cell = Cell.TEXT


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table; every value is a string or absent, numbers in plain notation."""

    name: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[str | None]]
