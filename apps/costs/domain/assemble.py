"""Decides which usage and which charges make up a month, so that nothing counts twice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Final, Protocol

from apps.core.domain.money import EXACT
from apps.core.domain.months import Month
from apps.costs.domain.accounts import AccountFacts, Accounts, Feed, Truth
from apps.costs.domain.lines import (
    ZERO,
    Basis,
    CostLine,
    Foreign,
    MissingPair,
    converted,
    key_of,
    total,
)
from apps.periods.domain.fx import FxTable, MissingRate

ONE: Final = Decimal(1)
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


@dataclass(frozen=True, slots=True)
class ChargeGroup:
    """Charges of one bill that differ in nothing a reader asks for; amounts are sums."""

    provider_account: str
    billing_month: Month
    provider: str
    service: str
    sku: str
    sku_meter: str
    sub_account: str
    charge_category: str
    charge_class: str
    currency: str
    unit: str
    tags: Mapping[str, str]
    quantity: Decimal
    billed: Decimal
    effective: Decimal
    first_day: date
    last_day: date


def metered(
    rollups: Iterable[Rollup],
    prices: Mapping[int, Price],
    accounts: Accounts,
    billed: frozenset[str],
) -> list[Foreign]:
    """Return the usage that counts, unconverted.

    Of each provider account one feed counts. Usage of an account whose bill is the truth counts
    only while that bill is not there (`billed` holds the codes of those that are), as accrued.
    Unpriced usage has no amount and is not here; whoever reads this reports it beside. Requests
    that nobody charges for are here at nothing, as what shared cost may be split by.
    """
    found: list[Foreign] = []
    for row, account in counted(list(rollups), accounts, billed):
        is_free = row.cost is None and row.meter == REQUESTS
        if row.cost is None and not is_free:
            continue
        is_accrued = account is not None and account.truth is Truth.BILLED
        basis = Basis.ACCRUED if is_accrued else Basis.METERED
        price = None if is_free else prices[row.price_id]
        cost = row.cost or ZERO
        found.append(Foreign(_usage_line(row, price, basis, account), cost, cost))
    return found


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
    for row in rows:
        provider, account = row.sku.provider, row.account
        if rule.counts(provider=provider, account=account, model=row.sku.model, feed=row.feed):
            yield row, accounts.of_usage(provider=provider, account=account)


def charged(groups: Iterable[ChargeGroup], *, month: Month) -> list[Foreign]:
    """Return the charges of bills booked in a month, unconverted."""
    return [Foreign(_charge_line(group, month), group.billed, group.effective) for group in groups]


def trued_up(
    account: AccountFacts,
    *,
    billing_month: Month,
    month: Month,
    currency: str,
    booked: tuple[Decimal, Decimal],
    bill: tuple[Decimal, Decimal],
) -> CostLine | None:
    """Return the line by which (billed, effective) booked so far become those of the bill.

    Amounts are in the tenant's currency. Nothing when they are equal already.
    """
    billed = total((bill[0], -booked[0]))
    effective = total((bill[1], -booked[1]))
    if not billed and not effective:
        return None
    return CostLine(
        key=key_of("t", account.code, str(billing_month)),
        origin="bill",
        tags={"account": account.account} if account.account not in ("", "*") else {},
        tag_set_id=None,
        account=account.account,
        provider=account.provider,
        service="",
        model="",
        sku="",
        meter="",
        charge_category="Adjustment",
        quantity=Decimal(0),
        unit="",
        unit_price=None,
        unit_size=1,
        price_source="",
        price_id=None,
        currency=currency,
        billed=billed,
        effective=effective,
        original_currency=currency,
        original_amount=effective,
        fx_rate=Decimal(1),
        first_day=billing_month.first_day,
        last_day=billing_month.last_day,
        basis=Basis.TRUE_UP,
        provider_account=account.code,
        original_month=str(billing_month) if billing_month != month else "",
    )


def in_currency(
    foreign: Iterable[Foreign], *, fx: FxTable, currency: str
) -> tuple[list[CostLine], list[MissingPair]]:
    """Convert every line once at the month's rate; lines without a rate are told by pair."""
    lines: list[CostLine] = []
    missing: dict[str, list[Foreign]] = {}
    for each in foreign:
        base = each.line.original_currency or currency
        try:
            rate = fx.rate(base, currency)
        except MissingRate:
            missing.setdefault(base, []).append(each)
        else:
            lines.append(converted(each, rate.rate, currency))
    return lines, [
        MissingPair(base, currency, len(left), total(each.effective for each in left))
        for base, left in sorted(missing.items())
    ]


