"""Who may decide, whose teams are whose, and who is away."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from apps.accounts import selectors as accounts
from apps.accounts.selectors import Person
from apps.core.domain.access import ROLE_SCOPES, Scope
from apps.core.domain.errors import Missing
from apps.directory import selectors as directory
from apps.experiments.domain.seats import Away, Decider
from apps.experiments.models import Delegation


class DelegationMissing(Missing):
    """There is no such delegation."""

    default_code = "delegation_not_found"


def deciders(*, on: date) -> list[Decider]:
    """Return the active people who may decide, with the teams they own on a day; four queries.

    A team is owned by the person whose address its cost center names, and by every approver who
    belongs to it.
    """
    return [
        Decider(one.id, one.email, one.name, one.role.value, owns)
        for one, owns in _with_teams(on)
        if one.is_active and Scope.APPROVALS_DECIDE in ROLE_SCOPES[one.role]
    ]


def _with_teams(on: date) -> list[tuple[Person, frozenset[str]]]:
    owners = {one.code: one.owner_email.lower() for one in directory.cost_centers(on)}
    teams = {team.code: owners.get(team.cost_center, "") for team in directory.teams(on)}
    return [
        (
            person,
            frozenset(person.teams)
            | {code for code, email in teams.items() if email == person.email},
        )
        for person in accounts.people()
    ]


def away(*, on: date) -> list[Away]:
    """Return who is away on a day and who speaks for them; one query."""
    rows = Delegation.objects.filter(ended_at__isnull=True, starts_on__lte=on, ends_on__gte=on)
    return [
        Away(row.absent, row.delegate, row.starts_on, row.ends_on) for row in rows.order_by("id")
    ]


def delegations(*, person: int | None = None) -> list[Delegation]:
    """Return delegations that are not ended, of everybody or by and to one person, newest first."""
    rows = Delegation.objects.filter(ended_at__isnull=True).order_by("-ends_on", "-id")
    if person is None:
        return list(rows)
    return [row for row in rows if person in (row.absent, row.delegate)]


def delegation(*, id: UUID) -> Delegation:
    """Return one delegation.

    :raises DelegationMissing: when there is none.
    """
    row = Delegation.objects.filter(public_id=id).first()
    if row is None:
        raise DelegationMissing("There is no such delegation.")
    return row
