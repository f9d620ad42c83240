"""Stores small requests of one tenant that wait at the same time in one transaction.

A commit costs the same for one event and for fifty. The first request of a tenant is stored at
once by its own thread, the leader; whoever comes meanwhile waits, and the first of those stores
all that wait when the leader is done. So nobody waits for company, groups grow with the load,
and every request is answered after the commit of its own events, with its own receipt.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from threading import Lock
from typing import Final

import structlog

from apps.core.domain.errors import Unavailable
from apps.ingest.domain.receipt import Receipt
from apps.ingest.services.prepare import Sent

log = structlog.get_logger(__name__)

SMALL: Final = 50
"""Events up to which a request goes together with others."""

MOST_REQUESTS: Final = 128
MOST_EVENTS: Final = 1_000
"""Size up to which a group grows; the next leader takes the rest."""

Outcome = Receipt | BaseException
Write = Callable[[Sequence[Sent]], list[Receipt]]


class _Ticket:
    """A request that waits: it gets an outcome, or becomes the leader of the next group."""

    def __init__(self, sent: Sent) -> None:
        self.sent = sent
        self.outcome: Outcome | None = None
        self._bell = Lock()
        self._bell.acquire()

    def wait(self) -> None:
        """Return when somebody rang."""
        self._bell.acquire()

    def ring(self) -> None:
        """Wake the thread that waits."""
        self._bell.release()

    def receipt(self) -> Receipt:
        """Return the receipt, or raise what went wrong with this request."""
        if isinstance(self.outcome, Receipt):
            return self.outcome
        assert self.outcome is not None
        raise self.outcome


class GroupCommit:
    """Leads the requests of each tenant through shared transactions, one at a time.

    `write` stores requests in one transaction, or none of them. Tenants do not wait for each
    other. How many requests may wait is `gate`'s to say: each holds a slot there.
    """

    def __init__(self, write: Write) -> None:
        self._write = write
        self._lock = Lock()
        self._waiting: dict[str, deque[_Ticket]] = {}

    def accept(self, tenant: str, sent: Sent) -> Receipt:
        """Store a request with those that wait beside it; the caller's connection is the tenant's.

        :raises Unavailable: when the thread that was to store it was stopped; nothing is known.
        """
        ticket = _Ticket(sent)
        if not self._leads(tenant, ticket):
            ticket.wait()
        if ticket.outcome is None:
            self._lead(tenant)
        return ticket.receipt()

    def _leads(self, tenant: str, ticket: _Ticket) -> bool:
        """Line up; tell whether nobody is at work for the tenant, so that the caller is to be."""
        with self._lock:
            line = self._waiting.get(tenant)
            is_first = line is None
            if line is None:
                line = self._waiting[tenant] = deque()
            line.append(ticket)
        return is_first

    def _lead(self, tenant: str) -> None:
        """Store the group at the head of the line, of which the caller is the first."""
        group = self._group(tenant)
        try:
            self._store(group)
        finally:
            lost = Unavailable(
                "The server was stopped while it stored this request. Send the same again: what "
                "was stored counts once.",
                code="interrupted",
            )
            for ticket in group:
                if ticket.outcome is None:
                    ticket.outcome = lost
            self._pass_on(tenant)
            for ticket in group[1:]:
                ticket.ring()

    def _group(self, tenant: str) -> list[_Ticket]:
        group: list[_Ticket] = []
        events = 0
        with self._lock:
            line = self._waiting[tenant]
            while line and len(group) < MOST_REQUESTS:
                events += len(line[0].sent.drafts)
                if group and events > MOST_EVENTS:
                    break
                group.append(line.popleft())
        return group

    def _pass_on(self, tenant: str) -> None:
        """Make the first of those who came meanwhile the leader."""
        with self._lock:
            line = self._waiting[tenant]
            following = line[0] if line else None
            if following is None:
                del self._waiting[tenant]
        if following is not None:
            following.ring()

    def _store(self, group: Sequence[_Ticket]) -> None:
        """Store a group; when that fails, each request by itself, so that none hurts another."""
        if len(group) > 1:
            try:
                receipts = self._write([ticket.sent for ticket in group])
            except Exception:
                log.warning("group commit: each request alone", requests=len(group), exc_info=True)
            else:
                for ticket, receipt in zip(group, receipts, strict=True):
                    ticket.outcome = receipt
                return
        for ticket in group:
            try:
                (ticket.outcome,) = self._write([ticket.sent])
            except Exception as error:
                ticket.outcome = error
