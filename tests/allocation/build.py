"""Short ways to write sources and rules in the tests of the engine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

from apps.allocation.domain.drivers import Drivers
from apps.allocation.domain.engine import AxisAllocation, by_receiver
from apps.allocation.domain.rules import Axis, Facts, Method, Receivers, Rule, Scope
from apps.allocation.domain.sources import Source

QUANTUM = Decimal("1e-12")


def source(key: str, amount: str, *, billed: str | None = None, **facts: Any) -> Source:
    units = int(Decimal(amount) / QUANTUM)
    paid = units if billed is None else int(Decimal(billed) / QUANTUM)
    quantity = Decimal(facts.pop("quantity", "0"))
    tags = frozenset(facts.pop("tags", {}).items())
    return Source(key, Facts(tags=tags, **facts), paid, units, quantity)


def rule(
    code: str,
    *,
    owners: Iterable[str] = (),
    to: Mapping[str, str] | Sequence[str] | None = None,
    method: Method | None = None,
    axis: Axis = Axis.TEAM,
    facts: Mapping[str, tuple[str, ...]] | None = None,
    tags: Mapping[str, tuple[str, ...]] | None = None,
    **more: Any,
) -> Rule:
    if isinstance(to, Mapping):
        receivers = Receivers(percents={code: Decimal(part) for code, part in to.items()})
        method = method or Method.FIXED
    else:
        receivers = Receivers(everyone=to is None, codes=tuple(to or ()))
        method = method or Method.EVEN
    return Rule(
        code=code,
        axis=axis,
        method=method,
        scope=Scope(frozenset(owners), facts or {}, tags or {}),
        receivers=receivers,
        **more,
    )


def allocation(
    owned: Iterable[tuple[Source, str]],
    rules: Sequence[Rule] = (),
    *,
    axis: Axis = Axis.TEAM,
    everyone: Iterable[str] = (),
    drivers: Drivers | None = None,
) -> AxisAllocation:
    pairs = list(owned)
    return AxisAllocation(
        axis=axis,
        sources=[item for item, _ in pairs],
        owners=[owner for _, owner in pairs],
        rules=rules,
        everyone=everyone,
        drivers=drivers or Drivers(),
    )


def effective(result: AxisAllocation) -> dict[str, Decimal]:
    """Return the effective amount by receiver."""
    return {code: totals.effective * QUANTUM for code, totals in by_receiver(result).items()}


def exact(result: AxisAllocation) -> dict[str, Fraction]:
    """Return the effective amount by receiver before any rounding."""
    sums: dict[str, Fraction] = {}
    for place, amount in result.exact_shares():
        receiver = result.bases[place].receiver
        sums[receiver] = sums.get(receiver, Fraction(0)) + amount
    return {code: amount * Fraction(QUANTUM) for code, amount in sorted(sums.items())}


def cents(result: AxisAllocation) -> dict[str, str]:
    """Return the effective amount by receiver, rounded to cents for comparison."""
    return {code: f"{amount:.2f}" for code, amount in effective(result).items()}
