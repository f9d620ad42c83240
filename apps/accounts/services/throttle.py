"""Holds keys and tenants to their requests and events a second, across all processes.

Valkey keeps the buckets. A process decides most calls from what it last heard, and reports what it
admitted ten times a second and after every twentieth of a bucket; near the edge it asks each time.
So the limiter costs a few microseconds a call, and what processes admit too much meanwhile is
booked as debt and waited off.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from threading import Lock
from typing import Final, Literal

import structlog
from django.conf import settings
from prometheus_client import Counter

from apps.accounts.adapters.buckets import BucketsUnavailable, Draw, draw
from apps.core.domain.errors import TooMany
from apps.core.domain.limits import MICRO, Limits, Pace, Standing, admits

log = structlog.get_logger(__name__)

REFUSED: Final = Counter(
    "finops_rate_limited_total", "Requests refused for their rate", ["tenant", "resource"]
)
BLIND: Final = Counter(
    "finops_rate_limiter_unavailable_total", "Times that Valkey did not answer the rate limiter"
)

_FRESH: Final = MICRO // 10
"""Microseconds for which a process trusts what it last heard."""

_STALE: Final = MICRO // 2
"""Microseconds for which it does while another thread is asking already."""

_FAR: Final = 10
"""A process decides alone while a tenth of a bucket is left."""

_LITTLE: Final = 20
"""A process reports at the latest when it has admitted a twentieth of a bucket."""

_BLIND: Final = MICRO
"""Microseconds for which Valkey is not asked again after it did not answer."""

_MOST_BUCKETS: Final = 16_384


class RateLimited(TooMany):
    """The key or its organization calls faster than it may."""

    default_code = "rate_limited"

    def __init__(self, message: str, *, standing: Standing) -> None:
        super().__init__(message, retry_after=standing.reset)
        self.standing = standing


@dataclass(slots=True)
class _Known:
    """What this process knows of a bucket: a level at a time, and what is not reported yet."""

    level: int
    at: int
    unreported: int = 0

    def level_at(self, now: int, pace: Pace) -> int:
        return pace.level_after(self.level, now - self.at)

    def spend(self, tokens: int) -> None:
        self.level -= tokens * MICRO
        self.unreported += tokens

    def report(self) -> int:
        """Return what is not reported yet; it counts as reported from now on."""
        reported, self.unreported = self.unreported, 0
        return reported

    def hear(self, level: int, now: int) -> None:
        """Take what Valkey says, less what was admitted here since it was asked."""
        self.level, self.at = level - self.unreported * MICRO, now


@dataclass(frozen=True, slots=True)
class _Ask:
    """One bucket that a call draws from, and how much."""

    name: str
    resource: str
    owner: str
    pace: Pace
    wanted: int


class Throttle:
    """This process's side of all buckets. `clock` gives microseconds that never run backwards."""

    def __init__(self, *, clock: Callable[[], int] = lambda: time.monotonic_ns() // 1000) -> None:
        self._clock = clock
        self._lock = Lock()
        self._known: dict[str, _Known] = {}
        self._asking: set[str] = set()
        self._blind_until = 0

    def take(self, asks: Sequence[_Ask]) -> list[int]:
        """Take from every bucket, or from none; return the levels afterwards.

        Without Valkey each process holds to the limits by itself: work goes on.

        :raises RateLimited: when one of the buckets is empty.
        """
        with self._lock:
            now = self._clock()
            levels = self._decided_here(asks, now)
            if levels is not None:
                return levels
            draws = self._draws(asks)
            names = {ask.name for ask in asks}
            self._asking |= names
        try:
            admitted, heard = draw(draws)
        except BucketsUnavailable as error:
            self._go_blind(error)
            with self._lock:
                return self._decided_blindly(asks, self._clock())
        finally:
            with self._lock:
                self._asking -= names
        with self._lock:
            self._hear(asks, heard)
        if not admitted:
            raise _refusal(asks, heard)
        return heard

    def is_blind(self) -> bool:
        """Tell whether Valkey did not answer just now."""
        return self._clock() < self._blind_until

    def see_again(self) -> None:
        """Ask Valkey again from now on."""
        self._blind_until = 0

    def _decided_here(self, asks: Sequence[_Ask], now: int) -> list[int] | None:
        """Decide from what is known; None when Valkey has to be asked."""
        if now < self._blind_until:
            return self._decided_blindly(asks, now)
        levels: list[int] = []
        after: list[int] = []
        is_far = True
        for ask in asks:
            known = self._known.get(ask.name)
            if known is None or now - known.at > (_STALE if ask.name in self._asking else _FRESH):
                return None
            pace = ask.pace
            level = known.level_at(now, pace)
            left = level - ask.wanted * MICRO
            is_little = (known.unreported + ask.wanted) * _LITTLE <= pace.capacity
            is_far = is_far and is_little and left * _FAR >= pace.capacity * MICRO
            levels.append(level)
            after.append(left)
        if not all(map(admits, levels)):
            raise _refusal(asks, levels)
        if not is_far:
            return None
        for ask in asks:
            if ask.wanted:
                self._known[ask.name].spend(ask.wanted)
        return after

    def _decided_blindly(self, asks: Sequence[_Ask], now: int) -> list[int]:
        """Decide alone; nothing is kept to be reported, or all would be refused afterwards."""
        self._make_room()
        levels = []
        for ask in asks:
            known = self._known.setdefault(ask.name, _Known(ask.pace.capacity * MICRO, now))
            known.level, known.at = known.level_at(now, ask.pace), now
            levels.append(known.level)
        if not all(map(admits, levels)):
            raise _refusal(asks, levels)
        for ask in asks:
            self._known[ask.name].level -= ask.wanted * MICRO
        return [level - ask.wanted * MICRO for level, ask in zip(levels, asks, strict=True)]

    def _draws(self, asks: Sequence[_Ask]) -> list[Draw]:
        self._make_room()
        return [
            Draw(ask.name, ask.pace, known.report() if known else 0, ask.wanted)
            for ask, known in ((ask, self._known.get(ask.name)) for ask in asks)
        ]

    def _hear(self, asks: Sequence[_Ask], levels: Sequence[int]) -> None:
        now = self._clock()
        for ask, level in zip(asks, levels, strict=True):
            self._known.setdefault(ask.name, _Known(level, now)).hear(level, now)

    def _make_room(self) -> None:
        if len(self._known) > _MOST_BUCKETS:
            self._known.clear()

    def _go_blind(self, error: BucketsUnavailable) -> None:
        self._blind_until = self._clock() + _BLIND
        BLIND.inc()
        log.warning(
            "rate limits hold in each process alone: Valkey does not answer", error=error.message
        )


@dataclass(slots=True)
class Caller:
    """Who calls in this request, held to its own limits and to its organization's."""

    schema: str
    key_id: int
    key: Limits
    tenant: Limits
    standing: Standing | None = field(default=None)

    def request(self, *, brings_events: bool) -> None:
        """Count one request, and refuse one with events while their bucket is in debt.

        :raises RateLimited: when the key or the organization calls too fast.
        """
        asks = self.asks("requests", 1) + (self.asks("events", 0) if brings_events else [])
        self._take(asks)

    def events(self, count: int) -> None:
        """Count the events that the request brought.

        :raises RateLimited: when there are too many; nothing of the request may be stored then.
        """
        self._take(self.asks("events", count))

    def _take(self, asks: list[_Ask]) -> None:
        try:
            levels = throttle.take(asks)
        except RateLimited as refused:
            self.standing = refused.standing
            REFUSED.labels(self.schema, refused.standing.resource).inc()
            raise
        standings = [_lowest(asks, levels)]
        if self.standing is not None:
            standings.append(self.standing)
        self.standing = min(standings, key=lambda one: one.remaining * MICRO // one.limit)

    def asks(self, resource: str, wanted: int) -> list[_Ask]:
        """Return what to take from the key's bucket of a resource, and from the organization's."""
        burst = settings.RATE_LIMIT_BURST_SECONDS
        field_name = f"{resource}_per_second"
        found = []
        for owner, part, limits in (
            ("this key", f"k{self.key_id}", self.key.over(default_limits("KEY"))),
            ("this organization", "t", tenant_limits(self.tenant)),
        ):
            pace = Pace.of(getattr(limits, field_name), burst_seconds=burst)
            name = f"limit:{{{self.schema}}}:{part}:{resource}"
            found.append(_Ask(name, resource, owner, pace, wanted))
        return found


class Turnstile:
    """Lets one caller through again and again: what never changes about its buckets is kept.

    `admit` takes a request and its events at once; otherwise it is `Caller` of one request.
    """

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._asks: dict[int | None, list[_Ask]] = {}

    def admit(self, *, events: int | None) -> Standing:
        """Count one request with events, None where it brings none; return where the caller stands.

        :raises RateLimited: when the key or the organization is too fast; nothing is counted then.
        """
        return self._take(self._asks_for(events))

    def charge(self, *, events: int) -> Standing:
        """Count events of a request that was admitted without them; return the same.

        :raises RateLimited: when the key or the organization is too fast.
        """
        return self._take(self._caller.asks("events", events))

    def _take(self, asks: list[_Ask]) -> Standing:
        return _lowest(asks, throttle.take(asks))

    def _asks_for(self, events: int | None) -> list[_Ask]:
        asks = self._asks.get(events)
        if asks is None:
            asks = self._caller.asks("requests", 1)
            asks += [] if events is None else self._caller.asks("events", events)
            if len(self._asks) < _MOST_COUNTS:
                self._asks[events] = asks
        return asks


_MOST_COUNTS: Final = 64


def _lowest(asks: Sequence[_Ask], levels: Sequence[int]) -> Standing:
    """Return where a caller stands with the bucket of which least is left."""
    ask, level = min(
        zip(asks, levels, strict=True), key=lambda pair: max(0, pair[1]) // pair[0].pace.capacity
    )
    return Standing.of(ask.resource, ask.pace, level)


def tenant_limits(stated: Limits) -> Limits:
    """Return the limits in force of an organization with these stated limits."""
    return stated.over(default_limits("TENANT"))


def charge_events(count: int) -> None:
    """Count events of the request at hand; work outside of requests is not counted.

    :raises RateLimited: when the key or its organization sends too many.
    """
    caller = current_caller.get()
    if caller is not None:
        caller.events(count)


def default_limits(owner: Literal["KEY", "TENANT"]) -> Limits:
    """Return the platform's limits for whoever has none of their own."""
    return Limits(**settings.RATE_LIMITS[owner])


def _refusal(asks: Sequence[_Ask], levels: Sequence[int]) -> RateLimited:
    wait, ask = max(
        (
            (ask.pace.seconds_until(level, tokens=1), ask)
            for ask, level in zip(asks, levels, strict=True)
            if not admits(level)
        ),
        key=lambda pair: pair[0],
    )
    wait = max(1, wait)
    return RateLimited(
        f"That is more than the {ask.pace.per_second:,} {ask.resource} a second that {ask.owner} "
        f"may send. Wait {wait} second{'s' if wait > 1 else ''} and send the same again; nothing "
        "of this request was stored.",
        standing=Standing(ask.resource, ask.pace.capacity, 0, wait),
    )


throttle: Final = Throttle()
current_caller: Final[ContextVar[Caller | None]] = ContextVar("current_caller", default=None)