def distinct(lines: Sequence[CostLine]) -> list[CostLine]:
    """Number lines that would share a key, in an order that does not depend on the database."""
    by_key: dict[str, list[CostLine]] = {}
    for line in lines:
        by_key.setdefault(line.key, []).append(line)
    found: list[CostLine] = []
    for key, same in by_key.items():
        same.sort(key=lambda line: (line.effective, line.quantity, line.last_day))
        found.append(same[0])
        found += [
            replace(line, key=f"{key}.{number}") for number, line in enumerate(same[1:], start=2)
        ]
    return found


def unit_of(meter: str) -> str:
    """Return the unit in which a meter counts: token, request, search, or the meter's own name."""
    if meter.endswith("_tokens"):
        return "token"
    return _UNITS.get(meter, meter)


_UNITS: Mapping[str, str] = {"requests": "request", "web_searches": "search"}


def _usage_line(
    row: Rollup, price: Price | None, basis: Basis, account: AccountFacts | None
) -> CostLine:
    tags = usage_tags(row)
    key = key_of(
        "u",
        tags,
        row.sku.label,
        row.meter,
        row.feed,
        price and [price.amount, price.unit_size, price.source],
        row.currency,
        row.day_from,
    )
    return CostLine(
        key=key,
        origin="usage",
        tags=tags,
        tag_set_id=row.tag_set_id,
        account=row.account,
        provider=row.sku.provider,
        service="" if row.sku.provider else row.sku.model,
        model=row.sku.model,
        sku=row.sku.label,
        meter=row.meter,
        charge_category="Usage",
        quantity=row.quantity,
        unit=unit_of(row.meter),
        unit_price=price.amount if price else None,
        unit_size=price.unit_size if price else 1,
        price_source=price.source if price else "",
        price_id=row.price_id if price else None,
        original_currency=row.currency,
        first_day=row.day_from,
        last_day=row.day_to,
        basis=basis,
        provider_account=account.code if account else "",
        currency="",
        billed=ZERO,
        effective=ZERO,
        original_amount=ZERO,
        fx_rate=ONE,
    )


def _charge_line(group: ChargeGroup, month: Month) -> CostLine:
    tags = charge_tags(group)
    key = key_of(
        "b",
        group.provider_account,
        str(group.billing_month),
        tags,
        group.provider,
        group.service,
        group.sku,
        group.sku_meter,
        group.charge_category,
        group.charge_class,
        group.currency,
        group.unit,
        group.first_day,
    )
    return CostLine(
        key=key,
        origin="bill",
        tags=tags,
        tag_set_id=None,
        account=group.sub_account,
        provider=group.provider,
        service=group.service,
        model="",
        sku=group.sku,
        meter=group.sku_meter,
        charge_category=group.charge_category,
        quantity=group.quantity,
        unit=group.unit,
        unit_price=None,
        unit_size=1,
        price_source=f"bill {group.provider_account}",
        price_id=None,
        original_currency=group.currency,
        first_day=group.first_day,
        last_day=group.last_day,
        basis=Basis.BILLED,
        provider_account=group.provider_account,
        original_month=str(group.billing_month) if group.billing_month != month else "",
        currency="",
        billed=ZERO,
        effective=ZERO,
        original_amount=ZERO,
        fx_rate=ONE,
    )


def usage_tags(row: Rollup) -> dict[str, str]:
    """Return the tags of usage with the reserved keys that rules may ask for."""
    return _with_reserved(
        row.tags,
        account=row.account,
        credential=row.credential,
        operation=row.operation,
        service="" if row.sku.provider else row.sku.model,
    )


def charge_tags(group: ChargeGroup) -> dict[str, str]:
    """Return the tags of charges with the reserved keys that rules may ask for."""
    return _with_reserved(group.tags, account=group.sub_account, service=group.service)


def _with_reserved(tags: Mapping[str, str], **reserved: str) -> dict[str, str]:
    return {**tags, **{key: value for key, value in reserved.items() if value}}
