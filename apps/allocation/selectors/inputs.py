"""Everything that a run of a month depends on, read once and hashed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import cached_property

from apps.allocation.domain.drivers import Drivers, DriverValues
from apps.allocation.domain.engine import AxisAllocation
from apps.allocation.domain.proof import input_digest, source_totals, sources_digest
from apps.allocation.domain.rules import (
    MARKUP,
    OUTCOMES_DRIVER,
    UNALLOCATED,
    Axis,
    Facts,
    Rule,
)
from apps.allocation.domain.sources import Source, in_quanta
from apps.allocation.domain.transfers import Transfer
from apps.allocation.models import Driver, Run, RunState
from apps.allocation.selectors.adjustments import approved_transfers
from apps.allocation.selectors.rules import rules_for
from apps.core.domain.money import PUBLISHED_QUANTUM
from apps.core.domain.months import Month
from apps.costs import selectors as costs
from apps.directory import selectors as directory
from apps.periods import selectors as periods
from apps.usage import selectors as usage


@dataclass(frozen=True)
class Inputs:
    """One month's cost base with owners, and the rules, receivers and drivers to apply."""

    month: Month
    base: costs.CostBase
    lines: Sequence[costs.CostLine]
    sources: Sequence[Source]
    owners: Sequence[directory.Owner]
    rules: Sequence[Rule]
    receivers: Mapping[Axis, frozenset[str]]
    cost_centers: Mapping[str, str]
    drivers: Mapping[Axis, Drivers]
    transfers: Sequence[Transfer] = ()

    @cached_property
    def allocations(self) -> dict[Axis, AxisAllocation]:
        """Return the solved allocation of each axis.

        :raises DriverIsZero: when a rule with the policy `fail` has no driver value.
        :raises TrappedCost: when rules of one level leak nothing.
        """
        return {
            axis: AxisAllocation(
                axis=axis,
                sources=self.sources,
                owners=self.holders(axis),
                rules=self.rules,
                everyone=self.receivers[axis],
                drivers=self.drivers[axis],
                transfers=self.transfers,
            )
            for axis in Axis
        }

    def holders(self, axis: Axis) -> list[str]:
        """Return the direct owner of every source on an axis, empty when nobody is."""
        if axis is Axis.CUSTOMER:
            return [owner.customer for owner in self.owners]
        return [_team_holder(owner) for owner in self.owners]

    @cached_property
    def sources_hash(self) -> str:
        """Return the digest of the cost base and its owners."""
        return sources_digest(
            self.sources, {axis.value: self.holders(axis) for axis in Axis}, self._details()
        )

    def _details(self) -> Iterable[str]:
        """Yield what is copied beside the engine's own view of a source."""
        known: dict[int, str] = {}
        for line, owner in zip(self.lines, self.owners, strict=True):
            held = known.get(id(owner))
            if held is None:
                held = known[id(owner)] = f"{owner.cost_center}|{owner.product}|{owner.feature}"
            saving = f"|{line.saving}" if line.saving else ""
            yield f"{held}|{line.unit_price}{saving}"

    @cached_property
    def digest(self) -> str:
        """Return the digest of all inputs; equal digests give equal lines."""
        return input_digest(
            month=str(self.month),
            currency=self.base.currency,
            sources=self.sources_hash,
            rules=self.rules,
            receivers={axis.value: codes for axis, codes in self.receivers.items()},
            cost_centers=self.cost_centers,
            drivers={axis.value: drivers_json(found) for axis, found in self.drivers.items()},
            transfers=self.transfers,
        )

    @property
    def rounding(self) -> Fraction:
        """Return the exact effective cost base minus the sources, in the tenant's currency."""
        return Fraction(self.base.effective) - source_totals(self.sources).effective * Fraction(
            PUBLISHED_QUANTUM
        )


def gather(*, month: Month, rules: Sequence[Rule] | None = None) -> Inputs:
    """Read the inputs of a month's run; other `rules` than the saved ones make a preview."""
    base = costs.cost_base(month=month)
    owned = costs.owned_lines(base, costs.attribution_of(month))
    lines = base.lines
    applied = rules_for(month) if rules is None else rules
    return Inputs(
        month=month,
        base=base,
        lines=lines,
        sources=_sources(lines),
        owners=[one.owner for one in owned],
        rules=applied,
        receivers=everyone(month),
        cost_centers=_cost_centers(month),
        drivers={axis: _drivers(month, axis, applied) for axis in Axis},
        transfers=approved_transfers(month),
    )


def known_receivers(month: Month) -> dict[Axis, frozenset[str]]:
    """Return who may be named as a receiver: teams and cost centers, and customers."""
    found = everyone(month)
    centers = {center.code for center in directory.cost_centers(month.last_day)}
    return {**found, Axis.TEAM: found[Axis.TEAM] | (centers - {UNALLOCATED, MARKUP})}


