"""What a month would have cost at other prices or on other models; nothing is written.

Whatever the question does not touch is taken as it was booked. The rest is priced anew from the
month's rollups where one price covers a whole cell, and else from the month's events, so that
context tiers and prices that change within a day are exact either way.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from django.db import connection, transaction

from apps.core.domain.access import Actor
from apps.core.domain.money import EXACT
from apps.core.domain.months import Month
from apps.costs import selectors as costs
from apps.directory.domain.attribution import Attribution, Owner
from apps.insights.domain.what_if import ZERO, Answer, Line, answer
from apps.insights.selectors.counting import counted
from apps.insights.selectors.supposed import Priced, Supposition, supposed_books
from apps.periods import selectors as periods
from apps.rating import selectors as rating
from apps.rating.domain.contracts import ContractDraft
from apps.tenants import selectors as tenants
from apps.usage import selectors as usage
from apps.usage.domain.sight import may_see, sees_everything
from apps.usage.domain.summary import OWNED, SENT, TAG, check_dimension

GROUPS: Final = ("team", "model", "meter")


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Which month, at which supposed prices, on which other models, for whom.

    `filters` are dimensions with the value wanted; `group_by` the dimensions of the answer.
    """

    month: Month
    prices: tuple[ContractDraft, ...] = ()
    substitutions: tuple[rating.Substitution, ...] = ()
    filters: Mapping[str, str] = field(default_factory=dict)
    group_by: tuple[str, ...] = GROUPS


def what_if(*, question: Question, actor: Actor) -> Answer:
    """Answer a question; what the actor may not see is left out.

    Costs are in the one currency of all prices, else in the tenant's at the month's rates. About
    twenty queries; the month's events are read once when rollups cannot tell.

    :raises WhatIfNotValid: when a price, a model or a dimension is wrong.
    :raises PeriodMissing: when the calendar has no such month.
    :raises MissingRate: when prices are in several currencies and a rate is missing.
    """
    for name in (*question.group_by, *question.filters):
        check_dimension(name)
    month = question.month
    lens = _Lens(costs.attribution_of(month), question, actor)
    breaks = sorted({month.first_day, (month + 1).first_day, *lens.attribution.change_dates})
    base, altered = supposed_books(
        month=month, prices=question.prices, substitutions=question.substitutions
    )
    supposition = Supposition(month=month, base=base, altered=altered, breaks=breaks)
    with _snapshot():
        found = counted(usage.period_rollups(month=month, breaks=breaks), month)
        rows = [row for row in found if lens.lets_through(row)]
        own = supposition.price(row for row in rows if _is_within(row, month))
    others = [supposition.as_booked(row) for row in rows if not _is_within(row, month)]
    money = _Money(month, [*own, *others])
    kept = sum((line.was for line in _lines(others, lens, money)), ZERO)
    lines = _lines([*own, *others], lens, money)
    return answer(lines, group_by=question.group_by, currency=money.currency, kept=kept)


def _is_within(row: usage.RollupRow, month: Month) -> bool:
    return month.first_day <= row.day_from and row.day_to <= month.last_day


@contextmanager
def _snapshot() -> Iterator[None]:
    """Let rollups and events be of one moment, and nothing be written."""
    if connection.in_atomic_block:
        yield
        return
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


def _lines(priced: Iterable[Priced], lens: _Lens, money: _Money) -> Iterator[Line]:
    for each in priced:
        if not each.matters:
            continue
        yield Line(
            dimensions=lens.dimensions(each.row),
            meter=each.row.meter,
            instead=each.instead,
            quantity=each.quantity,
            was=sum((money.of(cost, code) for code, cost in each.was.items()), ZERO),
            would_be=sum((money.of(cost, code) for code, cost in each.would_be.items()), ZERO),
            was_lacks=each.was_lacks,
            would_lack=each.would_lack,
        )


class _Lens:
    """Whose a row is, what of it was asked for, and whether the actor may see it."""

    def __init__(self, attribution: Attribution, question: Question, actor: Actor) -> None:
        self.attribution = attribution
        self._question = question
        self._actor = actor

    def lets_through(self, row: usage.RollupRow) -> bool:
        """Tell whether the actor may see the row, and the filters want it."""
        owner = self._owner(row)
        if not sees_everything(self._actor) and not may_see(self._actor, owner, row.tags):
            return False
        return all(
            _value(name, row, owner) == value for name, value in self._question.filters.items()
        )

    def dimensions(self, row: usage.RollupRow) -> dict[str, str]:
        """Return the values of the dimensions asked for, but the meter's."""
        owner = self._owner(row)
        names = (name for name in self._question.group_by if name != "meter")
        return {name: _value(name, row, owner) for name in names}

    def _owner(self, row: usage.RollupRow) -> Owner:
        tags = {
            **row.tags,
            "account": row.account,
            "credential": row.credential,
            "operation": row.operation,
        }
        return self.attribution.owner_of(
            tags=tags, sku_provider=row.sku.provider, sku_model=row.sku.model, on=row.day_from
        )


def _value(name: str, row: usage.RollupRow, owner: Owner) -> str:
    if name in OWNED:
        return str(getattr(owner, name))
    if name in SENT or name == "meter":
        return str(getattr(row, name))
    if name.startswith(TAG):
        return row.tags.get(name.removeprefix(TAG), "")
    if name == "sku":
        return row.sku.label
    if name == "service":
        return "" if row.sku.provider else row.sku.model
    return str(getattr(row.sku, name))


class _Money:
    """The one currency of an answer: that of all prices, else the tenant's at the month's rates."""

    def __init__(self, month: Month, priced: Sequence[Priced]) -> None:
        codes = {code for each in priced for code in (*each.was, *each.would_be)}
        own = tenants.current().currency
        self.currency = codes.pop() if len(codes) == 1 else own
        self._rates = {code: Decimal(1) for code in (self.currency, "")}
        if codes:
            table = periods.fx(month)
            self._rates |= {code: table.rate(code, own).rate for code in {*codes, own}}

    def of(self, amount: Decimal | None, currency: str) -> Decimal:
        """Return an amount in the answer's currency; exact."""
        if amount is None:
            return ZERO
        return EXACT.multiply(amount, self._rates[currency])
