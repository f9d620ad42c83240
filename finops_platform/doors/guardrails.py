"""The short ways of guardrails: a call waits for these before it is made."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Final

import msgspec
import orjson
from django.db import InterfaceError, OperationalError

from apps.accounts import services as accounts
from apps.accounts.api.passports import Passport
from apps.budgets import services
from apps.budgets.domain.decisions import DEFAULT_HOLD, Ask
from apps.core.domain.access import Actor
from apps.core.domain.errors import Refusal
from apps.core.domain.limits import Standing
from apps.ingest.api.events import database_silent
from finops_platform.doors.answers import Answer, Environ, accepted, read_body, refused

CHECK: Final = "/api/v1/guardrails/check"
AUTHORIZE: Final = "/api/v1/guardrails/authorize"

_MOST_BYTES: Final = 64 * 1024
_JSON: Final = frozenset({"application/json", "application/json; charset=utf-8"})

_Name = Annotated[str, msgspec.Meta(max_length=200)]
_Value = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]


class _Estimate(msgspec.Struct, forbid_unknown_fields=True):
    input_tokens: int = 0
    cached_input_tokens: int = 0
    output_tokens: int = 0
    requests: int = 1

    def has_size(self) -> bool:
        """Tell whether it is of something; what is of nothing may be one that lacks its size."""
        return bool(self.input_tokens or self.output_tokens)


class _Sent(msgspec.Struct, forbid_unknown_fields=True):
    """What most requests are: by tokens, of a model; others are read the ordinary way."""

    estimate: _Estimate
    provider: _Name = ""
    model: _Name = ""
    tags: dict[str, _Value] = {}
    account: _Name = ""
    credential: _Name = ""
    service_tier: _Name = ""
    region: _Name = ""
    batch: bool = False
    ttl_seconds: int = DEFAULT_HOLD

    def is_clean(self) -> bool:
        """Tell whether no text has anything that the ordinary way would strip or refuse."""
        names = (self.provider, self.model, self.account, self.credential)
        texts = (*names, self.service_tier, self.region, *self.tags.values())
        return all(text == text.strip() and "\x00" not in text for text in texts)

    def ask(self) -> Ask:
        """Return what is asked."""
        size = self.estimate
        return Ask(
            provider=self.provider,
            model=self.model,
            tags=self.tags,
            credential=self.credential,
            account=self.account,
            service_tier=self.service_tier,
            region=self.region,
            batch=self.batch,
            input_tokens=size.input_tokens,
            cached_input_tokens=size.cached_input_tokens,
            output_tokens=size.output_tokens,
            requests=size.requests,
            ttl_seconds=self.ttl_seconds,
        )


_decoder: Final = msgspec.json.Decoder(_Sent)


def check(passport: Passport, environ: Environ, now: datetime) -> Answer | None:
    """Answer a check; None when the ordinary way is the one to go."""
    read = _read(environ)
    if read is None:
        return None
    ask, _ = read

    def answer() -> accounts.Answer:
        found = services.check(ask=ask, actor=passport.actor, now=now, tenant=passport.tenant)
        return accounts.Answer(200, "application/json", orjson.dumps(found.as_dict()))

    return _answered(passport, answer)


def authorize(passport: Passport, environ: Environ, now: datetime) -> Answer | None:
    """Answer an authorization; None when the ordinary way is the one to go."""
    key = environ.get("HTTP_IDEMPOTENCY_KEY")
    read = None if key is None else _read(environ)
    if key is None or read is None:
        return None
    ask, body = read

    def answer() -> accounts.Answer:
        return services.authorize_once(
            ask=ask,
            actor=passport.actor,
            now=now,
            claim=_claim(passport.actor, key, body),
            tenant=passport.tenant,
        )

    return _answered(passport, answer)


def _claim(actor: Actor, key: str, body: bytes) -> accounts.Claim:
    """Return the claim that the ordinary way makes of the same request."""
    request = f"POST\n{AUTHORIZE}\n".encode() + body
    return accounts.claim(owner=actor.identity, key=key, request=request)


def _read(environ: Environ) -> tuple[Ask, bytes] | None:
    length = environ.get("CONTENT_LENGTH") or ""
    if not length.isdecimal() or int(length[:9]) > _MOST_BYTES:
        return None
    if (environ.get("CONTENT_TYPE") or "").lower() not in _JSON:
        return None
    body = read_body(environ, int(length))
    try:
        sent = _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return (sent.ask(), body) if sent.is_clean() and sent.estimate.has_size() else None


def _answered(passport: Passport, act: Callable[[], accounts.Answer]) -> Answer | None:
    try:
        standing = passport.turnstile.admit(events=None)
    except accounts.RateLimited:
        return None
    return _shown(act, standing)


def _shown(act: Callable[[], accounts.Answer], standing: Standing) -> Answer:
    try:
        answer = act()
    except Refusal as refusal:
        return refused(refusal, standing)
    except (OperationalError, InterfaceError):
        return refused(database_silent(), standing)
    status, body, headers = accepted(answer.body, standing)
    return status, body, [*headers, *([("Idempotent-Replayed", "true")] if answer.replayed else [])]
