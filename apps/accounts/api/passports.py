"""What a request with a key proved, kept so that the next like it is let in at once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.http import HttpRequest
from django.http.request import split_domain_port

from apps.accounts import selectors as accounts
from apps.accounts import services as throttles
from apps.accounts.api.authentication import bearer_token
from apps.core.domain.access import Actor
from apps.tenants import selectors as tenants
from apps.tenants.domain.facts import TenantFacts

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


def remember(request: HttpRequest) -> None:
    """Note the passport of a request that a key sent and that was answered; of others nothing."""
    actor: Actor | None = getattr(request, "key_actor", None)
    if actor is None:
        return
    facts: TenantFacts = request.tenant  # type: ignore[attr-defined]
    holder: accounts.Holder = request.key_holder  # type: ignore[attr-defined]
    token = bearer_token(request.headers["Authorization"]) or ""
    caller = throttles.Caller(facts.schema, holder.key_id, holder.limits, facts.limits)
    request.META[PASSPORT] = Passport(
        host=split_domain_port(request.get_host())[0],
        key_hash=accounts.hash_of_bearer(token),
        tenant=facts,
        holder=holder,
        actor=actor,
        turnstile=throttles.Turnstile(caller),
    )
