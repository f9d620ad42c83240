"""Signed, single-use links to set a password, salted with schema and purpose (rule 24)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from django.core import signing
from django.utils.crypto import constant_time_compare, salted_hmac

from apps.accounts.models import User
from apps.core.db import current_schema


class LinkPurpose(StrEnum):
    """Why somebody is sent a link."""

    INVITE = "invite"
    RESET = "reset"


@dataclass(frozen=True, slots=True)
class PasswordLink:
    """A link to mail: whose it is and where it leads. Its URL is a secret."""

    email: str
    name: str
    url: str

    def __repr__(self) -> str:
        return f"PasswordLink({self.email})"


LIFETIME: Final = {
    LinkPurpose.INVITE: timedelta(days=7),
    LinkPurpose.RESET: timedelta(hours=2),
}


def make_token(user: User, purpose: LinkPurpose) -> str:
    """Return a token that works once: a new password, a sign-in or a deactivation ends it."""
    return _signer(purpose).sign(f"{user.public_id.hex}{_state(user, purpose)}")


def holder_of(token: str, purpose: LinkPurpose) -> User | None:
    """Return the active person that a token of this schema and purpose belongs to, else None."""
    try:
        text = _signer(purpose).unsign(token, max_age=LIFETIME[purpose])
    except signing.BadSignature:
        return None
    user = User.objects.filter(public_id=UUID(text[:32]), is_active=True).first()
    if user is None or not constant_time_compare(text[32:], _state(user, purpose)):
        return None
    return user


def _signer(purpose: LinkPurpose) -> signing.TimestampSigner:
    salt = f"apps.accounts.tokens:{current_schema()}:{purpose.value}"
    return signing.TimestampSigner(salt=salt)


def _state(user: User, purpose: LinkPurpose) -> str:
    """Digest what using the link changes."""
    seen = user.last_login.isoformat() if user.last_login else ""
    state = f"{current_schema()}:{purpose.value}:{user.pk}:{user.email}:{user.password}:{seen}"
    return salted_hmac("apps.accounts.tokens", state, algorithm="sha256").hexdigest()
