"""The short way of plain bodies of events."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

import orjson
from django.db import InterfaceError, OperationalError, close_old_connections

from apps.accounts import services as accounts
from apps.accounts.api.passports import Passport
from apps.core.db import enter_tenant
from apps.core.domain.errors import Refusal
from apps.core.domain.limits import Standing
from apps.ingest import services as ingest
from apps.ingest.api.body import FORMS, BodyBroken
from apps.ingest.api.events import database_silent
from apps.usage.domain.checks import MOST_BYTES
from apps.usage.domain.decode import Form, decode_events
from apps.usage.domain.drafts import Draft, Rejected
from finops_platform.doors.answers import Answer, Environ, accepted, read_body, refused


def answer(passport: Passport, environ: Environ, now: datetime) -> Answer | None:
    """Store events, and answer with the receipt; None when the ordinary way is the one to go."""
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
        return read_body(self.environ, self.length)

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
        return refused(limited, limited.standing)
    except Refusal as refusal:
        return refused(refusal, standing)
    except (OperationalError, InterfaceError):
        return refused(database_silent(), standing)
    return accepted(orjson.dumps(receipt), standing)
