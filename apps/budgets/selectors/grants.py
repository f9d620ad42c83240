"""The money of many experiments at once."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from uuid import UUID

from apps.budgets.domain.limits import Counters
from apps.budgets.models import Budget, BudgetWindow
from apps.budgets.selectors.budgets import GrantStanding


def grant_standings(*, grants: Iterable[UUID]) -> dict[UUID, GrantStanding]:
    """Return the money of grants by their ids; unknown ones are left out. Two queries."""
    rows = list(Budget.objects.filter(public_id__in=list(grants), is_grant=True))
    windows = {one.budget_id: one for one in BudgetWindow.objects.filter(budget__in=rows)}
    return {row.public_id: _standing(row, windows.get(row.pk)) for row in rows}


def _standing(row: Budget, window: BudgetWindow | None) -> GrantStanding:
    nothing = Decimal(0)
    counters = (
        Counters(row.amount, nothing, nothing, nothing) if window is None else window.counters
    )
    assert row.ends_on is not None
    return GrantStanding(
        amount=counters.limit,
        spent=counters.spent,
        held=counters.held,
        left=counters.left,
        currency=row.currency,
        starts_on=row.starts_on,
        ends_on=row.ends_on,
        closed_at=row.retired_at,
        team=row.scope.get("team", ""),
    )
