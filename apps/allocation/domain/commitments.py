"""Shares what commitments save: by use, or with whoever bought them.

A provider applies a commitment (reserved capacity, a savings plan) to whichever use it meets
first, so chance decides who pays less. A rule of this method lets everybody pay the contracted
price, and hands the saving, net of what of the commitment nobody used, to those it belongs to.
Its lines move effective cost only and sum to zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from math import lcm
from typing import Final

from apps.allocation.domain.rules import Facts, Method, Rule
from apps.allocation.domain.sources import Source
from apps.core.domain.money import EXACT, PUBLISHED_QUANTUM
from apps.core.domain.shares import split_units

BY_USE: Final = "usage"
BY_PURCHASE: Final = "purchase"
COMMITMENT_DRIVERS: Final = (BY_USE, BY_PURCHASE)
_PURCHASE: Final = "Purchase"


@dataclass(frozen=True, slots=True)
class Regain:
    """What a receiver gives up of its own saving and receives of all: whole numbers of 1e-12.

    `weight` of `whole` is what its share was measured by, in `measure`.
    """

    rule: Rule
    receiver: str
    own: int
    share: int
    weight: Decimal
    whole: Decimal
    measure: str

    @property
    def units(self) -> int:
        """Return what the receiver bears more, or less when it is below zero."""
        return self.own - self.share

    @property
    def fraction(self) -> Fraction:
        """Return the exact share."""
        return Fraction(self.weight) / Fraction(self.whole)


@dataclass(slots=True)
class _Sums:
    own: dict[str, int] = field(default_factory=dict)
    used: dict[str, int] = field(default_factory=dict)
    bought: dict[str, int] = field(default_factory=dict)


class Commitments:
    """Adds up savings, use and purchases by receiver while sources pass."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self.rules = [rule for rule in rules if rule.method is Method.COMMITMENT]
        self._fitting: dict[Facts, Rule | None] = {}
        self._sums: dict[str, _Sums] = {rule.code: _Sums() for rule in self.rules}

    def see(self, source: Source, parts: Mapping[str, tuple[int, int, int]]) -> None:
        """Count what each receiver bears of a source: (billed, effective, saving).

        Of several rules that fit a source the first shares its saving.
        """
        facts = source.facts
        if facts not in self._fitting:
            self._fitting[facts] = next((one for one in self.rules if one.scope.fits(facts)), None)
        rule = self._fitting[facts]
        if rule is None:
            return
        sums = self._sums[rule.code]
        is_purchase = facts.charge_category == _PURCHASE
        for receiver, (billed, effective, saving) in parts.items():
            if is_purchase:
                sums.bought[receiver] = sums.bought.get(receiver, 0) + billed
                continue
            sums.own[receiver] = sums.own.get(receiver, 0) + saving
            sums.used[receiver] = sums.used.get(receiver, 0) + effective + saving

    def regains(self) -> Iterator[Regain]:
        """Yield what every receiver bears more or less, by rule and receiver; each rule sums to 0.

        Where nobody used or bought anything, savings stay where they fell.
        """
        for rule in self.rules:
            sums = self._sums[rule.code]
            weights = _weights(rule, sums)
            total = sum(sums.own.values())
            if not any(sums.own.values()) or not weights:
                continue
            shares = _shared(total, weights)
            whole = sum(weights.values(), Decimal(0))
            for receiver in sorted(sums.own.keys() | weights.keys()):
                found = Regain(
                    rule=rule,
                    receiver=receiver,
                    own=sums.own.get(receiver, 0),
                    share=shares.get(receiver, 0),
                    weight=weights.get(receiver, Decimal(0)),
                    whole=whole,
                    measure=_measure(rule),
                )
                if found.units:
                    yield found


def _weights(rule: Rule, sums: _Sums) -> dict[str, Decimal]:
    """Return what savings are shared by; a negative measure counts as zero."""
    receivers = rule.receivers
    if receivers.percents:
        return dict(sorted(receivers.percents.items()))
    measured = sums.bought if rule.driver == BY_PURCHASE else sums.used
    return {
        code: EXACT.multiply(Decimal(units), PUBLISHED_QUANTUM)
        for code, units in sorted(measured.items())
        if units > 0 and (receivers.everyone or code in receivers.codes)
    }


def _measure(rule: Rule) -> str:
    if rule.receivers.percents:
        return "percent"
    return "purchases" if rule.driver == BY_PURCHASE else "cost at contracted prices"


def _shared(total: int, weights: Mapping[str, Decimal]) -> dict[str, int]:
    """Split by largest remainder, exactly."""
    exact: Sequence[Fraction] = [Fraction(weight) for weight in weights.values()]
    common = lcm(*(part.denominator for part in exact))
    parts = [int(part * common) for part in exact]
    return dict(zip(weights, split_units(total, parts, sum(parts)), strict=True))
