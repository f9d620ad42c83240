"""Does small requests of one tenant that wait at the same time in one transaction.

A commit costs the same for one request and for fifty. The first request of a tenant is handed to a
writer, a thread with a connection of its own; whoever comes while it is at work waits, and goes
into the next transaction. So nobody waits for company, groups grow with the load, and every
request is answered after the commit of what it asked for, with its own outcome. A few writers that
are always at work have plans and caches at hand that a connection for every request would not.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from threading import Lock, Thread
from typing import Final, Generic, TypeVar

import structlog
from django.db import connection

from apps.core.breath import without_collections
from apps.core.db import HasSchema, enter_tenant
from apps.core.domain.errors import Unavailable

log = structlog.get_logger(__name__)

MOST_REQUESTS: Final = 128
MOST_WEIGHT: Final = 1_000
"""Size up to which a group grows; the next one takes the rest."""

MOST_WRITERS: Final = 8
"""Tenants for which a process writes at the same time; others wait for a writer."""

CHECKED_EVERY: Final = 512
"""Groups after which a writer looks whether its connection has grown too old."""

_MOST_SIZES: Final = 4_096

IDLE_SECONDS: Final = 5.0
"""After so long without work a writer closes its connection and ends."""

Item = TypeVar("Item")
Result = TypeVar("Result")
Write = Callable[[Sequence[Item]], Sequence[Result | Exception]]
"""Does requests in one transaction; tells in order what became of each."""


class _Ticket(Generic[Item, Result]):
    """A request that waits for its outcome."""

    __slots__ = ("_bell", "item", "outcome")

    def __init__(self, item: Item) -> None:
        self.item = item
        self.outcome: Result | Exception | None = None
        self._bell = Lock()
        self._bell.acquire()

    def ring(self) -> None:
        """Wake the thread that waits."""
        self._bell.release()

    def result(self) -> Result:
        """Wait, and return the result, or raise what went wrong with this request."""
        self._bell.acquire()
        assert self.outcome is not None
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


class _Line(Generic[Item, Result]):
    """The requests of a tenant that wait; it stands from the first of them to the last."""

    __slots__ = ("bell", "schema", "tenant", "waiting", "wanted")

    def __init__(self, tenant: HasSchema) -> None:
        self.tenant = tenant
        self.schema = tenant.schema_name
        self.waiting: deque[_Ticket[Item, Result]] = deque()
        self.wanted = 0
        self.bell = Lock()
        self.bell.acquire()

    def join(self, ticket: _Ticket[Item, Result]) -> None:
        """Line up; whoever completes the company that is waited for rings."""
        self.waiting.append(ticket)
        if self.wanted and len(self.waiting) >= self.wanted:
            self.wanted = 0
            self.bell.release()


class GroupCommit(Generic[Item, Result]):
    """Has writers do the requests of each tenant in shared transactions, one at a time.

    `write` does requests of the tenant whose schema the connection is on in one transaction, or
    none of them; an exception among its outcomes is one request's own. Tenants do not wait for
    each other while there are writers. How many requests may wait is the caller's to say.
    `name` is that of the threads, and `weight` what a request adds to the size of its group.
    Callers who come back as soon as they are answered meet a writer that already serves the first
    of them; so for at most `patience` seconds it waits for as many as it served the last time.
    """

    def __init__(
        self,
        write: Write[Item, Result],
        *,
        name: str,
        weight: Callable[[Item], int] = lambda item: 1,
        patience: float = 0,
    ) -> None:
        self._write = write
        self._weight = weight
        self._patience = patience
        self._sizes: dict[str, int] = {}
        self.name = name
        self._lock = Lock()
        self._lines: dict[str, _Line[Item, Result]] = {}
        self._ready: deque[_Line[Item, Result]] = deque()
        self._idle: list[_Writer[Item, Result]] = []
        self._writers = 0

    def accept(self, tenant: HasSchema, item: Item) -> Result:
        """Do a request of a tenant with those that wait beside it.

        :raises Unavailable: when the thread that was to do it was stopped; nothing is known.
        """
        ticket: _Ticket[Item, Result] = _Ticket(item)
        schema = tenant.schema_name
        with self._lock:
            line = self._lines.get(schema)
            if line is not None:
                line.join(ticket)
            else:
                line = self._lines[schema] = _Line(tenant)
                line.join(ticket)
                self._hand_over(line)
        return ticket.result()

    def _hand_over(self, line: _Line[Item, Result]) -> None:
        """Give a line to the writer that was at work last, to a new one, or to the next free."""
        if self._idle:
            self._idle.pop().wake(line)
        elif self._writers >= MOST_WRITERS or not self._begin(line):
            self._ready.append(line)

    def _begin(self, line: _Line[Item, Result]) -> bool:
        """Start a writer with a line; False when there is no thread to be had and others work.

        :raises Unavailable: when nobody is there to do the work.
        """
        try:
            _Writer(self, line).start()
        except RuntimeError as error:
            if self._writers:
                return False
            del self._lines[line.schema]
            raise Unavailable("The server has no thread left. Send the same again.") from error
        self._writers += 1
        return True

    def serve(self, line: _Line[Item, Result]) -> _Line[Item, Result] | None:
        """Do the group at the head of a line; return the line to go on with, if any."""
        group = self._group(line)
        try:
            self._store(group)
        except BaseException:
            log.exception("group commit: the writer was stopped", requests=len(group))
            lost = Unavailable(
                "The server was stopped while it worked on this request. Send the same again: "
                "what was done counts once.",
                code="interrupted",
            )
            for ticket in group:
                ticket.outcome = ticket.outcome or lost
        following = self._next(line)
        for ticket in group:
            ticket.ring()
        return following

    def _group(self, line: _Line[Item, Result]) -> list[_Ticket[Item, Result]]:
        group: list[_Ticket[Item, Result]] = []
        weight = 0
        self._await_company(line)
        with self._lock:
            while line.waiting and len(group) < MOST_REQUESTS:
                weight += self._weight(line.waiting[0].item)
                if group and weight > MOST_WEIGHT:
                    break
                group.append(line.waiting.popleft())
            if self._patience:
                if len(self._sizes) >= _MOST_SIZES:
                    self._sizes.clear()
                self._sizes[line.schema] = len(group)
        return group

    def _await_company(self, line: _Line[Item, Result]) -> None:
        """Wait for as many as came the last time, for a moment; a lone caller waits for nobody."""
        with self._lock:
            size = self._sizes.get(line.schema, 1)
            if not self._patience or len(line.waiting) >= size:
                return
            line.wanted = size
        is_complete = line.bell.acquire(timeout=self._patience)
        with self._lock:
            if not is_complete and not line.wanted:
                line.bell.acquire()  # it was rung just after the time was up
            line.wanted = 0

    def _next(self, line: _Line[Item, Result]) -> _Line[Item, Result] | None:
        """Line up again what came meanwhile, behind the tenants that wait for a writer."""
        with self._lock:
            if line.waiting:
                self._ready.append(line)
            else:
                del self._lines[line.schema]
            return self._ready.popleft() if self._ready else None

    def rest(self, writer: _Writer[Item, Result]) -> _Line[Item, Result] | None:
        """Put a writer among the idle, unless there is a line that came meanwhile."""
        with self._lock:
            if self._ready:
                return self._ready.popleft()
            self._idle.append(writer)
            return None

    def retire(self, writer: _Writer[Item, Result]) -> bool:
        """Let an idle writer go; False when it was given a line just now."""
        with self._lock:
            if writer not in self._idle:
                return False
            self._idle.remove(writer)
            self._writers -= 1
        return True

    def _store(self, group: Sequence[_Ticket[Item, Result]]) -> None:
        """Do a group; when that fails, each request by itself, so that none hurts another."""
        if len(group) > 1:
            try:
                outcomes = self._write([ticket.item for ticket in group])
            except Exception:
                log.warning("group commit: each request alone", requests=len(group), exc_info=True)
                connection.close_if_unusable_or_obsolete()
            else:
                for ticket, outcome in zip(group, outcomes, strict=True):
                    ticket.outcome = outcome
                return
        for ticket in group:
            try:
                (ticket.outcome,) = self._write([ticket.item])
            except Exception as error:
                ticket.outcome = error
                connection.close_if_unusable_or_obsolete()


class _Writer(Thread, Generic[Item, Result]):
    """Serves lines on a connection of its own; ends when there was nothing to do for a while."""

    def __init__(self, office: GroupCommit[Item, Result], line: _Line[Item, Result]) -> None:
        super().__init__(name=office.name, daemon=True)
        self._office = office
        self._line: _Line[Item, Result] | None = line
        self._tenant: HasSchema | None = None
        self._served = 0
        self._bell = Lock()
        self._bell.acquire()

    def wake(self, line: _Line[Item, Result]) -> None:
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

    def _serve(self, line: _Line[Item, Result]) -> _Line[Item, Result] | None:
        if self._tenant != line.tenant:
            enter_tenant(line.tenant)
            self._tenant = line.tenant
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
