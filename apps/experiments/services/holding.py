"""Rows that are changed: found, allowed, and locked in the order of docs/locking.md."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final
from uuid import UUID

from apps.budgets import services as budgets
from apps.core.domain.access import Actor, Scope
from apps.experiments.domain.states import TAGS, ExperimentMissing, NotYours, RoundState, State
from apps.experiments.models import ExperimentRequest, Submission
from apps.experiments.selectors.requests import visible

OURS: Final = re.compile(r"exp-[0-9]+")
"""Tags that a request is given; others were in use before it."""


def locked(*, id: UUID, actor: Actor) -> ExperimentRequest:
    """Return a request's row, held until the transaction ends: whoever changes it queues here.

    :raises ExperimentMissing: when there is none that the actor may see.
    """
    row = visible(actor).select_for_update().filter(public_id=id).first()
    if row is None:
        raise ExperimentMissing("There is no such experiment that you may see.")
    return row


def require_own(row: ExperimentRequest, actor: Actor) -> None:
    """Pass when the actor asked for it, is to spend it, or administers the tenant.

    :raises NotYours: when not.
    """
    own = actor.user_id is not None and actor.user_id in (row.requested_by_user, row.owner_user)
    if not (own or actor.identity == row.asked_as or actor.may(Scope.ADMIN)):
        raise NotYours(
            f"{row.code} belongs to {row.requested_by} and {row.owner}; ask one of them."
        )


def open_round(row: ExperimentRequest) -> Submission | None:
    """Return the round that waits for decisions, held; None when none does."""
    rows = Submission.objects.select_for_update().filter(request=row, state=RoundState.OPEN.value)
    return rows.first()


def announce(row: ExperimentRequest, now: datetime) -> None:
    """Tell the guardrails what a held request says about its tag; call it when its state moved.

    A tag that was in use before is nobody's to stop with a draft: it counts from the first
    submission on.
    """
    if not OURS.fullmatch(row.code) and not Submission.objects.filter(request=row).exists():
        return
    budgets.announce_tag(experiment=row.code, state=TAGS[State(row.state)], now=now)
