"""Answers what the busiest addresses are sent most before Django is asked.

A request object, a dozen middlewares and a response object cost four times what one event costs.
The first request of an address, host and key goes the ordinary way, and what it proved is kept
(`accounts.api.passports`); those like it are let in with that, for as long as it holds. All that is
not plain (other encodings, options, bad bodies, refusals before anything is counted) goes the
ordinary way, too, so that there is one place for every other answer.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, Final, NamedTuple

import structlog

from apps.accounts.api.passports import PASSPORT, Passport
from apps.core.middleware import ACCEPTABLE
from apps.ingest.middleware import DOOR
from finops_platform.doors import events, guardrails
from finops_platform.doors.answers import Answer, Environ, Headers
from finops_platform.metrics import LATENCY, REQUESTS

log = structlog.get_logger(__name__)

Start = Callable[..., Any]
Application = Callable[[Environ, Start], Iterable[bytes]]
Way = Callable[[Passport, Environ, datetime], Answer | None]
"""Answers a request of somebody known; None when the ordinary way is the one to go."""

WAYS: Final[Mapping[str, Way]] = {
    DOOR: events.answer,
    guardrails.CHECK: guardrails.check,
    guardrails.AUTHORIZE: guardrails.authorize,
}

_MOST_PASSPORTS: Final = 4_096
_OWN: Final = re.compile(
    r"content-(type|length)$|x-ratelimit-|x-request-id$|retry-after$|idempotent-", re.IGNORECASE
)
"""Headers that every answer has of its own."""

_PROVED_BY: Final = (
    *("PATH_INFO", "HTTP_HOST", "HTTP_X_FORWARDED_HOST", "HTTP_X_FORWARDED_PROTO"),
    *("wsgi.url_scheme", "HTTP_AUTHORIZATION"),
)
_UNUSUAL: Final = ("QUERY_STRING", "HTTP_CONTENT_ENCODING", "HTTP_TRANSFER_ENCODING")


class _Known(NamedTuple):
    """A passport, the headers that go with its every answer, and its counters."""

    passport: Passport
    headers: Headers
    good: Any
    latency: Any


class ShortWays:
    """A WSGI application before another one, `ordinary`, which answers everything else."""

    def __init__(self, ordinary: Application) -> None:
        self._ordinary = ordinary
        self._known: dict[bytes, _Known] = {}

    def __call__(self, environ: Environ, start: Start) -> Iterable[bytes]:
        way = WAYS.get(environ["PATH_INFO"])
        if way is None or environ["REQUEST_METHOD"] != "POST":
            return self._ordinary(environ, start)
        if any(map(environ.get, _UNUSUAL)):
            return self._ordinary(environ, start)
        began = time.perf_counter()
        proof = _proof(environ)
        known = self._known.get(proof)
        now = datetime.now(UTC)
        if known is None or not known.passport.is_good(now):
            return self._learn(proof, environ, start)
        try:
            answer = way(known.passport, environ, now)
        except Exception:
            log.exception("short way failed, the ordinary one is tried")
            answer = None
        if answer is None:
            return self._ordinary(environ, start)
        status, body, headers = answer
        start(status, [*headers, ("X-Request-ID", _request_id(environ)), *known.headers])
        _count(known, status, began)
        return (body,)

    def _learn(self, proof: bytes, environ: Environ, start: Start) -> Iterable[bytes]:
        """Go the ordinary way, and keep what the answer shows."""
        seen: Headers = []

        def noting(status: str, headers: Headers, *rest: Any) -> Any:
            seen[:] = headers
            return start(status, headers, *rest)

        answer = self._ordinary(environ, noting)
        passport: Passport | None = environ.pop(PASSPORT, None)
        if passport is not None:
            if len(self._known) >= _MOST_PASSPORTS:
                self._known.clear()
            constant = [header for header in seen if not _OWN.match(header[0])]
            schema = passport.tenant.schema
            good, latency = REQUESTS.labels(schema, "POST", "2xx"), LATENCY.labels(schema)
            self._known[proof] = _Known(passport, constant, good, latency)
        return answer


def _proof(environ: Environ) -> bytes:
    """Return what stands for all that decided who a request is from; no secret is kept."""
    parts = "\n".join([environ.get(name) or "" for name in _PROVED_BY])
    return blake2b(parts.encode(), digest_size=32).digest()


def _request_id(environ: Environ) -> str:
    sent = environ.get("HTTP_X_REQUEST_ID")
    return sent if sent and ACCEPTABLE.fullmatch(sent) else secrets.token_hex(16)


def _count(known: _Known, status: str, began: float) -> None:
    if status.startswith("2"):
        known.good.inc()
    else:
        REQUESTS.labels(known.passport.tenant.schema, "POST", f"{status[0]}xx").inc()
    known.latency.observe(time.perf_counter() - began)
