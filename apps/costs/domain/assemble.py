"""Makes lines of charges and true-ups, and puts all lines of a month in one currency."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from apps.core.domain.money import EXACT
from apps.core.domain.months import Month
from apps.costs.domain.accounts import AccountFacts
from apps.costs.domain.lines import (
    ONE,
    ZERO,
    Basis,
    CostLine,
    MissingPair,
    converted,
    key_of,
    total,
)
from apps.costs.domain.metering import with_reserved
from apps.periods.domain.fx import FxTable, MissingRate


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
    commitment: str = ""
    commitment_status: str = ""
    contracted: Decimal | None = None
    """Cost at contracted prices; of a commitment's use only."""


def charged(groups: Iterable[ChargeGroup], *, month: Month) -> list[CostLine]:
    """Return the charges of bills booked in a month, unconverted."""
    return [_charge_line(group, month) for group in groups]


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
    lines: Iterable[CostLine], *, fx: FxTable, currency: str
) -> tuple[list[CostLine], list[MissingPair]]:
    """Convert every line once at the month's rate; lines without a rate are told by pair."""
    found: list[CostLine] = []
    missing: dict[str, list[CostLine]] = {}
    rates: dict[str, Decimal | None] = {}
    for line in lines:
        base = line.original_currency or currency
        if base not in rates:
            rates[base] = _rate(fx, base, currency)
        rate = rates[base]
        if rate is None:
            missing.setdefault(base, []).append(line)
        else:
            found.append(converted(line, rate, currency))
    return found, [
        MissingPair(base, currency, len(left), total(line.effective for line in left))
        for base, left in sorted(missing.items())
    ]


def _rate(fx: FxTable, base: str, currency: str) -> Decimal | None:
    try:
        return fx.rate(base, currency).rate
    except MissingRate:
        return None


def distinct(lines: Sequence[CostLine]) -> list[CostLine]:
    """Number lines that would share a key, in an order that does not depend on the database."""
    if len({line.key for line in lines}) == len(lines):
        return list(lines)
    by_key: dict[str, list[CostLine]] = {}
    for line in lines:
        by_key.setdefault(line.key, []).append(line)
    found: list[CostLine] = []
    for key, same in by_key.items():
        same.sort(key=lambda line: (line.effective, line.quantity, line.last_day))
        found.append(same[0])
        found += [
            line._replace(key=f"{key}.{number}") for number, line in enumerate(same[1:], start=2)
        ]
    return found


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
        saving=saving_of(group),
        currency=group.currency,
        billed=group.billed,
        effective=group.effective,
        original_amount=group.effective,
        fx_rate=ONE,
    )


def saving_of(group: ChargeGroup) -> Decimal:
    """Return what a commitment takes off the contracted cost of some charges.

    Use that a commitment covers saves its contracted minus its effective cost; what of a
    commitment nobody used saves less than nothing, its own cost. Buying one saves nothing yet.
    """
    if not group.commitment or group.charge_category != "Usage":
        return ZERO
    if group.commitment_status == "Unused":
        return -group.effective
    return ZERO if group.contracted is None else EXACT.subtract(group.contracted, group.effective)


def charge_tags(group: ChargeGroup) -> dict[str, str]:
    """Return the tags of charges with the reserved keys that rules may ask for."""
    return with_reserved(
        group.tags,
        account=group.sub_account,
        service=group.service,
        commitment=group.commitment,
        commitment_status=group.commitment_status,
    )
