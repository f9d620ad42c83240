"""Grants: the money of approved experiments, drawn live by usage that carries their tag."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID

from django.db import transaction

from apps.audit import services as audit
from apps.budgets.domain.budgets import BudgetDraft, OnFailure, Unpriced
from apps.budgets.domain.limits import Limit
from apps.budgets.domain.windows import Window
from apps.budgets.models import Budget, BudgetWindow
from apps.budgets.services import counters
from apps.budgets.services.budgets import (
    BudgetMissing,
    BudgetRetired,
    check_draft,
    open_budget,
    set_limits,
)
from apps.core.domain.access import Actor
from apps.core.domain.errors import Conflict


class ExperimentTaken(Conflict):
    """An open grant has the experiment's tag already."""

    default_code = "experiment_taken"


@transaction.atomic
def open_grant(
    *,
    experiment: str,
    name: str,
    team: str,
    amount: Decimal,
    currency: str,
    starts_on: date,
    ends_on: date,
    owners: Sequence[str],
    limit: Literal["hard", "soft"],
    actor: Actor,
    now: datetime,
) -> UUID:
    """Set money aside for usage tagged with an experiment, over the days to `ends_on`, inclusive.

    Who may do so is decided above, by the approval. Usage of those days that carried the tag
    before counts as well. With a team it is that team's use that counts: the tag of an experiment
    is no way into the money of others.

    :raises BudgetRefused: when a field cannot be; names it.
    :raises ExperimentTaken: when an open grant has the tag.
    """
    draft = BudgetDraft(
        name=name,
        amount=amount,
        currency=currency,
        scope={"experiment": experiment} | ({"team": team} if team else {}),
        window=Window.FIXED,
        starts_on=starts_on,
        ends_on=ends_on,
        limit=Limit(limit),
        owners=owners,
        unpriced=Unpriced.DENY,
        on_failure=OnFailure.CLOSED if limit == "hard" else OnFailure.OPEN,
    )
    check_draft(draft)
    counters.move_registry()
    taken = Budget.objects.filter(
        is_grant=True, retired_at__isnull=True, scope__experiment=experiment
    )
    if taken.exists():
        raise ExperimentTaken(
            f"The tag experiment={experiment} has an open grant; close it or choose another code."
        )
    facts = open_budget(draft=draft, team=team, is_grant=True, actor=actor, now=now)
    audit.record(
        actor=actor,
        action="grant.opened",
        subject="budget",
        subject_id=str(facts.id),
        detail={**facts.as_audited(), "team": team},
        at=now,
    )
    return facts.id


@transaction.atomic
def change_grant(
    *, grant: UUID, amount: Decimal, ends_on: date, actor: Actor, now: datetime
) -> None:
    """Give an open grant another amount and last day, as was approved.

    :raises BudgetMissing: when there is no such grant.
    :raises BudgetRetired: when it is closed.
    :raises BudgetRefused: when amount or day cannot be.
    """
    counters.move_registry()
    row = _open_row(grant)
    before = row.facts
    check_draft(
        BudgetDraft(
            name=before.name,
            amount=amount,
            currency=before.currency,
            scope=before.scope,
            window=Window.FIXED,
            starts_on=before.rule.starts_on,
            ends_on=ends_on,
        )
    )
    row.amount, row.ends_on = amount, ends_on
    row.save()
    set_limits(replace(row.facts), now=now)
    audit.record(
        actor=actor,
        action="grant.changed",
        subject="budget",
        subject_id=str(grant),
        detail={
            "amount": [before.amount, amount],
            "ends_on": [before.rule.ends_on, ends_on],
        },
        at=now,
    )


@transaction.atomic
def close_grant(*, grant: UUID, actor: Actor, now: datetime) -> Decimal:
    """Close a grant and return what is released: what was neither spent nor is held.

    Authorizations under its tag are refused from then on. Usage that comes late goes on counting,
    so that the experiment's outcome is told by what it cost in the end.

    :raises BudgetMissing: when there is no such grant.
    :raises BudgetRetired: when it is closed already.
    """
    counters.move_registry()
    row = _open_row(grant)
    window = BudgetWindow.objects.select_for_update().get(budget=row)
    released = max(window.counters.left, Decimal(0))
    row.retire(by=actor.label, at=now)
    audit.record(
        actor=actor,
        action="grant.closed",
        subject="budget",
        subject_id=str(grant),
        detail={"spent": window.spent, "held": window.held, "released": released},
        at=now,
    )
    return released


def _open_row(grant: UUID) -> Budget:
    row = (
        Budget.objects.select_for_update(no_key=True).filter(public_id=grant, is_grant=True).first()
    )
    if row is None:
        raise BudgetMissing("There is no such grant.", code="grant_not_found")
    if row.retired_at is not None:
        raise BudgetRetired("The grant is closed; ask for a new one.", code="grant_closed")
    return row
