"""What a budget says: scope, window, amount, limit, thresholds, owners; what is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final
from uuid import UUID, uuid4

from apps.budgets.domain.limits import NO_ROLLOVER, Limit, Rollover
from apps.budgets.domain.scope import refusals_of_scope
from apps.budgets.domain.windows import LONGEST_ROLLING, Window, WindowRule, first_day_of
from apps.core.domain.canonical import plain_decimal
from apps.core.domain.errors import FieldError
from apps.core.domain.money import EXACT

_CURRENCY: Final = re.compile("[A-Z]{3}")
_MAIL: Final = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_MOST: Final = Decimal(10) ** 15
_MOST_PERCENT: Final = Decimal(1000)
_DECIMALS: Final = 12
MOST_THRESHOLDS: Final = 20
MOST_OWNERS: Final = 20


class Basis(StrEnum):
    """What an alert compares with the limit."""

    ACTUAL = "actual"
    HELD = "held"
    FORECAST = "forecast"


class Unpriced(StrEnum):
    """What a hard limit answers to a request whose price nobody knows."""

    DENY = "deny"
    NEEDS_APPROVAL = "needs_approval"


class OnFailure(StrEnum):
    """What a client is to do when the guardrail cannot be asked."""

    OPEN = "open"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, order=True)
class Threshold:
    """An alert at `percent` of the limit, of what was spent, spent and held, or is foreseen."""

    percent: Decimal
    basis: Basis = Basis.ACTUAL

    def as_json(self) -> dict[str, str]:
        """Return the threshold as it is stored and shown."""
        return {"percent": plain_decimal(self.percent), "basis": self.basis.value}

    @classmethod
    def of(cls, stored: Mapping[str, str]) -> Threshold:
        """Read a stored threshold."""
        return cls(Decimal(stored["percent"]), Basis(stored["basis"]))


DEFAULT_THRESHOLDS: Final = (
    Threshold(Decimal(80)),
    Threshold(Decimal(100)),
    Threshold(Decimal(100), Basis.FORECAST),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetDraft:
    """A budget to set. Money is in `currency`; `starts_on` None begins with the present window."""

    name: str
    amount: Decimal
    currency: str
    scope: Mapping[str, str] = field(default_factory=dict)
    window: Window = Window.MONTH
    starts_on: date | None = None
    ends_on: date | None = None
    days: int | None = None
    limit: Limit = Limit.SOFT
    rollover: Rollover = NO_ROLLOVER
    thresholds: Sequence[Threshold] = DEFAULT_THRESHOLDS
    owners: Sequence[str] = ()
    unpriced: Unpriced = Unpriced.DENY
    on_failure: OnFailure = OnFailure.OPEN


@dataclass(frozen=True, slots=True)
class BudgetFacts:
    """A budget as it is in force."""

    key: int
    id: UUID
    name: str
    scope: Mapping[str, str]
    rule: WindowRule
    amount: Decimal
    currency: str
    limit: Limit
    rollover: Rollover
    thresholds: tuple[Threshold, ...]
    owners: tuple[str, ...]
    unpriced: Unpriced
    on_failure: OnFailure
    is_grant: bool
    team: str
    created_at: datetime
    created_by: str
    retired_at: datetime | None

    @classmethod
    def probe(cls, *, scope: Mapping[str, str], rule: WindowRule, currency: str) -> BudgetFacts:
        """Return a budget that is not kept anywhere, to ask what it would have drawn."""
        return cls(
            key=0,
            id=uuid4(),
            name="probe",
            scope=scope,
            rule=rule,
            amount=Decimal(0),
            currency=currency,
            limit=Limit.SOFT,
            rollover=NO_ROLLOVER,
            thresholds=(),
            owners=(),
            unpriced=Unpriced.DENY,
            on_failure=OnFailure.OPEN,
            is_grant=False,
            team="",
            created_at=datetime.min.replace(tzinfo=UTC),
            created_by="",
            retired_at=None,
        )

    @property
    def is_hard(self) -> bool:
        """Tell whether authorizations are refused at the limit."""
        return self.limit is Limit.HARD

    @property
    def sight(self) -> Mapping[str, str]:
        """Return what decides who may see it: the scope, and the team of a grant."""
        return {**self.scope, "team": self.team} if self.team else self.scope

    @property
    def is_live(self) -> bool:
        """Tell whether it still limits anything; a closed grant goes on counting."""
        return self.retired_at is None

    @property
    def label(self) -> str:
        """Return the scope in words: team=search, model=gpt-4o."""
        return ", ".join(f"{k}={v}" for k, v in self.scope.items()) or "everything"

    def as_audited(self) -> dict[str, Any]:
        """Return what the audit trail keeps of it."""
        return {
            "name": self.name,
            "scope": dict(self.scope),
            "window": self.rule.kind.value,
            "starts_on": self.rule.starts_on,
            "ends_on": self.rule.ends_on,
            "days": self.rule.days,
            "amount": self.amount,
            "currency": self.currency,
            "limit": self.limit.value,
            "unused_cap": self.rollover.unused_cap,
            "carry_overspend": self.rollover.overspend,
            "thresholds": [one.as_json() for one in self.thresholds],
            "owners": list(self.owners),
            "unpriced": self.unpriced.value,
            "on_failure": self.on_failure.value,
        }


def refusals_of_budget(draft: BudgetDraft) -> tuple[FieldError, ...]:
    """Return what is wrong with a draft, field by field; nothing when it can be kept."""
    found: list[FieldError] = []
    if not draft.name.strip() or len(draft.name) > 200 or not draft.name.isprintable():
        found.append(FieldError("name", "required", "Give a name of at most 200 characters."))
    found += refusals_of_amount("amount", draft.amount)
    if not _CURRENCY.fullmatch(draft.currency):
        found.append(
            FieldError("currency", "currency", "Give an ISO 4217 code of three capitals, as USD.")
        )
    cap = draft.rollover.unused_cap
    if cap is not None:
        found += refusals_of_amount("rollover.unused_cap", cap)
    return (
        *found,
        *refusals_of_scope(draft.scope),
        *_refusals_of_window(draft),
        *_refusals_of_thresholds(draft.thresholds),
        *_refusals_of_owners(draft.owners),
    )


def refusals_of_amount(name: str, amount: Decimal) -> list[FieldError]:
    """Return what is wrong with an amount of money of a budget."""
    if not amount.is_finite() or not 0 <= amount < _MOST:
        return [FieldError(name, "range", "Give an amount from 0 to below 10^15.")]
    exponent = amount.normalize(EXACT).as_tuple().exponent
    if isinstance(exponent, int) and exponent < -_DECIMALS:
        return [FieldError(name, "decimals", f"Give at most {_DECIMALS} decimals.")]
    return []


def _refusals_of_window(draft: BudgetDraft) -> list[FieldError]:
    found: list[FieldError] = []
    if draft.window is Window.FIXED:
        if draft.starts_on is None:
            found.append(FieldError("starts_on", "required", "Give the first day."))
        if draft.ends_on is None:
            found.append(FieldError("ends_on", "required", "Give the last day."))
        elif draft.starts_on is not None and draft.ends_on < draft.starts_on:
            found.append(FieldError("ends_on", "order", "Give a day that is not before the first."))
    elif draft.ends_on is not None:
        found.append(FieldError("ends_on", "window", "Only a fixed window has a last day."))
    found += _refusals_of_first_day(draft)
    if draft.window is Window.ROLLING:
        if draft.days is None or not 1 <= draft.days <= LONGEST_ROLLING:
            text = f"Give how many days count, 1 to {LONGEST_ROLLING}."
            found.append(FieldError("days", "range", text))
    elif draft.days is not None:
        found.append(FieldError("days", "window", "Only a rolling window has a number of days."))
    if draft.rollover.moves and draft.window in {Window.FIXED, Window.ROLLING}:
        text = "Only months, quarters and years hand something on; leave the rollover out."
        found.append(FieldError("rollover", "window", text))
    return found


def _refusals_of_first_day(draft: BudgetDraft) -> list[FieldError]:
    """Refuse a repeating window that would begin inside a calendar one: it is never moved."""
    if draft.starts_on is None or draft.starts_on == first_day_of(draft.window, draft.starts_on):
        return []
    begins, kind = first_day_of(draft.window, draft.starts_on), draft.window.value
    text = (
        f"A {kind} is a calendar {kind}, as the books have it: give its first day, {begins}, or "
        f"choose fixed dates or rolling days to begin on {draft.starts_on}."
    )
    return [FieldError("starts_on", "calendar", text)]


def _refusals_of_thresholds(thresholds: Sequence[Threshold]) -> list[FieldError]:
    if len(thresholds) > MOST_THRESHOLDS:
        return [FieldError("thresholds", "many", f"Give at most {MOST_THRESHOLDS} thresholds.")]
    if len(set(thresholds)) < len(thresholds):
        return [FieldError("thresholds", "twice", "Give every threshold once.")]
    for one in thresholds:
        exponent = one.percent.normalize(EXACT).as_tuple().exponent
        if not one.percent.is_finite() or not 0 < one.percent <= _MOST_PERCENT:
            return [FieldError("thresholds", "range", "Give percents above 0, at most 1000.")]
        if isinstance(exponent, int) and exponent < -2:
            return [FieldError("thresholds", "decimals", "Give percents of at most 2 decimals.")]
    return []


def _refusals_of_owners(owners: Sequence[str]) -> list[FieldError]:
    if len(owners) > MOST_OWNERS:
        return [FieldError("owners", "many", f"Give at most {MOST_OWNERS} owners.")]
    for owner in owners:
        if len(owner) > 254 or not _MAIL.fullmatch(owner):
            return [FieldError("owners", "email", "Give e-mail addresses, as ana@example.com.")]
    return []
