"""Questions about people and keys of the current schema."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Q

from apps.accounts import keyring
from apps.accounts.domain.keys import KEY_LABEL, KeyKind, KeyText
from apps.accounts.keyring import Holder as Holder  # noqa: PLC0414 - others know it from here
from apps.accounts.models import ApiKey, User
from apps.core.db import current_schema, enter_tenant
from apps.core.domain.access import ROLE_SCOPES, Actor, Role, Scope
from apps.core.domain.errors import Missing, Unauthenticated
from apps.core.domain.limits import Limits
from apps.tenants import selectors as tenants


class PersonMissing(Missing):
    """There is no such person in this organization."""

    default_code = "person_not_found"


class KeyMissing(Missing):
    """There is no such key, or none that the actor may see."""

    default_code = "key_not_found"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who can sign in."""

    id: int
    public_id: UUID
    email: str
    name: str
    role: Role
    is_active: bool
    teams: tuple[str, ...]
    last_login_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """A key without its secret."""

    id: UUID
    kind: str
    name: str
    prefix: str
    owner: str
    scopes: tuple[str, ...]
    bound_tags: dict[str, str]
    limits: Limits
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None

    def state(self, now: datetime) -> str:
        """Return `active`, `expired` or `revoked`."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= now else "active"


def actor_for_bearer(*, token: str, now: datetime) -> Actor:
    """Return the actor of an API key and, on the shared host, enter the key's tenant.

    On a tenant's host only that tenant's keys open anything. The answer to an unknown slug, a
    wrong, expired or revoked key and another tenant's key is the same.

    :raises Unauthenticated: when the token opens nothing here.
    :raises Forbidden: when the key is right and its tenant is suspended.
    """
    return holder_for_bearer(token=token, now=now).actor()


def holder_for_bearer(*, token: str, now: datetime) -> Holder:
    """Return who holds an API key, with its limits; otherwise the same as `actor_for_bearer`.

    :raises Unauthenticated: when the token opens nothing here.
    :raises Forbidden: when the key is right and its tenant is suspended.
    """
    key = KeyText.parse(token)
    if key is None:
        raise wrong_key()
    _enter(key)
    holder = keyring.holder_of(key, now=now)
    if holder is None:
        raise wrong_key()
    tenant = tenants.current()
    if not tenant.is_active:
        raise tenants.suspended(tenant)
    return holder


def holds_still(holder: Holder, *, schema: str, key_hash: str, now: datetime) -> bool:
    """Tell whether a key would be found to stand for this very holder again; asks no database."""
    return keyring.holds_still(holder, schema=schema, key_hash=key_hash, now=now)


def hash_of_bearer(token: str) -> str:
    """Return what is kept of an API key.

    :raises Unauthenticated: when the token is none.
    """
    key = KeyText.parse(token)
    if key is None:
        raise wrong_key()
    return key.hash


def wrong_key() -> Unauthenticated:
    """Return the one answer to everything that is no valid key here."""
    return Unauthenticated("This API key is not valid here.", code="invalid_key")


def actor_of_user(user: User) -> Actor:
    """Return the actor of a signed-in person: the role's scopes, a member's teams.

    In the public schema an operator may administer the platform and anybody else nothing.
    """
    if tenants.on_public():
        scopes = frozenset({Scope.ADMIN}) if user.is_staff else frozenset()
        return Actor(kind="user", label=user.email, scopes=scopes, user_id=user.pk)
    role = Role(user.role)
    return Actor(
        kind="user",
        label=user.email,
        scopes=ROLE_SCOPES[role],
        user_id=user.pk,
        role=role,
        teams=keyring.teams_of(user.pk, role),
    )


def person(user_id: int) -> Person:
    """Return a person by id.

    :raises PersonMissing: when there is none.
    """
    return _only(User.objects.filter(pk=user_id))


def person_by_email(email: str) -> Person:
    """Return a person by e-mail address, whatever its case.

    :raises PersonMissing: when there is none.
    """
    return _only(User.objects.filter(email=email.strip().lower()))


def person_behind(actor: Actor) -> int | None:
    """Return the id of the person who acts, or who issued the service key that does.

    For four eyes: nobody approves what a key of their own making asked for, nor what a key asked
    for that such a key issued, however long the chain. None for the shell and the system, and for
    keys that one of these issued. A query a key of the chain, and one for the person.
    """
    if actor.user_id is not None or actor.key_id is None:
        return actor.user_id
    row = ApiKey.objects.filter(pk=actor.key_id).first()
    while row is not None and row.user_id is None:
        issuer = _issuing_key(row)
        if issuer is None:
            return User.objects.filter(email=row.created_by).values_list("pk", flat=True).first()
        row = issuer
    return row.user_id if row else None


def _issuing_key(row: ApiKey) -> ApiKey | None:
    """Return the older service key that issued a key, if one did.

    It is named by its label; of keys from before labels only the name is known: the newest then.
    """
    if not row.created_by.startswith(KEY_LABEL):
        return None
    older = ApiKey.objects.filter(kind=KeyKind.SERVICE, pk__lt=row.pk).order_by("-pk")
    labeled = older.filter(prefix=row.created_by[-9:-1]).first()
    if labeled is not None and labeled.label == row.created_by:
        return labeled
    return older.filter(name=row.created_by.removeprefix(KEY_LABEL)).first()


def person_by_id(public_id: UUID) -> Person:
    """Return a person by public id.

    :raises PersonMissing: when there is none.
    """
    return _only(User.objects.filter(public_id=public_id))


def actor_of_person(email: str) -> Actor:
    """Return the actor of an active person, for commands that act as one and say so.

    :raises PersonMissing: when there is none or the person is not active.
    """
    user = User.objects.filter(email=email.strip().lower(), is_active=True).first()
    if user is None:
        raise PersonMissing(f"There is no active person {email!r} here.")
    return actor_of_user(user)


def people() -> list[Person]:
    """Return everybody by e-mail, inactive people last."""
    rows = User.objects.prefetch_related("memberships").order_by("-is_active", "email")
    return [person_of(user) for user in rows]


def addressees(*, ids: Iterable[int], roles: Iterable[Role], emails: Iterable[str]) -> list[Person]:
    """Return the active people who are named by id, by role or by address, by e-mail.

    Two queries; none when nobody is named.
    """
    named = Q(pk__in=list(ids)) | Q(role__in=[role.value for role in roles])
    named |= Q(email__in=list(emails))
    rows = User.objects.filter(named, is_active=True).prefetch_related("memberships")
    return [person_of(user) for user in rows.order_by("email")]


def owners() -> list[Person]:
    """Return the active owners: the people who can grant a role."""
    return [one for one in people() if one.role is Role.OWNER and one.is_active]


def api_keys(*, actor: Actor) -> list[KeyFacts]:
    """Return the keys that the actor may see, newest first: all to an owner, else one's own."""
    rows = ApiKey.objects.select_related("user").order_by("-id")
    if not actor.may(Scope.ADMIN):
        rows = rows.filter(user_id=actor.user_id) if actor.user_id else rows.none()
    return [key_facts(row) for row in rows]


