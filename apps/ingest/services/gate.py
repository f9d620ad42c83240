"""Lets only so many batches be worked on at once, and no tenant take every thread of a process.

What does not fit is refused at once, with `Retry-After`, instead of waiting in a queue that grows:
a sender who waits for an answer holds a thread that another tenant needs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Final

from django.conf import settings
from prometheus_client import Counter

from apps.core.db import current_schema
from apps.core.domain.errors import TooMany, Unavailable

REFUSED: Final = Counter(
    "finops_ingest_busy_total", "Batches refused because too many were worked on", ["tenant", "why"]
)
_REMEMBERED: Final = 5_000_000_000
"""Nanoseconds for which a tenant counts as sending after its last batch."""


class TenantBusy(TooMany):
    """Other organizations send as well, and this one has its share already."""

    default_code = "too_many_in_flight"


class ServerBusy(Unavailable):
    """The process works on as many batches as it may."""

    default_code = "overloaded"


class Gate:
    """Counts batches in flight by tenant; `clock` gives nanoseconds that never run backwards.

    A tenant alone has every slot. While others send, `threads` are shared among them: whoever
    has a fair share already is refused when the last free thread would be taken.
    """

    def __init__(
        self, *, slots: int, threads: int, clock: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self._slots = slots
        self._threads = threads
        self._clock = clock
        self._lock = Lock()
        self._held: dict[str, int] = {}
        self._seen: dict[str, int] = {}

    @contextmanager
    def slot(self, tenant: str) -> Iterator[None]:
        """Hold a slot for a tenant within the block.

        :raises TenantBusy: when the tenant has its share and others send too.
        :raises ServerBusy: when every slot is taken.
        """
        with self._lock:
            self._check(tenant)
            self._held[tenant] = self._held.get(tenant, 0) + 1
        try:
            yield
        finally:
            with self._lock:
                self._held[tenant] -= 1
                if not self._held[tenant]:
                    del self._held[tenant]

    def _check(self, tenant: str) -> None:
        now = self._clock()
        self._seen[tenant] = now
        self._seen = {name: at for name, at in self._seen.items() if now - at < _REMEMBERED}
        taken, mine = sum(self._held.values()), self._held.get(tenant, 0)
        if taken >= self._slots:
            REFUSED.labels(tenant, "slots").inc()
            raise ServerBusy(
                "The server works on as many batches as it can. Send the same again in a moment; "
                "nothing of this request was stored."
            )
        sending = len(self._seen.keys() | self._held.keys())
        share = max(1, -(-self._threads // sending))
        if sending > 1 and mine >= share and taken >= self._threads - 1:
            REFUSED.labels(tenant, "share").inc()
            raise TenantBusy(
                f"Your organization has {mine} batches in work here, its share while others send "
                "too. Wait a second and send the same again; nothing of this request was stored.",
                retry_after=1,
            )


gate: Final = Gate(slots=settings.INGEST_IN_FLIGHT, threads=settings.WEB_THREADS)


@contextmanager
def in_flight() -> Iterator[None]:
    """Hold one of this process's slots for the tenant at hand."""
    with gate.slot(current_schema()):
        yield
