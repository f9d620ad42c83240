"""What a discount or a commitment must be like before it may be recorded."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final, Literal
from uuid import UUID

from apps.core.domain.errors import FieldError
from apps.rating.domain.rate import is_power_of_ten

_METER: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
_CURRENCY: Final = re.compile(r"[A-Z]{3}")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_HUNDRED: Final = Decimal(100)
_PERCENT_DECIMALS: Final = 6
_COMMIT_DECIMALS: Final = 12
_AMOUNT_DECIMALS: Final = 18
_COMMIT_LIMIT: Final = Decimal(10) ** 22
_AMOUNT_LIMIT: Final = Decimal(10) ** 12
_CONTEXT_LIMIT: Final = 10**12
_MOST_LEVELS: Final = 50
_EARLIEST, _LATEST = 2000, 9000


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What is discounted or committed; an empty field leaves it open.

    `model` is a code or a prefix with "*" at its end; `family` is the catalogue's.
    """

    provider: str = ""
    family: str = ""
    model: str = ""
    meter: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscountDraft:
    """A discount as it was entered: `percent` off the list prices of a scope.

    Conditions narrow the scope; empty and None leave them open. `replaces` names the discount
    that this one takes over from `valid_from` on.
    """

    scope: Scope
    percent: Decimal
    valid_from: datetime
    valid_to: datetime | None = None
    service_tier: str = ""
    batch: bool | None = None
    region: str = ""
    context_gt: int | None = None
    note: str = ""
    replaces: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelDraft:
    """A level: `commit` a month, for `percent` off list or `amount` per `unit_size` units."""

    commit: Decimal
    percent: Decimal | None = None
    amount: Decimal | None = None
    unit_size: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitmentDraft:
    """An agreement with its levels, from low to high; `measure` says what is committed."""

    name: str
    scope: Scope
    measure: Literal["spend", "quantity"]
    currency: str
    levels: tuple[LevelDraft, ...]
    note: str = ""


def discount_faults(draft: DiscountDraft) -> list[FieldError]:
    """Return every field of a discount that is wrong, with the remedy."""
    checks: tuple[Callable[[DiscountDraft], Iterator[FieldError]], ...] = (
        lambda one: _scope(one.scope),
        lambda one: _percent("percent", one.percent),
        lambda one: validity(one.valid_from, one.valid_to),
        _narrowing,
        lambda one: _text("note", one.note, 500),
    )
    return [fault for check in checks for fault in check(draft)]


def commitment_faults(draft: CommitmentDraft) -> list[FieldError]:
    """Return every field of a commitment that is wrong, with the remedy."""
    return [
        *_text("name", draft.name, 200, needed=True),
        *_scope(draft.scope),
        *_measure(draft),
        *_levels(draft),
        *_text("note", draft.note, 500),
    ]


def validity(valid_from: datetime, valid_to: datetime | None) -> Iterator[FieldError]:
    """Yield what is wrong with a validity: moments with an offset, in order."""
    for field, at in (("valid_from", valid_from), ("valid_to", valid_to)):
        if at is not None and at.tzinfo is None:
            yield FieldError(field, "timezone", "Write the moment with its offset.")
            return
        if at is not None and not _EARLIEST <= at.year < _LATEST:
            yield FieldError(field, "range", "Write a moment between the years 2000 and 9000.")
    if valid_to is not None and valid_to <= valid_from:
        yield FieldError("valid_to", "order", "Let it end after it begins.")


def _scope(scope: Scope) -> Iterator[FieldError]:
    yield from _text("provider", scope.provider, 64)
    yield from _text("family", scope.family, 200)
    yield from _text("model", scope.model, 200)
    if "*" in scope.model[:-1] or scope.model == "*":
        message = 'Put one "*" at the end, behind a prefix; leave it empty for every model.'
        yield FieldError("model", "pattern", message)
    if scope.model and scope.family:
        yield FieldError("family", "both", "Name a family or a model, not both.")
    if scope.meter and not _METER.fullmatch(scope.meter):
        message = "Write a meter code such as input_tokens: a-z, digits and _."
        yield FieldError("meter", "invalid", message)


