"""Planned uses with everything that they are decided by, but for the counters of budgets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Final, NamedTuple

from django.db import connection

from apps.budgets.domain.budgets import BudgetFacts, OnFailure, Unpriced
from apps.budgets.domain.decisions import LONGEST_HOLD, Ask, Reason, Verdict
from apps.budgets.domain.limits import Counters
from apps.budgets.domain.policies import Use, judge
from apps.budgets.domain.scope import Subject, matches, may_see
from apps.budgets.domain.tags import TagState
from apps.budgets.domain.windows import Days
from apps.budgets.selectors.book import BudgetBook, current_book
from apps.budgets.services.counters import Place, today_of
from apps.budgets.services.estimates import Rated, rate
from apps.core.db import current_schema
from apps.core.domain.access import Actor
from apps.core.domain.canonical import plain_decimal
from apps.core.domain.errors import FieldError, Forbidden, Invalid, Refusal
from apps.core.domain.money import minor_quantum
from apps.rating import selectors as rating
from apps.rating.domain.book import PriceBook
from apps.tenants import selectors as tenants
from apps.usage.domain.drafts import Problem
from apps.usage.domain.tagsets import bound

_MOST: Final = 10**15
_MOST_TEXT: Final = 256
_COUNTS: Final = ("input_tokens", "cached_input_tokens", "output_tokens")


class Shape(NamedTuple):
    """What uses with the same tags of the same model have in common on a day."""

    subject: Subject
    draws: tuple[tuple[BudgetFacts, Days], ...]
    of_experiment: tuple[Reason, ...]
    on_failure: OnFailure


@dataclass(frozen=True, slots=True)
class Sheet:
    """The books that uses are decided by, and which version of the prices was in force."""

    book: BudgetBook
    prices: PriceBook
    adopted: tuple[int, datetime]
    _shapes: dict[tuple[object, ...], Shape] = field(default_factory=dict)

    def shape_of(self, *, ask: Ask, rated: Rated, today: date) -> Shape:
        """Return the shape of a use; kept, as most uses are like one before."""
        key = (
            frozenset(ask.tags.items()),
            *(rated.provider, rated.model, ask.credential, ask.account, today),
        )
        found = self._shapes.get(key)
        if found is None:
            if len(self._shapes) >= _MOST_SHAPES:
                self._shapes.clear()
            found = self._shapes[key] = _shape(ask, rated, today, self.book)
        return found


def kept_sheet() -> Sheet:
    """Return the sheet that this process decided by last, unasked whether it still holds."""
    return _sheets.get(current_schema()) or fresh_sheet()


def fresh_sheet() -> Sheet:
    """Return the sheet in force; a few short queries, and more when it moved.

    It is kept unless it was read inside a transaction, as that may show rows that never commit.
    """
    adopted = rating.version_in_force()
    found = Sheet(current_book(), rating.price_book(), adopted)
    if not connection.in_atomic_block:
        if len(_sheets) >= _MOST_SHEETS:
            _sheets.clear()
        _sheets[current_schema()] = found
    return found


_MOST_SHEETS: Final = 16
_MOST_SHAPES: Final = 4_096
_sheets: Final[dict[str, Sheet]] = {}


class Part(NamedTuple):
    """What a use takes of a budget, in its currency; None when nobody knows."""

    budget: BudgetFacts
    window: Days
    need: Decimal | None

    @property
    def place(self) -> Place:
        """Return which window it is."""
        return self.budget.key, self.window.start


@dataclass(frozen=True, slots=True)
class Case:
    """A use that is asked about; `reasons` are those that no counter has a say in."""

    ask: Ask
    actor: Actor
    now: datetime
    today: date
    rated: Rated
    parts: tuple[Part, ...]
    reasons: tuple[Reason, ...]
    on_failure: OnFailure


def case_of(*, ask: Ask, actor: Actor, now: datetime, sheet: Sheet) -> Case:
    """Return the case of a use, by the books of a sheet; queries only for what they lack.

    :raises Invalid: when a field cannot be; names it.
    :raises Forbidden: when tags are not the actor's to use.
    """
    _check_ask(ask)
    ask = replace(ask, tags=_own_tags(ask.tags, actor))
    book, today = sheet.book, today_of(now)
    rated = rate(ask=ask, book=book, prices=sheet.prices, now=now)
    shape = sheet.shape_of(ask=ask, rated=rated, today=today)
    parts = tuple(_parts(book, shape.draws, rated, today))
    of_policies = _of_policies(ask, shape.subject, rated, book, now)
    reasons = (*of_policies, *shape.of_experiment)
    return Case(ask, actor, now, today, rated, parts, reasons, shape.on_failure)


def tried(*, ask: Ask, actor: Actor, now: datetime, sheet: Sheet) -> Case | Refusal:
    """Return the case of a use among others, or why there is none."""
    try:
        return case_of(ask=ask, actor=actor, now=now, sheet=sheet)
    except Refusal as refusal:
        return refusal


def judged(case: Case, found: Mapping[Place, Counters]) -> tuple[Reason, ...]:
    """Return every reason against a use, by the counters of its windows."""
    objections = (_of_budget(case, one, found[one.place]) for one in case.parts)
    return (*case.reasons, *(one for one in objections if one is not None))


def _shape(ask: Ask, rated: Rated, today: date, book: BudgetBook) -> Shape:
    subject = book.subject(
        tags=ask.tags,
        provider=rated.provider,
        model=rated.model,
        credential=ask.credential,
        account=ask.account,
        on=today,
    )
    budgets = book.limiting(subject, today)
    windows = ((one, one.rule.window_of(today)) for one in budgets)
    draws = tuple((one, window) for one, window in windows if window is not None)
    closed = [one.on_failure for one, _ in draws if one.is_hard] + [
        one.on_failure
        for one in book.policies
        if one.holds_on(today) and matches(one.scope, subject)
    ]
    return Shape(
        subject,
        draws,
        tuple(_of_experiment(subject, [one for one, _ in draws], book)),
        OnFailure.CLOSED if OnFailure.CLOSED in closed else OnFailure.OPEN,
    )


def _parts(
    book: BudgetBook, draws: Iterable[tuple[BudgetFacts, Days]], rated: Rated, today: date
) -> Iterator[Part]:
    amount, currency = rated.estimate.amount, rated.estimate.currency
    for budget, window in draws:
        need = amount
        if amount is not None:
            need = book.converted(amount, currency, budget.currency, today)
        yield Part(budget, window, need)


def _of_policies(
    ask: Ask, subject: Subject, rated: Rated, book: BudgetBook, now: datetime
) -> list[Reason]:
    policies = book.policies
    if not policies:
        return []
    single, today = rated.single, today_of(now)
    currencies = {one.rules.currency for one in policies if one.rules.currency}
    use = Use(
        subject=subject,
        at=now,
        context_tokens=ask.input_tokens,
        output_tokens=ask.output_tokens,
        cost={
            currency: None
            if single.amount is None
            else book.converted(single.amount, single.currency, currency, today)
            for currency in currencies
        },
    )
    zone = tenants.current().timezone
    return judge(policies=policies, use=use, zone=zone, justified=book.justified)


def _of_experiment(
    subject: Subject, budgets: Iterable[BudgetFacts], book: BudgetBook
) -> list[Reason]:
    """Stop a use under the tag of an experiment that is not approved, or whose money is closed."""
    experiment = subject.values.get("experiment", "")
    if not experiment or any(one.is_grant for one in budgets):
        return []
    state = book.experiment_tags.get(experiment)
    if state is TagState.NOT_APPROVED:
        text = (
            f"The experiment {experiment} is not approved. Submit its request, or wait for the "
            "decision, before anything is spent on it."
        )
        return [Reason("experiment_not_approved", text, Verdict.NEEDS_APPROVAL)]
    grants = [
        one
        for one in book.budgets.values()
        if one.is_grant and one.is_hard and one.scope.get("experiment") == experiment
    ]
    teams = sorted({one.scope["team"] for one in grants if one.is_live and "team" in one.scope})
    if grants and teams and subject.values.get("team", "") not in teams:
        text = (
            f"The money of the experiment {experiment} is for the team {', '.join(teams)}; send "
            "that team, or leave the tag of the experiment out."
        )
        return [Reason("grant_of_another_team", text, Verdict.DENY, budget=grants[-1].id)]
    if grants:
        text = f"The money of the experiment {experiment} is closed or not open on this day."
        return [Reason("grant_not_open", text, Verdict.DENY, budget=grants[-1].id)]
    return []


def _of_budget(case: Case, part: Part, counted: Counters) -> Reason | None:
    budget, need = part.budget, part.need
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


def _unpriced(case: Case, budget: BudgetFacts) -> Reason:
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
        for name in _COUNTS
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
