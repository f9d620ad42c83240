"""Money that is approved and not yet spent, and what finance should look at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID

from django.db.models import F

from apps.budgets import selectors as budgets
from apps.budgets.selectors import BudgetLeft, GrantStanding
from apps.budgets.selectors.grants import grant_standings
from apps.core.domain.access import Actor
from apps.core.domain.months import local_day
from apps.experiments.domain.facts import RequestFacts
from apps.experiments.domain.proposals import Proposal, read_payload
from apps.experiments.domain.states import FUNDED, State
from apps.experiments.models import ExperimentRequest, Revision
from apps.experiments.selectors.inbox import waiting
from apps.experiments.selectors.requests import requests
from apps.tenants import selectors as tenants

_SOON: Final = timedelta(days=3)


@dataclass(frozen=True, slots=True)
class Commitment:
    """An experiment's money: granted, spent, held, and what is still committed."""

    request: RequestFacts
    standing: GrantStanding

    @property
    def open(self) -> Decimal:
        """Return what is approved and not yet spent; nothing once it is overspent."""
        return max(self.standing.amount - self.standing.spent, Decimal(0))

    @property
    def over(self) -> Decimal:
        """Return what was spent above the approval."""
        return max(self.standing.spent - self.standing.amount, Decimal(0))


@dataclass(frozen=True, slots=True)
class Irregularity:
    """Something that finance should look at: what it is, and of which request."""

    kind: str
    request: RequestFacts
    text: str
    amount: Decimal | None

    @property
    def id(self) -> UUID:
        """Return the request's id."""
        return self.request.id


def commitments(*, actor: Actor) -> list[Commitment]:
    """Return the experiments that have money, the largest open amount first; four queries."""
    funded = requests(actor=actor, states=FUNDED)
    money = grant_standings(grants=[one.grant for one in funded if one.grant is not None])
    found = [Commitment(one, money[one.grant]) for one in funded if one.grant in money]
    return sorted(found, key=lambda one: (-one.open, one.request.code))


def budgets_for(
    *, proposal: Proposal, row: ExperimentRequest, on: date, actor: Actor | None = None
) -> list[BudgetLeft]:
    """Return every budget that the planned usage would draw, but for the request's own grant.

    Of its team, product, feature, models and environments, in every combination that is planned.
    With an actor, who is shown it, only budgets in sight; three queries.
    """
    found = budgets.left_of_any(scopes=proposal.uses(row.code), on=on, actor=actor)
    return [one for one in found if one.budget != row.grant]


def committed(*, on: date, but: ExperimentRequest) -> dict[UUID, Decimal]:
    """Return by budget what other experiments that would draw it may still spend.

    In the tenant's currency; four queries.
    """
    rows = ExperimentRequest.objects.filter(state__in=[one.value for one in FUNDED])
    others = {row.pk: row for row in rows.exclude(pk=but.pk)}
    said = Revision.objects.filter(request__in=others, number=F("request__revision"))
    money = grant_standings(grants=[row.grant for row in others.values() if row.grant])
    found: dict[UUID, Decimal] = {}
    for revision in said:
        row = others[revision.request_id]
        if row.grant is None or row.grant not in money:
            continue
        open_ = max(money[row.grant].amount - money[row.grant].spent, Decimal(0))
        uses = read_payload(revision.content).uses(row.code)
        for budget in budgets.drawn_by(scopes=uses, on=on):
            found[budget] = found.get(budget, Decimal(0)) + open_
    return found


def irregularities(*, actor: Actor, now: datetime) -> list[Irregularity]:
    """Return overspent, late, stuck, revoked and unclaimed things, the gravest first."""
    funded = commitments(actor=actor)
    return [
        *_overspent(funded),
        *_stuck(actor, now),
        *_unused(funded, now),
        *_revoked(actor, now),
    ]


def _overspent(funded: Sequence[Commitment]) -> Iterator[Irregularity]:
    for one in funded:
        if one.over:
            yield Irregularity(
                "overspent", one.request, "More was spent than is approved", one.over
            )


def _stuck(actor: Actor, now: datetime) -> Iterator[Irregularity]:
    for one in waiting(actor=actor, now=now):
        stuck = [step.name for step in one.round.steps if step.is_stuck]
        if stuck:
            text = f"Too few people can decide {', '.join(stuck)}"
            yield Irregularity("stuck", one.request, text, one.round.amount)
        elif one.is_late(now):
            yield Irregularity("late", one.request, "The time to decide is over", one.round.amount)


def _unused(funded: Sequence[Commitment], now: datetime) -> Iterator[Irregularity]:
    """Yield what ends soon and was hardly used: money that others could have."""
    today = local_day(now, tenants.current().timezone)
    for one in funded:
        ends_on = one.standing.ends_on
        hardly = one.standing.spent * 10 < one.standing.amount
        if hardly and today <= ends_on <= today + _SOON:
            yield Irregularity(
                "unused", one.request, "Less than a tenth is used and it ends soon", one.open
            )


def _revoked(actor: Actor, now: datetime) -> Iterator[Irregularity]:
    for one in requests(actor=actor, states=[State.REVOKED]):
        if one.ended_at is not None and one.ended_at > now - timedelta(days=30):
            yield Irregularity("revoked", one, one.end_reason, one.released)
