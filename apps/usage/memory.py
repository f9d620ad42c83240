"""What a process remembers of a schema's committed rows: bounded, by schema, never uncommitted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from threading import Lock
from typing import Generic, TypeVar

from django.db import connection

from apps.core.db import current_schema

Key = TypeVar("Key")
Value = TypeVar("Value")


class Memory(Generic[Key, Value]):
    """Numbers of interned rows, by schema and key.

    Rows of interned tables never change, so nothing goes stale; when there are too many, all are
    forgotten. Nothing is kept that was read inside a transaction: its rows may never commit.
    """

    def __init__(self, *, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._known: dict[str, dict[Key, Value]] = {}
        self._lock = Lock()

    def known(self) -> Mapping[Key, Value]:
        """Return what is known in the current schema; others may add to it meanwhile."""
        return self._known.get(current_schema(), {})

    def split(self, wanted: Iterable[Key]) -> tuple[dict[Key, Value], list[Key]]:
        """Return what is known of the keys in the current schema, and the keys that are not."""
        known = self._known.get(current_schema(), {})
        found: dict[Key, Value] = {}
        missing: list[Key] = []
        for key in wanted:
            value = known.get(key)
            if value is None:
                missing.append(key)
            else:
                found[key] = value
        return found, missing

    def keep(self, numbers: Mapping[Key, Value]) -> None:
        """Remember rows of the current schema, unless a transaction is open."""
        if connection.in_atomic_block:
            return
        with self._lock:
            if self._size + len(numbers) > self._limit:
                self._known.clear()
                self._size = 0
            self._known.setdefault(current_schema(), {}).update(numbers)
            self._size += len(numbers)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._known.clear()
            self._size = 0
