"""Money set aside for a block of code: named by the event of its use, settled, or given back."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextvars import ContextVar, Token
from decimal import Decimal
from threading import Lock
from types import TracebackType
from typing import Any

from finops_metering.decisions import Decision
from finops_metering.ids import minter

log = logging.getLogger("finops_metering")

_current: ContextVar[Hold | None] = ContextVar("finops_metering_hold", default=None)


def current_hold() -> Hold | None:
    """Return the hold of the block that this code runs in, if any."""
    return _current.get()


class Hold:
    """What one authorization set aside; `with guard.authorize(...) as hold:` ends it.

    The last of the `requests` that were authorized names the hold on its event, so that the server
    releases it in the transaction that counts the use. A block that makes fewer of them settles by
    its last event; one that raises before any use gives the money back. A block that records
    nothing leaves the hold to its end (`expires_at`): the use may be told by somebody else.

    `id` is None where nothing is held: no budget takes this use, or the guardrail was out of reach.
    """

    def __init__(
        self,
        decision: Decision,
        *,
        tags: Mapping[str, str],
        requests: int,
        source: str,
        post: Callable[[str, Mapping[str, Any], str], dict[str, Any]],
        record: Callable[[Mapping[str, Any]], str],
    ) -> None:
        self.decision = decision
        self.id = decision.hold
        self.tags = dict(tags)
        self._left = max(1, requests)
        self._source = source
        self._post = post
        self._record = record
        self._last: tuple[str, str] | None = None
        self._ended = decision.hold is None
        self._entered: Token[Hold | None] | None = None
        self._lock = Lock()

    @property
    def ended(self) -> bool:
        """Tell whether nothing is left to settle or void."""
        return self._ended

    def record(self, **fields: Any) -> str:
        """Record one use as `Client.record` does, under this hold and its tags; return its id."""
        return self._record(self.marked(fields))

    def marked(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Return an event with the tags of the hold, and its name on the last one authorized."""
        made = {**event, "tags": {**self.tags, **(event.get("tags") or {})}}
        if not made.get("id"):
            made["id"] = minter.mint()
        with self._lock:
            self._last = (str(made.get("source") or self._source), str(made["id"]))
            self._left -= 1
            if self._left <= 0 and not self._ended:
                self._ended = True
                made["hold"] = self.id
        return made

    def settle(
        self,
        *,
        amount: Decimal | str | None = None,
        currency: str | None = None,
        usage: Mapping[str, int] | None = None,
        event_ref: Mapping[str, str] | None = None,
        event: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Tell what was really used: an amount, tokens, an event's name, or the event itself.

        With an amount or tokens (`usage`) the hold is resized and waits for its event; without
        one they stay as an estimate. An `event_ref` is `source` and `id`.

        :raises ApiError: when the server refuses it: the hold is void, has expired, or is used.
        """
        given = {"usage": usage, "event_ref": event_ref, "event": event, "currency": currency}
        body = {name: value for name, value in given.items() if value is not None}
        if amount is not None:
            body["amount"] = str(amount)
        return self._end("settle", body)

    def void(self) -> dict[str, Any]:
        """Give the money back: nothing was used.

        :raises ApiError: when the server refuses it: the hold is used or has expired.
        """
        return self._end("void", {})

    def finish(self, *, failed: bool) -> None:
        """End the hold as its block ended; what goes wrong is logged, as the use is over."""
        with self._lock:
            last, ended = self._last, self._ended
        if ended:
            return
        try:
            if last is not None:
                self.settle(event_ref={"source": last[0], "id": last[1]})
            elif failed:
                self.void()
            else:
                log.info("guard: a block recorded no use; hold %s is left to expire", self.id)
        except Exception as error:
            log.warning("guard: hold %s could not be ended, it will expire: %s", self.id, error)

    def enter(self) -> Hold:
        """Make this the hold of the code that follows."""
        self._entered = _current.set(self)
        return self

    def leave(self) -> None:
        """Make the block's outer hold the current one again."""
        if self._entered is not None:
            _current.reset(self._entered)
            self._entered = None

    def __enter__(self) -> Hold:
        return self.enter()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.leave()
        self.finish(failed=error is not None)

    def _end(self, step: str, body: Mapping[str, Any]) -> dict[str, Any]:
        if self.id is None:
            return {}
        answer = self._post(f"/api/v1/guardrails/holds/{self.id}/{step}", body, minter.mint())
        with self._lock:
            self._ended = True
        return answer
