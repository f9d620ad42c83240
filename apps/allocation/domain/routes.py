"""Where a source ends up: level by level through the rules that fit it, as exact shares."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from itertools import groupby
from typing import Final, NamedTuple

from apps.allocation.domain.graph import absorbed, trapped
from apps.allocation.domain.rules import APART, UNALLOCATED, Rule
from apps.allocation.domain.weights import Weights
from apps.core.domain.errors import Unprocessable

_UNOWNED: Final = "\0unowned"
"""Stands for unowned cost as a sender; as a receiver, UNALLOCATED is final within a level."""


class TrappedCost(Unprocessable):
    """Rules of one level pass cost around in a circle that nothing leaves."""

    default_code = "allocation_cycle"


Arrival = tuple[str, str]
"""A receiver and the last rule by which a share reached it."""


class Hop(NamedTuple):
    """One step on the way: who passed on to whom, by which rule, measured how."""

    sender: str
    receiver: str
    rule: str
    method: str
    driver: str
    measure: str
    value: Decimal
    total: Decimal
    share: Fraction


@dataclass(frozen=True, slots=True)
class Route:
    """The final receivers of one kind of source and the steps that led there.

    `arrivals` are the shares by (receiver, last rule), the rule empty for what nothing moved;
    they sum to one. Hops explain; they are never summed (rule 15).
    """

    start: str
    arrivals: Mapping[Arrival, Fraction]
    hops: tuple[Hop, ...]

    @property
    def receivers(self) -> list[str]:
        """Return who bears something, sorted."""
        return sorted({receiver for (receiver, _), share in self.arrivals.items() if share})

    def rules_into(self, receiver: str) -> list[str]:
        """Return the last rules by which something reaches a receiver, sorted."""
        return sorted(
            rule for (code, rule), share in self.arrivals.items() if code == receiver and share
        )

    def hops_into(self, receiver: str, rule: str) -> tuple[Hop, ...]:
        """Return the last steps of what reaches the receiver by that rule."""
        return tuple(hop for hop in self.hops if (hop.receiver, hop.rule) == (receiver, rule))


@dataclass(slots=True)
class _Walk:
    """The state of one route while it is followed."""

    holdings: dict[Arrival, Fraction]
    moved: bool = False
    closed: set[str] = field(default_factory=set)
    hops: list[Hop] = field(default_factory=list)


class Router:
    """Finds the routes of one axis; every (set of fitting rules, owner) is solved once."""

    def __init__(self, rules: Sequence[Rule], weights: Mapping[str, Weights]) -> None:
        """Take the rules in force in order of a run, and their weights by rule code."""
        self._rules = [rule for rule in rules if rule.method not in APART]
        self._weights = weights

    def route(self, *, fitting: Iterable[int], start: str) -> Route:
        """Return the route of cost that `start` owns and that the rules at `fitting` pick up.

        :raises TrappedCost: when rules of one level form a circle that leaks nothing.
        """
        rules = [self._rules[index] for index in fitting]
        walk = _Walk({(start, ""): Fraction(1)})
        senders = frozenset().union(*(rule.senders() for rule in rules))
        for _, level in groupby(rules, key=lambda rule: rule.level):
            self._run_level(walk, list(level), senders)
        return Route(start, walk.holdings, tuple(walk.hops))

    def _run_level(self, walk: _Walk, level: list[Rule], senders: frozenset[str]) -> None:
        step = _Level(level, self._weights, frozenset(walk.closed), senders)
        reached: dict[Arrival, Fraction] = {}
        for (holder, by), share in walk.holdings.items():
            rule = step.picks(holder, moved=walk.moved)
            parts = {(holder, by): Fraction(1)} if rule is None else step.passes_on(holder, rule)
            for arrival, part in parts.items():
                reached[arrival] = reached.get(arrival, Fraction(0)) + share * part
        walk.moved = walk.moved or bool(step.hops)
        walk.holdings = reached
        walk.closed |= step.owners.keys() - {UNALLOCATED}
        walk.hops += [hop for _, hop in sorted(step.hops.items())]


class _Level:
    """The rules of one level as they apply to one kind of source."""

    def __init__(
        self,
        rules: Sequence[Rule],
        weights: Mapping[str, Weights],
        closed: frozenset[str],
        senders: frozenset[str],
    ) -> None:
        self._rules = rules
        self._weights = weights
        self._closed = closed
        self._senders = senders
        self.owners: dict[str, Rule] = {}
        for rule in rules:
            for owner in sorted(rule.senders()):
                self.owners.setdefault(owner, rule)
        self.hops: dict[tuple[str, str, str], Hop] = {}
        self._ends: dict[str, dict[str, Fraction]] | None = None

    def picks(self, holder: str, *, moved: bool) -> Rule | None:
        """Return the first rule that picks up what the holder has."""
        for rule in self._rules:
            if holder in rule.scope.owners or not (moved or rule.scope.owners):
                return rule
        return None

    def passes_on(self, holder: str, rule: Rule) -> dict[Arrival, Fraction]:
        """Return where the holder's cost ends within the level, as parts of one."""
        if holder in rule.scope.owners:
            return self._solved(holder)
        ends: dict[Arrival, Fraction] = {}
        for receiver, part in self._hop(holder, rule).items():
            here = {(receiver, rule.code): Fraction(1)}
            onward = self._solved(receiver) if self._feeds(receiver) else here
            for arrival, share in onward.items():
                ends[arrival] = ends.get(arrival, Fraction(0)) + part * share
        return ends

    def _feeds(self, receiver: str) -> bool:
        return receiver in self.owners and receiver != UNALLOCATED

    def _solved(self, sender: str) -> dict[Arrival, Fraction]:
        """Return where a sender's cost ends, solving together all senders it can reach."""
        flow: dict[str, dict[str, Fraction]] = {}
        waiting = [sender]
        while waiting:
            current = waiting.pop()
            parts = self._onward(current)
            flow[_UNOWNED if current == UNALLOCATED else current] = parts
            waiting += [code for code in parts if self._feeds(code) and code not in flow]
        ends = self._absorbed(flow)[_UNOWNED if sender == UNALLOCATED else sender]
        return {_arrival(label): share for label, share in ends.items()}

    def _onward(self, sender: str) -> dict[str, Fraction]:
        """Return a sender's flow: to other senders by code, for good by a label with its rule."""
        rule = self.owners[sender]
        return {
            receiver
            if receiver != sender and self._feeds(receiver)
            else _label(receiver, rule.code): part
            for receiver, part in self._hop(sender, rule).items()
        }

    def _absorbed(self, flow: dict[str, dict[str, Fraction]]) -> dict[str, dict[str, Fraction]]:
        circle = trapped(flow)
        if circle:
            raise TrappedCost(
                f"The rules pass cost around between {', '.join(circle)} and nothing leaves the "
                "circle. Give one of them a receiver outside it, or put the rules on different "
                "levels."
            )
        return absorbed(flow)

    def _hop(self, holder: str, rule: Rule) -> dict[str, Fraction]:
        """Return the first receivers of a holder's cost, and note the step for the explanation."""
        dropped = self._closed | (self._senders if rule.final_only else frozenset())
        weights = self._weights[rule.code].without(dropped - {holder} - {UNALLOCATED})
        shares = weights.fractions() if weights.parts else {UNALLOCATED: Fraction(1)}
        total = sum(weights.parts.values(), Decimal(0))
        for receiver, share in shares.items():
            self.hops[(rule.code, holder, receiver)] = Hop(
                sender=holder,
                receiver=receiver,
                rule=rule.code,
                method=rule.method.value,
                driver=rule.driver,
                measure=weights.measure if weights.parts else _why(weights),
                value=weights.parts.get(receiver, Decimal(0)),
                total=total,
                share=share,
            )
        return shares


def _label(receiver: str, rule: str) -> str:
    return f"{receiver}\0{rule}"


def _arrival(label: str) -> Arrival:
    receiver, rule = label.split("\0")
    return receiver, rule


def _why(weights: Weights) -> str:
    return weights.measure if weights.measure.startswith("no ") else "no receiver left"
