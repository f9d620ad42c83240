"""Decides which usage makes up a month, so that nothing counts twice, and makes its lines.

A month has tens of thousands of lines, so whatever lines share is made once: tags with their
reserved keys, and every text that goes into a line's key.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from hashlib import blake2b
from typing import Final, NamedTuple, Protocol

from apps.core.domain.canonical import canonical_json
from apps.core.domain.money import EXACT
from apps.costs.domain.accounts import AccountFacts, Accounts, Feed, Truth
from apps.costs.domain.lines import KEY_SIZE, ONE, ZERO, Basis, CostLine

REQUESTS: Final = "requests"


class Sku(Protocol):
    """What usage says of a SKU."""

    @property
    def provider(self) -> str: ...
    @property
    def model(self) -> str: ...
    @property
    def label(self) -> str: ...


class Rollup(Protocol):
    """What usage says of a sum of usage."""

    @property
    def tag_set_id(self) -> int: ...
    @property
    def tags(self) -> Mapping[str, str]: ...
    @property
    def account(self) -> str: ...
    @property
    def credential(self) -> str: ...
    @property
    def operation(self) -> str: ...
    @property
    def sku(self) -> Sku: ...
    @property
    def price_id(self) -> int: ...
    @property
    def meter(self) -> str: ...
    @property
    def feed(self) -> str: ...
    @property
    def quantity(self) -> Decimal: ...
    @property
    def cost(self) -> Decimal | None: ...
    @property
    def currency(self) -> str: ...
    @property
    def day_from(self) -> date: ...
    @property
    def day_to(self) -> date: ...


class Price(Protocol):
    """What rating says of a price that usage was rated at."""

    @property
    def amount(self) -> Decimal: ...
    @property
    def unit_size(self) -> int: ...
    @property
    def source(self) -> str: ...


def metered(
    rollups: Iterable[Rollup],
    prices: Mapping[int, Price],
    accounts: Accounts,
    billed: frozenset[str],
    currency: str,
) -> list[CostLine]:
    """Return the usage that counts, unconverted; `currency` is that of what costs nothing.

    Of each provider account one feed counts. Usage of an account whose bill is the truth counts
    only while that bill is not there (`billed` holds the codes of those that are), as accrued.
    Unpriced usage has no amount and is not here; whoever reads this reports it beside. Requests
    that nobody charges for are here at nothing, as what shared cost may be split by.
    """
    made = _UsageLines(prices, currency)
    rows = list(rollups)
    return [
        made.line(row, account)
        for row, account in counted(rows, accounts, billed)
        if row.cost is not None or row.meter == REQUESTS
    ]


def uncounted(
    rollups: Iterable[Rollup], accounts: Accounts, billed: frozenset[str]
) -> dict[str, Decimal]:
    """Return by currency the rated cost that another feed or a bill stands for."""
    rows = list(rollups)
    kept = {id(row) for row, _ in counted(rows, accounts, billed)}
    return sums_by_currency(row for row in rows if id(row) not in kept)


def sums_by_currency(rollups: Iterable[Rollup]) -> dict[str, Decimal]:
    """Return rated cost by the currency of its prices, exact."""
    sums: dict[str, Decimal] = {}
    for row in rollups:
        if row.cost is not None:
            sums[row.currency] = EXACT.add(sums.get(row.currency, ZERO), row.cost)
    return sums


@dataclass(frozen=True, slots=True)
class Counting:
    """Decides which usage counts, so that no bill and no other feed tells the same use again."""

    accounts: Accounts
    billed: frozenset[str]
    """Codes of the accounts whose bill for the month is there."""

    requests: frozenset[tuple[str, str, str]]
    """Providers, accounts and models that have usage by single requests."""

    def counts(self, *, provider: str, account: str, model: str, feed: str) -> bool:
        """Tell whether usage counts that arrived by a feed."""
        declared = self.accounts.of_usage(provider=provider, account=account)
        if declared is None:
            return feed == Feed.REQUEST or (provider, account, model) not in self.requests
        is_billed = declared.truth is Truth.BILLED and declared.code in self.billed
        said = self.accounts.feed_of(provider=provider, account=account, model=model)
        return feed == said and not is_billed


def counted(
    rows: Sequence[Rollup], accounts: Accounts, billed: frozenset[str]
) -> Iterable[tuple[Rollup, AccountFacts | None]]:
    """Yield the usage that counts, with its declared account."""
    requests = {
        (row.sku.provider, row.account, row.sku.model) for row in rows if row.feed == Feed.REQUEST
    }
    rule = Counting(accounts, billed, frozenset(requests))
    known: dict[tuple[str, str, str, str], tuple[bool, AccountFacts | None]] = {}
    for row in rows:
        sku = row.sku
        scope = (sku.provider, row.account, sku.model, row.feed)
        counts = known.get(scope)
        if counts is None:
            provider, account, model, feed = scope
            counts = known[scope] = (
                rule.counts(provider=provider, account=account, model=model, feed=feed),
                accounts.of_usage(provider=provider, account=account),
            )
        if counts[0]:
            yield row, counts[1]


def unit_of(meter: str) -> str:
    """Return the unit in which a meter counts: token, request, search, or the meter's own name."""
    if meter.endswith("_tokens"):
        return "token"
    return _UNITS.get(meter, meter)


