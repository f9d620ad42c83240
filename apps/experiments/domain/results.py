"""What an experiment came to: spend against estimate, cost of a success, return reached."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

from apps.core.domain.canonical import plain_decimal
from apps.core.domain.money import EXACT, PUBLISHED_QUANTUM


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """Figures of one experiment; amounts in `currency`, exact.

    `spent` is None while a part of it has no price. Ratios are None where there is nothing to
    divide by: no success yet is no cost of zero.
    """

    currency: str
    spent: Decimal | None
    approved: Decimal | None
    likely: Decimal | None
    tokens: Decimal
    requests: int
    outcome: str
    successes: int
    target: int | None
    value_each: Decimal | None

    @property
    def cost_per_success(self) -> Decimal | None:
        """Return the cost of a successful outcome, at 12 decimals."""
        return None if self.spent is None else _ratio(self.spent, Decimal(self.successes))

    @property
    def tokens_per_success(self) -> Decimal | None:
        """Return the tokens of a successful outcome."""
        return _ratio(self.tokens, Decimal(self.successes))

    @property
    def tokens_each(self) -> Decimal | None:
        """Return the tokens of a success in whole ones, for reading."""
        each = self.tokens_per_success
        return None if each is None else each.quantize(Decimal(1), ROUND_HALF_EVEN, EXACT)

    @property
    def cost_per_request(self) -> Decimal | None:
        """Return the cost of a request, at 12 decimals."""
        return None if self.spent is None else _ratio(self.spent, Decimal(self.requests))

    @property
    def value(self) -> Decimal | None:
        """Return what the successes are worth, None when nobody said what one is."""
        return None if self.value_each is None else self.successes * self.value_each

    @property
    def roi(self) -> Decimal | None:
        """Return the return reached as a share of the spend: 1 is twice the money."""
        return _gain(self.value, self.spent)

    @property
    def expected_roi(self) -> Decimal | None:
        """Return the return that the request promised, on the approved amount."""
        if self.target is None or self.value_each is None:
            return None
        return _gain(self.target * self.value_each, self.approved)

    @property
    def against_estimate(self) -> Decimal | None:
        """Return the spend as a share of the likely estimate."""
        if self.spent is None or self.likely is None:
            return None
        return _ratio(self.spent, self.likely)

    @property
    def missing_successes(self) -> str:
        """Say why there is no cost of a success; empty when there is one."""
        if self.successes:
            return ""
        return "no success yet" if self.requests else "no use yet"


def _gain(value: Decimal | None, spent: Decimal | None) -> Decimal | None:
    if value is None or spent is None:
        return None
    return _ratio(EXACT.subtract(value, spent), spent)


def _ratio(amount: Decimal, by: Decimal) -> Decimal | None:
    if not by:
        return None
    return EXACT.divide(amount, by).quantize(PUBLISHED_QUANTUM, ROUND_HALF_EVEN, EXACT)


def results_payload(found: Results) -> dict[str, object]:
    """Return figures as plain JSON, ratios and all."""
    amounts = (
        "spent",
        "approved",
        "likely",
        "tokens",
        "value_each",
        "value",
        "cost_per_success",
        "tokens_per_success",
        "cost_per_request",
        "roi",
        "expected_roi",
        "against_estimate",
    )
    plain = ("currency", "requests", "outcome", "successes", "target", "missing_successes")
    return {
        **{name: getattr(found, name) for name in plain},
        **{name: _text(getattr(found, name)) for name in amounts},
    }


def _text(value: Decimal | None) -> str | None:
    return None if value is None else plain_decimal(value)