def _narrowing(draft: DiscountDraft) -> Iterator[FieldError]:
    yield from _text("service_tier", draft.service_tier, 64)
    yield from _text("region", draft.region, 64)
    if draft.context_gt is not None and not 0 <= draft.context_gt < _CONTEXT_LIMIT:
        yield FieldError("context_gt", "range", "Write a number of tokens from 0 on.")


def _percent(field: str, percent: Decimal) -> Iterator[FieldError]:
    if not percent.is_finite() or not 0 < percent <= _HUNDRED:
        yield FieldError(field, "range", "Write a percentage above 0, at most 100.")
    elif _decimals(percent) > _PERCENT_DECIMALS:
        yield FieldError(field, "decimals", "Write at most 6 decimals.")


def _measure(draft: CommitmentDraft) -> Iterator[FieldError]:
    if draft.measure not in ("spend", "quantity"):
        yield FieldError("measure", "invalid", "Commit spend or quantity.")
    if draft.measure == "quantity" and not draft.scope.meter:
        yield FieldError("meter", "required", "Name the meter whose quantity is committed.")
    if not _CURRENCY.fullmatch(draft.currency):
        yield FieldError("currency", "invalid", "Write three capital letters, such as USD.")


def _levels(draft: CommitmentDraft) -> Iterator[FieldError]:
    if not 1 <= len(draft.levels) <= _MOST_LEVELS:
        yield FieldError("levels", "count", "Write 1 to 50 levels.")
    last = Decimal(0)
    for index, level in enumerate(draft.levels):
        place = f"levels.{index}"
        yield from _level(place, level, draft)
        if level.commit.is_finite() and level.commit <= last:
            message = "Write the levels from low to high, each above the one before."
            yield FieldError(f"{place}.commit", "order", message)
        last = level.commit if level.commit.is_finite() else last


def _level(place: str, level: LevelDraft, draft: CommitmentDraft) -> Iterator[FieldError]:
    commit = level.commit
    if not commit.is_finite() or not 0 < commit < _COMMIT_LIMIT:
        yield FieldError(f"{place}.commit", "range", "Write what is committed a month, above 0.")
    elif _decimals(commit) > _COMMIT_DECIMALS:
        yield FieldError(f"{place}.commit", "decimals", "Write at most 12 decimals.")
    if (level.percent is None) == (level.amount is None):
        yield FieldError(place, "gives", "Give a percent off list, or an amount per unit size.")
    elif level.percent is not None:
        yield from _percent(f"{place}.percent", level.percent)
        if level.unit_size is not None:
            yield FieldError(f"{place}.unit_size", "excess", "Leave it out beside a percent.")
    else:
        yield from _price(place, level, draft)


def _price(place: str, level: LevelDraft, draft: CommitmentDraft) -> Iterator[FieldError]:
    amount = level.amount or Decimal(0)
    if not amount.is_finite() or not 0 <= amount < _AMOUNT_LIMIT:
        yield FieldError(f"{place}.amount", "range", "Write an amount from 0 to below 10^12.")
    elif _decimals(amount) > _AMOUNT_DECIMALS:
        yield FieldError(f"{place}.amount", "decimals", "Write at most 18 decimals.")
    if level.unit_size is None or not is_power_of_ten(level.unit_size):
        yield FieldError(f"{place}.unit_size", "power_of_ten", "Write 1, 1000, 1000000 and so on.")
    if not draft.scope.meter or not draft.scope.model:
        message = "A price needs a model and a meter in the scope; or give a percent."
        yield FieldError(f"{place}.amount", "scope", message)


def _text(field: str, text: str, most: int, *, needed: bool = False) -> Iterator[FieldError]:
    if len(text) > most or _CONTROL.search(text) or (needed and not text.strip()):
        least = "1 to" if needed else "at most"
        yield FieldError(field, "invalid", f"Write {least} {most} characters in one line.")


def _decimals(amount: Decimal) -> int:
    return max(0, -int(amount.normalize().as_tuple().exponent))