_UNITS: Mapping[str, str] = {"requests": "request", "web_searches": "search"}


class _Tags(NamedTuple):
    """Tags with the reserved keys, as they are and as a key of a line tells them."""

    tags: Mapping[str, str]
    text: bytes


class _Kind(NamedTuple):
    """What lines of one SKU, meter, price and feed share."""

    label: str
    unit: str
    unit_price: Decimal | None
    unit_size: int
    price_source: str
    price_id: int | None
    original_currency: str
    text: bytes


class _UsageLines:
    """Makes lines of rollups, sharing what they have in common."""

    def __init__(self, prices: Mapping[int, Price], currency: str) -> None:
        self._prices = prices
        self._currency = currency
        self._tags: dict[tuple[int, str, str, str, str], _Tags] = {}
        self._kinds: dict[tuple[int, str, int, str, str, bool], _Kind] = {}
        self._days: dict[date, bytes] = {}

    def line(self, row: Rollup, account: AccountFacts | None) -> CostLine:
        """Return the line of a rollup; one without a cost is a line of nothing."""
        sku = row.sku
        service = "" if sku.provider else sku.model
        cost = ZERO if row.cost is None else row.cost
        tags, kind = self._tags_of(row, service), self._kind_of(row)
        day = self._days.get(row.day_from)
        if day is None:
            day = self._days[row.day_from] = canonical_json(row.day_from)
        digest = blake2b(b"[%b,%b,%b]" % (tags.text, kind.text, day), digest_size=KEY_SIZE)
        is_accrued = account is not None and account.truth is Truth.BILLED
        return CostLine(
            f"u-{digest.hexdigest()}",
            "usage",
            tags.tags,
            row.tag_set_id,
            row.account,
            sku.provider,
            service,
            sku.model,
            kind.label,
            row.meter,
            "Usage",
            row.quantity,
            kind.unit,
            kind.unit_price,
            kind.unit_size,
            kind.price_source,
            kind.price_id,
            kind.original_currency,
            cost,
            cost,
            kind.original_currency,
            cost,
            ONE,
            row.day_from,
            row.day_to,
            Basis.ACCRUED if is_accrued else Basis.METERED,
            "" if account is None else account.code,
        )

    def _tags_of(self, row: Rollup, service: str) -> _Tags:
        asked = (id(row.tags), row.account, row.credential, row.operation, service)
        known = self._tags.get(asked)
        if known is None:
            tags = usage_tags(row)
            known = self._tags[asked] = _Tags(tags, canonical_json(tags))
        return known

    def _kind_of(self, row: Rollup) -> _Kind:
        is_free = row.cost is None
        asked = (id(row.sku), row.meter, row.price_id, row.feed, row.currency, is_free)
        known = self._kinds.get(asked)
        if known is None:
            price = None if is_free else self._prices[row.price_id]
            known = self._kinds[asked] = self._kind(row, price)
        return known

    def _kind(self, row: Rollup, price: Price | None) -> _Kind:
        priced = price and [price.amount, price.unit_size, price.source]
        parts = [row.sku.label, row.meter, row.feed, priced, row.currency]
        return _Kind(
            label=row.sku.label,
            unit=unit_of(row.meter),
            unit_price=price.amount if price else None,
            unit_size=price.unit_size if price else 1,
            price_source=price.source if price else "",
            price_id=row.price_id if price else None,
            original_currency=row.currency or self._currency,
            text=canonical_json(parts)[1:-1],
        )


def usage_tags(row: Rollup) -> dict[str, str]:
    """Return the tags of usage with the reserved keys that rules may ask for."""
    return with_reserved(
        row.tags,
        account=row.account,
        credential=row.credential,
        operation=row.operation,
        service="" if row.sku.provider else row.sku.model,
    )


def with_reserved(tags: Mapping[str, str], **reserved: str) -> dict[str, str]:
    """Return tags with those reserved keys that have a value."""
    return {**tags, **{key: value for key, value in reserved.items() if value}}
