"""Sets passwords, by a mailed link or by whoever knows the old one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction
from django.urls import reverse

from apps.accounts.models import User
from apps.accounts.selectors import actor_of_user
from apps.accounts.tokens import LinkPurpose, tokens
from apps.audit import services as audit
from apps.core.domain.errors import FieldError, Forbidden, Unprocessable


class PasswordRefused(Unprocessable):
    """The password is too weak or the old one is wrong; every reason is named."""

    default_code = "password_refused"


class LinkNotValid(Forbidden):
    """The link was used, has expired, or is another person's or organization's."""

    default_code = "link_not_valid"


@dataclass(frozen=True, slots=True)
class PasswordLink:
    """A link to mail: whose it is, and its path on the organization's host."""

    email: str
    name: str
    path: str


def password_link(*, email: str, purpose: LinkPurpose) -> PasswordLink | None:
    """Return a fresh link for an active person, None when nobody here has the address."""
    user = User.objects.filter(email=email.strip().lower(), is_active=True).first()
    if user is None:
        return None
    token = tokens[purpose].make_token(user)
    path = reverse(f"accounts:{purpose.value}", args=[user.public_id, token])
    return PasswordLink(user.email, user.name, path)


def holder_of_link(*, person: UUID, token: str, purpose: LinkPurpose) -> User:
    """Return whom a link belongs to.

    :raises LinkNotValid: when it opens nothing here.
    """
    user = User.objects.filter(public_id=person, is_active=True).first()
    if user is None or not tokens[purpose].check_token(user, token):
        raise LinkNotValid("This link was used or has expired. Ask for a new one.")
    return user


@transaction.atomic
def set_password(
    *, person: UUID, token: str, purpose: LinkPurpose, password: str, now: datetime
) -> User:
    """Set the password of the link's holder; the link, and every session, ends with that.

    :raises LinkNotValid: when it opens nothing here.
    :raises PasswordRefused: when the password is too weak.
    """
    User.objects.select_for_update().filter(public_id=person).first()
    user = holder_of_link(person=person, token=token, purpose=purpose)
    return _store(user, password, how=purpose.value, now=now)


@transaction.atomic
def change_password(*, user_id: int, old: str, new: str, now: datetime) -> User:
    """Replace a password by somebody who knows it; their other sessions end.

    :raises PasswordRefused: when the old one is wrong or the new one too weak.
    """
    user = User.objects.select_for_update().get(pk=user_id)
    if not user.check_password(old):
        wrong = FieldError("old_password", "wrong", "This is not your present password.")
        raise PasswordRefused(wrong.message, errors=(wrong,))
    return _store(user, new, how="change", now=now)


def _store(user: User, password: str, *, how: str, now: datetime) -> User:
    try:
        validate_password(password, user)
    except ValidationError as error:
        wrong = tuple(FieldError("new_password", "weak", text) for text in error.messages)
        raise PasswordRefused(wrong[0].message, errors=wrong) from None
    user.set_password(password)
    user.save(update_fields=["password"])
    audit.record(
        actor=actor_of_user(user),
        action="person.password_set",
        subject="person",
        subject_id=str(user.public_id),
        detail={"email": user.email, "how": how},
        at=now,
    )
    return user
