"""The thread that sends: takes lines from a bounded queue and posts them until they are settled."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from finops_metering.errors import EventError
from finops_metering.events import Line
from finops_metering.options import Options, Stats
from finops_metering.spool import Claim, Spool
from finops_metering.transport import Answer, NoAnswer, Transport
from finops_metering.verdicts import has_place, not_stored, readable, told_by_receipt

log = logging.getLogger("finops_metering")

_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_NO_ENTRY = frozenset({401, 403, 404, 405})
"""The key or the address is wrong: no event's fault, and no retry helps."""
_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 60.0
_COMPLAIN_EVERY = 30.0


class Sender:
    """Queue and thread of one client; safe from any thread, and in forked processes."""

    def __init__(
        self,
        *,
        transport: Transport,
        options: Options,
        spool: Spool | None,
        on_error: Callable[[EventError], None] | None,
    ) -> None:
        self._transport = transport
        self._options = options
        self._spool = spool
        self._on_error = on_error
        self._counts: dict[str, int] = {}
        self._closed = False
        self._current: list[Line] = []
        self._start_afresh()

    # Of the host's threads ---------------------------------------------------------------------

    def put(self, line: Line) -> bool:
        """Queue a line; False when it was dropped. Waits only under `when_full="block"`."""
        told: list[EventError] = []
        with self._changed:
            self._count("recorded", 1)
            if self._closed or (self._is_full(line) and not self._make_room(line, told)):
                why = "The client is closed." if self._closed else "The queue is full."
                told += (lost := self._overflow([line], why))
                kept = not lost
            else:
                kept = True
                self._queue.append(line)
                self._bytes += len(line.json)
                if len(self._queue) == 1 or len(self._queue) >= self._options.batch_size:
                    self._changed.notify_all()
                self._ensure_thread()
        self._tell(told, counted_as="dropped")
        return kept

    def start(self) -> None:
        """Start the thread now if a spool holds lines of an earlier process."""
        if self._spool is not None:
            with self._changed:
                self._ensure_thread()

    def flush(self, timeout: float) -> bool:
        """Send everything now; True once nothing is waiting, False when the time is up."""
        with self._changed:
            self._hurry += 1
            self._changed.notify_all()
            if self._queue:
                self._ensure_thread()
            try:
                return self._changed.wait_for(self._is_idle, timeout)
            finally:
                self._hurry -= 1

    def close(self, timeout: float) -> bool:
        """Flush, stop the thread, and spool or give up what is left; True when nothing was."""
        if self._thread_lives():
            self.flush(timeout)
        elif not self._closed:
            self._drain(time.monotonic() + timeout)
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            left = [*self._current, *self._queue]
            self._queue.clear()
            self._current, self._bytes = [], 0
            lost = self._overflow(left, "The client was closed before the server answered.")
            for claim in self._claims:
                claim.give_back()
        self._tell(lost, counted_as="dropped")
        return not left

    def stats(self) -> Stats:
        """Return the counts so far."""
        with self._changed:
            queued = len(self._queue) + len(self._current)
            return replace(Stats(**self._counts), queued=queued)

    def forget(self) -> None:
        """In a forked process: the parent sends what was queued, we begin with nothing."""
        self._transport.forget()
        self._counts = {}
        self._start_afresh()

    # Of the sending thread ---------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            try:
                self._claim_spool()
                batch = self._next_batch()
                if batch is None:
                    return
                if batch:
                    self._settle(batch)
            except Exception:
                log.exception("metering: an unexpected error; the next batch is tried")

    def _next_batch(self) -> list[Line] | None:
        """Wait for lines: an empty batch to look at the spool, None once the client is closed."""
        with self._changed:
            while not self._closed:
                if self._queue and not self._wait_for_more():
                    batch = self._taken()
                elif self._backlog is not None:
                    batch = list(islice(self._backlog, self._options.batch_size))
                    self._finish_backlog(batch)
                else:
                    self._changed.notify_all()
                    self._changed.wait(self._options.interval if self._queue else None)
                    if self._spool_waits():
                        return []
                    continue
                self._current = batch
                if batch:
                    return batch
            return None

    def _wait_for_more(self) -> bool:
        """Wait until a batch is full, old enough, or wanted now; True when there is none after."""
        self._changed.wait_for(
            lambda: self._closed or self._hurry or len(self._queue) >= self._options.batch_size,
            self._options.interval,
        )
        return not self._queue or self._closed

    def _taken(self) -> list[Line]:
        batch: list[Line] = []
        size = 0
        while self._queue and len(batch) < self._options.batch_size:
            size += len(self._queue[0].json) + 1
            if batch and size > self._options.batch_bytes:
                break
            batch.append(self._queue.popleft())
        self._bytes -= sum(len(line.json) for line in batch)
        self._changed.notify_all()
        return batch

    def _settle(self, batch: list[Line]) -> None:
        """Send a batch until the server has said what became of it, or the client is closed."""
        self._insist(batch)
        with self._changed:
            if not self._closed:
                self._current = []
            self._changed.notify_all()

    def _insist(self, batch: list[Line]) -> None:
        attempt = 0
        while not self._closed:
            pause = self._try(batch, attempt)
            if pause is None:
                return
            attempt += 1
            with self._changed:
                self._count("retries", 1)
                self._changed.wait_for(lambda: self._closed, pause)

    def _drain(self, deadline: float) -> None:
        """Send in the closing thread: no other can be started while the interpreter goes down."""
        while self._queue and time.monotonic() < deadline:
            with self._changed:
                self._current = self._taken()
            attempt = 0
            while (pause := self._try(self._current, attempt)) is not None:
                attempt += 1
                if time.monotonic() + pause >= deadline:
                    return
                time.sleep(pause)
            self._current = []

    def _try(self, batch: list[Line], attempt: int) -> float | None:
        """Send once; return the seconds to wait before the next try, None when settled."""
        body = b'{"events":[' + b",".join(line.json for line in batch) + b"]}"
        try:
            answer = self._transport.post_events(body)
        except NoAnswer as error:
            self._complain("metering: no answer (%s); trying again", error)
            return _pause(attempt, None)
        if answer.status in _PASSING:
            self._complain("metering: the server says %s; trying again", answer.error().message)
            return _pause(attempt, answer.retry_after)
        if answer.status == 200:
            return self._note(batch, answer.json(), attempt)
        if answer.status in _NO_ENTRY or answer.status < 400:
            self._no_entry(batch, answer)
        else:
            self._bisect(batch, answer)
        return None

    def _note(self, batch: Sequence[Line], receipt: Any, attempt: int) -> float | None:
        """Take a receipt; an answer that is none comes from somebody else, so it is tried again."""
        if not isinstance(receipt, dict) or "accepted" not in receipt:
            self._complain("metering: the answer is no receipt; is the address right?")
            return _pause(attempt, None)
        with self._changed:
            for name in ("accepted", "duplicates", "unpriced"):
                self._count(name, int(receipt.get(name) or 0))
        errors = receipt.get("errors") or []
        self._tell(
            [
                told_by_receipt(batch[int(one["index"])], one)
                for one in errors
                if has_place(one, batch)
            ],
            counted_as="refused",
        )
        return None

    def _no_entry(self, batch: Sequence[Line], answer: Answer) -> None:
        """Keep a batch for a later start if there is a spool: the key may be put right."""
        refusal = answer.error()
        self._complain("metering: the key or the address is wrong: %s", refusal.message)
        if self._spool is None:
            self._tell([not_stored(line, refusal.code, refusal.message) for line in batch])
            return
        with self._changed:
            self._spool_rests = True
            lost = self._overflow(batch, refusal.message)
        self._tell(lost, counted_as="dropped")

    def _bisect(self, batch: list[Line], answer: Answer) -> None:
        """Find the event that makes the server refuse a whole batch, and send the others."""
        if len(batch) == 1:
            refusal = answer.error()
            self._tell([not_stored(batch[0], refusal.code, refusal.message)])
            return
        middle = len(batch) // 2
        self._insist(batch[:middle])
        self._insist(batch[middle:])

    # What is shared ----------------------------------------------------------------------------

    def _start_afresh(self) -> None:
        self._changed = threading.Condition()
        self._queue: deque[Line] = deque()
        self._current = []
        self._bytes = 0
        self._hurry = 0
        self._closed = False
        self._thread: threading.Thread | None = None
        self._claims: list[Claim] = []
        self._backlog: Iterator[Line] | None = None
        self._spool_rests = False
        self._complained_at = float("-inf")

    def _ensure_thread(self) -> None:
        if self._thread_lives() or self._closed:
            return
        self._thread = threading.Thread(target=self._run, name="finops-metering", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:  # the interpreter is going down: close() spools what is left
            self._thread = None

    def _thread_lives(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _is_idle(self) -> bool:
        if self._queue or self._current or self._backlog is not None:
            return False
        return not (self._spool_waits() and self._thread_lives())

    def _spool_waits(self) -> bool:
        return self._spool is not None and not self._spool_rests and self._spool.holds_lines()

    def _is_full(self, line: Line) -> bool:
        return (
            len(self._queue) >= self._options.queue_size
            or self._bytes + len(line.json) > self._options.queue_bytes
        )

    def _make_room(self, line: Line, told: list[EventError]) -> bool:
        if self._options.when_full == "block":
            self._changed.wait_for(
                lambda: not self._is_full(line) or self._closed, self._options.block_timeout
            )
        elif self._options.when_full == "drop_old":
            while self._queue and self._is_full(line):
                oldest = self._queue.popleft()
                self._bytes -= len(oldest.json)
                told += self._overflow([oldest], "The queue is full; newer events take its place.")
        return not self._is_full(line) and not self._closed

    def _overflow(self, lines: Sequence[Line], why: str) -> list[EventError]:
        """Spool lines that cannot be kept; return what is lost, where there is no spool."""
        if not lines:
            return []
        if self._spool is not None:
            try:
                self._spool.append([line.json for line in lines])
            except OSError as error:
                why = f"{why} The spool cannot be written: {error}"
            else:
                self._count("spooled", len(lines))
                return []
        code = "not_sent" if self._closed else "queue_full"
        return [not_stored(line, code, why) for line in lines]

    def _claim_spool(self) -> None:
        """Take over what waits in the spool, when nothing newer has to be sent first."""
        with self._changed:
            busy = self._closed or self._queue or self._backlog is not None
            if self._spool is None or self._spool_rests or busy:
                return
            try:
                self._claims = self._spool.claim()
            except OSError as error:
                self._complain("metering: the spool cannot be read: %s", error)
            if self._claims:
                self._backlog = (
                    Line.read(line) for claim in self._claims for line in readable(claim.lines())
                )

    def _finish_backlog(self, batch: Sequence[Line]) -> None:
        """Remove claimed files once a batch after the last one was asked for and none is left."""
        if not batch:
            for claim in self._claims:
                claim.finish()
            self._claims, self._backlog = [], None

    def _tell(self, errors: Sequence[EventError], counted_as: str = "refused") -> None:
        if not errors:
            return
        with self._changed:
            self._count(counted_as, len(errors))
        first = errors[0]
        log.warning(
            "metering: %d event(s) are not stored; the first, %s of %s: %s (%s)",
            *(len(errors), first.id, first.source, first.message, first.code),
        )
        if self._on_error is None:
            return
        for one in errors:
            try:
                self._on_error(one)
            except Exception:
                log.exception("metering: on_error raised")

    def _count(self, name: str, more: int) -> None:
        self._counts[name] = self._counts.get(name, 0) + more

    def _complain(self, text: str, *values: object) -> None:
        now = time.monotonic()
        if now - self._complained_at >= _COMPLAIN_EVERY:
            self._complained_at = now
            log.warning(text, *values)


def _pause(attempt: int, asked: float | None) -> float:
    """Return the seconds until the next try: as asked, and up to a fifth more; else at random.

    Senders that failed together do not come back together.
    """
    if asked is not None:
        return min(asked, 3_600.0) * random.uniform(1.0, 1.2)  # noqa: S311 (no secret)
    longest = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** min(attempt, 16))
    return random.uniform(longest / 4, longest)  # noqa: S311
