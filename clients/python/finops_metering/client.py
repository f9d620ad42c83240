"""The client: records usage without waiting; asks and corrects with plain calls."""

from __future__ import annotations

import atexit
import json
import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from types import TracebackType
from typing import Any
from urllib.parse import quote, urlencode

from finops_metering.errors import ApiError, EventError, EventNotValid
from finops_metering.events import Line, line_of
from finops_metering.options import Options, Stats, WhenFull
from finops_metering.sender import Sender
from finops_metering.spool import Spool
from finops_metering.transport import Answer, NoAnswer, Transport

log = logging.getLogger("finops_metering")

_TRIES = 3
_open: dict[Sender, float] = {}
"""Senders that are closed at exit, and how long each may take; seconds."""


class Client:
    """Sends usage events from a background thread, in batches, until the server has them.

    Recording never waits for the network and never raises into the program (unless
    `strict=True`). Every event has an id from the start, so that sending it again is harmless.

    :param source: names this program; ids are unique within it.
    :param spool: a file in which events wait that could not be sent before the process ended.
    :param when_full: what happens to an event when `queue_size` events wait already: `drop_new`
        (this one goes), `drop_old` (the oldest goes), `block` (wait up to `block_timeout`).
        With a spool nothing is dropped: it goes there. What is dropped is counted and told.
    :param on_error: called in the sending thread with each event that is not stored.
    """

    def __init__(
        self,
        base_url: str,
        key: str,
        *,
        source: str,
        tags: Mapping[str, str] | None = None,
        batch_size: int = 1_000,
        flush_interval: float = 1.0,
        queue_size: int = 100_000,
        queue_bytes: int = 64 * 1024 * 1024,
        when_full: WhenFull = "drop_new",
        block_timeout: float = 5.0,
        spool: str | os.PathLike[str] | None = None,
        on_error: Callable[[EventError], None] | None = None,
        timeout: float = 10.0,
        close_timeout: float = 5.0,
        strict: bool = False,
    ) -> None:
        self.source = source
        self.tags = dict(tags or {})
        self._strict = strict
        self._close_timeout = close_timeout
        self._address = (base_url, key, timeout)
        self._on_error = on_error
        options = Options(
            batch_size=max(1, min(batch_size, 10_000)),
            batch_bytes=8 * 1024 * 1024,
            interval=flush_interval,
            queue_size=queue_size,
            queue_bytes=queue_bytes,
            when_full=when_full,
            block_timeout=block_timeout,
        )
        self._sender = Sender(
            transport=self.new_transport(),
            options=options,
            spool=Spool(spool) if spool is not None else None,
            on_error=on_error,
        )
        self._sender.start()
        _open[self._sender] = close_timeout

    # Recording ---------------------------------------------------------------------------------

    def record(
        self,
        *,
        provider: str | None = None,
        model: str | None = None,
        usage: Mapping[str, Any] | None = None,
        raw_usage: Mapping[str, Any] | None = None,
        service: str | None = None,
        meters: Mapping[str, int | str | Decimal] | None = None,
        tags: Mapping[str, str] | None = None,
        id: str | None = None,
        time: datetime | str | None = None,
        operation: str | None = None,
        service_tier: str | None = None,
        batch: bool | None = None,
        region: str | None = None,
        account: str | None = None,
        credential: str | None = None,
        end_user: str | None = None,
        trace_id: str | None = None,
        status: str | None = None,
        outcome: Mapping[str, Any] | None = None,
        reported_cost: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> str:
        """Record one use and return its id; empty when it was dropped.

        Give `provider` and `model` with `usage` (our counts) or `raw_usage` (the provider's own
        usage object), or `service` with `meters`. Fields are those of POST /api/v1/usage/events.
        """
        event = {
            "provider": provider,
            "model": model,
            "usage": usage,
            "raw_usage": raw_usage,
            "service": service,
            "meters": meters,
            "tags": tags,
            "id": id,
            "time": time,
            "operation": operation,
            "service_tier": service_tier,
            "batch": batch,
            "region": region,
            "account": account,
            "credential": credential,
            "end_user": end_user,
            "trace_id": trace_id,
            "status": status,
            "outcome": outcome,
            "reported_cost": reported_cost,
        }
        return self.record_raw({**event, **more})

    def record_raw(self, event: Mapping[str, Any]) -> str:
        """Record an event in wire form; id, source, time and common tags are filled in."""
        try:
            line = line_of(self._tagged(event), source=self.source)
        except EventNotValid as error:
            if self._strict:
                raise
            self._not_valid(event, error)
            return ""
        except Exception:
            if self._strict:
                raise
            log.exception("metering: an event could not be recorded")
            return ""
        return self._put(line)

    def flush(self, timeout: float = 30.0) -> bool:
        """Send what is queued; True once the server has said what became of all of it."""
        return self._sender.flush(timeout)

    def close(self, timeout: float | None = None) -> bool:
        """Flush and stop; what cannot be sent in time is spooled, or dropped and told.

        Called at exit by itself. True when nothing was left.
        """
        _open.pop(self._sender, None)
        return self._sender.close(self._close_timeout if timeout is None else timeout)

    def stats(self) -> Stats:
        """Return what became of events so far."""
        return self._sender.stats()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # Calls that wait for an answer -------------------------------------------------------------

    def outcome(
        self,
        name: str,
        *,
        success: bool | None = None,
        value: Decimal | str | int | None = None,
        id: str | None = None,
        source: str | None = None,
        trace_id: str | None = None,
        experiment: str | None = None,
        time: datetime | str | None = None,
    ) -> dict[str, Any]:
        """Tell what came of an event (`id`), a trace or an experiment.

        :raises ApiError: when the server refuses it.
        """
        if id is not None:
            source = source or self.source
        sent = {
            "name": name,
            "success": success,
            "value": None if value is None else str(value),
            "id": id,
            "source": source,
            "trace_id": trace_id,
            "experiment": experiment,
            "time": time.isoformat() if isinstance(time, datetime) else time,
        }
        body = [{key: value for key, value in sent.items() if value is not None}]
        return self._call("POST", "/api/v1/usage/outcomes", body=body)

    def void(self, id: str, *, reason: str, source: str | None = None) -> dict[str, Any]:
        """Take an event back.

        :raises ApiError: when there is none, or it is void already.
        """
        return self._correct("void", id, source, {"reason": reason})

    def amend(
        self, id: str, event: Mapping[str, Any], *, reason: str, source: str | None = None
    ) -> dict[str, Any]:
        """Put an event right: `event` is the event as it should have been.

        :raises ApiError: when there is none, or the event is not valid.
        """
        whole = {"id": id, "source": source or self.source, **event}
        written = line_of(self._tagged(whole), source=self.source).event()
        return self._correct("amend", id, source, {"event": written, "reason": reason})

    def event(self, id: str, *, source: str | None = None) -> dict[str, Any]:
        """Return a stored event with its rating explained.

        :raises ApiError: when there is none.
        """
        query = urlencode({"source": source or self.source, "id": id})
        return self._call("GET", f"/api/v1/usage/events?{query}")

    def summary(
        self,
        *,
        start: date | str,
        end: date | str,
        group_by: Sequence[str] = (),
        granularity: str = "total",
        filters: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """Sum usage of the days [start, end) by dimensions.

        :raises ApiError: when a dimension is unknown, or the key may not read usage.
        """
        query = {"start": str(start), "end": str(end), "granularity": granularity}
        if group_by:
            query["group_by"] = ",".join(group_by)
        query |= {f"filter[{name}]": value for name, value in (filters or {}).items()}
        return self._call("GET", f"/api/v1/usage/summary?{urlencode(query)}")

    # Inside ------------------------------------------------------------------------------------

    def _tagged(self, event: Mapping[str, Any]) -> dict[str, Any]:
        tags = {**self.tags, **(event.get("tags") or {})}
        return {**event, "tags": tags} if tags else dict(event)

    def _put(self, line: Line) -> str:
        try:
            return line.id if self._sender.put(line) else ""
        except Exception:
            if self._strict:
                raise
            log.exception("metering: an event could not be queued")
            return ""

    def _not_valid(self, event: Mapping[str, Any], error: EventNotValid) -> None:
        log.warning("metering: %s", error)
        if self._on_error is None:
            return
        told = EventError(
            str(event.get("id", "")),
            str(event.get("source") or self.source),
            "not_valid",
            None,
            str(error),
            event,
        )
        try:
            self._on_error(told)
        except Exception:
            log.exception("metering: on_error raised")

    def _correct(
        self, step: str, id: str, source: str | None, body: Mapping[str, Any]
    ) -> dict[str, Any]:
        query = urlencode({"source": source or self.source, "id": id}, quote_via=quote)
        return self._call("POST", f"/api/v1/usage/events/{step}?{query}", body=body)

    def _call(self, method: str, path: str, *, body: Any = None) -> dict[str, Any]:
        """Call and wait; 429 and 503 are tried three times, as the server asks.

        :raises ApiError: when it is refused, or the server does not answer.
        """
        sent = None if body is None else json.dumps(body).encode()
        headers = {} if body is None else {"Content-Type": "application/json"}
        for attempt in range(_TRIES):
            answer = self._ask(method, path, sent, headers)
            if answer.status < 400:
                found: dict[str, Any] = answer.json()
                return found
            refusal = answer.error()
            if answer.status not in (429, 503) or attempt == _TRIES - 1:
                raise refusal
            time.sleep(min(30.0, refusal.retry_after or 1.0))
        raise AssertionError("the last try returns or raises")

    def new_transport(self, *, key: str | None = None, timeout: float | None = None) -> Transport:
        """Return a connection of its own to the same server."""
        base_url, own, usual = self._address
        return Transport(base_url=base_url, key=key or own, timeout=timeout or usual)

    def _ask(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> Answer:
        transport = self.new_transport()
        try:
            return transport.send(method, path, body, headers)
        except NoAnswer as error:
            raise ApiError(
                f"The server did not answer ({error}).", status=0, code="no_answer"
            ) from error
        finally:
            transport.close()


def _close_all() -> None:
    for sender, timeout in list(_open.items()):
        sender.close(timeout)


def _forget_all() -> None:
    for sender in list(_open):
        sender.forget()


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
