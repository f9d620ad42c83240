"""Discounts: a share off list prices, exact to the last digit, and which of several holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final, NamedTuple

from apps.catalog.domain.conditions import STANDARD_TIERS
from apps.catalog.domain.published import family_of
from apps.core.domain.money import EXACT
from apps.rating.domain.prices import Applied, PriceRow
from apps.rating.domain.rate import is_power_of_ten
from apps.rating.domain.selection import covers

HUNDRED: Final = Decimal(100)
_MOST_DECIMALS: Final = 18
_AMOUNT_LIMIT: Final = Decimal(10) ** 12


class Discount(NamedTuple):
    """`percent` off the list prices of a scope, valid in [valid_from, valid_to).

    An empty field of the scope leaves it open; so does None for `batch` and `context_gt`. `model`
    is a code or a prefix with "*", `family` the catalogue's family of the model. `service_tier`
    "standard" means standard requests only, `context_gt` the list price of that context tier.
    """

    provider: str
    family: str
    model: str
    meter: str
    service_tier: str
    batch: bool | None
    region: str
    context_gt: int | None
    percent: Decimal
    valid_from: datetime
    valid_to: datetime
    source: str

    @property
    def rank(self) -> tuple[int, ...]:
        """Return how specific the discount is; the greater goes over the smaller.

        A named model over a pattern and the longer pattern over the shorter, over a family, over
        a provider, over none; then a named meter; then the number of conditions.
        """
        conditions = (
            bool(self.service_tier),
            self.batch is not None,
            bool(self.region),
            self.context_gt is not None,
        )
        return (
            int(bool(self.model) and not self.model.endswith("*")),
            len(self.model),
            int(bool(self.family)),
            int(bool(self.provider)),
            int(bool(self.meter)),
            sum(conditions),
        )

    def names(self, provider: str, model: str) -> bool:
        """Tell whether the scope holds a model, by the names that usage carries."""
        return (
            (not self.provider or self.provider == provider)
            and (not self.family or self.family == family_of(model))
            and (not self.model or covers(self.model, model))
        )

    def reduces(self, row: PriceRow) -> bool:
        """Tell whether a list price of such a model falls under the discount at some time."""
        wanted = row.conditions
        tier = "" if self.service_tier in STANDARD_TIERS else self.service_tier
        return (
            (not self.meter or self.meter == row.meter)
            and (not self.service_tier or tier == wanted.service_tier)
            and (self.batch is None or self.batch == wanted.batch)
            and (not self.region or wanted.region in ("", self.region))
            and (self.context_gt is None or self.context_gt == wanted.context_gt)
            and max(self.valid_from, row.valid_from) < min(self.valid_to, row.valid_to)
        )


class Reduced(NamedTuple):
    """A discounted amount for a unit size; `exact` tells that no digit was lost."""

    amount: Decimal
    unit_size: int
    exact: bool


def reduced(*, amount: Decimal, unit_size: int, percent: Decimal) -> Reduced:
    """Return amount x (1 - percent / 100) with at most 18 decimals and no digit lost.

    The unit size grows by powers of ten where 18 decimals would not do: $0.000001 per unit less
    7.5 % may become a price per ten units. Where even 10^18 units, or amounts below 10^12, are too
    few, the answer is not exact and prices nothing.
    """
    whole = EXACT.multiply(amount, HUNDRED - percent).scaleb(-2, EXACT)
    size = unit_size
    while _decimals(whole) > _MOST_DECIMALS:
        whole, size = whole.scaleb(1, EXACT), size * 10
    exact = is_power_of_ten(size) and whole < _AMOUNT_LIMIT
    return Reduced(_plain(whole), size, exact) if exact else Reduced(amount, unit_size, False)


def discounted(rows: Iterable[PriceRow], discounts: Sequence[Discount]) -> Iterator[PriceRow]:
    """Yield what each discount makes of each list price that it reduces.

    The discounts are those that name the model. A row holds while both its list price and its
    discount do, so that a change of either splits exactly there.
    """
    for row in rows:
        for discount in discounts:
            if discount.reduces(row):
                yield _applied(row, discount)


def _applied(row: PriceRow, discount: Discount) -> PriceRow:
    price = reduced(amount=row.amount, unit_size=row.unit_size, percent=discount.percent)
    return row._replace(
        kind="discount",
        conditions=row.conditions._replace(region=discount.region or row.conditions.region),
        amount=price.amount,
        unit_size=price.unit_size,
        valid_from=max(row.valid_from, discount.valid_from),
        valid_to=min(row.valid_to, discount.valid_to),
        source=f"{row.source} less {discount.source}"[:100],
        applied=Applied(
            percent=discount.percent,
            list_amount=row.amount,
            list_unit_size=row.unit_size,
            name=discount.source,
            rank=discount.rank,
            regional=bool(row.conditions.region),
            exact=price.exact,
        ),
    )


def _decimals(amount: Decimal) -> int:
    exponent = amount.normalize(EXACT).as_tuple().exponent
    return max(0, -int(exponent))


def _plain(amount: Decimal) -> Decimal:
    """Drop zeros at the end, and write whole numbers without an exponent."""
    plain = amount.normalize(EXACT)
    exponent = plain.as_tuple().exponent
    return plain.quantize(Decimal(1), context=EXACT) if int(exponent) > 0 else plain


STANDARD: Final = "standard"
"""How a discount says that it is for standard requests only."""
