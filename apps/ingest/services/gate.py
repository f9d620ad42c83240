"""Lets only so much be worked on at once, and no tenant take a process from the others.

What does not fit is refused at once, with `Retry-After`, instead of waiting in a queue that grows:
a sender who waits for an answer holds a thread that another tenant needs.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from enum import StrEnum
from threading import Lock, Semaphore
from typing import Final

from django.conf import settings
from prometheus_client import Counter as Metric

from apps.core.db import current_schema
from apps.core.domain.errors import TooMany, Unavailable

REFUSED: Final = Metric(
    "finops_ingest_busy_total", "Requests refused because too many were in work", ["tenant", "why"]
)
LARGE: Final = 32 * 1024
"""Bytes of a body from which on it is a batch, whatever is in it."""

_REMEMBERED: Final = 5_000_000_000
"""Nanoseconds for which a tenant counts as sending after its last batch."""


class TenantBusy(TooMany):
    """Other organizations send as well, and this one has its share already."""

    default_code = "too_many_in_flight"


class ServerBusy(Unavailable):
    """The process works on as many requests as it may."""

    default_code = "overloaded"


class Work(StrEnum):
    """What is counted apart: a batch keeps a processor busy, a small request waits for the disk."""

    BATCH = "batch"
    SMALL = "small"


class Gate:
    """Counts work in flight by tenant; `clock` gives nanoseconds that never run backwards.

    A tenant alone has every slot. While others send, `room` (how much of a kind makes sense at
    once in a process) is shared among them: whoever has a fair share already is refused when the
    last free place would be taken.
    """

    def __init__(
        self,
        *,
        slots: int,
        room: Mapping[Work, int],
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._slots = slots
        self._room = room
        self._clock = clock
        self._lock = Lock()
        self._held: Counter[tuple[str, Work]] = Counter()
        self._seen: dict[str, int] = {}

    @contextmanager
    def slot(self, tenant: str, work: Work) -> Iterator[None]:
        """Hold a slot for a tenant within the block.

        :raises TenantBusy: when the tenant has its share and others send too.
        :raises ServerBusy: when every slot is taken.
        """
        with self._lock:
            self._check(tenant, work)
            self._held[tenant, work] += 1
        try:
            yield
        finally:
            with self._lock:
                self._held[tenant, work] -= 1
                if not self._held[tenant, work]:
                    del self._held[tenant, work]

    def _check(self, tenant: str, work: Work) -> None:
        if self._held.total() >= self._slots:
            REFUSED.labels(tenant, "slots").inc()
            raise ServerBusy(
                "The server works on as many requests as it can. Send the same again in a moment; "
                "nothing of this request was stored."
            )
        sending = self._tenants_sending(tenant)
        mine, room = self._held[tenant, work], self._room[work]
        taken = sum(count for (_, kind), count in self._held.items() if kind is work)
        share = max(1, -(-room // sending))
        if sending > 1 and mine >= share and taken >= room - 1:
            REFUSED.labels(tenant, "share").inc()
            raise TenantBusy(
                f"Your organization has {mine} requests in work here, its share while others send "
                "too. Wait a second and send the same again; nothing of this request was stored.",
                retry_after=1,
            )

    def _tenants_sending(self, tenant: str) -> int:
        """Return how many tenants have work here or had it just now, this one among them."""
        now = self._clock()
        self._seen[tenant] = now
        if len(self._seen) > 1:
            self._seen = {name: at for name, at in self._seen.items() if now - at < _REMEMBERED}
        return len(self._seen.keys() | {name for name, _ in self._held})


gate: Final = Gate(
    slots=settings.INGEST_IN_FLIGHT,
    room={Work.BATCH: settings.INGEST_BATCHES, Work.SMALL: settings.WEB_THREADS},
)


@contextmanager
def in_flight(*, is_small: bool) -> Iterator[None]:
    """Hold one of this process's slots for the tenant at hand, and for a batch a lane.

    Who holds them already goes on with them.
    """
    if _is_in_flight.get():
        yield
        return
    with gate.slot(current_schema(), Work.SMALL if is_small else Work.BATCH):
        if is_small:
            yield
            return
        with lanes.lane():
            entered = _is_in_flight.set(True)
            try:
                yield
            finally:
                _is_in_flight.reset(entered)


_is_in_flight: Final[ContextVar[bool]] = ContextVar("is_in_flight", default=False)


class Lanes:
    """Has so many batches decoded and stored at once; the others wait with what they brought.

    More would not be faster, as threads share one interpreter, but each takes memory that the
    process never gives back. Nobody waits for longer than `patience` seconds: a batch that hangs
    at the database must not hold up other tenants.
    """

    def __init__(self, count: int, *, patience: float = 1.0) -> None:
        self._free = Semaphore(count)
        self._patience = patience

    @contextmanager
    def lane(self) -> Iterator[None]:
        """Wait for a lane and hold it within the block."""
        has_lane = self._free.acquire(timeout=self._patience)
        try:
            yield
        finally:
            if has_lane:
                self._free.release()


lanes: Final = Lanes(settings.INGEST_LANES)
