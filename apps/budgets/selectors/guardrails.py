"""Questions about holds, decisions and policies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from apps.budgets.domain.budgets import BudgetFacts
from apps.budgets.domain.policies import PolicyFacts
from apps.budgets.domain.scope import may_see
from apps.budgets.models import (
    Alert,
    Budget,
    GuardrailDecision,
    HoldPart,
    Justification,
    ModelPolicy,
    State,
)
from apps.core.domain.access import Actor, Scope
from apps.core.domain.errors import Missing

_LIVE = [State.OPEN.value, State.SETTLED.value]
_WORDED = {
    "budget_exhausted": "A budget above yours has no room.",
    "budget_overspent": "A budget above yours would be overspent.",
}


@dataclass(frozen=True, slots=True)
class HeldFacts:
    """What a hold sets aside in one budget."""

    hold: UUID
    state: str
    amount: Decimal
    currency: str
    provider: str
    model: str
    tags: Mapping[str, str]
    made_by: str
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class AlertFacts:
    """An alert that was told."""

    percent: Decimal
    basis: str
    amount: Decimal
    currency: str
    escalated: bool
    fired_at: datetime


@dataclass(frozen=True, slots=True)
class DecisionFacts:
    """A decision that was given."""

    id: UUID
    at: datetime
    actor: str
    request: Mapping[str, Any]
    verdict: str
    reasons: tuple[Mapping[str, Any], ...]
    amount: Decimal | None
    currency: str
    hold: UUID | None


@dataclass(frozen=True, slots=True)
class JustificationFacts:
    """Why a scope may use ultra-large contexts."""

    id: UUID
    scope: Mapping[str, str]
    reason: str
    valid_from: date
    valid_to: date
    created_by: str


def held_in(*, budget: BudgetFacts, limit: int = 50) -> list[HeldFacts]:
    """Return the holds that hold money of a budget, newest first; one query."""
    parts = (
        HoldPart.objects.filter(window__budget_id=budget.key, hold__state__in=_LIVE)
        .select_related("hold")
        .order_by("-hold_id")[:limit]
    )
    return [
        HeldFacts(
            hold=part.hold.public_id,
            state=part.hold.state,
            amount=part.amount,
            currency=budget.currency,
            provider=part.hold.provider,
            model=part.hold.model,
            tags=part.hold.scope,
            made_by=part.hold.made_by,
            created_at=part.hold.created_at,
            expires_at=part.hold.expires_at,
        )
        for part in parts
    ]


def alerts_of(*, budget: BudgetFacts, limit: int = 50) -> list[AlertFacts]:
    """Return the alerts of a budget, newest first; one query."""
    rows = Alert.objects.filter(window__budget_id=budget.key)[:limit]
    return [
        AlertFacts(row.percent, row.basis, row.amount, budget.currency, row.step > 0, row.fired_at)
        for row in rows
    ]


def decisions(*, actor: Actor, verdict: str = "", limit: int = 50) -> list[DecisionFacts]:
    """Return the newest decisions in sight; one query, and one more for a limited actor.

    Reasons were worded for whoever asked; of budgets out of the reader's sight no figure is told.
    """
    actor.require(Scope.BUDGETS_READ)
    rows = GuardrailDecision.objects.order_by("-id")
    if verdict:
        rows = rows.filter(verdict=verdict)
    if actor.teams is not None:
        rows = rows.filter(request__tags__team__in=sorted(actor.teams))
    for key, value in actor.bound_tags.items():
        rows = rows.filter(request__tags__contains={key: value})
    found = list(rows[:limit])
    hidden = _hidden(found, actor)
    return [
        DecisionFacts(
            id=row.public_id,
            at=row.at,
            actor=row.actor,
            request=row.request,
            verdict=row.verdict,
            reasons=tuple(_as_seen(each, hidden) for each in row.reasons),
            amount=row.amount,
            currency=row.currency,
            hold=row.hold,
        )
        for row in found
    ]


def _hidden(rows: list[GuardrailDecision], actor: Actor) -> frozenset[str]:
    """Return the budgets that reasons name and a limited actor does not see."""
    if not actor.is_limited:
        return frozenset()
    named = {str(each["budget"]) for row in rows for each in row.reasons if each.get("budget")}
    budgets = Budget.objects.filter(public_id__in=named)
    seen = {str(one.public_id) for one in budgets if may_see(actor, one.facts.sight)}
    return frozenset(named - seen)


def _as_seen(reason: Mapping[str, Any], hidden: frozenset[str]) -> Mapping[str, Any]:
    if reason.get("budget") not in hidden or reason["code"] not in _WORDED:
        return reason
    return {**reason, "message": _WORDED[reason["code"]]}


def policies(*, actor: Actor) -> list[PolicyFacts]:
    """Return the policies in sight that are not retired, by name; one query."""
    actor.require(Scope.BUDGETS_READ)
    rows = ModelPolicy.objects.filter(retired_at__isnull=True).order_by("name", "id")
    return [row.facts for row in rows if may_see(actor, row.scope)]


def policy(*, id: UUID, actor: Actor) -> PolicyFacts:
    """Return one policy that is not retired.

    :raises Missing: when there is none in sight.
    """
    found = next((one for one in policies(actor=actor) if one.id == id), None)
    if found is None:
        raise Missing("There is no such policy.", code="policy_not_found")
    return found


def justifications(*, actor: Actor) -> list[JustificationFacts]:
    """Return the justifications in sight, newest first; one query."""
    actor.require(Scope.BUDGETS_READ)
    rows = Justification.objects.filter(retired_at__isnull=True).order_by("-id")
    return [
        JustificationFacts(
            row.public_id, row.scope, row.reason, row.valid_from, row.valid_to, row.created_by
        )
        for row in rows
        if may_see(actor, row.scope)
    ]
