"""Answers what the busiest address is sent most, plain bodies of events, before Django is asked.

A request object, a dozen middlewares and a response object cost four times what one event costs.
The first request of a host and key goes the ordinary way, and what it proved is kept
(`ingest.middleware.Passport`); those like it are let in with that, for as long as it holds. All
that is not plain (other encodings, options, bad bodies, refusals before anything is counted) goes
the ordinary way, too, so that there is one place for every other answer.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from hashlib import blake2b
from io import BytesIO
from typing import Any, Final, NamedTuple

import orjson
import structlog
from django.db import InterfaceError, OperationalError, close_old_connections
from django.http import HttpResponse

from apps.accounts import services as accounts
from apps.core.api.errors import refusal_response
from apps.core.db import enter_tenant
from apps.core.domain.errors import Refusal
from apps.core.domain.limits import Standing
from apps.core.middleware import ACCEPTABLE
from apps.ingest import services as ingest
from apps.ingest.api.body import FORMS, BodyBroken
from apps.ingest.api.events import database_silent
from apps.ingest.middleware import DOOR, PASSPORT, Passport
from apps.usage.domain.checks import MOST_BYTES
from apps.usage.domain.decode import Form, decode_events
from apps.usage.domain.drafts import Draft, Rejected
from finops_platform.metrics import LATENCY, REQUESTS

log = structlog.get_logger(__name__)

Environ = dict[str, Any]
Start = Callable[..., Any]
Application = Callable[[Environ, Start], Iterable[bytes]]
Headers = list[tuple[str, str]]
Answer = tuple[str, bytes, Headers]
"""Status, body, and the headers of this answer alone."""

_MOST_PASSPORTS: Final = 4_096
_OWN: Final = re.compile(
    r"content-(type|length)$|x-ratelimit-|x-request-id$|retry-after$", re.IGNORECASE
)
"""Headers that every answer has of its own."""

_PROVED_BY: Final = (
    *("HTTP_HOST", "HTTP_X_FORWARDED_HOST", "HTTP_X_FORWARDED_PROTO", "wsgi.url_scheme"),
    "HTTP_AUTHORIZATION",
)
_UNUSUAL: Final = ("QUERY_STRING", "HTTP_CONTENT_ENCODING", "HTTP_TRANSFER_ENCODING")


class _Known(NamedTuple):
    """A passport, the headers that go with its every answer, and its counters."""

    passport: Passport
    headers: Headers
    good: Any
    latency: Any


class EventsDoor:
    """A WSGI application before another one, `ordinary`, which answers everything else."""

    def __init__(self, ordinary: Application) -> None:
        self._ordinary = ordinary
        self._known: dict[bytes, _Known] = {}

    def __call__(self, environ: Environ, start: Start) -> Iterable[bytes]:
        if environ["PATH_INFO"] != DOOR or environ["REQUEST_METHOD"] != "POST":
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
            answer = _answer(known.passport, environ, now)
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


def _answer(passport: Passport, environ: Environ, now: datetime) -> Answer | None:
    """Return status, body and own headers; None when the ordinary way is the one to go."""
    length = environ.get("CONTENT_LENGTH") or ""
    form = FORMS.get(environ.get("CONTENT_TYPE") or "")
    if form is None or not length.isdecimal() or int(length[:9]) > MOST_BYTES:
        return None
    request = _Request(passport, environ, now, form, int(length))
    return _few(request) if request.length < ingest.LARGE else _batch(request)


def _few(request: _Request) -> Answer | None:
    """Answer a small body: counted when its events are known, stored by a writer."""
    try:
        drafts = request.drafts(request.body())
    except Refusal:
        return None
    if len(drafts) > ingest.SMALL:
        return None
    try:
        standing = request.passport.turnstile.admit(events=len(drafts))
    except accounts.RateLimited:
        return None
    sent = ingest.Sent(drafts, request.passport.actor, request.now)
    return _stored(standing, lambda: ingest.accept_small(sent=sent, tenant=request.passport.tenant))


def _batch(request: _Request) -> Answer | None:
    """Answer a large body: counted before it is read, stored by this thread."""
    turnstile = request.passport.turnstile
    try:
        standing = turnstile.admit(events=0)
    except accounts.RateLimited:
        return None
    body = request.body()

    def store() -> ingest.Receipt:
        with ingest.in_flight(is_small=False):
            drafts = request.drafts(body)
            turnstile.charge(events=len(drafts))
            return ingest.accept_events(
                drafts=drafts, actor=request.passport.actor, received_at=request.now
            )

    close_old_connections()  # as at the beginning of every request
    enter_tenant(request.passport.tenant)
    return _stored(standing, store)


class _Request(NamedTuple):
    """A plain request of somebody known."""

    passport: Passport
    environ: Environ
    now: datetime
    form: Form
    length: int

    def body(self) -> bytes:
        """Read the body, and leave it to be read again."""
        body: bytes = self.environ["wsgi.input"].read(self.length)
        self.environ["wsgi.input"] = BytesIO(body)
        return body

    def drafts(self, body: bytes) -> list[Draft | Rejected]:
        """Return the events of a body.

        :raises Refusal: when it cannot be split into items, or ended early.
        """
        if len(body) != self.length:
            raise BodyBroken("The connection ended before the body did; send it again.")
        source = self.environ.get("HTTP_X_SOURCE") or None
        return decode_events(body=body, form=self.form, source=source)


def _stored(standing: Standing, store: Callable[[], ingest.Receipt]) -> Answer:
    """Store, and answer with the receipt or with why there is none."""
    try:
        receipt = store()
    except accounts.RateLimited as limited:
        return _refused(limited, limited.standing)
    except Refusal as refusal:
        return _refused(refusal, standing)
    except (OperationalError, InterfaceError):
        return _refused(database_silent(), standing)
    body = orjson.dumps(receipt)
    return "200 OK", body, _headers("application/json", len(body), standing, str(standing.reset))


def _refused(refusal: Refusal, standing: Standing) -> Answer:
    response: HttpResponse = refusal_response(refusal)
    status = f"{response.status_code} {response.reason_phrase}"
    wait = response.headers.get("Retry-After")
    headers = _headers(
        response.headers["Content-Type"],
        len(response.content),
        standing,
        wait or str(standing.reset),
    )
    more = [(name, value) for name, value in response.items() if name != "Content-Type"]
    return status, response.content, headers + more


def _headers(kind: str, length: int, standing: Standing, reset: str) -> Headers:
    return [
        ("Content-Type", kind),
        ("Content-Length", str(length)),
        ("X-RateLimit-Limit", str(standing.limit)),
        ("X-RateLimit-Remaining", str(standing.remaining)),
        ("X-RateLimit-Reset", reset),
        ("X-RateLimit-Resource", standing.resource),
    ]


def _request_id(environ: Environ) -> str:
    sent = environ.get("HTTP_X_REQUEST_ID")
    return sent if sent and ACCEPTABLE.fullmatch(sent) else secrets.token_hex(16)


def _count(known: _Known, status: str, began: float) -> None:
    if status.startswith("2"):
        known.good.inc()
    else:
        REQUESTS.labels(known.passport.tenant.schema, "POST", f"{status[0]}xx").inc()
    known.latency.observe(time.perf_counter() - began)
