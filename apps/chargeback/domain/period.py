"""The figures of a whole period that every statement shows, and the proof that they tie out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from apps.chargeback.domain.facts import ChargeLine, Kind
from apps.chargeback.domain.rounding import exact_sum, in_minor_units
from apps.chargeback.domain.rows import pool_of
from apps.core.domain.errors import Conflict
from apps.core.domain.money import EXACT, PUBLISHED_QUANTUM, minor_quantum


class DoesNotReconcile(Conflict):
    """The lines of a run do not add up to the period's cost base."""

    default_code = "does_not_reconcile"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One way to count the period: the cost base, its parts by kind, and the statements in cents.

    `base` and `kinds` are exact; `statements` maps a cost center to its total in the minor unit.
    """

    base: Decimal
    kinds: Mapping[Kind, Decimal]
    statements: Mapping[str, Decimal]
    currency: str

    @property
    def issued(self) -> Decimal:
        """Return what all statements sum to."""
        return exact_sum(self.statements.values())

    @property
    def rounded(self) -> Decimal:
        """Return the cost base in the minor unit, half to even: what the statements must sum to."""
        return self.base.quantize(minor_quantum(self.currency), context=EXACT)

    @property
    def rounding(self) -> Decimal:
        """Return the sub-cent difference between the rounded and the exact cost base."""
        return EXACT.subtract(self.rounded, self.base)

    @property
    def difference(self) -> Decimal:
        """Return the rounded cost base minus all statements; zero unless a cent is lost."""
        return EXACT.subtract(self.rounded, self.issued)


class Place(NamedTuple):
    """Where usage came from: the provider's account, the credential, the team tag, the product."""

    account: str
    credential: str
    team: str
    product_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Spend without an owner from one place: what to tag so that it finds one."""

    place: Place
    amount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodFigures:
    """Everything about the period that does not depend on the cost center."""

    currency: str
    effective: Metric
    billed: Metric
    pools: Mapping[str, Decimal]
    causes: tuple[Cause, ...]


def period_figures(
    *,
    lines: Iterable[ChargeLine],
    cost_centers: Iterable[str],
    base_effective: Decimal,
    base_billed: Decimal,
    currency: str,
) -> PeriodFigures:
    """Sum a run, round it over its cost centers and check it against the cost base.

    Cost centers without a line get a statement of zero.

    :raises DoesNotReconcile: when the lines do not sum to the cost base, to the last digit.
    """
    kept = list(lines)
    names = sorted({*cost_centers, *(line.cost_center for line in kept)})
    effective = _metric("effective", base_effective, names, kept, currency)
    billed = _metric("billed", base_billed, names, kept, currency)
    return PeriodFigures(
        currency=currency,
        effective=effective,
        billed=billed,
        pools=_pools(kept),
        causes=_causes(kept),
    )


def _metric(
    name: str, base: Decimal, centers: list[str], lines: list[ChargeLine], currency: str
) -> Metric:
    by_center = dict.fromkeys(centers, Decimal(0))
    by_kind = dict.fromkeys(Kind, Decimal(0))
    for line in lines:
        amount = getattr(line, name)
        by_center[line.cost_center] = EXACT.add(by_center[line.cost_center], amount)
        by_kind[line.kind] = EXACT.add(by_kind[line.kind], amount)
    lines_total = exact_sum(by_center.values())
    if lines_total != base:
        raise DoesNotReconcile(
            f"The lines of the run sum to {lines_total} {currency} {name}, the cost base is "
            f"{base}; run the allocation again."
        )
    statements = in_minor_units(by_center, currency)
    return Metric(base=base, kinds=by_kind, statements=statements, currency=currency)


def _pools(lines: list[ChargeLine]) -> dict[str, Decimal]:
    """Return what went into each pool, so that it times a receiver's part is the receiver's cost.

    What a pool hands to a receiver that passes it on does not end in its lines; so a pool of which
    every receiver has one driver value is reckoned from the receiver with the largest.
    """
    receivers: dict[str, dict[str, list[ChargeLine]]] = {}
    for line in lines:
        if line.kind is Kind.SHARED:
            receivers.setdefault(pool_of(line), {}).setdefault(line.receiver, []).append(line)
    return {pool: _pool_total(list(shares.values())) for pool, shares in receivers.items()}


def _pool_total(shares: list[list[ChargeLine]]) -> Decimal:
    told = [
        (value, own[0].receiver, total, own)
        for own in shares
        for value, total in {(line.driver_value, line.driver_total) for line in own}
        if value and total
    ]
    if len(told) != len(shares):
        return exact_sum(line.effective for own in shares for line in own)
    value, _, total, own = max(told, key=lambda one: one[:2])
    whole = Fraction(exact_sum(line.effective for line in own)) * Fraction(total)
    return PUBLISHED_QUANTUM * round(whole / Fraction(value) / Fraction(PUBLISHED_QUANTUM))


def _causes(lines: list[ChargeLine]) -> tuple[Cause, ...]:
    sums: dict[Place, Decimal] = {}
    for line in lines:
        if line.kind is Kind.UNALLOCATED:
            place = _place(line)
            sums[place] = EXACT.add(sums.get(place, Decimal(0)), line.effective)
    ranked = sorted(sums.items(), key=lambda item: (-item[1], item[0]))
    return tuple(Cause(place=place, amount=amount) for place, amount in ranked)


def _place(line: ChargeLine) -> Place:
    tags = line.tags
    return Place(
        account=tags.get("account", ""),
        credential=tags.get("credential", ""),
        team=tags.get("team", ""),
        product_name=line.product_name,
    )
