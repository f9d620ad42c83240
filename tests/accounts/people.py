"""Makes people and keys for tests, and calls the site as they do."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.test import Client

from apps.accounts import selectors, services
from apps.accounts.domain.keys import KeyKind
from apps.accounts.models import TeamMembership, User
from apps.core.domain.access import Actor, Role, Scope, system_actor

NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)
PASSWORD = "correct horse battery staple"


def person(role: Role = Role.OWNER, *, email: str = "", teams: tuple[str, ...] = ()) -> User:
    """Insert a person with PASSWORD into the current schema."""
    address = email or f"{role.value}@people.example"
    user = User.invited(email=address, name=role.value.title(), role=role, now=NOW)
    user.set_password(PASSWORD)
    user.save()
    TeamMembership.objects.bulk_create(TeamMembership(user=user, team=team) for team in teams)
    return user


def service_key(*scopes: Scope, **fields: Any) -> services.IssuedKey:
    """Issue a service key of the current tenant."""
    request = services.KeyRequest(
        kind=KeyKind.SERVICE, name="robot", scopes=frozenset(scopes), **fields
    )
    return services.issue_key(actor=system_actor("tests"), request=request, now=NOW)


def issued_by(issuer: Actor, *scopes: Scope) -> Actor:
    """Return the actor of a new service key that somebody issued."""
    request = services.KeyRequest(kind=KeyKind.SERVICE, name="robot", scopes=frozenset(scopes))
    key = services.issue_key(actor=issuer, request=request, now=NOW)
    return selectors.holder_for_bearer(token=key.text, now=NOW).actor()


def browser(slug: str, **kwargs: Any) -> Client:
    """Return a browser on a tenant's host; an empty slug means the bare host."""
    host = f"{slug}.localhost" if slug else "localhost"
    return Client(headers={"host": host}, **kwargs)


def signed_in(slug: str, user: User) -> Client:
    """Return a browser in which a person of the current schema is signed in."""
    client = browser(slug)
    client.force_login(user)
    return client


def bearer(key: services.IssuedKey | str) -> dict[str, str]:
    """Return the header that carries a key."""
    return {"authorization": f"Bearer {key if isinstance(key, str) else key.text}"}
