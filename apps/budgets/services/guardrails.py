"""Decides on planned uses: policies first, then room in every budget; holds all or nothing."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from django.db import transaction

from apps.budgets.domain.budgets import BudgetFacts, OnFailure, Unpriced
from apps.budgets.domain.decisions import (
    LONGEST_HOLD,
    Ask,
    Decision,
    Estimate,
    Reason,
    Verdict,
    worst,
)
from apps.budgets.domain.limits import Counters
from apps.budgets.domain.policies import Use, judge
from apps.budgets.domain.scope import Subject, matches, may_see
from apps.budgets.domain.windows import Days
from apps.budgets.selectors.book import BudgetBook, current_book
from apps.budgets.services import counters, holds, rooms
from apps.budgets.services.estimates import Rated, rate
from apps.core.domain.access import Actor, Scope
from apps.core.domain.canonical import canonical_json, plain_decimal
from apps.core.domain.errors import FieldError, Forbidden, Invalid
from apps.core.domain.money import minor_quantum
from apps.tenants import selectors as tenants
from apps.usage.domain.drafts import Problem
from apps.usage.domain.tagsets import bound

_MOST: Final = 10**15
_MOST_TEXT: Final = 256

_LOCK: Final = """
SELECT w.id, w.budget_id, w.amount + w.carried + w.raised, w.spent, w.held, w.overrun, w.raised,
       w.as_of
  FROM {schema}.budgets_budgetwindow w
  JOIN unnest(%s::bigint[], %s::date[]) AS o(budget, start)
    ON w.budget_id = o.budget AND w.starts_on = o.start
 ORDER BY w.budget_id, w.starts_on
   FOR UPDATE OF w
"""
_KEEP: Final = """
WITH held AS (
    INSERT INTO {schema}.budgets_hold (public_id, state, scope, provider, model, amount, currency,
           made_by, made_by_identity, created_at, expires_at, event_ref)
    SELECT %(hold)s, 'open', %(scope)s::jsonb, %(provider)s, %(model)s, %(amount)s, %(currency)s,
           %(actor)s, %(identity)s, %(now)s, %(expires_at)s, ''
     WHERE %(hold)s::uuid IS NOT NULL
    RETURNING id
), parts AS (
    INSERT INTO {schema}.budgets_holdpart (hold_id, window_id, amount)
    SELECT held.id, p.id, p.amount
      FROM held, unnest(%(windows)s::bigint[], %(parts)s::numeric[]) AS p(id, amount)
), room AS (
    UPDATE {schema}.budgets_budgetwindow AS w SET held = w.held + p.amount
      FROM held, unnest(%(windows)s::bigint[], %(parts)s::numeric[]) AS p(id, amount)
     WHERE w.id = p.id
)
INSERT INTO {schema}.budgets_guardraildecision
       (public_id, at, actor, request, verdict, reasons, amount, currency, hold)
VALUES (%(id)s, %(now)s, %(actor)s, %(request)s::jsonb, %(verdict)s, %(reasons)s::jsonb,
        %(amount)s, %(currency)s, %(hold)s)