def api_key(*, key: UUID) -> KeyFacts:
    """Return a key by id.

    :raises KeyMissing: when there is none.
    """
    row = ApiKey.objects.select_related("user").filter(public_id=key).first()
    if row is None:
        raise KeyMissing("There is no such key.")
    return key_facts(row)


def person_of(user: User) -> Person:
    """Return what others may know of a user row."""
    return Person(
        id=user.pk,
        public_id=user.public_id,
        email=user.email,
        name=user.name,
        role=Role(user.role),
        is_active=user.is_active,
        teams=tuple(sorted(membership.team for membership in user.memberships.all())),
        last_login_at=user.last_login,
        created_at=user.created_at,
    )


def key_facts(row: ApiKey) -> KeyFacts:
    """Return a key row without its hash."""
    return KeyFacts(
        id=row.public_id,
        kind=row.kind,
        name=row.name,
        prefix=row.prefix,
        owner=row.user.email if row.user else "",
        scopes=tuple(row.scopes),
        bound_tags=dict(row.bound_tags),
        limits=row.limits,
        created_at=row.created_at,
        created_by=row.created_by,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
        revoked_at=row.revoked_at,
    )


def _only(rows: Iterable[User]) -> Person:
    for user in rows:
        return person_of(user)
    raise PersonMissing("There is no such person in this organization.")


def _enter(key: KeyText) -> None:
    try:
        tenant = tenants.by_slug(slug=key.slug)
    except tenants.NoTenant:
        raise wrong_key() from None
    if not tenant.has_schema:
        raise wrong_key()  # it cannot have issued a key yet
    if tenants.on_public():
        enter_tenant(tenant)
    elif current_schema() != tenant.schema:
        raise wrong_key()
