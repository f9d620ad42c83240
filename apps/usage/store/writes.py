"""Statements that are sent one after another while their results are not waited for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg

from apps.core.domain.months import Month
from apps.usage.domain.cells import Cell
from apps.usage.domain.feeds import REQUEST
from apps.usage.store.binding import binding_cursor
from apps.usage.store.rollups import add_cells_statement, cell_columns


class Writes:
    """Statements sent to the database one after another while their results are not waited for."""

    def __init__(self, binding: psycopg.Cursor[Any]) -> None:
        self._binding = binding

    def add_cells(self, month: Month, cells: Sequence[Cell], feed: str = REQUEST) -> None:
        """Add cells of a feed, distinct and in the order of locks, to the rollups of a month."""
        if cells:
            self._binding.execute(add_cells_statement(month, feed), cell_columns(cells))


@contextmanager
def writing() -> Iterator[Writes]:
    """Write while the block runs, which must not use the database otherwise."""
    with binding_cursor() as binding, binding.connection.pipeline():
        yield Writes(binding)