"""


@dataclass(frozen=True, slots=True)
class _Case:
    """A use that is asked about, with everything that is decided by, but for the counters."""

    ask: Ask
    actor: Actor
    now: datetime
    today: date
    book: BudgetBook
    rated: Rated
    subject: Subject
    budgets: tuple[BudgetFacts, ...]
    reasons: tuple[Reason, ...]

    @property
    def windows(self) -> dict[int, Days]:
        """Return the present window of each budget."""
        found = {one.key: one.rule.window_of(self.today) for one in self.budgets}
        return {key: window for key, window in found.items() if window is not None}

    def needs(self, budget: BudgetFacts) -> Decimal | None:
        """Return what the use takes of a budget, in its currency; None when nobody knows."""
        estimate = self.rated.estimate
        if estimate.amount is None:
            return None
        return self.book.converted(estimate.amount, estimate.currency, budget.currency, self.today)


def check(*, ask: Ask, actor: Actor, now: datetime) -> Decision:
    """Return what an authorization would be answered now; nothing is written or held.

    :raises Invalid: when a field cannot be; names it.
    :raises Forbidden: when tags are not the actor's to use.
    """
    actor.require(Scope.BUDGETS_AUTHORIZE)
    case = _case(ask, actor, now)
    found = rooms.counters_of(list(case.budgets), case.windows, today=case.today, now=now)
    return _decision(case, _judged(case, found), id=None, hold=None)


@transaction.atomic
def authorize(*, ask: Ask, actor: Actor, now: datetime) -> Decision:
    """Decide on a use and hold its cost in every budget that it draws, or in none.

    1. Holds that expired in these windows are released.
    2. The windows are locked by (budget, first day), and each is asked for room.
    3. The decision is kept with every reason, and with it the hold.

    :raises Invalid: when a field cannot be; names it.
    :raises Forbidden: when tags are not the actor's to use.
    """
    actor.require(Scope.BUDGETS_AUTHORIZE)
    case = _case(ask, actor, now)
    rows = _locked(case)
    reasons = _judged(case, {budget: row.counters for budget, row in rows.items()})
    verdict = worst(one.verdict for one in reasons)
    parts = _parts(case, rows) if verdict in {Verdict.ALLOW, Verdict.WARN} else {}
    hold = uuid.uuid4() if parts else None
    decision = _decision(case, reasons, id=uuid.uuid4(), hold=hold)
    _keep(case, decision, parts)
    return decision


def _case(ask: Ask, actor: Actor, now: datetime) -> _Case:
    _check_ask(ask)
    ask = replace(ask, tags=_own_tags(ask.tags, actor))
    found = current_book()
    today = counters.today_of(now)
    rated = rate(ask=ask, book=found, now=now)
    subject = found.subject(
        tags=ask.tags,
        provider=rated.provider,
        model=rated.model,
        credential=ask.credential,
        account=ask.account,
        on=today,
    )
    budgets = found.limiting(subject, today)
    case = _Case(ask, actor, now, today, found, rated, subject, budgets, ())
    return replace(case, reasons=(*_of_policies(case), *_of_grants(case)))


def _of_policies(case: _Case) -> list[Reason]:
    policies = case.book.policies
    if not policies:
        return []
    single = case.rated.single
    currencies = {one.rules.currency for one in policies if one.rules.currency}
    use = Use(
        subject=case.subject,
        at=case.now,
        context_tokens=case.ask.input_tokens,
        output_tokens=case.ask.output_tokens,
        cost={
            currency: None
            if single.amount is None
            else case.book.converted(single.amount, single.currency, currency, case.today)
            for currency in currencies
        },
    )
    return judge(
        policies=policies,
        use=use,
        zone=tenants.current().timezone,
        justified=case.book.justified,
    )


def _of_grants(case: _Case) -> list[Reason]:
    """Refuse a use under the tag of a grant that is closed or over, when no other is open."""
    experiment = case.subject.values.get("experiment", "")
    if not experiment or any(one.is_grant for one in case.budgets):
        return []
    grants = [
        one
        for one in case.book.budgets.values()
        if one.is_grant and one.is_hard and one.scope.get("experiment") == experiment
    ]
    if not grants:
        return []
    text = f"The money of the experiment {experiment} is closed or not open on this day."
    return [Reason("grant_not_open", text, Verdict.DENY, budget=grants[-1].id)]


@dataclass(frozen=True, slots=True)
class _Row:
    """A locked window."""

    key: int
    counters: Counters


def _locked(case: _Case) -> dict[int, _Row]:
    """Lock the present windows of the budgets, bring them up to date, and return them."""
    windows = case.windows
    if not windows:
        return {}
    places = sorted((key, window.start) for key, window in windows.items())
    expired = holds.expired(now=case.now, places=places)
    if expired:
        holds.expire(expired, places=places, now=case.now)
    rows = counters.rows_of(_LOCK, [list(column) for column in zip(*places, strict=True)])
    if len(rows) < len(places) or rooms.is_stale(rows, case.today):
        draws = {
            (one.key, windows[one.key].start): counters.Draw(one, windows[one.key])
            for one in case.budgets
        }
        counters.take(draws, today=case.today, now=case.now)
        counters.refresh_raises(windows, today=case.today, now=case.now)
        rows = counters.rows_of(_LOCK, [list(column) for column in zip(*places, strict=True)])
    return {row[1]: _Row(row[0], Counters(*row[2:6])) for row in rows}


def _judged(case: _Case, found: Mapping[int, Counters]) -> tuple[Reason, ...]:
    objections = (_of_budget(case, one, found[one.key]) for one in case.budgets)
    return (*case.reasons, *(one for one in objections if one is not None))


def _of_budget(case: _Case, budget: BudgetFacts, counted: Counters) -> Reason | None:
    need = case.needs(budget)
    if need is None:
        return _unpriced(case, budget)
    if need <= counted.left:
        return None
    shown = "A budget above yours"
    figures = ""
    if may_see(case.actor, budget.sight):
        shown = f"The budget {budget.name}"
        left = _money(counted.left, budget.currency)
        figures = f": {left} is left, and {_money(need, budget.currency)} is asked for"
    if budget.is_hard:
        text = f"{shown} has no room{figures}. Ask for less, or its owners for a raise."
        return Reason("budget_exhausted", text, Verdict.DENY, budget=budget.id)
    text = f"{shown} would be overspent{figures}."
    return Reason("budget_overspent", text, Verdict.WARN, budget=budget.id)


def _unpriced(case: _Case, budget: BudgetFacts) -> Reason:
    what = " and ".join(case.rated.estimate.missing) or "this use"
    if not budget.is_hard:
        text = f"Nobody knows what {what} costs; it counts once it has a price."
        return Reason("unpriced", text, Verdict.WARN, budget=budget.id)
    is_denied = budget.unpriced is Unpriced.DENY
    text = (
        f"Nobody knows what {what} costs, so that it cannot be kept within the limit of "
        "a budget. Enter a price or an exchange rate, or name an amount."
    )
    verdict = Verdict.DENY if is_denied else Verdict.NEEDS_APPROVAL
    return Reason("unpriced", text, verdict, budget=budget.id)


def _parts(case: _Case, rows: Mapping[int, _Row]) -> dict[int, Decimal]:
    """Return what is to be held by window; nothing when the cost is not known."""
    parts: dict[int, Decimal] = {}
    for budget in case.budgets:
        need = case.needs(budget)
        if need is not None:
            parts[rows[budget.key].key] = need
    return parts


def _decision(
    case: _Case, reasons: Iterable[Reason], *, id: UUID | None, hold: UUID | None
) -> Decision:
    listed = tuple(reasons)
    closed = [one.on_failure for one in case.budgets if one.is_hard] + [
        one.on_failure
        for one in case.book.policies
        if one.holds_on(case.today) and matches(one.scope, case.subject)
    ]
    return Decision(
        id=id,
        verdict=worst(one.verdict for one in listed),
        reasons=listed,
        estimate=case.rated.estimate,
        hold=hold,
        expires_at=None if hold is None else case.now + timedelta(seconds=case.ask.ttl_seconds),
        on_failure=(OnFailure.CLOSED if OnFailure.CLOSED in closed else OnFailure.OPEN).value,
    )


def _keep(case: _Case, decision: Decision, parts: Mapping[int, Decimal]) -> None:
    keys = sorted(parts)
    values: dict[str, Any] = {
        "id": decision.id,
        "hold": decision.hold,
        "scope": canonical_json(case.ask.tags).decode(),
        "provider": case.rated.provider,
        "model": case.rated.model,
        "amount": decision.estimate.amount,
        "currency": decision.estimate.currency,
        "actor": case.actor.label,
        "identity": case.actor.identity,
        "now": case.now,
        "expires_at": decision.expires_at,
        "windows": keys,
        "parts": [parts[key] for key in keys],
        "request": canonical_json(case.ask.as_json()).decode(),
        "verdict": decision.verdict.value,
        "reasons": canonical_json([one.as_dict() for one in decision.reasons]).decode(),
    }
    counters.run(_KEEP, values)


def _own_tags(tags: Mapping[str, str], actor: Actor) -> dict[str, str]:
    """Return the tags as the actor may use them: bound ones filled in, own teams only (rule 22).

    :raises Forbidden: naming the tag that is another's.
    """
    filled = bound(tags, actor.bound_tags)
    if isinstance(filled, Problem):
        raise Forbidden(filled.message, code=filled.code)
    if actor.teams is None:
        return filled
    only = next(iter(actor.teams)) if len(actor.teams) == 1 else ""
    team = filled.get("team", only)
    if team not in actor.teams:
        mine = ", ".join(sorted(actor.teams)) or "none"
        raise Forbidden(
            f"You may authorize use of your own teams only ({mine}); send one of them as team.",
            code="tag_forbidden",
        )
    return {**filled, "team": team}


def _check_ask(ask: Ask) -> None:
    wrong = [
        FieldError(f"estimate.{name}", "range", "Give a whole number from 0 to below 10^15.")
        for name in ("input_tokens", "cached_input_tokens", "output_tokens")
        if not 0 <= getattr(ask, name) < _MOST
    ]
    if not 1 <= ask.requests < _MOST:
        text = "Give a whole number from 1 to below 10^15."
        wrong.append(FieldError("estimate.requests", "range", text))
    if ask.cached_input_tokens > ask.input_tokens:
        text = "Cached tokens are part of the input; give no more of them than of it."
        wrong.append(FieldError("estimate.cached_input_tokens", "range", text))
    if not 1 <= ask.ttl_seconds <= LONGEST_HOLD:
        text = f"Give 1 to {LONGEST_HOLD} seconds."
        wrong.append(FieldError("ttl_seconds", "range", text))
    if ask.amount is not None and not 0 <= ask.amount < _MOST:
        wrong.append(FieldError("estimate.amount", "range", "Give an amount from 0 on."))
    if ask.amount is None and not ask.model:
        text = "Give provider and model, or an amount with its currency as the estimate."
        wrong.append(FieldError("model", "required", text))
    for key, value in ask.tags.items():
        if not 0 < len(key) <= 64 or len(value) > _MOST_TEXT or "\x00" in key + value:
            wrong.append(FieldError("tags", "text", "Keys have 1 to 64, values to 256 characters."))
    if wrong:
        first = wrong[0]
        raise Invalid(f"{first.field}: {first.message}", code="ask", errors=tuple(wrong))


def _money(amount: Decimal, currency: str) -> str:
    """Return an amount for a sentence: to the minor unit, or to the digit that says something."""
    rounded = amount.quantize(minor_quantum(currency))
    if rounded == 0 and amount != 0:
        return f"{currency} {plain_decimal(amount.quantize(Decimal('1e-9')))}"
    return f"{currency} {rounded:f}"


__all__ = ["Estimate", "authorize", "check"]
