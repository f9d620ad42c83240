"""Statements that are sent one after another while their results are not waited for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import psycopg
from django.db import DataError

from apps.core.domain.errors import Unprocessable
from apps.core.domain.months import Month
from apps.usage.adapters.packed import Packed
from apps.usage.domain.cells import Cell, Sums, cells_of
from apps.usage.domain.feeds import REQUEST
from apps.usage.store.binding import binding_cursor
from apps.usage.store.rollups import (
    add_cells_statement,
    add_sums_statement,
    cell_columns,
    sums_columns,
)

Upsert = tuple[str, list[Packed]]
"""A statement that adds to the rollups, with its columns."""

_OUT_OF_RANGE: Final = "22003"


class CellFull(Unprocessable):
    """A rollup's quantity or cost would have more digits than the database keeps."""

    default_code = "quantity_overflow"


class Writes:
    """Statements sent to the database one after another while their results are not waited for."""

    def __init__(self, binding: psycopg.Cursor[Any]) -> None:
        self._binding = binding

    def add_cells(self, month: Month, cells: Sequence[Cell], feed: str = REQUEST) -> None:
        """Add cells of a feed, distinct and in the order of locks, to the rollups of a month."""
        if cells:
            self._binding.execute(add_cells_statement(month, feed), cell_columns(cells))

    def add_packed(self, upsert: Upsert) -> None:
        """Run an upsert, or another statement, that is made already."""
        statement, columns = upsert
        self._binding.execute(statement, columns)


def pack_sums(month: Month, sums: Sums, feed: str) -> Upsert:
    """Return the upsert of sums of a feed into a month, ready to be sent.

    The database makes the costs where that is exact. Every span must know its meters' rates.
    """
    columns = sums_columns(sums)
    if columns is None:
        return add_cells_statement(month, feed), cell_columns(cells_of(sums))
    return add_sums_statement(month, feed), columns


class Questions:
    """Statements that are asked at once; the answers are there when the block is left."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def ask(
        self, statement: str, values: Sequence[object] | Mapping[str, object] = ()
    ) -> Iterable[tuple[Any, ...]]:
        """Send a statement; return what gives its rows, to be read after the block."""
        cursor: psycopg.Cursor[Any] = psycopg.Cursor(self._connection)
        cursor.execute(statement, values, binary=True)
        return cursor

    def commit(self) -> None:
        """Commit along with the last statement, as the last thing of an outermost `atomic` block.

        What the block does when it is left finds the transaction committed.
        """
        self._connection.commit()


@contextmanager
def asking() -> Iterator[Questions]:
    """Ask several things in one exchange with the database, which the block must not use else."""
    with binding_cursor() as binding, binding.connection.pipeline():
        yield Questions(binding.connection)


def answers_to(
    statement: str, values: Sequence[object] | Mapping[str, object] = ()
) -> list[tuple[Any, ...]]:
    """Ask one thing, and return its rows."""
    with binding_cursor() as binding:
        rows: list[tuple[Any, ...]] = binding.execute(statement, values, binary=True).fetchall()
    return rows


@contextmanager
def writing() -> Iterator[Writes]:
    """Write while the block runs, which must not use the database otherwise.

    :raises CellFull: when a rollup would have too many digits.
    """
    try:
        with binding_cursor() as binding, binding.connection.pipeline():
            yield Writes(binding)
    except DataError as error:
        if getattr(error.__cause__, "sqlstate", None) != _OUT_OF_RANGE:
            raise
        raise CellFull(
            "A day's sum of a meter would pass 10^22 units, or 10^20 in cost, so nothing was "
            "stored; send the quantities that were meant, and void stored ones that were not."
        ) from error
