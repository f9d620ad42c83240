"""The allocation engine: every source to its final receivers, exactly, on one axis at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate, pairwise, repeat
from math import lcm

from apps.allocation.domain.bases import (
    DIRECT_KIND,
    SHARED_KIND,
    UNALLOCATED_KIND,
    Basis,
    markup_basis,
    regain_basis,
    transfer_basis,
)
from apps.allocation.domain.commitments import Commitments
from apps.allocation.domain.drivers import Drivers, measured
from apps.allocation.domain.routes import Hop, Route, Router
from apps.allocation.domain.rules import (
    APART,
    MARKUP,
    METER_DRIVER,
    UNALLOCATED,
    Axis,
    Facts,
    Method,
    Rule,
)
from apps.allocation.domain.sources import Source, in_quanta
from apps.allocation.domain.transfers import Transfer
from apps.allocation.domain.weights import Weights, weights_of
from apps.core.domain.shares import split_units

Line = tuple[int, int, int, int]
"""What one receiver bears of one source: (source, basis, billed, effective).

The source is its place in the run's sources, -1 on a markup; the basis the place in the axis's
bases, which explain the line; the amounts are whole numbers of 1e-12. A bare tuple, because a run
makes millions of them.
"""


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums of one axis in whole numbers of 1e-12."""

    billed: int
    effective: int


@dataclass(frozen=True, slots=True)
class _Split:
    """The way of one kind of source: bases by place, with integer weights over `whole`.

    `runs` are the weights receiver by receiver, one weight a last rule; empty when every receiver
    has a single one.
    """

    bases: tuple[int, ...]
    weights: tuple[int, ...]
    whole: int
    runs: tuple[tuple[int, ...], ...] = ()

    def parts(self, units: int) -> list[int]:
        """Split units over the bases: over receivers first, then over a receiver's rules."""
        if not self.runs:
            return split_units(units, self.weights, self.whole)
        shares = split_units(units, [sum(run) for run in self.runs], self.whole)
        parts: list[int] = []
        for share, run in zip(shares, self.runs, strict=True):
            parts += [share] if len(run) == 1 else split_units(share, run, sum(run))
        return parts


