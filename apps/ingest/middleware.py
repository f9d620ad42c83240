"""A short way to the busiest door, past what only browsers need."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.request import split_domain_port

from apps.accounts import selectors as accounts
from apps.accounts import services as throttles
from apps.accounts.api.authentication import bearer_token
from apps.core.domain.access import Actor
from apps.ingest.api.events import post_events
from apps.tenants import selectors as tenants
from apps.tenants.domain.facts import TenantFacts

DOOR: Final = "/api/v1/usage/events"
PASSPORT: Final = "finops.passport"
"""Where a request's environ carries what its next like may be let in with."""


@dataclass(frozen=True, slots=True)
class Passport:
    """What a request that was answered proved: this host and key are this tenant and this actor.

    It is good for as long as the process would find the very same again without a query, which
    every change of tenant, key, role or membership here ends at once, and time elsewhere.
    """

    host: str
    key_hash: str
    tenant: TenantFacts
    holder: accounts.Holder
    actor: Actor
    turnstile: throttles.Turnstile

    def is_good(self, now: datetime) -> bool:
        """Tell whether host and key still are what they were."""
        return tenants.serves_still(host=self.host, facts=self.tenant) and accounts.holds_still(
            self.holder, schema=self.tenant.schema, key_hash=self.key_hash, now=now
        )


class EventsDoorMiddleware:
    """Answers `POST /api/v1/usage/events` of a key that opens the tenant, and leaves all else.

    Stands after RateLimitMiddleware, which authenticated the key. Sessions, CSRF, messages, the
    console's locale and two hundred URL patterns cost as much as the events themselves, and none
    of it concerns a program with a key. The view is the same as behind the URL.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        is_key = getattr(request, "key_actor", None) is not None
        if not is_key or request.path_info != DOOR or request.method != "POST":
            return self.get_response(request)
        response = post_events(request)
        response.headers.setdefault("Content-Length", str(len(response.content)))
        response.headers.setdefault("X-Frame-Options", settings.X_FRAME_OPTIONS)
        if response.status_code == 200:
            request.META[PASSPORT] = _passport(request)
        return response


def _passport(request: HttpRequest) -> Passport:
    facts: TenantFacts = request.tenant  # type: ignore[attr-defined]
    holder: accounts.Holder = request.key_holder  # type: ignore[attr-defined]
    token = bearer_token(request.headers["Authorization"]) or ""
    caller = throttles.Caller(facts.schema, holder.key_id, holder.limits, facts.limits)
    return Passport(
        host=split_domain_port(request.get_host())[0],
        key_hash=accounts.hash_of_bearer(token),
        tenant=facts,
        holder=holder,
        actor=request.key_actor,  # type: ignore[attr-defined]
        turnstile=throttles.Turnstile(caller),
    )
