"""Issues and revokes API keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import transaction

from apps.accounts import keyring
from apps.accounts.domain.keys import KeyKind, KeyText, tags_within
from apps.accounts.models import ApiKey
from apps.accounts.selectors import KeyFacts, KeyMissing, key_facts
from apps.accounts.services.throttle import tenant_limits
from apps.audit import services as audit
from apps.core.domain.access import PERSONAL_ONLY, Actor, Scope
from apps.core.domain.errors import FieldError, Forbidden, Unprocessable
from apps.core.domain.limits import Limits
from apps.tenants import selectors as tenants

MAX_BOUND_TAGS: Final = 32
NO_LIMITS: Final = Limits()


class KeyNotValid(Unprocessable):
    """A key cannot be made of what was asked for."""

    default_code = "key_not_valid"


@dataclass(frozen=True, slots=True)
class KeyRequest:
    """What a key is to be."""

    kind: KeyKind
    name: str
    scopes: frozenset[Scope]
    bound_tags: Mapping[str, str] = field(default_factory=dict)
    expires_at: datetime | None = None
    limits: Limits = NO_LIMITS


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A new key and its text, which is shown this once and stored nowhere."""

    facts: KeyFacts
    text: str

    def __repr__(self) -> str:
        return f"IssuedKey({self.facts.id})"


@transaction.atomic
def issue_key(*, actor: Actor, request: KeyRequest, now: datetime) -> IssuedKey:
    """Issue a key of the current tenant.

    A personal key is its actor's own; a service key needs an owner. Nobody grants a scope that
    they do not hold or loosens the tags that they are bound to, and a key of narrow scopes issues
    none at all.

    :raises Forbidden: when the actor may not issue such a key.
    :raises KeyNotValid: when a field is wrong.
    """
    _check(request, now)
    _check_right(actor, request)
    key = KeyText.new(tenants.current().slug)
    row = ApiKey.issued(
        key,
        kind=request.kind,
        user_id=actor.user_id if request.kind is KeyKind.PERSONAL else None,
        name=request.name.strip(),
        scopes=request.scopes,
        bound_tags=request.bound_tags,
        expires_at=request.expires_at,
        limits=request.limits,
        created_by=_issuer(actor),
        now=now,
    )
    _record(actor, "api_key.issued", row, now)
    return IssuedKey(key_facts(row), key.text)


@transaction.atomic
def limit_key(*, actor: Actor, key: UUID, limits: Limits, now: datetime) -> KeyFacts:
    """Hold a key to other limits: at once in this process, within 15 seconds in every other.

    :raises Forbidden: when the actor is not an owner.
    :raises KeyMissing: when there is no such key.
    :raises KeyNotValid: when a limit is none, or above the organization's.
    """
    actor.require(Scope.ADMIN)
    wrong = tuple(_limit_problems(limits))
    if wrong:
        raise KeyNotValid(wrong[0].message, errors=wrong)
    row = ApiKey.objects.select_for_update(of=("self",)).filter(public_id=key).first()
    if row is None:
        raise KeyMissing("There is no such key.")
    if row.limits != limits:
        row.limit(limits)
        keyring.forget_on_commit()
        _record(actor, "api_key.limited", row, now)
    return key_facts(row)


@transaction.atomic
def revoke_key(*, actor: Actor, key: UUID, now: datetime) -> KeyFacts:
    """Revoke a key for good: at once in this process, within 15 seconds in every other.

    Revoking it again changes nothing.

    :raises Forbidden: when a key of narrow scopes asks.
    :raises KeyMissing: when there is none that the actor may see.
    """
    _check_issuer(actor)
    rows = ApiKey.objects.select_for_update(of=("self",)).filter(public_id=key)
    if not actor.may(Scope.ADMIN):
        rows = rows.filter(user_id=actor.user_id) if actor.user_id else rows.none()
    row = rows.first()
    if row is None:
        raise KeyMissing("There is no such key, or it is somebody else's.")
    if row.revoked_at is None:
        row.revoked_at = now
        row.save(update_fields=["revoked_at"])
        keyring.forget_on_commit()
        _record(actor, "api_key.revoked", row, now)
    return key_facts(row)


def _check_issuer(actor: Actor) -> None:
    if actor.may(Scope.ADMIN) or (actor.kind in ("user", "shell") and actor.is_person):
        return
    raise Forbidden(
        "Keys are issued and revoked by a signed-in person, or with the scope admin.",
        code="key_cannot_issue",
    )


def _issuer(actor: Actor) -> str:
    """Return who issues: a person's address, or the one service key, told from its namesakes."""
    if actor.user_id is not None or actor.key_id is None:
        return actor.label
    return ApiKey.objects.get(pk=actor.key_id).label


def _check_right(actor: Actor, request: KeyRequest) -> None:
    _check_issuer(actor)
    if request.kind is KeyKind.SERVICE:
        actor.require(Scope.ADMIN)
    elif not actor.is_person:
        raise Forbidden("Only a person has personal keys.", code="no_person")
    if request.limits != NO_LIMITS:
        actor.require(Scope.ADMIN)
    for scope in sorted(request.scopes):
        actor.require(scope)
    if not tags_within(actor.bound_tags, request.bound_tags):
        raise Forbidden("The new key must keep the tags that this key is bound to.", code="tags")


def _check(request: KeyRequest, now: datetime) -> None:
    wrong = tuple(_problems(request, now))
    if wrong:
        raise KeyNotValid(wrong[0].message, errors=wrong)


def _problems(request: KeyRequest, now: datetime) -> list[FieldError]:
    found = []
    if not 1 <= len(request.name.strip()) <= 120 or "\x00" in request.name:
        found.append(FieldError("name", "length", "Name the key in 1 to 120 characters."))
    if not request.scopes:
        found.append(FieldError("scopes", "required", "Choose at least one scope."))
    if request.kind is KeyKind.SERVICE and request.scopes & PERSONAL_ONLY:
        text = "A service key never decides; remove approvals:decide or make it personal."
        found.append(FieldError("scopes", "personal_only", text))
    if request.expires_at is not None and request.expires_at <= now:
        found.append(FieldError("expires_at", "past", "Choose a time in the future."))
    if not _tags_fit(request.bound_tags):
        text = "Bind up to 32 tags with keys of up to 64 and values of up to 256 bytes."
        found.append(FieldError("bound_tags", "tags", text))
    return [*found, *_limit_problems(request.limits)]


def _limit_problems(limits: Limits) -> list[FieldError]:
    return limits.problems(at_most=tenant_limits(tenants.current().limits))


def _tags_fit(tags: Mapping[str, str]) -> bool:
    return len(tags) <= MAX_BOUND_TAGS and all(
        1 <= len(key.encode()) <= 64
        and 1 <= len(value.encode()) <= 256
        and "\x00" not in key + value
        for key, value in tags.items()
    )


def _record(actor: Actor, action: str, row: ApiKey, now: datetime) -> None:
    audit.record(
        actor=actor,
        action=action,
        subject="api_key",
        subject_id=str(row.public_id),
        detail={
            "name": row.name,
            "kind": row.kind,
            "key_prefix": row.prefix,
            "scopes": list(row.scopes),
            "bound_tags": row.bound_tags,
            "expires_at": row.expires_at,
            "requests_per_second": row.requests_per_second,
            "events_per_second": row.events_per_second,
        },
        at=now,
    )
