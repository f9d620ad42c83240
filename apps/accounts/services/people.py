"""Invites people and changes what they may do."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final
from uuid import UUID

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction

from apps.accounts import keyring
from apps.accounts.models import TeamMembership, User
from apps.accounts.selectors import Person, PersonMissing, person_of
from apps.audit import services as audit
from apps.core.domain.access import Actor, Role, Scope
from apps.core.domain.errors import Conflict, FieldError, Unprocessable

MAX_TEAMS: Final = 100


class LastOwner(Conflict):
    """An organization keeps at least one active owner."""

    default_code = "last_owner"


class PersonExists(Conflict):
    """Somebody has this e-mail address already."""

    default_code = "person_exists"


class PersonNotValid(Unprocessable):
    """A person cannot be made of what was given."""

    default_code = "person_not_valid"


@transaction.atomic
def found_owner(
    *, actor: Actor, email: str, name: str, password: str, is_operator: bool, now: datetime
) -> Person:
    """Make the first person of a schema: an owner with a password, in public an operator.

    :raises PersonNotValid: when the address is none.
    :raises PersonExists: when somebody has it.
    """
    actor.require(Scope.ADMIN)
    user = _inserted(email=email, name=name, role=Role.OWNER, is_staff=is_operator, now=now)
    user.set_password(password)
    user.save(update_fields=["password"])
    _record(actor, "person.invited", user, {"role": Role.OWNER.value}, now)
    return person_of(user)


@transaction.atomic
def invite(
    *, actor: Actor, email: str, name: str, role: Role, teams: Iterable[str], now: datetime
) -> Person:
    """Add a person without a password; the door then mails a link to set one.

    :raises Forbidden: when the actor is no owner.
    :raises PersonNotValid: when the address or a team code is none.
    :raises PersonExists: when somebody has the address.
    """
    actor.require(Scope.ADMIN)
    codes = _team_codes(teams)
    user = _inserted(email=email, name=name, role=role, is_staff=False, now=now)
    TeamMembership.objects.bulk_create(TeamMembership(user=user, team=code) for code in codes)
    _record(actor, "person.invited", user, {"role": role.value, "teams": codes}, now)
    return person_of(user)


@transaction.atomic
def change_access(
    *, actor: Actor, person: UUID, role: Role, teams: Iterable[str], now: datetime
) -> Person:
    """Give a person a role and the teams whose spend they see; sessions and keys follow at once.

    :raises Forbidden: when the actor is no owner.
    :raises PersonMissing: when there is no such person.
    :raises PersonNotValid: when a team code is none.
    :raises LastOwner: when nobody would be left who can grant roles.
    """
    actor.require(Scope.ADMIN)
    codes = _team_codes(teams)
    user = _locked(person)
    before = {"role": user.role, "teams": _teams_of(user)}
    after = {"role": role.value, "teams": codes}
    if before == after:
        return person_of(user)
    if user.role != role.value:
        _keep_an_owner(user)
        user.role = role.value
        user.save(update_fields=["role"])
    user.memberships.exclude(team__in=codes).delete()
    TeamMembership.objects.bulk_create(
        [TeamMembership(user=user, team=code) for code in codes if code not in before["teams"]]
    )
    keyring.forget_on_commit()
    _record(actor, "person.access_changed", user, {"from": before, "to": after}, now)
    return person_of(user)


@transaction.atomic
def change_person(
    *,
    actor: Actor,
    person: UUID,
    role: Role | None,
    teams: Iterable[str] | None,
    active: bool | None,
    now: datetime,
) -> Person:
    """Change what is given of a person, None leaves it; all or nothing.

    :raises Forbidden: when the actor is no owner.
    :raises PersonMissing: when there is no such person.
    :raises PersonNotValid: when a team code is none.
    :raises LastOwner: when nobody would be left who can grant roles.
    """
    actor.require(Scope.ADMIN)
    user = _locked(person)
    changed = person_of(user)
    if role is not None or teams is not None:
        changed = change_access(
            actor=actor,
            person=person,
            role=role or Role(user.role),
            teams=changed.teams if teams is None else teams,
            now=now,
        )
    if active is not None:
        switch = reactivate if active else deactivate
        changed = switch(actor=actor, person=person, now=now)
    return changed


@transaction.atomic
def deactivate(*, actor: Actor, person: UUID, now: datetime) -> Person:
    """Let a person in no more: sessions end and personal keys open nothing. Nothing is deleted.

    :raises Forbidden: when the actor is no owner.
    :raises PersonMissing: when there is no such person.
    :raises LastOwner: when nobody would be left who can grant roles.
    """
    actor.require(Scope.ADMIN)
    user = _locked(person)
    if not user.is_active:
        return person_of(user)
    _keep_an_owner(user)
    _switch(user, active=False, now=now)
    _record(actor, "person.deactivated", user, {}, now)
    return person_of(user)


@transaction.atomic
def reactivate(*, actor: Actor, person: UUID, now: datetime) -> Person:
    """Let a person in again, with the role and password from before.

    :raises Forbidden: when the actor is no owner.
    :raises PersonMissing: when there is no such person.
    """
    actor.require(Scope.ADMIN)
    user = _locked(person)
    if user.is_active:
        return person_of(user)
    _switch(user, active=True, now=now)
    _record(actor, "person.reactivated", user, {}, now)
    return person_of(user)


def _switch(user: User, *, active: bool, now: datetime) -> None:
    user.is_active = active
    user.deactivated_at = None if active else now
    user.save(update_fields=["is_active", "deactivated_at"])
    keyring.forget_on_commit()


def _inserted(*, email: str, name: str, role: Role, is_staff: bool, now: datetime) -> User:
    address = check_address(email)
    if User.objects.filter(email=address).exists():
        raise PersonExists(f"{address} belongs to somebody here already.")
    if len(name) > 120:
        raise _wrong("name", "Use at most 120 characters.")
    return User.invited(email=address, name=name.strip(), role=role, is_staff=is_staff, now=now)


def check_address(email: str, *, field: str = "email") -> str:
    """Return an e-mail address as it is stored; a refusal names the given field.

    :raises PersonNotValid: when the text is none.
    """
    address = email.strip().lower()
    try:
        validate_email(address)
    except ValidationError:
        raise _wrong(field, "Write an e-mail address, such as ada@example.com.") from None
    if len(address) > 254:
        raise _wrong(field, "Use at most 254 characters.")
    return address


def _team_codes(teams: Iterable[str]) -> list[str]:
    codes = sorted({team.strip() for team in teams} - {""})
    if len(codes) > MAX_TEAMS or any(len(code) > 64 or "\x00" in code for code in codes):
        raise _wrong("teams", f"Give up to {MAX_TEAMS} team codes of up to 64 characters.")
    return codes


def _teams_of(user: User) -> list[str]:
    return sorted(user.memberships.values_list("team", flat=True))


def _wrong(field: str, message: str) -> PersonNotValid:
    return PersonNotValid(message, errors=(FieldError(field, "invalid", message),))


def _locked(person: UUID) -> User:
    """Lock every active owner and the person, in order of id: who demotes whom is then clear."""
    locked = User.objects.select_for_update().order_by("pk")
    owners = list(locked.filter(role=Role.OWNER.value, is_active=True))
    for user in [*owners, *locked.filter(public_id=person)]:
        if user.public_id == person:
            return user
    raise PersonMissing("There is no such person in this organization.")


def _keep_an_owner(user: User) -> None:
    if user.role != Role.OWNER.value or not user.is_active:
        return
    others = User.objects.filter(role=Role.OWNER.value, is_active=True).exclude(pk=user.pk)
    if not others.exists():
        raise LastOwner(f"{user.email} is the last owner; make somebody else an owner first.")


def _record(
    actor: Actor, action: str, user: User, detail: dict[str, object], now: datetime
) -> None:
    audit.record(
        actor=actor,
        action=action,
        subject="person",
        subject_id=str(user.public_id),
        detail={"email": user.email, **detail},
        at=now,
    )
