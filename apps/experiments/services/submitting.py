"""Submits requests and amendments: each time one policy version judges what is asked."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID

from django.db import IntegrityError, transaction

from apps.accounts import selectors as accounts
from apps.core.domain.access import Actor, Scope
from apps.core.domain.canonical import canonical_json
from apps.core.domain.errors import Conflict, FieldError, Unprocessable
from apps.core.domain.months import local_day
from apps.experiments.domain.facts import RequestFacts
from apps.experiments.domain.policies import Policy, Risk, Routing, route
from apps.experiments.domain.policy_text import policy_payload, read_policy, step_payload
from apps.experiments.domain.proposals import Proposal, check, read_payload
from apps.experiments.domain.states import (
    NotInState,
    State,
    check_move,
    words,
)
from apps.experiments.domain.wording import money
from apps.experiments.models import ApprovalPolicy, ExperimentRequest, Revision, Step, Submission
from apps.experiments.selectors.commitments import budgets_for, committed
from apps.experiments.selectors.policies import current_policy, passed_by_itself
from apps.experiments.selectors.requests import facts_of
from apps.experiments.services.holding import announce, locked, open_round, require_own
from apps.experiments.services.quorums import too_few
from apps.experiments.services.rounds import finish, open_steps
from apps.experiments.services.telling import tell_waiting
from apps.experiments.services.writing import keep_revision, reassessed, record
from apps.tenants import selectors as tenants

_OWN_POLICY: Final = "own_policy"


class NotReady(Unprocessable):
    """The request cannot be judged as it is."""

    default_code = "not_ready"


class RoundOpen(Conflict):
    """An amendment of the experiment waits for a decision already."""

    default_code = "amendment_open"


@dataclass(frozen=True, slots=True, kw_only=True)
class Amendment:
    """More money, more time, or both; `amount` is the new total."""

    amount: Decimal | None = None
    ends_on: date | None = None
    note: str = ""


@transaction.atomic
def submit(*, id: UUID, actor: Actor, now: datetime) -> RequestFacts:
    """Ask for a decision; a small request may pass by itself.

    The policy in force is frozen on the round. When prices have moved since it was written, it
    is priced anew first, as a revision.

    :raises NotInState: when it is not to be submitted.
    :raises NotYours: when it is another's.
    :raises NotReady: naming what is missing.
    """
    actor.require(Scope.EXPERIMENTS_WRITE)
    row = locked(id=id, actor=actor)
    require_own(row, actor)
    check_move(code=row.code, state=State(row.state), to=State.SUBMITTED)
    revision = _current(row, actor, now)
    judged = _judge(row, revision, actor, now, is_amendment=False)
    row.move(State.SUBMITTED)
    announce(row, now)
    _go_on(row, judged, actor, now)
    record(
        "experiment.submitted",
        row,
        actor,
        now,
        revision=revision.number,
        amount=revision.amount,
        policy=judged.policy.version,
        automatic=judged.automatic,
        reasons=list(judged.reasons),
    )
    return facts_of([row])[0]


@transaction.atomic
def amend(*, id: UUID, amendment: Amendment, actor: Actor, now: datetime) -> RequestFacts:
    """Ask for more money or time; it is approved again by what it then asks for in all.

    The experiment goes on as it is until then.

    :raises NotInState: when it has no money now.
    :raises RoundOpen: when another amendment waits.
    :raises NotReady: when it asks for neither more money nor more time.
    """
    actor.require(Scope.EXPERIMENTS_WRITE)
    row = locked(id=id, actor=actor)
    require_own(row, actor)
    if State(row.state) not in (State.APPROVED, State.RUNNING):
        raise NotInState(f"{row.code} is {words(row.state)}; only one with money is amended.")
    if open_round(row) is not None:
        raise RoundOpen(f"An amendment of {row.code} waits for a decision; withdraw it first.")
    revision = _amended(row, amendment, actor, now)
    judged = _judge(row, revision, actor, now, is_amendment=True)
    _go_on(row, judged, actor, now)
    record(
        "experiment.amended",
        row,
        actor,
        now,
        revision=revision.number,
        amount=revision.amount,
        ends_on=revision.content["ends_on"],
        policy=judged.policy.version,
        automatic=judged.automatic,
        note=amendment.note,
    )
    return facts_of([row])[0]


def _current(row: ExperimentRequest, actor: Actor, now: datetime) -> Revision:
    """Return the revision in force, priced anew when the price book has moved."""
    revision = row.revisions.get(number=row.revision)
    proposal = read_payload(revision.content)
    found = reassessed(proposal, actor, now)
    if found.price_book_version == revision.estimate["price_book_version"]:
        return revision
    row.take_content(title=row.title, team=row.team, owner=row.owner, owner_user=row.owner_user)
    return keep_revision(
        row,
        proposal,
        found,
        number=row.revision,
        actor=actor,
        now=now,
        note="Priced anew: the price book has changed.",
    )


def _amended(row: ExperimentRequest, amendment: Amendment, actor: Actor, now: datetime) -> Revision:
    assert row.amount is not None
    assert row.ends_on is not None
    amount = row.amount if amendment.amount is None else amendment.amount
    ends_on = row.ends_on if amendment.ends_on is None else amendment.ends_on
    if amount < row.amount:
        raise _not_ready("amount", f"{money(row.amount, row.currency)} are approved; ask for more.")
    if ends_on < row.ends_on:
        raise _not_ready("ends_on", f"It ends on {row.ends_on}; ask for a later day.")
    if (amount, ends_on) == (row.amount, row.ends_on):
        raise _not_ready("amount", "Ask for more money, more time, or both.")
    if not amendment.note.strip():
        raise _not_ready("note", "Say why it needs more.")
    before = read_payload(row.revisions.get(number=row.revision).content)
    proposal = replace(before, amount=amount, ends_on=ends_on)
    check(proposal, currency=row.currency)
    last = row.revisions.order_by("-number").values_list("number", flat=True)[0]
    return keep_revision(
        row,
        proposal,
        reassessed(proposal, actor, now),
        number=last + 1,
        actor=actor,
        now=now,
        note=amendment.note,
        is_amendment=True,
    )


def _judge(
    row: ExperimentRequest, revision: Revision, actor: Actor, now: datetime, *, is_amendment: bool
) -> Submission:
    """Insert a round with its steps: what the policy in force asks of this revision."""
    proposal = read_payload(revision.content)
    today = local_day(now, tenants.current().timezone)
    if revision.amount is None:
        raise _not_ready("amount", "Something of it has no price; name the amount you need.")
    if proposal.ends_on < today:
        raise _not_ready("ends_on", "It would be over already; choose later days.")
    stored = _policy_in_force(now)
    policy = read_policy(stored.rules)
    risk = risk_of(revision, on=today, now=now)
    if stored.created_by_user in _asking(row, actor):
        risk = replace(risk, alarms=(*risk.alarms, _OWN_POLICY))
    routing = route(policy, risk, currency=row.currency)
    if routing.needs_roi and not proposal.roi_case.strip():
        raise _not_ready("roi_case", f"{'; '.join(routing.reasons)} needs a case for its return.")
    lacking = too_few(
        routing.steps, team=proposal.team, barred=frozenset(_asking(row, actor)), on=today
    )
    if lacking:
        raise _not_ready("approval", lacking)
    number = row.submissions.count() + 1
    judged = Submission.objects.create(
        request=row,
        number=number,
        revision=revision,
        policy=stored,
        is_amendment=is_amendment,
        automatic=routing.automatic,
        routes=list(routing.routes),
        reasons=list(routing.reasons),
        risk=_plain(risk),
        amount=revision.amount,
        currency=row.currency,
        team=row.team,
        expires_at=now + timedelta(days=policy.expire_days),
        submitted_at=now,
        submitted_by=actor.label,
        submitted_by_user=accounts.person_behind(actor),
    )
    _insert_steps(judged, routing)
    return judged


def _asking(row: ExperimentRequest, actor: Actor) -> set[int]:
    """Return the people of a request: the policy of one of them lets nothing of theirs pass."""
    people = {row.requested_by_user, row.owner_user, accounts.person_behind(actor)}
    return {one for one in people if one is not None}


def risk_of(revision: Revision, *, on: date, now: datetime) -> Risk:
    """Return what a policy looks at in a revision; six queries beside those of budgets.

    The tightest of all budgets counts that the planned usage would draw. What other experiments
    that draw a budget may still spend of it is no money that it has left.
    """
    proposal: Proposal = read_payload(revision.content)
    found = budgets_for(proposal=proposal, row=revision.request, on=on)
    taken = committed(on=on, but=revision.request)
    left = [
        budget.left - taken.get(budget.budget, Decimal(0))
        for budget in found
        if budget.currency == revision.currency
    ]
    return Risk(
        amount=revision.amount,
        context=proposal.context,
        models=proposal.models,
        team=proposal.team,
        environments=proposal.environments,
        sensitivity=proposal.sensitivity.value,
        alarms=tuple(
            each["code"] for each in revision.estimate["cautions"] if each["severity"] == "bad"
        ),
        budget_left=min(left, default=None) if len(left) == len(found) else None,
        auto_used=passed_by_itself(team=proposal.team, now=now),
    )


def _insert_steps(judged: Submission, routing: Routing) -> None:
    Step.objects.bulk_create(
        [
            Step(
                submission=judged,
                position=position,
                name=step.name,
                order=step.order,
                quorum=step.quorum,
                rule=step_payload(step),
            )
            for position, step in enumerate(routing.steps, start=1)
        ]
    )


def _go_on(row: ExperimentRequest, judged: Submission, actor: Actor, now: datetime) -> None:
    if judged.automatic:
        finish(row, judged, actor, now)
        return
    open_steps(judged, now)
    tell_waiting(row, judged, now=now)


def _policy_in_force(now: datetime) -> ApprovalPolicy:
    """Return the row of the policy in force, held: automatic approvals take turns.

    The one that holds for want of another is stored when it is first used.
    """
    rows = ApprovalPolicy.objects.select_for_update().order_by("-version")
    found = rows.first()
    if found is not None:
        return found
    facts = current_policy()
    policy: Policy = facts.policy
    try:
        with transaction.atomic():
            return ApprovalPolicy.objects.create(
                version=1,
                rules=policy_payload(policy),
                note=facts.note,
                created_at=now,
                created_by="system:experiments",
            )
    except IntegrityError:
        return rows.get(version=1)


def _not_ready(field: str, message: str) -> NotReady:
    return NotReady(f"{field}: {message}", errors=(FieldError(field, "not_ready", message),))


def _plain(risk: Risk) -> dict[str, object]:
    plain: dict[str, object] = json.loads(canonical_json(asdict(risk)))
    return plain
