"""Why a meter of a SKU has no price, and what it may cost at worst until it has one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import Final

from apps.core.domain.money import EXACT
from apps.rating.domain.prices import PriceRow, SkuKey
from apps.rating.domain.rate import cost_of
from apps.rating.domain.selection import applicable, choose


class Reason(StrEnum):
    """Why there is no price."""

    UNKNOWN_PROVIDER = "unknown_provider"
    UNKNOWN_MODEL = "unknown_model"
    UNKNOWN_SERVICE = "unknown_service"
    NO_METER_PRICE = "no_meter_price"
    NO_TIER_PRICE = "no_tier_price"
    SEVERAL_MATCH = "several_match"
    NOT_AT_TIME = "not_at_time"


IN_WORDS: Final = {
    Reason.UNKNOWN_PROVIDER: "The provider is unknown",
    Reason.UNKNOWN_MODEL: "The model is unknown",
    Reason.UNKNOWN_SERVICE: "The service has no price",
    Reason.NO_METER_PRICE: "The model has no price for this meter",
    Reason.NO_TIER_PRICE: "The meter has prices, none for this tier, batch, region or context",
    Reason.SEVERAL_MATCH: "Several prices match equally well",
    Reason.NOT_AT_TIME: "The price does not hold at that time",
}


class Basis(StrEnum):
    """What a worst case is taken from."""

    MATCHING = "matching"
    PROVIDER = "provider"
    ANY = "any"


@dataclass(frozen=True, slots=True)
class WorstCase:
    """An estimate that is shown and never booked: the quantity at the dearest price of its peers.

    `amount` is in `currency`, the organization's; `price` is the peer's, in its own.
    """

    amount: Decimal
    currency: str
    basis: Basis
    peers: int
    price: PriceRow


Convert = Callable[[str], Decimal | None]
"""The rate from a currency to the organization's; None when there is none."""


def reason_of(
    *, rows: Sequence[PriceRow], sku: SkuKey, meter: str, at: datetime, known: tuple[bool, bool]
) -> Reason:
    """Return why a meter has no price at a moment.

    `rows` are all prices of the model; `known` tells whether provider and model are.
    """
    is_provider_known, is_model_known = known
    if not rows and not is_model_known:
        if not sku.provider:
            return Reason.UNKNOWN_SERVICE
        return Reason.UNKNOWN_MODEL if is_provider_known else Reason.UNKNOWN_PROVIDER
    fitting = applicable(rows, sku, meter)
    if len(in_force(fitting, meter, at)) > 1:
        return Reason.SEVERAL_MATCH
    if fitting:
        return Reason.NOT_AT_TIME
    if any(row.meter == meter for row in rows):
        return Reason.NO_TIER_PRICE
    return Reason.NO_METER_PRICE


def in_force(rows: Iterable[PriceRow], meter: str, at: datetime) -> list[PriceRow]:
    """Return the rows that would price the meter at a moment, each taken alone."""
    return [row for row in rows if choose([row], meter, at) is not None]


def worst_case(
    *, quantity: Decimal, peers: Iterable[PriceRow], basis: Basis, currency: str, convert: Convert
) -> WorstCase | None:
    """Return what a quantity costs at the dearest of its peers; None when none compares.

    Peers whose currency has no rate do not compare.
    """
    listed = list(peers)
    rates = {row.currency: convert(row.currency) for row in listed}
    comparable = [row for row in listed if rates[row.currency] is not None]
    if not comparable:
        return None
    dearest = max(comparable, key=lambda row: (_per_unit(row, rates[row.currency]), row.key))
    cost = cost_of(quantity=quantity, amount=dearest.amount, unit_size=dearest.unit_size)
    rate = rates[dearest.currency]
    assert rate is not None
    return WorstCase(EXACT.multiply(cost, rate), currency, basis, len(comparable), dearest)


def _per_unit(row: PriceRow, rate: Decimal | None) -> Fraction:
    return Fraction(row.amount) * Fraction(rate or 0) / row.unit_size
