"""Weights of a rule's receivers, with the measure they come from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from apps.allocation.domain.drivers import Drivers, DriverValues
from apps.allocation.domain.rules import RESERVED, Method, Rule, ZeroPolicy
from apps.core.domain.errors import Unprocessable


class DriverIsZero(Unprocessable):
    """A rule whose policy is `fail` found a driver of zero for every receiver."""

    default_code = "driver_is_zero"


@dataclass(frozen=True, slots=True)
class Weights:
    """What each receiver weighs; nothing at all means that the money stays unallocated.

    `measure` tells where the weights come from: `equal`, `percent`, `driver`,
    `driver of the previous period`, or `no driver value` when the zero policy applied.
    """

    parts: Mapping[str, Decimal]
    measure: str

    def without(self, dropped: frozenset[str]) -> Weights:
        """Return the weights with some receivers left out."""
        if not dropped & self.parts.keys():
            return self
        kept = {code: part for code, part in self.parts.items() if code not in dropped}
        return Weights(kept if any(kept.values()) else {}, self.measure)

    def fractions(self) -> dict[str, Fraction]:
        """Return exact shares that sum to one, receivers without a share left out."""
        whole = sum((Fraction(part) for part in self.parts.values()), Fraction(0))
        return {code: Fraction(part) / whole for code, part in self.parts.items() if part}


def weights_of(*, rule: Rule, everyone: Iterable[str], drivers: Drivers) -> Weights:
    """Return the weights of a rule's receivers; `everyone` are the receivers of its axis.

    A negative driver value (an owner whose credits exceed its cost) counts as zero.

    :raises DriverIsZero: when the driver is zero everywhere and the rule says `fail`.
    """
    codes = candidates(rule=rule, everyone=everyone)
    match rule.method:
        case Method.FIXED:
            return Weights({code: rule.receivers.percents[code] for code in codes}, "percent")
        case Method.PROPORTIONAL:
            return _by_driver(rule, codes, drivers)
        case _:
            return _equal(codes, "equal")


def candidates(*, rule: Rule, everyone: Iterable[str]) -> tuple[str, ...]:
    """Return who may receive, by code; everyone excludes the senders and reserved receivers."""
    if not rule.receivers.everyone:
        return rule.receivers.named()
    return tuple(sorted(set(everyone) - RESERVED - rule.scope.owners))


def _by_driver(rule: Rule, codes: tuple[str, ...], drivers: Drivers) -> Weights:
    now = _positive(codes, drivers.of(rule.driver))
    if any(now.values()):
        return Weights(now, "driver")
    match rule.zero_policy:
        case ZeroPolicy.EVEN:
            return _equal(codes, "equal, as no driver value exists")
        case ZeroPolicy.PREVIOUS_PERIOD:
            before = _positive(codes, drivers.before(rule.driver))
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


def _positive(codes: tuple[str, ...], values: DriverValues) -> dict[str, Decimal]:
    return {code: max(values.get(code, Decimal(0)), Decimal(0)) for code in codes}
