"""Questions about budgets: what stands, what is left, what a statement shows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from django.db.models import Sum

from apps.budgets.domain.budgets import BudgetFacts
from apps.budgets.domain.limits import Counters
from apps.budgets.domain.scope import Subject, may_see
from apps.budgets.domain.windows import Days
from apps.budgets.models import Budget, BudgetRaise, BudgetWindow, DailySpend, Snooze
from apps.budgets.selectors.book import current_book
from apps.core.domain.access import Actor, Scope
from apps.core.domain.errors import Missing
from apps.core.domain.money import EXACT
from apps.directory import selectors as directory
from apps.directory.domain.attribution import REGISTERED

_NONE = Decimal(0)


@dataclass(frozen=True, slots=True)
class Standing:
    """A budget in one of its windows: `window` are the days that count, money in its currency."""

    budget: BudgetFacts
    window: Days
    amount: Decimal
    carried: Decimal
    raised: Decimal
    counters: Counters
    lacks_rates: tuple[str, ...]
    key: int | None
    opened_on: date

    @property
    def state(self) -> str:
        """Return the state in a word: ok, near (80 % used), over, retired."""
        if self.budget.retired_at is not None:
            return "retired"
        if self.counters.left < 0 or self.counters.overrun > 0:
            return "over"
        share = self.counters.share(self.counters.used)
        return "near" if share is None or share >= Decimal("0.8") else "ok"


@dataclass(frozen=True, slots=True)
class GrantStanding:
    """The money of an experiment: granted, spent, held, left; days inclusive.

    `team` is whose use alone draws it; empty where the tag is enough.
    """

    amount: Decimal
    spent: Decimal
    held: Decimal
    left: Decimal
    currency: str
    starts_on: date
    ends_on: date
    closed_at: datetime | None
    team: str


@dataclass(frozen=True, slots=True)
class BudgetLeft:
    """What is left of a budget that usage of some scope would draw; below zero when overspent."""

    budget: UUID
    name: str
    amount: Decimal
    spent: Decimal
    held: Decimal
    left: Decimal
    currency: str
    limit: str


@dataclass(frozen=True, slots=True)
class RaiseFacts:
    """A temporary raise of a limit."""

    amount: Decimal
    expires_at: datetime
    reason: str
    created_by: str
    created_at: datetime


def standings(*, actor: Actor, on: date, with_retired: bool = False) -> list[Standing]:
    """Return the budgets in sight, each in its window of a day, by name; two or three queries.

    A budget that does not count on that day stands in its last window, else in its first.
    """
    actor.require(Scope.BUDGETS_READ)
    rows = Budget.objects.order_by("name", "id")
    if not with_retired:
        rows = rows.filter(retired_at__isnull=True)
    return _standings([row.facts for row in rows], actor, on)


def standing(*, budget: UUID, actor: Actor, on: date) -> Standing:
    """Return one budget in its window of a day.

    :raises Missing: when there is none in sight.
    """
    actor.require(Scope.BUDGETS_READ)
    row = Budget.objects.filter(public_id=budget).first()
    found = [] if row is None else _standings([row.facts], actor, on)
    if not found:
        raise Missing("There is no such budget.", code="budget_not_found")
    return found[0]


def windows(*, budget: BudgetFacts) -> list[Standing]:
    """Return every window of a budget that was opened, newest first; one query."""
    rows = BudgetWindow.objects.filter(budget_id=budget.key).order_by("-starts_on")
    return [_standing(budget, row) for row in rows]


def raises(*, budget: BudgetFacts) -> list[RaiseFacts]:
    """Return the raises of a budget, newest first; one query."""
    rows = BudgetRaise.objects.filter(budget_id=budget.key).order_by("-id")
    return [
        RaiseFacts(row.amount, row.expires_at, row.reason, row.created_by, row.created_at)
        for row in rows
    ]


def snoozed_until(*, budget: BudgetFacts, now: datetime) -> Snooze | None:
    """Return the snooze that holds back a budget's alerts, if one does; one query."""
    rows = Snooze.objects.filter(budget_id=budget.key, until__gt=now)
    return rows.order_by("-until").first()


