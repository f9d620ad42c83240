"""A small in-process cache: bounded, thread-safe, each entry good for a fixed time."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class TtlCache(Generic[K, V]):
    """Keeps what was loaded for `seconds`; at most `limit` entries, the oldest goes first.

    What a loader returns is kept, `None` included, so that a flood of unknown keys costs one
    query a key and period. A loader that raises leaves nothing behind.
    """

    def __init__(
        self, *, seconds: float, limit: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds = seconds
        self._limit = limit
        self._clock = clock
        self._lock = Lock()
        self._generation = 0
        self._entries: dict[K, tuple[float, V]] = {}

    def get(self, key: K, load: Callable[[], V]) -> V:
        """Return the entry of a key, loading it when it is absent or too old."""
        entry = self._entries.get(key)
        if entry is not None and entry[0] > self._clock():
            return entry[1]
        generation = self._generation
        value = load()
        self._keep(key, value, generation)
        return value

    def peek(self, key: K) -> V | None:
        """Return the entry of a key while it is good, None when there is none; loads nothing."""
        entry = self._entries.get(key)
        return entry[1] if entry is not None and entry[0] > self._clock() else None

    def forget(self) -> None:
        """Drop every entry, and whatever a loader is just now reading."""
        with self._lock:
            self._generation += 1
            self._entries.clear()

    def __len__(self) -> int:
        return len(self._entries)

    def _keep(self, key: K, value: V, generation: int) -> None:
        with self._lock:
            if generation != self._generation:
                return
            self._entries.pop(key, None)
            while len(self._entries) >= self._limit:
                del self._entries[next(iter(self._entries))]
            self._entries[key] = (self._clock() + self._seconds, value)
