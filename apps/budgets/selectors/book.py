"""Which usage draws which budget, at what rate; kept in the process by schema and version."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cached_property
from threading import Lock
from typing import Final, NamedTuple
from uuid import UUID

from django.db import connection
from django.db.models import Q

from apps.budgets.domain.budgets import BudgetFacts
from apps.budgets.domain.policies import JustifiedScope, PolicyFacts
from apps.budgets.domain.scope import Subject, matches, subject_of
from apps.budgets.domain.tags import TagState
from apps.budgets.domain.windows import Days
from apps.budgets.models import Budget, ExperimentTag, Justification, ModelPolicy
from apps.core.db import current_schema
from apps.core.domain.canonical import digest_of
from apps.core.domain.money import EXACT
from apps.core.domain.months import Month
from apps.costs import selectors as costs
from apps.directory import selectors as directory
from apps.directory.domain.attribution import Attribution
from apps.periods import selectors as periods
from apps.periods.domain.fx import FxRateFacts, RateKind, rates_in_force
from apps.usage import selectors as usage
from apps.usage.domain.feeds import REQUEST, Declared, Stream
from apps.usage.selectors import SkuFacts, TagSetFacts
from apps.usage.selectors.spend import Spend

_MOST_BOOKS: Final = 64
_MOST_KNOWN: Final = 200_000
_MOST_SUBJECTS: Final = 10_000


class Drawn(NamedTuple):
    """What one piece of spend takes from a window; None when its currency has no budget rate."""

    budget: BudgetFacts
    window: Days
    amount: Decimal | None


@dataclass(frozen=True, slots=True)
class Basis:
    """What decides which usage draws what, beside the budgets: owners, tree, feeds, rates."""

    attribution: Attribution
    parents: Mapping[str, str]
    feeds: str
    rates: tuple[FxRateFacts, ...]

    @property
    def digest(self) -> str:
        """Return a digest that is another one whenever an answer may be."""
        rates = [(str(r.month), r.base, r.quote, r.rate, r.revision) for r in self.rates]
        parts = [self.attribution.digest, dict(self.parents), self.feeds, rates]
        return digest_of(parts)


def basis() -> Basis:
    """Return what the directory, the accounts and the rates say now; about a dozen queries."""
    calendar = periods.calendar().periods
    entered = (
        periods.entered_rates(first=calendar[0].month, last=calendar[-1].month) if calendar else ()
    )
    told = costs.accounts()
    feeds = digest_of([[repr(one) for one in told.declared], sorted(map(repr, told.feeds.items()))])
    return Basis(
        attribution=directory.attribution(),
        parents={one.code: one.parent for one in directory.cost_centers()},
        feeds=feeds,
        rates=tuple(rate for rate in entered if rate.kind is RateKind.BUDGET),
    )


class BudgetBook:
    """All budgets that count, as of one version of the registry, and what they are matched by.

    Owners and rates are read when they are first needed, and kept as long as the book.
    """

    def __init__(self, version: UUID, budgets: Iterable[BudgetFacts]) -> None:
        self.version = version
        self.budgets = {one.key: one for one in budgets}
        self._tag_sets: dict[int, TagSetFacts] = {}
        self._skus: dict[int, SkuFacts] = {}
        self._matching: dict[tuple[int, int, int, str], tuple[BudgetFacts, ...]] = {}
        self._limiting: dict[tuple[object, ...], tuple[BudgetFacts, ...]] = {}
        self._rates: dict[tuple[Month, str, str], Decimal | None] = {}

    @cached_property
    def basis(self) -> Basis:
        """Return owners, tree and rates as they were when first asked for."""
        return basis()

    @cached_property
    def _declared(self) -> Declared:
        return costs.declared_feeds()

    @cached_property
    def policies(self) -> tuple[PolicyFacts, ...]:
        """Return the policies that are not retired; whoever changes one moves the registry."""
        rows = ModelPolicy.objects.filter(retired_at__isnull=True).order_by("name", "id")
        return tuple(row.facts for row in rows)

    @cached_property
    def justified(self) -> tuple[JustifiedScope, ...]:
        """Return what may use ultra-large contexts; whoever changes it moves the registry."""
        rows = Justification.objects.filter(retired_at__isnull=True).order_by("id")
        return tuple(JustifiedScope(row.scope, row.valid_from, row.valid_to) for row in rows)

    @cached_property
    def experiment_tags(self) -> Mapping[str, TagState]:
        """Return the tags of requests, and whether they are approved; a change moves the registry.

        A tag that is not in it has no request.
        """
        rows = ExperimentTag.objects.values_list("experiment", "state")
        return {experiment: TagState(state) for experiment, state in rows}

    @property
    def live(self) -> list[BudgetFacts]:
        """Return the budgets that limit something, by key."""
        return [one for _, one in sorted(self.budgets.items()) if one.is_live]

    def limiting(self, subject: Subject, on: date) -> tuple[BudgetFacts, ...]:
        """Return the budgets that limit use on a day, in the order of locks; kept by subject."""
        key = (frozenset(subject.values.items()), subject.cost_centers)
        found = self._limiting.get(key)
        if found is None:
            if len(self._limiting) >= _MOST_SUBJECTS:
                self._limiting.clear()
            found = tuple(one for one in self.live if matches(one.scope, subject))
            self._limiting[key] = found
        return tuple(one for one in found if one.rule.window_of(on) is not None)

    def learn(self, spends: Iterable[tuple[int, int]]) -> None:
        """Read the tag sets and SKUs of spend that are not known yet; at most two queries."""
        listed = list(spends)
        tag_sets = {tag_set for tag_set, _ in listed} - self._tag_sets.keys()
        skus = {sku for _, sku in listed} - self._skus.keys()
        if len(self._tag_sets) > _MOST_KNOWN or len(self._matching) > _MOST_KNOWN:
            self._tag_sets.clear()
            self._matching.clear()
            tag_sets = {tag_set for tag_set, _ in listed}
        if tag_sets:
            self._tag_sets.update(usage.tag_sets_of(tag_sets))
        if skus:
            self._skus.update(usage.skus_of(skus))

    def matching(self, *, tag_set: int, sku: int, day: date, feed: str) -> tuple[BudgetFacts, ...]:
        """Return the budgets that usage draws, in the order of locks; ask after `learn`."""
        key = (tag_set, sku, day.toordinal(), feed)
        found = self._matching.get(key)
        if found is None:
            found = self._matching[key] = self._match(tag_set, sku, day, feed)
        return found

    def drawn(self, spend: Spend) -> list[Drawn]:
        """Return what a piece of spend takes from which windows, in the order of locks."""
        found = []
        for budget in self.matching(
            tag_set=spend.tag_set, sku=spend.sku, day=spend.day, feed=spend.feed
        ):
            window = budget.rule.window_of(spend.day)
            if window is not None:
                amount = self.converted(spend.cost, spend.currency, budget.currency, spend.day)
                found.append(Drawn(budget, window, amount))
        return found

    def converted(self, amount: Decimal, base: str, quote: str, day: date) -> Decimal | None:
        """Return an amount at the budget rate of a day's month; None when nobody entered one."""
        if base == quote:
            return amount
        rate = self.rate(base, quote, Month.of(day))
        return None if rate is None else EXACT.multiply(amount, rate)

    def rate(self, base: str, quote: str, month: Month) -> Decimal | None:
        """Return the budget rate of a month; None when nobody entered one."""
        key = (month, base, quote)
        if key not in self._rates:
            in_force = rates_in_force(self.basis.rates, month=month, kind=RateKind.BUDGET)
            pairs = {(one.base, one.quote): one.rate for one in in_force}
            self._rates[key] = pairs.get((base, quote))
        return self._rates[key]

    def subject(
        self,
        *,
        tags: Mapping[str, str],
        provider: str,
        model: str,
        credential: str,
        account: str,
        on: date,
    ) -> Subject:
        """Return what usage is matched by on a day."""
        reserved = {"account": account, "credential": credential}
        owner = self.basis.attribution.owner_of(
            tags={**tags, **{key: value for key, value in reserved.items() if value}},
            sku_provider=provider,
            sku_model=model,
            on=on,
        )
        return subject_of(
            owner=owner,
            tags=tags,
            provider=provider,
            model=model,
            credential=credential,
            account=account,
            parents=self.basis.parents,
        )

    def _match(self, tag_set: int, sku: int, day: date, feed: str) -> tuple[BudgetFacts, ...]:
        tags, used = self._tag_sets[tag_set], self._skus[sku]
        stream = Stream(used.provider, tags.account, used.model, Month.of(day), feed)
        if feed != (self._declared(stream) or REQUEST):
            return ()
        reserved = {"operation": tags.operation} if tags.operation else {}
        subject = self.subject(
            tags={**tags.tags, **reserved, **({} if used.provider else {"service": used.model})},
            provider=used.provider,
            model=used.model,
            credential=tags.credential,
            account=tags.account,
            on=day,
        )
        return tuple(one for _, one in sorted(self.budgets.items()) if matches(one.scope, subject))


