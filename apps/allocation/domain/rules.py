"""What an allocation rule says: which cost it picks up, and who receives it by which measure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Final, NamedTuple

UNALLOCATED: Final = "UNALLOCATED"
"""Receiver of everything that nobody owns; a cost center with its own statement (rule 18)."""

MARKUP: Final = "MARKUP"
"""Receiver of the counter-entry of every markup, so that a markup sums to zero (rule 18)."""

RESERVED: Final = frozenset({UNALLOCATED, MARKUP})


class Axis(StrEnum):
    """One of the two ways in which the whole cost base is told apart."""

    TEAM = "team"
    CUSTOMER = "customer"


class Method(StrEnum):
    """How a rule splits what it picks up."""

    DIRECT = "direct"
    EVEN = "even"
    FIXED = "fixed"
    PROPORTIONAL = "proportional"
    TIERED = "tiered"
    MARKUP = "markup"
    COMMITMENT = "commitment"


APART: Final = frozenset({Method.MARKUP, Method.COMMITMENT})
"""Methods that move no cost of sources: their lines come after, and sum to zero."""


class ZeroPolicy(StrEnum):
    """What happens when every receiver's driver is zero."""

    UNALLOCATED = "unallocated"
    EVEN = "even"
    PREVIOUS_PERIOD = "previous_period"
    FAIL = "fail"


COST_DRIVER: Final = "cost"
TOKENS_DRIVER: Final = "tokens"
REQUESTS_DRIVER: Final = "requests"
MEASURED_DRIVERS: Final = (COST_DRIVER, TOKENS_DRIVER, REQUESTS_DRIVER)
"""Drivers that the engine always measures on directly owned cost."""

METER_DRIVER: Final = "meter:"
"""Before a meter's code: the quantity of that meter in directly owned cost, measured when asked."""

OUTCOMES_DRIVER: Final = "outcomes"
"""Successful outcomes of a receiver's own usage; `outcomes:NAME` counts those of one name."""


class Facts(NamedTuple):
    """The attributes of a source that a scope may ask for; equal facts are matched once."""

    origin: str = ""
    provider: str = ""
    service: str = ""
    model: str = ""
    meter: str = ""
    account: str = ""
    charge_category: str = ""
    tags: frozenset[tuple[str, str]] = frozenset()


FACT_FIELDS: Final = tuple(name for name in Facts._fields if name != "tags")


@dataclass(frozen=True, slots=True)
class Scope:
    """Which cost a rule picks up: any value within a field, all fields together.

    `owners` are the receivers that hold the cost when the rule's level begins; without owners
    the rule forms a pool out of sources that no earlier rule moved. A value that ends in `*`
    matches by prefix, `*` alone any value that is not empty.
    """

    owners: frozenset[str] = frozenset()
    facts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    tags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Tell whether the scope asks for nothing."""
        return not (self.owners or self.facts or self.tags)

    def fits(self, facts: Facts) -> bool:
        """Tell whether a source's attributes satisfy the scope, its holder aside."""
        for name, wanted in self.facts.items():
            if not _any_matches(wanted, getattr(facts, name)):
                return False
        if not self.tags:
            return True
        tags = dict(facts.tags)
        return all(_any_matches(wanted, tags.get(key, "")) for key, wanted in self.tags.items())


@dataclass(frozen=True, slots=True)
class Receivers:
    """Who shares: every receiver of the axis, or those named, in percent for fixed splits."""

    everyone: bool = False
    codes: tuple[str, ...] = ()
    percents: Mapping[str, Decimal] = field(default_factory=dict)

    def named(self) -> tuple[str, ...]:
        """Return the named receivers in order of their code."""
        return tuple(sorted({*self.codes, *self.percents}))


@dataclass(frozen=True, slots=True)
class Tier:
    """A band of a driver: units up to `up_to` (None: all the rest) weigh `weight` each."""

    up_to: Decimal | None
    weight: Decimal


@dataclass(frozen=True, slots=True)
class Rule:
    """One version of one rule, as the engine applies it.

    Rules of a lower `level` run first and what they hand out may be picked up by later ones
    (step-down); rules of one level that feed each other are solved together (reciprocal). In a
    level the smallest (`priority`, `code`) picks first. With `final_only`, receivers that pass
    their own cost on are left out and the rest is scaled up. `tiers` weigh the driver of a tiered
    rule band by band. No receiver bears less than `minimum_share` or more than `maximum_share`
    percent of what the rule hands out; what the others may not bear stays unallocated. A negative
    `percent` makes a markup a subsidy.
    """

    code: str
    axis: Axis
    method: Method
    scope: Scope
    receivers: Receivers
    name: str = ""
    level: int = 1
    priority: int = 100
    driver: str = ""
    zero_policy: ZeroPolicy = ZeroPolicy.UNALLOCATED
    final_only: bool = False
    percent: Decimal = Decimal(0)
    tiers: tuple[Tier, ...] = ()
    minimum_share: Decimal = Decimal(0)
    maximum_share: Decimal = Decimal(100)
    version: int = 1
    valid_from: date | None = None
    valid_to: date | None = None

    @property
    def order(self) -> tuple[int, int, str]:
        """Return the place of the rule in a run."""
        return (self.level, self.priority, self.code)

    def senders(self) -> frozenset[str]:
        """Return the receivers whose cost the rule passes on."""
        return frozenset() if self.method in APART else self.scope.owners


def in_force(rules: Iterable[Rule], day: date) -> list[Rule]:
    """Return the rules valid on a day, [valid_from, valid_to), in the order of a run."""
    valid = (
        rule
        for rule in rules
        if (rule.valid_from is None or rule.valid_from <= day)
        and (rule.valid_to is None or day < rule.valid_to)
    )
    return sorted(valid, key=lambda rule: (rule.axis, rule.order))


def _any_matches(wanted: tuple[str, ...], value: str) -> bool:
    return any(_matches(pattern, value) for pattern in wanted)


def _matches(pattern: str, value: str) -> bool:
    if pattern.endswith("*"):
        return bool(value) and value.startswith(pattern[:-1])
    return pattern == value
