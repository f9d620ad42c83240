"""The client for asyncio: recording is the same, whatever waits is awaited."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from finops_metering.client import Client
from finops_metering.options import Stats


class AsyncClient:
    """A `Client` whose calls do not block the event loop; takes the same arguments.

    Events are sent by a thread all the same: they outlive a loop that is cancelled or closed.
    With `when_full="block"` a full queue would hold the loop up, so that is refused.
    """

    def __init__(self, base_url: str, key: str, *, source: str, **options: Any) -> None:
        if options.get("when_full") == "block":
            raise ValueError('when_full="block" would hold up the event loop; choose another.')
        self.client = Client(base_url, key, source=source, **options)
        self.source = source

    def record(self, **fields: Any) -> str:
        """Record one use, at once; see `Client.record`."""
        return self.client.record(**fields)

    def record_raw(self, event: Mapping[str, Any]) -> str:
        """Record an event in wire form, at once; see `Client.record_raw`."""
        return self.client.record_raw(event)

    def stats(self) -> Stats:
        """Return what became of events so far."""
        return self.client.stats()

    async def flush(self, timeout: float = 30.0) -> bool:
        """Send what is queued; True once the server has said what became of all of it."""
        return await asyncio.to_thread(self.client.flush, timeout)

    async def close(self, timeout: float | None = None) -> bool:
        """Flush and stop; see `Client.close`."""
        return await asyncio.to_thread(self.client.close, timeout)

    async def outcome(self, name: str, **fields: Any) -> dict[str, Any]:
        """Tell what came of an event, a trace or an experiment; see `Client.outcome`."""
        return await asyncio.to_thread(self.client.outcome, name, **fields)

    async def void(self, id: str, **fields: Any) -> dict[str, Any]:
        """Take an event back; see `Client.void`."""
        return await asyncio.to_thread(self.client.void, id, **fields)

    async def amend(self, id: str, event: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
        """Put an event right; see `Client.amend`."""
        return await asyncio.to_thread(self.client.amend, id, event, **fields)

    async def event(self, id: str, **fields: Any) -> dict[str, Any]:
        """Return a stored event; see `Client.event`."""
        return await asyncio.to_thread(self.client.event, id, **fields)

    async def summary(self, **query: Any) -> dict[str, Any]:
        """Sum usage by dimensions; see `Client.summary`."""
        return await asyncio.to_thread(self.client.summary, **query)

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()