def everyone(month: Month) -> dict[Axis, frozenset[str]]:
    """Return who shares when a rule says everyone: teams, or customers, at the month's end.

    An organization without teams shares among its cost centers.
    """
    on = month.last_day
    teams = {team.code for team in directory.teams(on)}
    centers = {center.code for center in directory.cost_centers(on)} - {UNALLOCATED, MARKUP}
    customers = {customer.code for customer in directory.customers(on)}
    return {Axis.TEAM: frozenset(teams or centers), Axis.CUSTOMER: frozenset(customers)}


def drivers_json(drivers: Drivers) -> dict[str, dict[str, dict[str, Decimal]]]:
    """Return driver values as a plain object, for digests and for the run's own record."""
    return {
        name: {code: dict(sorted(found.items())) for code, found in sorted(values.items())}
        for name, values in (("current", drivers.current), ("previous", drivers.previous))
    }


def _sources(lines: Sequence[costs.CostLine]) -> list[Source]:
    costs_of, paid_of = [line.effective for line in lines], [line.billed for line in lines]
    effective = in_quanta(costs_of)
    billed = effective if paid_of == costs_of else in_quanta(paid_of)
    saved_of = [line.saving for line in lines]
    savings = in_quanta(saved_of) if any(saved_of) else [0] * len(lines)
    known: dict[int, frozenset[tuple[str, str]]] = {}
    found = []
    for line, paid, cost, saved in zip(lines, billed, effective, savings, strict=True):
        tags = known.get(id(line.tags))
        if tags is None:
            tags = known[id(line.tags)] = frozenset(line.tags.items())
        found.append(Source(line.key, _facts(line, tags), paid, cost, line.quantity, saved))
    return found


def _facts(line: costs.CostLine, tags: frozenset[tuple[str, str]]) -> Facts:
    return Facts(
        line.origin,
        line.provider,
        line.service,
        line.model,
        line.meter,
        line.account,
        line.charge_category,
        tags,
    )


def _team_holder(owner: directory.Owner) -> str:
    """Return the team, else the cost center that a rule named without a team."""
    if owner.team:
        return owner.team
    return "" if owner.cost_center == UNALLOCATED else owner.cost_center


def _cost_centers(month: Month) -> dict[str, str]:
    """Return the cost center of every receiver of shared cost on the team axis."""
    on = month.last_day
    centers = {center.code: center.code for center in directory.cost_centers(on)}
    return centers | {team.code: team.cost_center or UNALLOCATED for team in directory.teams(on)}


def _drivers(month: Month, axis: Axis, rules: Sequence[Rule]) -> Drivers:
    before = month - 1
    asked = any(_counts_outcomes(rule) for rule in rules if rule.axis is axis)
    return Drivers(
        current={**uploaded(month, axis), **(outcomes(month, axis) if asked else {})},
        previous={**_measured_before(before, axis), **uploaded(before, axis)},
    )


def _counts_outcomes(rule: Rule) -> bool:
    return rule.driver.partition(":")[0] == OUTCOMES_DRIVER


def outcomes(month: Month, axis: Axis) -> dict[str, dict[str, Decimal]]:
    """Return successful outcomes of a month by receiver, all together and by their names."""
    period = periods.period(month)
    attribution = costs.attribution_of(month)
    counts: dict[str, dict[str, Decimal]] = {}
    for told in usage.successes(start=period.starts_at, end=period.ends_at):
        owner = attribution.owner_of(
            tags=told.tags, sku_provider="", sku_model="", on=month.last_day
        )
        holder = owner.customer if axis is Axis.CUSTOMER else _team_holder(owner)
        for code in (OUTCOMES_DRIVER, f"{OUTCOMES_DRIVER}:{told.name}"):
            values = counts.setdefault(code, {})
            if holder:
                values[holder] = values.get(holder, Decimal(0)) + told.count
    return counts


def uploaded(month: Month, axis: Axis) -> dict[str, dict[str, Decimal]]:
    """Return the uploaded values of a month by driver and receiver; the last revision counts."""
    values: dict[str, dict[str, Decimal]] = {}
    rows = Driver.objects.filter(month=month.first_day, axis=axis.value).order_by("revision", "id")
    for row in rows:
        values.setdefault(row.code, {})[row.receiver] = row.value
    return values


def _measured_before(month: Month, axis: Axis) -> dict[str, DriverValues]:
    """Return the driver values that the month's published run used."""
    run = Run.objects.filter(month=month.first_day, state=RunState.PUBLISHED).first()
    if run is None:
        return {}
    current = run.drivers.get(axis.value, {}).get("current", {})
    return {
        code: {receiver: Decimal(value) for receiver, value in values.items()}
        for code, values in current.items()
    }
