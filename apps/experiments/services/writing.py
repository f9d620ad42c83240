"""Writes what a request says: each change is a revision of its own."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Max

from apps.accounts import selectors as accounts
from apps.accounts.selectors import Person, PersonMissing
from apps.audit import services as audit
from apps.core.domain.access import Actor, Scope
from apps.core.domain.errors import Conflict, FieldError
from apps.experiments.domain.assessment import Assessment, assessment_payload
from apps.experiments.domain.facts import RequestFacts
from apps.experiments.domain.proposals import Proposal, ProposalInvalid, as_payload, check
from apps.experiments.domain.states import EDITABLE, NotInState, State, words
from apps.experiments.models import ExperimentRequest, Revision
from apps.experiments.selectors.assessing import assess
from apps.experiments.selectors.requests import facts_of
from apps.experiments.services.holding import OURS, announce, locked, require_own
from apps.tenants import selectors as tenants

_CODE: Final = re.compile(r"[a-z0-9][a-z0-9._-]{1,39}")


class CodeTaken(Conflict):
    """Another request has the tag."""

    default_code = "experiment_code_taken"


@transaction.atomic
def create(*, proposal: Proposal, actor: Actor, now: datetime, code: str = "") -> RequestFacts:
    """Write a new request; it is a draft until it is submitted.

    `code` is the tag that usage carries, where some carries one already; else it is exp-<n>.

    :raises ProposalInvalid: naming every wrong field.
    :raises CodeTaken: when another request has the tag.
    :raises Forbidden: when the actor may not write experiments.
    """
    actor.require(Scope.EXPERIMENTS_WRITE)
    owner = _checked(proposal, actor)
    _check_code(code)
    found = _assessed(proposal, actor, now)
    row = _insert(proposal, owner, code, actor, now)
    keep_revision(row, proposal, found, number=1, actor=actor, now=now)
    announce(row, now)
    record("experiment.created", row, actor, now, amount=found.amount)
    return facts_of([row])[0]


@transaction.atomic
def edit(*, id: UUID, proposal: Proposal, note: str, actor: Actor, now: datetime) -> RequestFacts:
    """Write a new revision of a request that is a draft or was sent back.

    :raises NotInState: when it is neither.
    :raises NotYours: when it is another's.
    :raises ProposalInvalid: naming every wrong field.
    """
    actor.require(Scope.EXPERIMENTS_WRITE)
    row = locked(id=id, actor=actor)
    require_own(row, actor)
    if State(row.state) not in EDITABLE:
        raise NotInState(f"{row.code} is {words(row.state)}; amend it instead.")
    owner = _checked(proposal, actor)
    found = _assessed(proposal, actor, now)
    row.take_content(
        title=proposal.title.strip(),
        team=proposal.team,
        owner=owner.email,
        owner_user=owner.id,
    )
    keep_revision(row, proposal, found, number=row.revision, actor=actor, now=now, note=note)
    record("experiment.edited", row, actor, now, amount=found.amount, note=note)
    return facts_of([row])[0]


def keep_revision(
    row: ExperimentRequest,
    proposal: Proposal,
    found: Assessment,
    *,
    number: int,
    actor: Actor,
    now: datetime,
    note: str = "",
    is_amendment: bool = False,
) -> Revision:
    """Insert a revision with the estimate of this moment."""
    return Revision.objects.create(
        request=row,
        number=number,
        is_amendment=is_amendment,
        content=as_payload(proposal),
        estimate=assessment_payload(found),
        amount=found.amount,
        currency=row.currency,
        note=note.strip()[:2000],
        created_at=now,
        created_by=actor.label,
        created_by_user=accounts.person_behind(actor),
    )


def record(
    action: str, row: ExperimentRequest, actor: Actor, now: datetime, **detail: object
) -> None:
    """Append what happened to the audit chain, last in its transaction."""
    audit.record(
        actor=actor,
        action=action,
        subject="experiment",
        subject_id=row.code,
        detail={"title": row.title, "team": row.team, "currency": row.currency, **detail},
        at=now,
    )


def _checked(proposal: Proposal, actor: Actor) -> Person:
    """Return who is to spend the money, when all of the content can be kept."""
    check(proposal, currency=tenants.current().currency)
    bound = actor.bound_tags.get("team")
    if (actor.teams is not None and proposal.team not in actor.teams) or (
        bound is not None and proposal.team != bound
    ):
        allowed = bound or ", ".join(sorted(actor.teams or ())) or "none"
        raise _wrong("team", "forbidden", f"Ask for a team of yours: {allowed}.")
    try:
        owner = accounts.person_by_email(proposal.owner)
    except PersonMissing:
        owner = None
    if owner is None or not owner.is_active:
        raise _wrong("owner", "unknown", "Name a person who can sign in, by e-mail address.")
    return owner


def _wrong(field: str, code: str, message: str) -> ProposalInvalid:
    error = FieldError(field, code, message)
    return ProposalInvalid(f"{field}: {message}", errors=(error,))


def _assessed(proposal: Proposal, actor: Actor, now: datetime) -> Assessment:
    return assess(
        plans=proposal.plans, amount=proposal.amount, team=proposal.team, actor=actor, now=now
    )


def reassessed(proposal: Proposal, actor: Actor, now: datetime) -> Assessment:
    """Return the estimate of content as it stands now."""
    return _assessed(proposal, actor, now)


def _check_code(code: str) -> None:
    if code and (not _CODE.fullmatch(code) or OURS.fullmatch(code)):
        raise _wrong(
            "code",
            "code",
            "Use 2 to 40 small letters, digits, dots or dashes; exp-1, exp-2 ... are given out.",
        )


def _insert(
    proposal: Proposal, owner: Person, code: str, actor: Actor, now: datetime
) -> ExperimentRequest:
    """Insert under the next number; two at once take one after the other."""
    while True:
        last: int = ExperimentRequest.objects.aggregate(last=Max("number"))["last"] or 0
        row = ExperimentRequest(
            number=last + 1,
            code=code or f"exp-{last + 1}",
            title=proposal.title.strip(),
            team=proposal.team,
            owner=owner.email,
            owner_user=owner.id,
            requested_by=actor.label,
            requested_by_user=accounts.person_behind(actor),
            asked_as=actor.identity,
            currency=tenants.current().currency,
            created_at=now,
        )
        try:
            with transaction.atomic():
                row.save(force_insert=True)
        except IntegrityError as error:
            if code and ExperimentRequest.objects.filter(code=code).exists():
                raise CodeTaken(f"The tag {code} has a request already; choose another.") from None
            if "number" not in str(error) and "code" not in str(error):
                raise
            continue
        return row


__all__ = ["CodeTaken", "create", "edit", "keep_revision", "reassessed", "record"]