def book(*, version: UUID) -> BudgetBook:
    """Return the book of a version of the registry; one query when it is not at hand.

    A version is never used twice, so a book read inside a transaction may be kept: when that is
    rolled back, nobody asks for its version again.
    """
    key = (current_schema(), version)
    found = _books.get(key)
    if found is None:
        rows = Budget.objects.filter(Q(retired_at__isnull=True) | Q(is_grant=True)).order_by("id")
        found = BudgetBook(version, [row.facts for row in rows])
        _books.put(key, found)
    return found


def current_book() -> BudgetBook:
    """Return the book in force; one short query, and one more when it moved."""
    schema = connection.ops.quote_name(current_schema())
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT version FROM {schema}.budgets_registry WHERE id = 1")  # noqa: S608
        (version,) = cursor.fetchone()
    return book(version=version)


class _Books:
    """The last books, one a schema."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[UUID, BudgetBook]] = OrderedDict()
        self._lock = Lock()

    def get(self, key: tuple[str, UUID]) -> BudgetBook | None:
        """Return the book of a schema, if it is of that version."""
        schema, version = key
        kept = self._kept.get(schema)
        return kept[1] if kept is not None and kept[0] == version else None

    def put(self, key: tuple[str, UUID], found: BudgetBook) -> None:
        """Keep a book in the place of the one before; forget the oldest of too many."""
        schema, version = key
        with self._lock:
            self._kept[schema] = (version, found)
            self._kept.move_to_end(schema)
            while len(self._kept) > _MOST_BOOKS:
                self._kept.popitem(last=False)


_books: Final = _Books()
