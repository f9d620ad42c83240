"""Tells the owners when a budget crosses a threshold: once a window, then once to those above."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from django.db import transaction

from apps.budgets.domain.budgets import Basis, BudgetFacts, Threshold
from apps.budgets.models import Alert, Budget, Snooze
from apps.budgets.selectors.budgets import Standing, in_windows
from apps.budgets.selectors.forecasts import Foreseen, foreseen
from apps.budgets.services import counters
from apps.core import presentation
from apps.core.domain.access import Role
from apps.core.domain.canonical import plain_decimal
from apps.core.domain.money import EXACT, published
from apps.notifications import services as notifications
from apps.notifications.domain.topics import Severity, Topic
from apps.tenants import selectors as tenants

ESCALATE_AFTER: Final = timedelta(hours=24)
_HUNDRED: Final = Decimal(100)


@dataclass(frozen=True, slots=True)
class _Crossing:
    """A threshold that a budget stands above."""

    standing: Standing
    threshold: Threshold
    amount: Decimal


@transaction.atomic
def evaluate(*, now: datetime) -> int:
    """Fire every alert that is due and was not fired in its window; return how many.

    An alert whose budget is snoozed waits. One that stands a day at the full limit or above is
    told once more, to the people of finance. Repeating it tells nothing twice: a row says so.
    """
    today = counters.today_of(now)
    budgets = [row.facts for row in Budget.objects.filter(retired_at__isnull=True).order_by("id")]
    standings = [one for one in in_windows(budgets, today) if one.key and _counts(one, now)]
    silent = set(Snooze.objects.filter(until__gt=now).values_list("budget_id", flat=True))
    awake = [one for one in standings if one.budget.key not in silent]
    wanted = [one for one in awake if _wants_forecast(one.budget)]
    ahead = foreseen(standings=wanted, today=today) if wanted else {}
    crossings = [each for one in awake for each in _crossings(one, ahead.get(one.budget.key))]
    fired = _fire(crossings, step=0, now=now)
    return fired + _escalate(crossings, now)


def _counts(one: Standing, now: datetime) -> bool:
    """Tell whether the window is the present one."""
    return one.window.holds(counters.today_of(now))


def _wants_forecast(budget: BudgetFacts) -> bool:
    return any(one.basis is Basis.FORECAST for one in budget.thresholds)


def _crossings(one: Standing, ahead: Foreseen | None) -> list[_Crossing]:
    amounts: dict[Basis, Decimal | None] = {
        Basis.ACTUAL: one.counters.spent,
        Basis.HELD: one.counters.used,
        Basis.FORECAST: None if ahead is None else ahead.expected,
    }
    found = []
    for threshold in one.budget.thresholds:
        amount = amounts[threshold.basis]
        level = EXACT.multiply(one.counters.limit, threshold.percent / _HUNDRED)
        if amount is not None and amount >= level and amount > 0:
            found.append(_Crossing(one, threshold, amount))
    return found


def _fire(crossings: Iterable[_Crossing], *, step: int, now: datetime) -> int:
    """Keep and tell the alerts that are not kept yet; the unique row decides who tells."""
    listed = list(crossings)
    known = _known(listed, step)
    fresh = [one for one in listed if _key(one) not in known]
    if not fresh:
        return 0
    rows = [_row(one, step, now) for one in fresh]
    Alert.objects.bulk_create(rows, ignore_conflicts=True)
    kept = set(
        Alert.objects.filter(public_id__in=[row.public_id for row in rows]).values_list(
            "public_id", flat=True
        )
    )
    told = [one for one, row in zip(fresh, rows, strict=True) if row.public_id in kept]
    tenant = tenants.current()
    with presentation.reading_as(locale=tenant.locale, timezone=tenant.timezone.key):
        notices = [_notice(one, step) for one in told]
    notifications.publish(notices=notices, now=now)
    return len(told)


def _escalate(crossings: Iterable[_Crossing], now: datetime) -> int:
    """Tell those above of limits that were reached a day ago and still are."""
    listed = [
        one
        for one in crossings
        if one.threshold.percent >= _HUNDRED and one.threshold.basis is Basis.ACTUAL
    ]
    rows = Alert.objects.filter(
        window_id__in=[one.standing.key for one in listed],
        step=0,
        fired_at__lte=now - ESCALATE_AFTER,
    )
    due = {(row.window_id, row.opened_on, row.basis, row.percent) for row in rows}
    return _fire([one for one in listed if _key(one) in due], step=1, now=now)


def _known(crossings: Iterable[_Crossing], step: int) -> set[tuple[object, ...]]:
    windows = {one.standing.key for one in crossings}
    rows = Alert.objects.filter(window_id__in=windows, step=step)
    return {(row.window_id, row.opened_on, row.basis, row.percent) for row in rows}


def _key(one: _Crossing) -> tuple[object, ...]:
    percent = one.threshold.percent.quantize(Decimal("0.01"))
    return one.standing.key, one.standing.opened_on, one.threshold.basis.value, percent


def _row(one: _Crossing, step: int, now: datetime) -> Alert:
    assert one.standing.key is not None
    return Alert(
        window_id=one.standing.key,
        basis=one.threshold.basis.value,
        percent=one.threshold.percent,
        step=step,
        opened_on=one.standing.opened_on,
        amount=one.amount,
        fired_at=now,
    )


_WORDS: Final[Mapping[Basis, str]] = {
    Basis.ACTUAL: "has spent",
    Basis.HELD: "has spent or holds",
    Basis.FORECAST: "is foreseen to spend",
}


def _notice(one: _Crossing, step: int) -> notifications.Notice:
    budget, counted = one.standing.budget, one.standing.counters
    amount = presentation.money(one.amount, budget.currency)
    limit = presentation.money(counted.limit, budget.currency)
    percent = plain_decimal(one.threshold.percent)
    subject = f"Budget {budget.name} {_WORDS[one.threshold.basis]} {percent}% of its limit"
    since = "It was reached a day ago and still is. " if step else ""
    text = (
        f"{budget.name} ({budget.label}) {_WORDS[one.threshold.basis]} {amount} of {limit}, the "
        f"window that began on {one.standing.window.start}. {since}"
        f"Look at it: {_url(budget)}"
    )
    return notifications.Notice(
        topic=_topic(one, step),
        key=f"budget.alert/{budget.id}/{one.standing.opened_on}/"
        f"{one.threshold.basis.value}/{percent}/{step}",
        subject=subject,
        text=text,
        data={
            "budget": str(budget.id),
            "name": budget.name,
            "scope": dict(budget.scope),
            "basis": one.threshold.basis.value,
            "percent": percent,
            "amount": published(one.amount),
            "limit": published(counted.limit),
            "currency": budget.currency,
            "window_starts_on": one.standing.window.start,
            "escalated": bool(step),
        },
        recipients=budget.owners,
        roles=frozenset({Role.FINANCE, Role.OWNER}) if step or not budget.owners else frozenset(),
        severity=_severity(one),
        link=f"/budgets/{budget.id}/",
    )


def _topic(one: _Crossing, step: int) -> Topic:
    if step:
        return Topic.BUDGET_ESCALATED
    is_foreseen = one.threshold.basis is Basis.FORECAST
    return Topic.BUDGET_FORECAST if is_foreseen else Topic.BUDGET_ALERT


def _severity(one: _Crossing) -> Severity:
    is_reached = one.threshold.percent >= _HUNDRED and one.threshold.basis is not Basis.FORECAST
    return Severity.CRITICAL if is_reached else Severity.WARNING


def _url(budget: BudgetFacts) -> str:
    base = tenants.base_url(slug=tenants.current().slug)
    return f"{base}/budgets/{budget.id}/"
