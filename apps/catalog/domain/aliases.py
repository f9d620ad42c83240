"""Finds the canonical provider and model behind the names that senders use."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

Rule = Mapping[str, Any]
"""One clause: {"equals"|"starts_with"|"ends_with"|"contains"|"regex": text} or
{"or"|"and": [rules]}; texts compare case-insensitively, a regex against the lowered name."""

_COMPACT_DATE: Final = re.compile(r"-(\d{4})(\d{2})(\d{2})$")
_ARN_MODEL: Final = re.compile(r"^arn:aws[\w-]*:bedrock:.*:(?:foundation-model|inference-profile)/")


@dataclass(frozen=True, slots=True)
class ProviderRule:
    """How a provider is recognized; `fallbacks` are providers whose models it resells."""

    code: str
    match: Rule | None
    fallbacks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelRule:
    """How a model of one provider is recognized."""

    code: str
    match: Rule


def matches(rule: Rule, name: str) -> bool:  # noqa: PLR0911 - one return a clause reads best
    """Tell whether a lowered name satisfies the rule.

    :raises ValueError: when the rule has a clause that is not known.
    """
    clause, wanted = next(iter(rule.items()))
    match clause:
        case "equals":
            return bool(name == wanted.lower())
        case "starts_with":
            return name.startswith(wanted.lower())
        case "ends_with":
            return name.endswith(wanted.lower())
        case "contains":
            return wanted.lower() in name
        case "regex":
            return re.search(wanted, name) is not None
        case "or":
            return any(matches(inner, name) for inner in wanted)
        case "and":
            return all(matches(inner, name) for inner in wanted)
        case _:
            raise ValueError(f"{clause!r} is no clause of a match rule")


def provider_named(rules: Iterable[ProviderRule], name: str) -> ProviderRule | None:
    """Return the provider of that code, else the first whose rule accepts the name."""
    wanted = name.strip().lower()
    known = tuple(rules)
    for provider in known:
        if provider.code == wanted:
            return provider
    for provider in known:
        if provider.match is not None and matches(provider.match, wanted):
            return provider
    return None


class ModelIndex:
    """The models of one provider: equal names by dictionary, other rules in published order.

    The first rule that accepts a name wins, as the rules are published from special to general.
    """

    __slots__ = ("_by_position", "_codes", "_exact", "_rules")

    def __init__(self, rules: Sequence[ModelRule]) -> None:
        self._codes = {rule.code.lower(): rule.code for rule in reversed(rules)}
        self._exact: dict[str, int] = {}
        self._rules: list[tuple[int, ModelRule]] = []
        for position, rule in enumerate(rules):
            names = _equal_names(rule.match)
            if names is None:
                self._rules.append((position, rule))
            for name in names or ():
                self._exact.setdefault(name, position)
        self._by_position = tuple(rule.code for rule in rules)

    def __contains__(self, code: str) -> bool:
        return self._codes.get(code.lower()) == code

    def find(self, name: str) -> str | None:
        """Return the canonical code of the model that a sender calls `name`, if one is known."""
        for candidate in spellings(name):
            code = self._codes.get(candidate) or self._first_match(candidate)
            if code is not None:
                return code
        return None

    def _first_match(self, name: str) -> str | None:
        exact = self._exact.get(name)
        for position, rule in self._rules:
            if exact is not None and exact < position:
                break
            if matches(rule.match, name):
                return rule.code
        return None if exact is None else self._by_position[exact]


def spellings(name: str) -> Iterator[str]:
    """Yield the lowered name, then the forms that SDKs and gateways wrap it in.

    A compact date becomes a dashed one; an ARN of a foundation model or a system inference
    profile and a resource path yield their last part. An application inference profile is
    opaque and stays as it is.
    """
    lowered = name.strip().lower()
    yield lowered
    dated = _COMPACT_DATE.sub(_dashed, lowered)
    if dated != lowered:
        yield dated
    if _ARN_MODEL.match(lowered) or "models/" in lowered:
        yield lowered.rsplit("/", 1)[1]


def _dashed(found: re.Match[str]) -> str:
    year, month, day = (int(part) for part in found.groups())
    try:
        return f"-{date(year, month, day).isoformat()}"
    except ValueError:
        return found.group(0)


def _equal_names(rule: Rule) -> tuple[str, ...] | None:
    clause, wanted = next(iter(rule.items()))
    if clause == "equals":
        return (wanted.lower(),)
    if clause != "or":
        return None
    nested = [_equal_names(inner) for inner in wanted]
    if any(names is None for names in nested):
        return None
    return tuple(name for names in nested if names is not None for name in names)