def grant_standing(*, grant: UUID) -> GrantStanding:
    """Return the money of an experiment's grant; two queries.

    :raises Missing: when there is no such grant.
    """
    row = Budget.objects.filter(public_id=grant, is_grant=True).first()
    if row is None:
        raise Missing("There is no such grant.", code="grant_not_found")
    facts = row.facts
    window = BudgetWindow.objects.filter(budget_id=facts.key).first()
    counters = Counters(facts.amount, _NONE, _NONE, _NONE) if window is None else window.counters
    assert facts.rule.ends_on is not None
    return GrantStanding(
        amount=counters.limit,
        spent=counters.spent,
        held=counters.held,
        left=counters.left,
        currency=facts.currency,
        starts_on=facts.rule.starts_on,
        ends_on=facts.rule.ends_on,
        closed_at=facts.retired_at,
        team=facts.scope.get("team", ""),
    )


def left_of(*, scope: Mapping[str, str], on: date, actor: Actor | None = None) -> list[BudgetLeft]:
    """Return what is left of every budget that usage with these codes would draw on a day.

    `scope` holds tags and, where known, provider, model, credential and account; a budget that
    asks for more than it says does not match. With an actor, who is shown it, only budgets in
    sight. Two or three queries.
    """
    return left_of_any(scopes=[scope], on=on, actor=actor)


def left_of_any(
    *, scopes: Iterable[Mapping[str, str]], on: date, actor: Actor | None = None
) -> list[BudgetLeft]:
    """Return what is left of every budget that usage with one of these sets of codes would draw.

    As `left_of`, each budget once; two or three queries for all of them.
    """
    matching = {one.key: one for scope in scopes for one in _drawn(scope, on)}
    seen = [
        one for _, one in sorted(matching.items()) if actor is None or may_see(actor, one.sight)
    ]
    return [
        BudgetLeft(
            budget=one.budget.id,
            name=one.budget.name,
            amount=one.counters.limit,
            spent=one.counters.spent,
            held=one.counters.held,
            left=one.counters.left,
            currency=one.budget.currency,
            limit=one.budget.limit.value,
        )
        for one in in_windows(seen, on)
    ]


def drawn_by(*, scopes: Iterable[Mapping[str, str]], on: date) -> frozenset[UUID]:
    """Return the budgets that usage with one of these sets of codes would draw; a query or two."""
    return frozenset(one.id for scope in scopes for one in _drawn(scope, on))


def _drawn(scope: Mapping[str, str], on: date) -> tuple[BudgetFacts, ...]:
    found = current_book()
    named = {key: scope.get(key, "") for key in ("provider", "model", "credential", "account")}
    tags = {key: value for key, value in scope.items() if key not in named}
    subject = found.subject(tags=tags, **named, on=on)
    if "cost_center" in scope:
        centers = subject.cost_centers | {scope["cost_center"]}
        subject = Subject(subject.values, centers)
    return found.limiting(subject, on)


def warnings_of(*, scope: Mapping[str, str], on: date) -> list[str]:
    """Return in words which codes of a scope nobody has registered; they are kept as they are."""
    register = directory.attribution().register
    return [
        f"{key} {value} is not registered; the budget counts what is tagged so, once it comes."
        for key, value in scope.items()
        if key in {*REGISTERED, "cost_center"} and not register.knows(key, value, on)
    ]


def _standings(budgets: Iterable[BudgetFacts], actor: Actor, on: date) -> list[Standing]:
    return in_windows([one for one in budgets if may_see(actor, one.sight)], on)


