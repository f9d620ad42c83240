"""What a planned use will cost, by the price book in force; exact, or unpriced."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from apps.budgets.domain.decisions import Ask, Estimate
from apps.budgets.selectors.book import BudgetBook
from apps.core.domain.money import EXACT
from apps.core.domain.months import local_day
from apps.rating.domain.book import PriceBook
from apps.rating.domain.prices import SkuKey
from apps.rating.domain.rate import cost_of
from apps.tenants import selectors as tenants
from apps.usage.domain.normalize import REQUESTS


@dataclass(frozen=True, slots=True)
class Rated:
    """A use by its canonical names, with its cost: of one request, and of all of them."""

    provider: str
    model: str
    single: Estimate
    estimate: Estimate


def rate(*, ask: Ask, book: BudgetBook, prices: PriceBook, now: datetime) -> Rated:
    """Return what a use costs at the prices; with an amount given, that is what it costs.

    Prices of several currencies are added at the budget rates, in the tenant's. Nothing is taken
    as free for want of a price: a meter without one makes the whole unpriced.
    """
    sku = prices.sku_for(
        provider=ask.provider,
        model=ask.model,
        service_tier=ask.service_tier,
        batch=ask.batch,
        region=ask.region,
        context_tokens=ask.input_tokens,
        at=now,
    )
    if ask.amount is not None:
        given = Estimate(ask.amount, ask.currency)
        return Rated(sku.provider, sku.model, given, given)
    single = _single(ask, prices, sku, book, now)
    whole = None if single.amount is None else EXACT.multiply(single.amount, Decimal(ask.requests))
    return Rated(sku.provider, sku.model, single, Estimate(whole, single.currency, single.missing))


def _single(ask: Ask, prices: PriceBook, sku: SkuKey, book: BudgetBook, now: datetime) -> Estimate:
    quantities = {
        "input_tokens": ask.input_tokens - ask.cached_input_tokens,
        "cached_input_tokens": ask.cached_input_tokens,
        "output_tokens": ask.output_tokens,
        REQUESTS: 1,
    }
    sums: dict[str, Decimal] = {}
    missing: list[str] = []
    for meter, quantity in quantities.items():
        quote = prices.quote(sku=sku, meter=meter, at=now) if quantity else None
        if quote is not None:
            amount = Decimal(quote.amount)
            cost = cost_of(quantity=Decimal(quantity), amount=amount, unit_size=quote.unit_size)
            sums[quote.currency] = EXACT.add(sums.get(quote.currency, Decimal(0)), cost)
        elif quantity and prices.expects_price(sku=sku, meter=meter):
            missing.append(f"{meter} of {sku.provider}/{sku.model}")
    return _summed(sums, missing, book, local_day(now, tenants.current().timezone))


def _summed(
    sums: dict[str, Decimal], missing: list[str], book: BudgetBook, today: date
) -> Estimate:
    own = tenants.current().currency
    if missing:
        return Estimate(None, own, tuple(missing))
    if len(sums) == 1:
        ((currency, amount),) = sums.items()
        return Estimate(amount, currency)
    total = Decimal(0)
    for currency, amount in sums.items():
        converted = book.converted(amount, currency, own, today)
        if converted is None:
            return Estimate(None, own, (f"{currency} in {own}",))
        total = EXACT.add(total, converted)
    return Estimate(total, own)
