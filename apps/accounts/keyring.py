"""The process's memory of authenticated keys: 15 seconds at most, gone at once on a change here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction
from django.db.models import Q

from apps.accounts.domain.keys import (
    KEY_LABEL,
    KeyKind,
    KeyText,
    effective_scopes,
    same_hash,
)
from apps.accounts.models import ApiKey, TeamMembership
from apps.core.db import current_schema
from apps.core.domain.access import Actor, Role, Scope
from apps.core.domain.limits import Limits
from apps.core.ttl import TtlCache

SECONDS: Final = 15.0
USED_EVERY: Final = timedelta(minutes=1)
_NO_HASH: Final = "0" * 64


@dataclass(frozen=True, slots=True)
class Holder:
    """Whoever a key stands for, as read at one moment."""

    key_id: int
    kind: KeyKind
    label: str
    user_id: int | None
    role: Role | None
    scopes: frozenset[Scope]
    teams: frozenset[str] | None
    bound_tags: Mapping[str, str]
    expires_at: datetime | None
    limits: Limits

    def actor(self) -> Actor:
        """Return the actor of a request that carries the key."""
        return Actor(
            kind="key",
            label=self.label,
            scopes=self.scopes,
            user_id=self.user_id,
            role=self.role,
            teams=self.teams,
            bound_tags=self.bound_tags,
            key_id=self.key_id,
        )


_holders: Final[TtlCache[tuple[str, str], Holder | None]] = TtlCache(seconds=SECONDS, limit=8192)


def holder_of(key: KeyText, *, now: datetime) -> Holder | None:
    """Return who a key of the current schema stands for, None when it opens nothing.

    Unknown, revoked and expired keys and keys of inactive people are all None, in one query.
    """
    schema = current_schema()
    holder = _holders.get((schema, key.hash), lambda: _load(key, now))
    if holder is None or (holder.expires_at is not None and holder.expires_at <= now):
        return None
    return holder


def holds_still(holder: Holder, *, schema: str, key_hash: str, now: datetime) -> bool:
    """Tell whether a key would be found to stand for this very holder again; asks no database."""
    if holder.expires_at is not None and holder.expires_at <= now:
        return False
    return _holders.peek((schema, key_hash)) is holder


def forget() -> None:
    """Drop everything; every change to a key, a role or a membership calls this."""
    _holders.forget()


def _load(key: KeyText, now: datetime) -> Holder | None:
    row = ApiKey.objects.select_related("user").filter(prefix=key.prefix).first()
    matches = same_hash(row.key_hash if row else _NO_HASH, key.hash)
    if row is None or not matches or row.revoked_at is not None:
        return None
    if row.user is not None and not row.user.is_active:
        return None
    _note_use(row, now)
    role = Role(row.user.role) if row.user else None
    kind = KeyKind(row.kind)
    return Holder(
        key_id=row.pk,
        kind=kind,
        label=row.user.email if row.user else f"{KEY_LABEL}{row.name}",
        user_id=row.user_id,
        role=role,
        scopes=effective_scopes(kind, (Scope(scope) for scope in row.scopes), role),
        teams=teams_of(row.user_id, role),
        bound_tags=dict(row.bound_tags),
        expires_at=row.expires_at,
        limits=row.limits,
    )


def teams_of(user_id: int | None, role: Role | None) -> frozenset[str] | None:
    """Return the teams that a member is limited to; None, no limit, for every other role."""
    if role is not Role.MEMBER:
        return None
    assert user_id is not None, "a role belongs to a person"
    rows = TeamMembership.objects.filter(user_id=user_id)
    return frozenset(rows.values_list("team", flat=True))


def _note_use(row: ApiKey, now: datetime) -> None:
    stale = Q(last_used_at__isnull=True) | Q(last_used_at__lt=now - USED_EVERY)
    ApiKey.objects.filter(stale, pk=row.pk).update(last_used_at=now)


def forget_on_commit() -> None:
    """Drop everything now and once more when the change around this has been committed."""
    forget()
    transaction.on_commit(forget)
