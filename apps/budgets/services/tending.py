"""What the clock does to budgets: holds expire, raises end, counters follow the directory."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from apps.budgets.models import Budget, BudgetRaise, BudgetWindow, Registry
from apps.budgets.selectors.book import basis
from apps.budgets.services import alerts, counters, settlement


@dataclass(frozen=True, slots=True)
class Tended:
    """What was done: holds released, whether all was counted anew, alerts fired."""

    holds: int
    recounted: bool
    alerts: int


def tend(*, now: datetime) -> Tended:
    """Bring a tenant's budgets up to the moment; each part in a transaction of its own.

    Repeating it changes nothing. A tenant without budgets costs one query.
    """
    if not Budget.objects.exists():
        return Tended(0, recounted=False, alerts=0)
    released = settlement.expire_due(now=now)
    recounted = follow_basis(now=now)
    _refresh_windows(now)
    return Tended(released, recounted, alerts.evaluate(now=now))


def follow_basis(*, now: datetime) -> bool:
    """Count everything anew when attribution, tree, rates or feeds moved; tell whether they had.

    Until then usage is drawn by what held when a process last read it; from then on all rests on
    what holds now.
    """
    if Registry.objects.get(pk=1).basis == basis().digest:
        return False
    with transaction.atomic():
        counters.move_registry()
        counters.remember_basis()
        counters.recount(now=now)
    return True


@transaction.atomic
def _refresh_windows(now: datetime) -> None:
    """Open the windows of today, let raises end, roll what is rolling, carry over anew."""
    found = counters.hold_registry()
    today = counters.today_of(now)
    known = set(BudgetWindow.objects.values_list("budget_id", "starts_on"))
    raised = set(BudgetRaise.objects.values_list("budget_id", flat=True).distinct())
    draws: dict[counters.Place, counters.Draw] = {}
    for budget in found.live:
        window = budget.rule.window_of(today)
        if window is None:
            continue
        place = (budget.key, window.start)
        moves = budget.rule.is_rolling or budget.rollover.moves
        if place not in known or moves or budget.key in raised:
            draws[place] = counters.Draw(budget, window)
    if draws:
        counters.take(draws, today=today, now=now)
        counters.refresh_raises({key for key, _ in draws}, today=today, now=now)
