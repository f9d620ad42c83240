"""Event ids: UUIDs of version 7, which sort by the time at which they were minted."""

from __future__ import annotations

import os
import time
import uuid
from threading import Lock

_STEP_BITS = 12


class Minter:
    """Mints ids that rise within a process, whatever the clock does."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._last = 0

    def mint(self) -> str:
        """Return a new id: 48 bits of milliseconds, 12 of a counter, 62 at random."""
        now = (time.time_ns() // 1_000_000) << _STEP_BITS
        with self._lock:
            self._last = max(now, self._last + 1)
            stamp = self._last
        chance = int.from_bytes(os.urandom(8), "big") & ((1 << 62) - 1)
        milliseconds, step = stamp >> _STEP_BITS, stamp & ((1 << _STEP_BITS) - 1)
        number = (milliseconds << 80) | (7 << 76) | (step << 64) | (2 << 62) | chance
        return str(uuid.UUID(int=number))

    def forget_lock(self) -> None:
        """Start with a lock of our own in a process that was forked."""
        self._lock = Lock()


minter = Minter()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=minter.forget_lock)