class AxisAllocation:
    """One axis of a run: bases known at once, lines streamed so that memory stays flat."""

    def __init__(
        self,
        *,
        axis: Axis,
        sources: Sequence[Source],
        owners: Sequence[str],
        rules: Sequence[Rule],
        everyone: Iterable[str],
        drivers: Drivers,
        transfers: Sequence[Transfer] = (),
    ) -> None:
        """Solve the routes of all kinds of sources; `owners` stand beside `sources`.

        `rules` are those in force, of any axis; an empty owner means unowned. `transfers` are the
        month's approved adjustments, of any axis.

        :raises DriverIsZero: when a rule with the policy `fail` has no driver value.
        :raises TrappedCost: when rules of one level leak nothing.
        """
        self.axis = axis
        self.sources = sources
        self.owners = [owner or UNALLOCATED for owner in owners]
        self.rules = sorted(
            (rule for rule in rules if rule.axis is axis), key=lambda rule: rule.order
        )
        self.drivers = Drivers(
            {**drivers.current, **measured(sources, self.owners, _meters(self.rules))},
            drivers.previous,
        )
        self.transfers = [one for one in transfers if one.axis is axis]
        self.bases: list[Basis] = []
        self._markup_places: dict[tuple[str, str, str], int] = {}
        self._moving = [rule for rule in self.rules if rule.method not in APART]
        self._router = Router(self.rules, self._weigh(set(everyone) | set(self.owners)))
        asking = any(rule.scope.facts or rule.scope.tags for rule in self._moving)
        self._fit_all = None if asking else tuple(range(len(self._moving)))
        self._splits = self._solve()

    def _weigh(self, everyone: set[str]) -> dict[str, Weights]:
        return {
            rule.code: weights_of(rule=rule, everyone=everyone, drivers=self.drivers)
            for rule in self._moving
        }

    def _solve(self) -> list[_Split]:
        """Return the split of every source, solving each (fitting rules, owner) once."""
        fitting: dict[Facts, tuple[int, ...]] = {}
        solved: dict[tuple[tuple[int, ...], str], _Split] = {}
        splits = []
        for source, owner in zip(self.sources, self.owners, strict=True):
            fits = fitting.get(source.facts)
            if fits is None:
                fits = fitting[source.facts] = self._fits(source.facts)
            split = solved.get((fits, owner))
            if split is None:
                split = solved[fits, owner] = self._split(
                    self._router.route(fitting=fits, start=owner)
                )
            splits.append(split)
        return splits

    def _fits(self, facts: Facts) -> tuple[int, ...]:
        """Return the places of the rules whose scope a source satisfies, its holder aside."""
        if self._fit_all is not None:
            return self._fit_all
        return tuple(index for index, rule in enumerate(self._moving) if rule.scope.fits(facts))

    def _split(self, route: Route) -> _Split:
        ways = [(code, route.rules_into(code)) for code in route.receivers]
        arrivals = [(code, rule) for code, rules in ways for rule in rules]
        whole = lcm(*(route.arrivals[arrival].denominator for arrival in arrivals))
        places = []
        for code, rule in arrivals:
            self.bases.append(_basis(route, code, rule))
            places.append(len(self.bases) - 1)
        weights = tuple(int(route.arrivals[arrival] * whole) for arrival in arrivals)
        bounds = list(accumulate((len(rules) for _, rules in ways), initial=0))
        runs = tuple(weights[start:end] for start, end in pairwise(bounds))
        has_several = any(len(run) > 1 for run in runs)
        return _Split(tuple(places), weights, whole, runs if has_several else ())

    def exact_shares(self) -> Iterator[tuple[int, Fraction]]:
        """Yield (basis, exact effective units) of every source before any rounding."""
        for source, split in zip(self.sources, self._splits, strict=True):
            for place, weight in zip(split.bases, split.weights, strict=True):
                yield place, Fraction(source.effective * weight, split.whole)

    def most_bases(self) -> int:
        """Return how many bases there can be once all lines have been yielded."""
        apart = [rule for rule in self.rules if rule.method in APART]
        receivers = len({basis.receiver for basis in self.bases})
        later = sum(2 * (receivers + len(rule.receivers.named())) for rule in apart)
        return len(self.bases) + later + 2 * len(self.transfers)

    def markup_place(self, rule: Rule, bearer: str, receiver: str) -> int:
        """Return the place of the basis of a markup, adding it the first time."""
        key = (rule.code, bearer, receiver)
        if key not in self._markup_places:
            self.bases.append(markup_basis(rule, bearer, receiver))
            self._markup_places[key] = len(self.bases) - 1
        return self._markup_places[key]

    def lines(self) -> Iterator[Line]:
        """Yield the lines in order of source and receiver; parts of nothing stay out.

        Markups follow, then shared savings, and adjustments come last.

        The parts of a source sum to it, by largest remainder over the exact shares.
        """
        marked = _Markups(self)
        committed = Commitments(self.rules)
        for index, (source, split) in enumerate(zip(self.sources, self._splits, strict=True)):
            bases, billed, effective = split.bases, source.billed, source.effective
            if committed.rules:
                committed.see(source, self._borne(source, split))
            if len(bases) == 1 and not marked.rules:
                yield index, bases[0], billed, effective
                continue
            lines = _divide(index, split, billed, effective)
            if marked.rules:
                marked.see(source, lines)
            yield from lines
        yield from marked.lines()
        yield from self._regained(committed)
        yield from self._transferred()

    def _borne(self, source: Source, split: _Split) -> dict[str, tuple[int, int, int]]:
        """Return what each receiver bears of a source: billed, effective and saving."""
        borne: dict[str, tuple[int, int, int]] = {}
        amounts = (source.billed, source.effective, source.saving)
        columns = [split.parts(units) for units in amounts]
        for place, *parts in zip(split.bases, *columns, strict=True):
            receiver = self.bases[place].receiver
            known = borne.get(receiver, (0, 0, 0))
            borne[receiver] = (known[0] + parts[0], known[1] + parts[1], known[2] + parts[2])
        return borne

    def _regained(self, committed: Commitments) -> Iterator[Line]:
        """Yield what receivers bear more or less once savings are shared; billed cost stays."""
        for one in committed.regains():
            self.bases.append(regain_basis(one))
            yield -1, len(self.bases) - 1, 0, one.units

    def _transferred(self) -> Iterator[Line]:
        """Yield -x on the sender and +x on the receiver of every adjustment."""
        for transfer in self.transfers:
            units = in_quanta([transfer.amount])[0]
            for bearer, sign in ((transfer.sender, -1), (transfer.receiver, 1)):
                self.bases.append(transfer_basis(transfer, bearer))
                yield -1, len(self.bases) - 1, sign * units, sign * units


def _meters(rules: Iterable[Rule]) -> set[str]:
    """Return the meters that rules split by."""
    return {
        rule.driver.removeprefix(METER_DRIVER)
        for rule in rules
        if rule.driver.startswith(METER_DRIVER)
    }


