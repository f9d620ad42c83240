"""Exchange rates of one month: one rate a pair, the same for every line (rule 16)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Final

from apps.core.domain.errors import FieldError, Unprocessable
from apps.core.domain.money import EXACT
from apps.core.domain.months import Month

RATE_DECIMALS: Final = 12
_RATE_LIMIT: Final = Decimal(10) ** 12
_CURRENCY: Final = re.compile("[A-Z]{3}")


class RateKind(StrEnum):
    """Where in the life of a month the rate applies."""

    BUDGET = "budget"
    FROZEN = "frozen"


class MissingRate(Unprocessable):
    """The month has no rate for a pair of currencies."""

    default_code = "missing_rate"

    def __init__(self, *, base: str, quote: str, month: Month, kind: RateKind) -> None:
        super().__init__(
            f"{month} has no {kind.value} rate from {base} to {quote}; enter it under "
            "Settings, Exchange rates."
        )
        self.base = base
        self.quote = quote
        self.kind = kind


@dataclass(frozen=True, slots=True)
class FxRateFacts:
    """One unit of `base` is worth `rate` units of `quote`, as `source` said on `rate_on`."""

    month: Month
    base: str
    quote: str
    rate: Decimal
    kind: RateKind
    source: str
    rate_on: date
    revision: int = 1


@dataclass(frozen=True, slots=True)
class FxTable:
    """The rates that convert the costs of one month.

    Until the freeze these are budget rates and every amount is provisional; from the freeze on
    they are the month's frozen rates. A pair is never inverted or crossed: a rate that nobody
    entered is missing, so that no amount rests on a rounding of ours.
    """

    month: Month
    kind: RateKind
    rates: tuple[FxRateFacts, ...]
    _by_pair: dict[tuple[str, str], FxRateFacts] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )

    def __post_init__(self) -> None:
        self._by_pair.update({(rate.base, rate.quote): rate for rate in self.rates})

    @property
    def provisional(self) -> bool:
        """Tell whether amounts may still move because the month is not frozen."""
        return self.kind is RateKind.BUDGET

    def rate(self, base: str, quote: str) -> FxRateFacts:
        """Return the month's rate of a pair; a currency to itself is exactly one.

        :raises MissingRate: when nobody entered the pair.
        """
        if base == quote:
            return FxRateFacts(
                self.month, base, quote, Decimal(1), self.kind, "identity", self.month.first_day
            )
        found = self._by_pair.get((base, quote))
        if found is None:
            raise MissingRate(base=base, quote=quote, month=self.month, kind=self.kind)
        return found


def rates_in_force(
    entered: Iterable[FxRateFacts], *, month: Month, kind: RateKind
) -> tuple[FxRateFacts, ...]:
    """Return one rate a pair out of all entered ones, in the order of the pairs.

    A frozen rate belongs to its month alone; a budget rate stays in force for later months until
    another is set. Of several revisions the last counts.
    """
    latest: dict[tuple[str, str], FxRateFacts] = {}
    for rate in sorted(entered, key=lambda rate: (rate.month, rate.revision)):
        in_force = rate.month == month if kind is RateKind.FROZEN else rate.month <= month
        if rate.kind is kind and in_force:
            latest[rate.base, rate.quote] = rate
    return tuple(latest[pair] for pair in sorted(latest))


def refusals_of_rate(rate: FxRateFacts) -> tuple[FieldError, ...]:
    """Return what is wrong with an entered rate, field by field; nothing when it can be kept."""
    found: list[FieldError] = []
    for name, code in (("base", rate.base), ("quote", rate.quote)):
        if not _CURRENCY.fullmatch(code):
            found.append(
                FieldError(name, "currency", "Give an ISO 4217 code of three capitals, as EUR.")
            )
    if rate.base == rate.quote:
        found.append(FieldError("quote", "same_currency", "Choose another currency than the base."))
    if not rate.rate.is_finite() or not Decimal(0) < rate.rate < _RATE_LIMIT:
        found.append(FieldError("rate", "range", "Give a rate above 0 and below 10^12."))
    elif rate.rate.normalize(EXACT).as_tuple().exponent < -RATE_DECIMALS:  # type: ignore[operator]
        found.append(FieldError("rate", "decimals", "Give at most 12 decimals."))
    if not rate.source:
        found.append(FieldError("source", "required", "Say who published the rate."))
    elif len(rate.source) > 200 or "\x00" in rate.source:
        found.append(FieldError("source", "text", "Give at most 200 printable characters."))
    return tuple(found)
