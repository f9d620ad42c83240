"""Asks the server on kept connections, and asks again under the same Idempotency-Key."""

from __future__ import annotations

import json
import os
import random
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from finops_metering.transport import Answer, NoAnswer, Transport

_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Answers that another try may change."""

_KEPT = 16
"""Connections that wait for their next question."""

_IN_FLIGHT = 409


class NotReached(Exception):
    """The server did not answer in time, or has a bad moment."""


class Calls:
    """Posts questions within a time of their own; used by any number of threads."""

    def __init__(self, *, new: Callable[[], Transport], timeout: float) -> None:
        self._new = new
        self._timeout = timeout
        self._pid = os.getpid()
        self._kept: deque[Transport] = deque(maxlen=_KEPT)

    def post(self, path: str, body: Mapping[str, Any], *, key: str) -> Answer:
        """Post a body until the server has answered; every try bears the same Idempotency-Key.

        So a try whose answer was lost is not done twice.

        :raises NotReached: when there is no answer within the timeout.
        """
        sent = json.dumps(body, default=str).encode()
        headers = {"Content-Type": "application/json", "Idempotency-Key": key}
        deadline = time.monotonic() + self._timeout
        attempt = 0
        while True:
            said = self._try(path, sent, headers, deadline)
            if isinstance(said, Answer) and not _may_change(said):
                return said
            pause = _pause(said, attempt)
            if time.monotonic() + pause >= deadline:
                raise NotReached(_words(said))
            time.sleep(pause)
            attempt += 1

    def close(self) -> None:
        """Drop the connections."""
        while self._kept:
            self._kept.pop().close()

    def _try(
        self, path: str, sent: bytes, headers: Mapping[str, str], deadline: float
    ) -> Answer | NoAnswer:
        transport = self._taken()
        transport.within(max(0.05, deadline - time.monotonic()))
        try:
            answer = transport.send("POST", path, sent, headers)
        except NoAnswer as error:
            return error
        self._kept.append(transport)
        return answer

    def _taken(self) -> Transport:
        if self._pid != os.getpid():  # connections belong to the process that we were forked from
            self._pid, self._kept = os.getpid(), deque(maxlen=_KEPT)
        try:
            return self._kept.pop()
        except IndexError:
            return self._new()


def _may_change(answer: Answer) -> bool:
    if answer.status == _IN_FLIGHT:
        return answer.retry_after is not None
    return answer.status in _PASSING


def _pause(said: Answer | NoAnswer, attempt: int) -> float:
    asked = said.retry_after if isinstance(said, Answer) else None
    if asked is not None:
        return asked
    return random.uniform(0.5, 1.0) * min(1.0, 0.02 * 4.0**attempt)  # noqa: S311 (no secret)


def _words(said: Answer | NoAnswer) -> str:
    return said.error().message if isinstance(said, Answer) else str(said)
