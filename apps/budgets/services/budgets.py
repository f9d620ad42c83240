"""Sets, changes and retires budgets; each change is counted from the rollups it then stands for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID

from django.db import transaction

from apps.audit import services as audit
from apps.budgets.domain.budgets import BudgetDraft, BudgetFacts, refusals_of_amount
from apps.budgets.domain.budgets import refusals_of_budget as refusals_of
from apps.budgets.domain.scope import may_see
from apps.budgets.domain.windows import Window, WindowRule, first_day_of
from apps.budgets.models import Budget, BudgetRaise, Snooze
from apps.budgets.services import counters
from apps.core.domain.access import Actor, Scope
from apps.core.domain.errors import Conflict, FieldError, Forbidden, Missing, Unprocessable

_LONGEST_PAST: Final = timedelta(days=800)
_LONGEST_RAISE: Final = timedelta(days=366)

_LIMITS: Final = f"""
UPDATE {{schema}}.budgets_budgetwindow AS kept
   SET amount = new.amount, is_hard = new.is_hard, ends_on = COALESCE(new.ends_on, kept.ends_on),
       overrun = {counters.over(amount="new.amount", is_hard="new.is_hard")}
  FROM (SELECT %s::numeric AS amount, %s::bool AS is_hard, %s::date AS ends_on) AS new
 WHERE kept.budget_id = %s
   AND (kept.ends_on IS NULL OR kept.ends_on > %s OR new.ends_on IS NOT NULL)
"""  # noqa: S608 - names of ours only


class BudgetRefused(Unprocessable):
    """The budget cannot be kept as it was sent; names the fields."""

    default_code = "budget_refused"


class BudgetMissing(Missing):
    """There is no such budget, or none in sight."""

    default_code = "budget_not_found"


class GrantedMoney(Conflict):
    """A grant follows the approval of its experiment and nothing else."""

    default_code = "budget_is_a_grant"


class BudgetRetired(Conflict):
    """The budget was retired and changes no more."""

    default_code = "budget_retired"


@transaction.atomic
def create(*, draft: BudgetDraft, actor: Actor, now: datetime) -> UUID:
    """Set a budget, with what its windows have spent already; return its id.

    Usage that commits meanwhile is counted once: it waits for this transaction, or this one saw
    it in the rollups.

    :raises BudgetRefused: when the draft cannot be kept; names the fields.
    :raises Forbidden: when the actor may not write budgets, or not of that scope.
    """
    actor.require(Scope.BUDGETS_WRITE)
    check_draft(draft)
    _require_sight(actor, draft.scope)
    counters.move_registry()
    facts = open_budget(draft=draft, team="", is_grant=False, actor=actor, now=now)
    _audit(facts, "budget.created", actor, now)
    return facts.id


@transaction.atomic
def change(*, budget: UUID, draft: BudgetDraft, actor: Actor, now: datetime) -> None:
    """Change a budget from its present window on; past windows keep their limit.

    The window's kind, its first day and its currency stay: what was counted belongs to them. A
    lower limit than what is used is kept as overrun, and takes no hold away.

    :raises BudgetRefused: when the draft cannot be kept, or changes what has to stay.
    :raises BudgetMissing: when there is none in sight.
    :raises BudgetRetired: when it is retired.
    """
    actor.require(Scope.BUDGETS_WRITE)
    check_draft(draft)
    counters.move_registry()
    row = _own_row(budget, actor)
    _require_sight(actor, draft.scope)
    before = row.facts
    _require_same_window(before, draft)
    rule = replace(before.rule, ends_on=draft.ends_on)
    row.take(draft, rule)
    row.save()
    set_limits(row.facts, now=now)
    _audit(row.facts, "budget.changed", actor, now, before=before.as_audited())


@transaction.atomic
def retire(*, budget: UUID, actor: Actor, now: datetime) -> None:
    """Take a budget out of force; its figures and decisions stay.

    :raises BudgetMissing: when there is none in sight.
    :raises BudgetRetired: when it is retired already.
    """
    actor.require(Scope.BUDGETS_WRITE)
    counters.move_registry()
    row = _own_row(budget, actor)
    row.retire(by=actor.label, at=now)
    _audit(row.facts, "budget.retired", actor, now)


@transaction.atomic
def raise_limit(
    *,
    budget: UUID,
    amount: Decimal,
    expires_at: datetime,
    reason: str,
    actor: Actor,
    now: datetime,
) -> None:
    """Add an amount to a budget's limit until a moment; then it falls back by itself.

    :raises BudgetRefused: when amount, moment or reason cannot be.
    :raises BudgetMissing: when there is no such budget in sight.
    """
    actor.require(Scope.BUDGETS_WRITE)
    wrong = refusals_of_amount("amount", amount)
    if not wrong and amount == 0:
        wrong.append(FieldError("amount", "range", "Give an amount above 0."))
    if not now < expires_at <= now + _LONGEST_RAISE:
        text = "Give a moment to come, within a year."
        wrong.append(FieldError("expires_at", "range", text))
    if not reason.strip():
        wrong.append(FieldError("reason", "required", "Say why; it is kept with the raise."))
    _refuse(wrong)
    counters.move_registry()
    row = _own_row(budget, actor)
    BudgetRaise.objects.create(
        budget=row,
        amount=amount,
        expires_at=expires_at,
        reason=reason.strip(),
        created_by=actor.label,
        created_at=now,
    )
    set_limits(row.facts, now=now)
    audit.record(
        actor=actor,
        action="budget.raised",
        subject="budget",
        subject_id=str(budget),
        detail={"amount": amount, "expires_at": expires_at, "reason": reason.strip()},
        at=now,
    )


@transaction.atomic
def snooze(*, budget: UUID, until: datetime, reason: str, actor: Actor, now: datetime) -> None:
    """Hold back a budget's alerts until a moment; what crosses meanwhile is told then.

    :raises BudgetRefused: when moment or reason cannot be.
    :raises BudgetMissing: when there is no such budget in sight.
    """
    actor.require(Scope.BUDGETS_WRITE)
    wrong = []
    if not now < until <= now + _LONGEST_RAISE:
        wrong.append(FieldError("until", "range", "Give a moment to come, within a year."))
    if not reason.strip():
        wrong.append(FieldError("reason", "required", "Say why; it is kept."))
    _refuse(wrong)
    row = live_row(budget, actor)
    Snooze.objects.create(
        budget=row, until=until, reason=reason.strip(), created_by=actor.label, created_at=now
    )
    audit.record(
        actor=actor,
        action="budget.snoozed",
        subject="budget",
        subject_id=str(budget),
        detail={"until": until, "reason": reason.strip()},
        at=now,
    )


def open_budget(
    *, draft: BudgetDraft, team: str, is_grant: bool, actor: Actor, now: datetime
) -> BudgetFacts:
    """Store a budget and count what it has spent; the registry is moved by the caller."""
    today = counters.today_of(now)
    row = Budget(created_by=actor.label, created_at=now, is_grant=is_grant, team=team)
    row.take(draft, _rule(draft, today))
    row.save()
    facts = row.facts
    found = counters.hold_registry()
    counters.recount_budgets(found, budgets=[facts], days=None, now=now)
    return facts


def set_limits(facts: BudgetFacts, *, now: datetime) -> None:
    """Bring the present and later windows to a budget's limit, and count them anew."""
    today = counters.today_of(now)
    found = counters.hold_registry()
    end = None
    if facts.rule.kind is Window.FIXED and facts.rule.ends_on is not None:
        end = facts.rule.ends_on + timedelta(days=1)
    counters.recount_budgets(found, budgets=[facts], days=None, now=now)
    counters.run(_LIMITS, [facts.amount, facts.is_hard, end, facts.key, today])
    counters.refresh_raises([facts.key], today=today, now=now)
    counters.recount_budgets(found, budgets=[facts], days=None, now=now)


