"""Stores small requests of one tenant that wait at the same time in one transaction.

A commit costs the same for one event and for fifty. The first request of a tenant is handed to a
writer, a thread with a connection of its own; whoever comes while it is at work waits, and goes
into the next transaction. So nobody waits for company, groups grow with the load, and every
request is answered after the commit of its own events, with its own receipt. A few writers that
are always at work have plans and caches at hand that a connection for every request would not.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from threading import Lock, Thread
from typing import Final

import structlog
from django.db import connection

from apps.core.db import enter_tenant
from apps.core.domain.errors import Unavailable
from apps.ingest.domain.receipt import Receipt
from apps.ingest.services.breath import without_collections
from apps.ingest.services.prepare import Sent
from apps.tenants.domain.facts import TenantFacts

log = structlog.get_logger(__name__)

SMALL: Final = 50
"""Events up to which a request goes together with others."""

MOST_REQUESTS: Final = 128
MOST_EVENTS: Final = 1_000
"""Size up to which a group grows; the next one takes the rest."""

MOST_WRITERS: Final = 8
"""Tenants of which a process stores something at the same time; others wait for a writer."""

CHECKED_EVERY: Final = 512
"""Groups after which a writer looks whether its connection has grown too old."""

IDLE_SECONDS: Final = 5.0
"""After so long without work a writer closes its connection and ends."""

Outcome = Receipt | Exception
Write = Callable[[Sequence[Sent]], list[Receipt]]


class _Ticket:
    """A request that waits for its outcome."""

    __slots__ = ("_bell", "outcome", "sent")

    def __init__(self, sent: Sent) -> None:
        self.sent = sent
        self.outcome: Outcome | None = None
        self._bell = Lock()
        self._bell.acquire()

    def ring(self) -> None:
        """Wake the thread that waits."""
        self._bell.release()

    def receipt(self) -> Receipt:
        """Wait, and return the receipt, or raise what went wrong with this request."""
        self._bell.acquire()
        if isinstance(self.outcome, Receipt):
            return self.outcome
        assert self.outcome is not None
        raise self.outcome


class _Line:
    """The requests of a tenant that wait; it stands from the first of them to the last."""

    __slots__ = ("tenant", "waiting")

    def __init__(self, tenant: TenantFacts) -> None:
        self.tenant = tenant
        self.waiting: deque[_Ticket] = deque()


class GroupCommit:
    """Has writers store the requests of each tenant in shared transactions, one at a time.

    `write` stores requests of the tenant whose schema the connection is on in one transaction, or
    none of them. Tenants do not wait for each other while there are writers. How many requests
    may wait is `gate`'s to say: each holds a slot there.
    """

    def __init__(self, write: Write) -> None:
        self._write = write
        self._lock = Lock()
        self._lines: dict[str, _Line] = {}
        self._ready: deque[_Line] = deque()
        self._idle: list[_Writer] = []
        self._writers = 0

    def accept(self, tenant: TenantFacts, sent: Sent) -> Receipt:
        """Store a request of a tenant with those that wait beside it.

        :raises Unavailable: when the thread that was to store it was stopped; nothing is known.
        """
        ticket = _Ticket(sent)
        with self._lock:
            line = self._lines.get(tenant.schema)
            if line is not None:
                line.waiting.append(ticket)
            else:
                line = self._lines[tenant.schema] = _Line(tenant)
                line.waiting.append(ticket)
                self._hand_over(line)
        return ticket.receipt()

    def _hand_over(self, line: _Line) -> None:
        """Give a line to the writer that was at work last, to a new one, or to the next free."""
        if self._idle:
            self._idle.pop().wake(line)
        elif self._writers >= MOST_WRITERS or not self._begin(line):
            self._ready.append(line)

    def _begin(self, line: _Line) -> bool:
        """Start a writer with a line; False when there is no thread to be had and others work.

        :raises Unavailable: when nobody is there to do the work.
        """
        try:
            _Writer(self, line).start()
        except RuntimeError as error:
            if self._writers:
                return False
            del self._lines[line.tenant.schema]
            raise Unavailable("The server has no thread left. Send the same again.") from error
        self._writers += 1
        return True

    def serve(self, line: _Line) -> _Line | None:
        """Store the group at the head of a line; return the line to go on with, if any."""
        group = self._group(line)
        try:
            self._store(group)
        except BaseException:
            log.exception("group commit: the writer was stopped", requests=len(group))
            lost = Unavailable(
                "The server was stopped while it stored this request. Send the same again: what "
                "was stored counts once.",
                code="interrupted",
            )
            for ticket in group:
                ticket.outcome = ticket.outcome or lost
        following = self._next(line)
        for ticket in group:
            ticket.ring()
        return following

    def _group(self, line: _Line) -> list[_Ticket]:
        group: list[_Ticket] = []
        events = 0
        with self._lock:
            while line.waiting and len(group) < MOST_REQUESTS:
                events += len(line.waiting[0].sent.drafts)
                if group and events > MOST_EVENTS:
                    break
                group.append(line.waiting.popleft())
        return group

    def _next(self, line: _Line) -> _Line | None:
        """Line up again what came meanwhile, behind the tenants that wait for a writer."""
        with self._lock:
            if line.waiting:
                self._ready.append(line)
            else:
                del self._lines[line.tenant.schema]
            return self._ready.popleft() if self._ready else None

    def rest(self, writer: _Writer) -> _Line | None:
        """Put a writer among the idle, unless there is a line that came meanwhile."""
        with self._lock:
            if self._ready:
                return self._ready.popleft()
            self._idle.append(writer)
            return None

    def retire(self, writer: _Writer) -> bool:
        """Let an idle writer go; False when it was given a line just now."""
        with self._lock:
            if writer not in self._idle:
                return False
            self._idle.remove(writer)
            self._writers -= 1
        return True

    def _store(self, group: Sequence[_Ticket]) -> None:
        """Store a group; when that fails, each request by itself, so that none hurts another."""
        if len(group) > 1:
            try:
                receipts = self._write([ticket.sent for ticket in group])
            except Exception:
                log.warning("group commit: each request alone", requests=len(group), exc_info=True)
                connection.close_if_unusable_or_obsolete()
            else:
                for ticket, receipt in zip(group, receipts, strict=True):
                    ticket.outcome = receipt
                return
        for ticket in group:
            try:
                (ticket.outcome,) = self._write([ticket.sent])
            except Exception as error:
                ticket.outcome = error
                connection.close_if_unusable_or_obsolete()


class _Writer(Thread):
    """Serves lines on a connection of its own; ends when there was nothing to do for a while."""

    def __init__(self, office: GroupCommit, line: _Line) -> None:
        super().__init__(name="ingest-writer", daemon=True)
        self._office = office
        self._line: _Line | None = line
        self._schema = ""
        self._served = 0
        self._bell = Lock()
        self._bell.acquire()

    def wake(self, line: _Line) -> None:
        """Give an idle writer something to do."""
        self._line = line
        self._bell.release()

    def run(self) -> None:
        """Work until it has been idle for a while."""
        try:
            while (line := self._line) is not None:
                self._line = self._serve(line)
                if self._line is None:
                    self._rest()
        finally:
            connection.close()

    def _serve(self, line: _Line) -> _Line | None:
        if self._schema != line.tenant.schema:
            enter_tenant(line.tenant)
            self._schema = line.tenant.schema
        self._served += 1
        if self._served % CHECKED_EVERY == 0:
            connection.close_if_unusable_or_obsolete()
        with without_collections():
            return self._office.serve(line)

    def _rest(self) -> None:
        """Wait for a line; there is none when it is time to end."""
        line = self._office.rest(self)
        if line is not None:
            self._line = line  # else it is for `wake` to set
            return
        if self._bell.acquire(timeout=1.0):
            return
        if not self._bell.acquire(timeout=IDLE_SECONDS) and not self._office.retire(self):
            self._bell.acquire()
        if self._line is not None:
            connection.close_if_unusable_or_obsolete()
