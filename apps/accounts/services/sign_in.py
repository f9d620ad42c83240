"""Keeps who signed in and out."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from apps.accounts.models import User
from apps.accounts.selectors import actor_of_user
from apps.audit import services as audit


@transaction.atomic
def note_sign_in(*, user: User, address: str, now: datetime) -> None:
    """Record that a person opened a session from a network address."""
    _record(user, "session.opened", {"address": address}, now)


@transaction.atomic
def note_sign_out(*, user: User, now: datetime) -> None:
    """Record that a person closed their session."""
    _record(user, "session.closed", {}, now)


def _record(user: User, action: str, detail: dict[str, object], now: datetime) -> None:
    audit.record(
        actor=actor_of_user(user),
        action=action,
        subject="person",
        subject_id=str(user.public_id),
        detail={"email": user.email, **detail},
        at=now,
    )