def _own_row(budget: UUID, actor: Actor) -> Budget:
    """Lock a budget that is changed by itself: the money of an experiment is not.

    :raises GrantedMoney: when it is a grant, which only an approval changes or ends.
    """
    row = live_row(budget, actor)
    if row.is_grant:
        raise GrantedMoney(
            "This is the money of an approved experiment; amend or revoke the experiment instead."
        )
    return row


def live_row(budget: UUID, actor: Actor) -> Budget:
    """Lock a budget that is in force and in the actor's sight.

    Its key stays free: whoever opens a window holds windows already when the budget is looked up.

    :raises BudgetMissing: when there is none.
    :raises BudgetRetired: when it is retired.
    """
    row = Budget.objects.select_for_update(no_key=True).filter(public_id=budget).first()
    if row is None or not may_see(actor, row.facts.sight):
        raise BudgetMissing("There is no such budget.")
    if row.retired_at is not None:
        raise BudgetRetired("The budget is retired; set a new one.")
    return row


def check_draft(draft: BudgetDraft) -> None:
    """Pass a draft that can be kept.

    :raises BudgetRefused: when it cannot; names the fields.
    """
    _refuse(refusals_of(draft))


def _rule(draft: BudgetDraft, today: date) -> WindowRule:
    if draft.window is Window.ROLLING:
        assert draft.days is not None
        start = draft.starts_on or today - timedelta(days=draft.days - 1)
        rule = WindowRule(draft.window, start, None, draft.days)
    else:
        start = first_day_of(draft.window, draft.starts_on or today)
        rule = WindowRule(draft.window, start, draft.ends_on)
    if start < today - _LONGEST_PAST:
        text = f"Give a day within the last {_LONGEST_PAST.days} days."
        _refuse([FieldError("starts_on", "range", text)])
    return rule


def _require_same_window(before: BudgetFacts, draft: BudgetDraft) -> None:
    wrong = []
    if draft.window is not before.rule.kind:
        text = f"The window stays {before.rule.kind.value}; set a new budget for another one."
        wrong.append(FieldError("window", "fixed", text))
    if draft.starts_on not in (None, before.rule.starts_on):
        wrong.append(FieldError("starts_on", "fixed", "The first day stays; leave it out."))
    if draft.days != before.rule.days:
        wrong.append(FieldError("days", "fixed", "The number of days stays; set a new budget."))
    if draft.currency != before.currency:
        wrong.append(FieldError("currency", "fixed", f"The currency stays {before.currency}."))
    _refuse(wrong)


def _require_sight(actor: Actor, scope: object) -> None:
    if not may_see(actor, scope):  # type: ignore[arg-type]
        raise Forbidden(
            "You may set budgets within your own teams and bound tags only; name them in the "
            "scope.",
            code="scope_out_of_sight",
        )


def _refuse(wrong: Sequence[FieldError]) -> None:
    if wrong:
        first = wrong[0]
        raise BudgetRefused(f"{first.field}: {first.message}", errors=tuple(wrong))


def _audit(facts: BudgetFacts, action: str, actor: Actor, now: datetime, **more: object) -> None:
    audit.record(
        actor=actor,
        action=action,
        subject="budget",
        subject_id=str(facts.id),
        detail={**facts.as_audited(), **more},
        at=now,
    )
