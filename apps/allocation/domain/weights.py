"""Weights of a rule's receivers, with the measure they come from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction

from apps.allocation.domain.drivers import Drivers, DriverValues
from apps.allocation.domain.limits import limited
from apps.allocation.domain.rules import RESERVED, UNALLOCATED, Method, Rule, Tier, ZeroPolicy
from apps.core.domain.errors import Unprocessable
from apps.core.domain.money import EXACT


class DriverIsZero(Unprocessable):
    """A rule whose policy is `fail` found a driver of zero for every receiver."""

    default_code = "driver_is_zero"


@dataclass(frozen=True, slots=True)
class Weights:
    """What each receiver weighs; nothing at all means that the money stays unallocated.

    `measure` tells where the weights come from: `equal`, `percent`, `driver`,
    `driver of the previous period`, or `no driver value` when the zero policy applied. `least`
    and `most` bound every share, as parts of one.
    """

    parts: Mapping[str, Decimal]
    measure: str
    least: Fraction = Fraction(0)
    most: Fraction = Fraction(1)

    def without(self, dropped: frozenset[str]) -> Weights:
        """Return the weights with some receivers left out."""
        if not dropped & self.parts.keys():
            return self
        kept = {code: part for code, part in self.parts.items() if code not in dropped}
        return replace(self, parts=kept if any(kept.values()) else {})

    def fractions(self) -> dict[str, Fraction]:
        """Return exact shares that sum to one, receivers without a share left out.

        Where no receiver may bear more, the rest is UNALLOCATED's.
        """
        whole = sum((Fraction(part) for part in self.parts.values()), Fraction(0))
        shares = {code: Fraction(part) / whole for code, part in self.parts.items()}
        if self.least or self.most < 1:
            shares = limited(shares, least=self.least, most=self.most)
            rest = 1 - sum(shares.values(), Fraction(0))
            if rest:
                shares[UNALLOCATED] = shares.get(UNALLOCATED, Fraction(0)) + rest
        return {code: share for code, share in shares.items() if share}


def weights_of(*, rule: Rule, everyone: Iterable[str], drivers: Drivers) -> Weights:
    """Return the weights of a rule's receivers; `everyone` are the receivers of its axis.

    A negative driver value (an owner whose credits exceed its cost) counts as zero.

    :raises DriverIsZero: when the driver is zero everywhere and the rule says `fail`.
    """
    codes = candidates(rule=rule, everyone=everyone)
    least, most = Fraction(rule.minimum_share) / 100, Fraction(rule.maximum_share) / 100
    return replace(_measured(rule, codes, drivers), least=least, most=most)


def in_tiers(value: Decimal, tiers: Iterable[Tier]) -> Decimal:
    """Return what a driver's value weighs band by band; values of nothing or less weigh nothing."""
    weight, begin = Decimal(0), Decimal(0)
    for tier in tiers:
        end = value if tier.up_to is None else min(value, tier.up_to)
        if end <= begin:
            break
        weight = EXACT.add(weight, EXACT.multiply(EXACT.subtract(end, begin), tier.weight))
        begin = end
    return weight


def _measured(rule: Rule, codes: tuple[str, ...], drivers: Drivers) -> Weights:
    match rule.method:
        case Method.FIXED:
            return Weights({code: rule.receivers.percents[code] for code in codes}, "percent")
        case Method.PROPORTIONAL | Method.TIERED:
            return _by_driver(rule, codes, drivers)
        case _:
            return _equal(codes, "equal")


def candidates(*, rule: Rule, everyone: Iterable[str]) -> tuple[str, ...]:
    """Return who may receive, by code; everyone excludes the senders and reserved receivers."""
    if not rule.receivers.everyone:
        return rule.receivers.named()
    return tuple(sorted(set(everyone) - RESERVED - rule.scope.owners))


def _by_driver(rule: Rule, codes: tuple[str, ...], drivers: Drivers) -> Weights:
    now = _weighed(rule, codes, drivers.of(rule.driver))
    if any(now.values()):
        return Weights(now, "driver in tiers" if rule.method is Method.TIERED else "driver")
    match rule.zero_policy:
        case ZeroPolicy.EVEN:
            return _equal(codes, "equal, as no driver value exists")
        case ZeroPolicy.PREVIOUS_PERIOD:
            before = _weighed(rule, codes, drivers.before(rule.driver))
            if any(before.values()):
                return Weights(before, "driver of the previous period")
        case ZeroPolicy.FAIL:
            raise DriverIsZero(
                f"Rule {rule.code}: the driver {rule.driver!r} is zero for every receiver. Enter "
                "driver values for this month, or choose another zero policy on the rule."
            )
        case ZeroPolicy.UNALLOCATED:
            pass
    return Weights({}, "no driver value")


def _equal(codes: tuple[str, ...], measure: str) -> Weights:
    return Weights(dict.fromkeys(codes, Decimal(1)), measure if codes else "no receiver")


def _weighed(rule: Rule, codes: tuple[str, ...], values: DriverValues) -> dict[str, Decimal]:
    positive = _positive(codes, values)
    if rule.method is not Method.TIERED:
        return positive
    return {code: in_tiers(value, rule.tiers) for code, value in positive.items()}


def _positive(codes: tuple[str, ...], values: DriverValues) -> dict[str, Decimal]:
    return {code: max(values.get(code, Decimal(0)), Decimal(0)) for code in codes}
