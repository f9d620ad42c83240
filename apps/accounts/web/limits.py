"""Slows down whoever guesses passwords or floods mailboxes: counters in the cache."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.core.cache import cache

from apps.core.db import current_schema
from apps.core.domain.errors import TooMany

WINDOW: Final = 15 * 60
"""Seconds after which all counters start anew."""

PER_ACCOUNT_AND_ADDRESS: Final = 5
PER_ACCOUNT: Final = 50
PER_ADDRESS: Final = 100


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try of `deed` for an account (an e-mail address) from a network address."""

    deed: str
    account: str
    address: str
    now: datetime

    def count(self) -> None:
        """Count the attempt.

        :raises TooMany: when there were too many in the present window; also the right password
            is then refused, so that the answer tells nothing.
        """
        counts = [(limit, self._count(key)) for key, limit in self._limits()]
        if any(count > limit for limit, count in counts):
            wait = WINDOW - int(self.now.timestamp()) % WINDOW
            minutes = -(-wait // 60)
            raise TooMany(
                f"Too many attempts. Wait {minutes} minute{'s' if minutes > 1 else ''} and try "
                "again, or reset your password.",
                retry_after=wait,
                code="too_many_attempts",
            )

    def forgive(self) -> None:
        """Take back what was counted for this account from this address."""
        cache.delete(self._limits()[0][0])

    def _limits(self) -> list[tuple[str, int]]:
        account = self.account.strip().lower()
        return [
            (self._key(account, self.address), PER_ACCOUNT_AND_ADDRESS),
            (self._key(account, ""), PER_ACCOUNT),
            (self._key("", self.address), PER_ADDRESS),
        ]

    def _key(self, account: str, address: str) -> str:
        window = int(self.now.timestamp()) // WINDOW
        parts = (current_schema(), self.deed, account, address, str(window))
        digest = hashlib.sha256("\x1f".join(parts).encode()).hexdigest()
        return f"attempts:{digest}"

    @staticmethod
    def _count(key: str) -> int:
        if cache.add(key, 1, timeout=WINDOW):
            return 1
        try:
            return int(cache.incr(key))
        except ValueError:  # it expired in between
            cache.set(key, 1, timeout=WINDOW)
            return 1