def in_windows(budgets: list[BudgetFacts], on: date) -> list[Standing]:
    """Return budgets in their windows of a day, or the nearest; one or two queries."""
    rows: dict[tuple[int, date], BudgetWindow] = {}
    keys = [one.key for one in budgets]
    for row in BudgetWindow.objects.filter(budget_id__in=keys).order_by("starts_on"):
        rows[row.budget_id, row.starts_on] = row
    daily = _daily([one for one in budgets if one.rule.is_rolling], on)
    found = []
    for budget in budgets:
        window = _window_near(budget, on)
        opened = rows.get((budget.key, window.start))
        stands = _unopened(budget, window, rows) if opened is None else _standing(budget, opened)
        found.append(_rolled(stands, daily.get(budget.key), on))
    return found


def _window_near(budget: BudgetFacts, on: date) -> Days:
    rule = budget.rule
    window = rule.window_of(on)
    if window is None and on >= rule.starts_on and rule.ends_on is not None:
        window = rule.window_of(rule.ends_on)
    window = window or rule.window_of(rule.starts_on)
    assert window is not None
    return window


def _daily(budgets: list[BudgetFacts], on: date) -> dict[int, Decimal]:
    found = {one.key: _NONE for one in budgets}
    rules = {one.key: one.rule.counted(on) for one in budgets}
    first = min((days.start for days in rules.values()), default=on)
    rows = DailySpend.objects.filter(budget_id__in=rules, day__gte=first, day__lte=on)
    for key, day, spent in rows.values_list("budget_id", "day", "spent") if rules else ():
        if rules[key].holds(day):
            found[key] = EXACT.add(found[key], spent)
    return found


def _rolled(stands: Standing, spent: Decimal | None, on: date) -> Standing:
    """Return a rolling budget as of a day: its row is as of the last time that it was rolled."""
    if spent is None:
        return stands
    kept = stands.counters
    over = EXACT.subtract(EXACT.add(spent, kept.held), kept.limit)
    overrun = max(over, _NONE) if stands.budget.is_hard else _NONE
    rule = stands.budget.rule
    return replace(
        stands,
        window=rule.counted(on),
        counters=Counters(kept.limit, spent, kept.held, overrun),
        opened_on=rule.told_from(on),
    )


def _standing(budget: BudgetFacts, row: BudgetWindow) -> Standing:
    return Standing(
        budget=budget,
        window=row.days,
        amount=row.amount,
        carried=row.carried,
        raised=row.raised,
        counters=row.counters,
        lacks_rates=tuple(row.lacks_rates.split()),
        key=row.pk,
        opened_on=row.starts_on,
    )


def _unopened(
    budget: BudgetFacts, window: Days, rows: Mapping[tuple[int, date], BudgetWindow]
) -> Standing:
    carried = _carried(budget, window, rows) if budget.rollover.moves else _NONE
    counters = Counters(EXACT.add(budget.amount, carried), _NONE, _NONE, _NONE)
    return Standing(budget, window, budget.amount, carried, _NONE, counters, (), None, window.start)


def raises_in_force(budgets: Iterable[int], now: datetime) -> dict[int, Decimal]:
    """Return what budgets are raised by at a moment, those that are; one query."""
    rows = BudgetRaise.objects.filter(
        budget_id__in=list(budgets), created_at__lte=now, expires_at__gt=now
    )
    sums = rows.values("budget_id").annotate(total=Sum("amount")).order_by("budget_id")
    return {row["budget_id"]: row["total"] for row in sums}


def _carried(
    budget: BudgetFacts, window: Days, rows: Mapping[tuple[int, date], BudgetWindow]
) -> Decimal:
    """Return what a window takes over from those before it, opened or not."""
    carried = _NONE
    for before in budget.rule.windows(through=window.start):
        if before.start == window.start:
            break
        row = rows.get((budget.key, before.start))
        carried = budget.rollover.carried(
            limit=row.counters.limit if row else EXACT.add(budget.amount, carried),
            raised=row.raised if row else _NONE,
            spent=row.spent if row else _NONE,
            held=row.held if row else _NONE,
        )
    return carried


def last_day(window: Days) -> date | None:
    """Return the last day of a window; None of a rolling one."""
    return None if window.end is None else window.end - timedelta(days=1)