def _divide(index: int, split: _Split, billed: int, effective: int) -> list[Line]:
    costs = split.parts(effective)
    paid = costs if billed == effective else split.parts(billed)
    lines = list(zip(repeat(index), split.bases, paid, costs))
    if 0 in costs and len(lines) > 1:
        return [line for line in lines if line[2] or line[3]]
    return lines


def _basis(route: Route, receiver: str, rule: str) -> Basis:
    """Return why a share reaches a receiver by a last rule; the step with most weight is named."""
    share = route.arrivals[receiver, rule]
    last = route.hops_into(receiver, rule)
    if not last:
        kind = UNALLOCATED_KIND if receiver == UNALLOCATED else DIRECT_KIND
        return Basis(receiver=receiver, kind=kind, share=share)
    hops = _leading_to(route.hops, last)
    named = max(last, key=lambda hop: (hop.share, hop.sender))
    return Basis(
        receiver=receiver,
        kind=_kind(receiver, hops),
        share=share,
        rule=rule,
        method=named.method,
        driver=named.driver,
        measure=named.measure,
        driver_value=named.value,
        driver_total=named.total,
        hops=hops,
    )


def _kind(receiver: str, hops: tuple[Hop, ...]) -> str:
    if receiver == UNALLOCATED:
        return UNALLOCATED_KIND
    assigned = all(hop.method == Method.DIRECT for hop in hops)
    return DIRECT_KIND if assigned else SHARED_KIND


def _leading_to(hops: tuple[Hop, ...], last: tuple[Hop, ...]) -> tuple[Hop, ...]:
    """Return the last steps and all steps before them that lead to their senders."""
    wanted = {hop.sender for hop in last}
    grew = True
    while grew:
        senders = {hop.sender for hop in hops if hop.receiver in wanted}
        grew = not senders <= wanted
        wanted |= senders
    return tuple(hop for hop in hops if hop in last or hop.receiver in wanted)


class _Markups:
    """Adds up what markup rules apply to, receiver by receiver, while lines stream past."""

    def __init__(self, allocation: AxisAllocation) -> None:
        self.rules = [rule for rule in allocation.rules if rule.method is Method.MARKUP]
        self._allocation = allocation
        self._receivers = [basis.receiver for basis in allocation.bases]
        self._fitting: dict[Facts, list[Rule]] = {}
        self._base: dict[tuple[str, str], list[int]] = {}

    def see(self, source: Source, lines: Iterable[Line]) -> None:
        """Count the lines of a source toward the markups that fit it."""
        fitting = self._fitting.get(source.facts)
        if fitting is None:
            fitting = [rule for rule in self.rules if rule.scope.fits(source.facts)]
            self._fitting[source.facts] = fitting
        for rule in fitting:
            for _, basis, paid, cost in lines:
                receiver = self._receivers[basis]
                if receiver not in (UNALLOCATED, MARKUP) and _is_marked(rule, receiver):
                    base = self._base.setdefault((rule.code, receiver), [0, 0])
                    base[0] += paid
                    base[1] += cost

    def lines(self) -> Iterator[Line]:
        """Yield +x on each receiver and -x on the recovery, appending their bases."""
        by_code = {rule.code: rule for rule in self.rules}
        for (code, receiver), (billed, effective) in sorted(self._base.items()):
            rule = by_code[code]
            plus = _percent_of(rule, billed), _percent_of(rule, effective)
            if not any(plus):
                continue
            for bearer, sign in ((receiver, 1), (MARKUP, -1)):
                place = self._allocation.markup_place(rule, bearer, receiver)
                yield -1, place, sign * plus[0], sign * plus[1]


def _is_marked(rule: Rule, receiver: str) -> bool:
    return rule.receivers.everyone or receiver in rule.receivers.codes


def _percent_of(rule: Rule, units: int) -> int:
    return round(Fraction(rule.percent) * units / 100)


def totals_of(lines: Iterable[Line]) -> Totals:
    """Return the sums of lines."""
    billed = effective = 0
    for _, _, paid, cost in lines:
        billed += paid
        effective += cost
    return Totals(billed, effective)


def by_receiver(allocation: AxisAllocation) -> Mapping[str, Totals]:
    """Return the sums by receiver of one axis, sorted by receiver."""
    sums: dict[str, list[int]] = {}
    for _, basis, paid, cost in allocation.lines():
        pair = sums.setdefault(allocation.bases[basis].receiver, [0, 0])
        pair[0] += paid
        pair[1] += cost
    return {code: Totals(billed=pair[0], effective=pair[1]) for code, pair in sorted(sums.items())}
