"""Sets passwords, by a mailed link or by whoever knows the old one."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction
from django.urls import reverse

from apps.accounts import tokens
from apps.accounts.models import User
from apps.accounts.selectors import PersonMissing, actor_of_user
from apps.accounts.tokens import LinkPurpose, PasswordLink
from apps.audit import services as audit
from apps.core.domain.access import Actor, Scope
from apps.core.domain.errors import Conflict, FieldError, Forbidden, Unprocessable
from apps.tenants import selectors as tenants


class PasswordRefused(Unprocessable):
    """The password is too weak or the old one is wrong; every reason is named."""

    default_code = "password_refused"


class LinkNotValid(Forbidden):
    """The link was used, has expired, or is another person's or organization's."""

    default_code = "link_not_valid"


def password_link(*, email: str, purpose: LinkPurpose) -> PasswordLink | None:
    """Return a fresh link for an active person, None when nobody here has the address.

    The host is the organization's own primary one, never what a request claimed.
    """
    user = User.objects.filter(email=email.strip().lower(), is_active=True).first()
    return _link(user, purpose) if user else None


def _link(user: User, purpose: LinkPurpose) -> PasswordLink:
    on_public = tenants.on_public()
    path = reverse(
        f"accounts:{purpose.value}",
        urlconf=settings.PUBLIC_SCHEMA_URLCONF if on_public else settings.ROOT_URLCONF,
        args=[tokens.make_token(user, purpose)],
    )
    base = settings.PUBLIC_URL if on_public else tenants.base_url(slug=tenants.current().slug)
    return PasswordLink(user.email, user.name, f"{base}{path}")


@transaction.atomic
def issue_invitation(*, actor: Actor, person: UUID, now: datetime) -> PasswordLink:
    """Return, for showing once, the link of a person who has never signed in.

    The organization's own trail keeps who asked for it.

    :raises PersonMissing: when there is no such active person.
    :raises Conflict: when the person has signed in already.
    """
    actor.require(Scope.ADMIN)
    user = User.objects.filter(public_id=person, is_active=True).first()
    if user is None:
        raise PersonMissing("There is no such person in this organization.")
    if user.last_login is not None:
        raise Conflict(f"{user.email} has signed in already.", code="signed_in")
    audit.record(
        actor=actor,
        action="person.invitation_shown",
        subject="person",
        subject_id=str(user.public_id),
        detail={"email": user.email},
        at=now,
    )
    return _link(user, LinkPurpose.INVITE)


@transaction.atomic
def set_password(*, token: str, purpose: LinkPurpose, password: str, now: datetime) -> User:
    """Set the password of the link's holder; the link, and every session, ends with that.

    :raises LinkNotValid: when the link opens nothing here.
    :raises PasswordRefused: when the password is too weak.
    """
    found = tokens.holder_of(token, purpose)
    if found is not None:
        User.objects.select_for_update().get(pk=found.pk)
        found = tokens.holder_of(token, purpose)
    if found is None:
        raise LinkNotValid("This link was used or has expired. Ask for a new one.")
    return _store(found, password, how=purpose.value, now=now)


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
