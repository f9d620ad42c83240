"""Whose a line is: a pure function of its tags, its SKU and the day (rule 19)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from apps.core.domain.canonical import digest_of
from apps.directory.domain.entries import UNALLOCATED
from apps.directory.domain.rules import STANDARD_TAGS, Rule, in_order
from apps.directory.domain.spans import Span, edges, target_on

REGISTERED: Final = ("team", "product", "feature", "customer")
"""Dimensions with a register; a value that is not in it is flagged."""


@dataclass(frozen=True, slots=True)
class Owner:
    """What attribution makes of a line.

    A dimension that nothing names is empty. `cost_center` is never empty. `unregistered` names the
    dimensions whose value is not in the register; such a value stands for itself, except a team:
    an unknown team owns nothing, so `team` is then empty. `rule` names the rule that decided.
    """

    team: str
    product: str
    feature: str
    customer: str
    experiment: str
    environment: str
    cost_center: str
    rule: str | None = None
    unregistered: frozenset[str] = frozenset()

    @property
    def is_unowned(self) -> bool:
        """Tell whether the line falls to nobody."""
        return self.cost_center == UNALLOCATED


@dataclass(frozen=True, slots=True)
class Register:
    """Which codes of each kind were valid when, and where teams belonged."""

    entries: Mapping[str, Mapping[str, Span]]
    """By dimension (team, product, feature, customer, cost_center) and code; targets unused."""

    memberships: Mapping[str, tuple[Span, ...]]
    """By team code: its cost centers over time."""

    def knows(self, dimension: str, code: str, on: date) -> bool:
        """Tell whether a code of a dimension is valid on a day."""
        span = self.entries.get(dimension, {}).get(code)
        return span is not None and span.holds(on)

    def cost_center_of(self, team: str, on: date) -> str:
        """Return the cost center of a team on a day; empty when it belongs to none."""
        return target_on(self.memberships.get(team, ()), on)


_MemoKey = tuple[tuple[tuple[str, str], ...], str, str, int]


@dataclass(frozen=True, slots=True)
class Attribution:
    """The whole directory as one pure function, loaded once and memoized per tag set."""

    rules: tuple[Rule, ...]
    register: Register
    change_dates: tuple[date, ...] = field(init=False)
    """First days on which an answer may differ, in order; between two of them it does not."""

    _memo: dict[_MemoKey, Owner] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "rules", in_order(self.rules))
        object.__setattr__(self, "change_dates", tuple(sorted(self._edges())))

    def owner_of(
        self, *, tags: Mapping[str, str], sku_provider: str, sku_model: str, on: date
    ) -> Owner:
        """Return whose a line is on a day.

        `tags` may carry the reserved keys `account`, `credential`, `operation` and `service`, for
        rules to ask for. Rules are asked by priority, and each dimension is set by the first rule
        that names it; what no rule names is the standard tag of that name.
        """
        key = (
            tuple(sorted(tags.items())),
            sku_provider,
            sku_model,
            bisect_right(self.change_dates, on),
        )
        known = self._memo.get(key)
        if known is None:
            known = self._memo[key] = self._decide(tags, sku_provider, sku_model, on)
        return known

    def with_rule(self, rule: Rule) -> Attribution:
        """Return the attribution in which a rule takes the place of those of its name."""
        others = [each for each in self.rules if each.name != rule.name]
        return Attribution((*others, rule), self.register)

    @property
    def digest(self) -> str:
        """Return a digest of everything that answers depend on; the version of the tree."""
        return digest_of(
            {
                "rules": [
                    {
                        "name": rule.name,
                        "version": rule.version,
                        "priority": rule.priority,
                        "match": rule.match.as_json(),
                        "sets": rule.sets_as_json(),
                        "days": [rule.valid_from, rule.valid_to],
                    }
                    for rule in self.rules
                ],
                "entries": {
                    dimension: {code: [span.start, span.end] for code, span in codes.items()}
                    for dimension, codes in self.register.entries.items()
                },
                "memberships": {
                    team: [[span.start, span.end, span.target] for span in spans]
                    for team, spans in self.register.memberships.items()
                },
            }
        )

    def _decide(self, tags: Mapping[str, str], provider: str, model: str, on: date) -> Owner:
        named, deciding = self._named_by_rules(tags, provider, model, on)
        values = {tag: named.get(tag, "") or tags.get(tag, "") for tag in STANDARD_TAGS}
        unregistered = {
            dimension
            for dimension in REGISTERED
            if values[dimension] and not self.register.knows(dimension, values[dimension], on)
        }
        if "team" in unregistered:
            values["team"] = ""
        cost_center = named.get("cost_center", "")
        if cost_center and not self.register.knows("cost_center", cost_center, on):
            unregistered.add("cost_center")
            cost_center = ""
        if not cost_center and "cost_center" not in unregistered:
            cost_center = self._cost_center_of(values["team"], on)
        return Owner(
            **values,
            cost_center=cost_center or UNALLOCATED,
            rule=deciding,
            unregistered=frozenset(unregistered),
        )

    def _named_by_rules(
        self, tags: Mapping[str, str], provider: str, model: str, on: date
    ) -> tuple[dict[str, str], str | None]:
        named: dict[str, str] = {}
        author: dict[str, str] = {}
        for rule in self.rules:
            if rule.holds(on) and rule.match.accepts(tags=tags, provider=provider, model=model):
                for setting in rule.sets:
                    value = setting.of(tags)
                    if value and setting.dimension not in named:
                        named[setting.dimension] = value
                        author[setting.dimension] = rule.name
        deciding = author.get("cost_center") or author.get("team")
        return named, deciding or next(iter(author.values()), None)

    def _cost_center_of(self, team: str, on: date) -> str:
        code = self.register.cost_center_of(team, on) if team else ""
        return code if code and self.register.knows("cost_center", code, on) else ""

    def _edges(self) -> set[date]:
        found = edges(span for codes in self.register.entries.values() for span in codes.values())
        found |= edges(span for spans in self.register.memberships.values() for span in spans)
        return found | edges(Span(rule.valid_from, rule.valid_to, "") for rule in self.rules)
