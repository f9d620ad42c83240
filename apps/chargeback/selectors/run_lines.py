"""Reads the lines of a run as statements need them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Final
from uuid import UUID

from apps.allocation import selectors as allocation
from apps.allocation.selectors import Axis, LineFacts
from apps.chargeback.domain.facts import ChargeLine, Kind, PriceFacts
from apps.chargeback.domain.rollups import RollupKind
from apps.core.domain.months import Month
from apps.rating import selectors as rating

REQUESTS: Final = "requests"
_MILLIONTH: Final = Decimal("0.000001")


def charge_lines(facts: Iterable[LineFacts], run: allocation.RunFacts) -> list[ChargeLine]:
    """Return the lines of a run; requests that cost nothing are left out; one query for prices."""
    kept = [line for line in facts if not is_free_request(line)]
    prices = rating.prices({line.price_id for line in kept if line.price_id})
    names = {str(rule["code"]): str(rule.get("name") or rule["code"]) for rule in run.rules}
    return [_line(line, run.month, prices, names) for line in kept]


def is_free_request(line: LineFacts) -> bool:
    """Tell whether a line only counts requests that nobody charges for."""
    return line.meter == REQUESTS and not line.effective and not line.billed


def requests_by_center(facts: Iterable[LineFacts]) -> dict[str, Decimal]:
    """Return how many requests each cost center made."""
    counts: dict[str, Decimal] = {}
    for line in facts:
        if line.meter == REQUESTS and line.kind in (Kind.DIRECT, Kind.UNALLOCATED):
            known = counts.get(line.cost_center, Decimal(0))
            counts[line.cost_center] = known + (line.quantity or Decimal(0))
    return counts


def requests_by_rollup(
    facts: Iterable[LineFacts], customers: Mapping[str, Mapping[str, Fraction]]
) -> dict[tuple[RollupKind, str], Decimal]:
    """Return how many requests each product made, and how many served each customer.

    Requests that several customers share are counted in parts of a millionth.
    """
    counts: dict[tuple[RollupKind, str], Fraction] = {}
    for line in facts:
        if line.meter != REQUESTS or line.kind not in (Kind.DIRECT, Kind.UNALLOCATED):
            continue
        quantity = Fraction(line.quantity or 0)
        shares = customers.get(line.source, {})
        rest = 1 - sum((share for code, share in shares.items() if code), Fraction(0))
        parts = {(RollupKind.CUSTOMER, code): share for code, share in shares.items() if code}
        parts |= {(RollupKind.CUSTOMER, ""): rest, (RollupKind.PRODUCT, line.product): Fraction(1)}
        for key, share in parts.items():
            if share:
                counts[key] = counts.get(key, Fraction(0)) + quantity * share
    return {key: _MILLIONTH * round(count / Fraction(_MILLIONTH)) for key, count in counts.items()}


def customer_shares(run: UUID) -> dict[str, dict[str, Fraction]]:
    """Return, for every source of a run, the exact share of each customer; three queries."""
    shares: dict[str, dict[str, Fraction]] = {}
    for line in allocation.lines_of(run=run, axis=Axis.CUSTOMER):
        if line.source and line.kind in (Kind.DIRECT, Kind.SHARED):
            own = shares.setdefault(line.source, {})
            own[line.receiver] = own.get(line.receiver, Fraction(0)) + Fraction(line.share_exact)
    return shares


def _line(
    line: LineFacts, month: Month, prices: Mapping[int, rating.UsedPrice], names: Mapping[str, str]
) -> ChargeLine:
    return ChargeLine(
        source=line.source,
        receiver=line.receiver,
        cost_center=line.cost_center,
        kind=_KINDS.get(line.kind) or Kind(line.kind),
        effective=line.effective,
        billed=line.billed,
        rule=_reason(line) if line.kind == Kind.ADJUSTMENT else names.get(line.rule, line.rule),
        method=line.method,
        driver=line.driver,
        driver_value=line.driver_value,
        driver_total=line.driver_total,
        provider=line.provider,
        service=line.service or line.charge_category,
        model=line.model,
        meter=line.meter,
        quantity=line.quantity or Decimal(0),
        unit=line.unit,
        price=_price(line, prices),
        original_month=_original_month(line, month),
        basis=line.basis,
        tags=_tags(line),
    )


_KINDS: Final = {"commitment": Kind.ADJUSTMENT}
"""A shared saving moves an amount under the name of its rule, as an adjustment does."""


def _reason(line: LineFacts) -> str:
    """Say why an amount was moved by hand, and under which number."""
    return f"{line.measure} ({line.rule})"


def _price(line: LineFacts, prices: Mapping[int, rating.UsedPrice]) -> PriceFacts | None:
    if line.unit_price is None or not line.unit_size:
        return None
    used = prices.get(line.price_id or 0)
    return PriceFacts(
        amount=line.unit_price,
        unit_size=line.unit_size,
        currency=line.original_currency,
        source=line.price_source,
        valid_from=used.valid_from if used else None,
        valid_to=used.valid_to if used else None,
        fx_rate=line.fx_rate if line.fx_rate is not None else Decimal(1),
    )


def _original_month(line: LineFacts, month: Month) -> Month | None:
    """Return the earlier month that a line corrects.

    A late bill and what it reverses say it themselves; use that ended before the month began is
    late. The cost base keeps late usage apart, so no line mixes it with the month's own.
    """
    if line.original_month:
        return Month.parse(line.original_month)
    if line.last_day is None or line.last_day >= month.first_day:
        return None
    return Month.of(line.last_day)


def _tags(line: LineFacts) -> dict[str, str]:
    """Return the tags as sent, with the dimensions that attribution resolved on top."""
    resolved = {
        "team": line.team,
        "product": line.product,
        "feature": line.feature,
        "customer": line.customer,
        "experiment": line.experiment,
        "environment": line.environment,
        "account": line.account,
    }
    return {**line.tags, **{key: value for key, value in resolved.items() if value}}
