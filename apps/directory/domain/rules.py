"""Attribution rules: what a rule asks of a line, and which owner it then names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from hashlib import blake2b
from typing import Final
from uuid import UUID

from apps.core.domain.errors import FieldError

STANDARD_TAGS: Final = ("team", "product", "feature", "customer", "experiment", "environment")
DIMENSIONS: Final = (*STANDARD_TAGS, "cost_center")
RESERVED_TAGS: Final = ("account", "credential", "operation", "service")
"""Keys under which a line carries what is no tag of the sender, for rules to ask for."""

MAPPING_PRIORITY: Final = 500
"""Where one-click mappings stand among the rules that people write, 100 by default."""

_LIMIT: Final = 256


@dataclass(frozen=True, slots=True)
class Match:
    """All conditions must hold; of one condition's patterns, any.

    A pattern is a whole value, or a beginning followed by `*`; the empty pattern asks for the
    absence of the tag, `*` alone for its presence; `\\*` at the end is a star itself. No condition
    at all matches everything.
    """

    provider: tuple[str, ...] = ()
    model: tuple[str, ...] = ()
    tags: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def accepts(self, *, tags: Mapping[str, str], provider: str, model: str) -> bool:
        """Tell whether a line fulfills every condition."""
        return (
            _any(self.provider, provider)
            and _any(self.model, model)
            and all(_any(patterns, tags.get(key, "")) for key, patterns in self.tags)
        )

    def as_json(self) -> dict[str, object]:
        """Return the stored and published form."""
        written: dict[str, object] = {}
        if self.provider:
            written["provider"] = list(self.provider)
        if self.model:
            written["model"] = list(self.model)
        if self.tags:
            written["tags"] = {key: list(patterns) for key, patterns in self.tags}
        return written


@dataclass(frozen=True, slots=True)
class Setting:
    """Gives a dimension a fixed value, or the value of a tag when the line has it."""

    dimension: str
    value: str = ""
    from_tag: str = ""

    def of(self, tags: Mapping[str, str]) -> str:
        """Return the value for a line; empty when the tag to copy is absent."""
        return tags.get(self.from_tag, "") if self.from_tag else self.value


@dataclass(frozen=True, slots=True)
class Rule:
    """One version of a rule; the lowest priority is asked first, names break ties."""

    name: str
    priority: int
    match: Match
    sets: tuple[Setting, ...]
    valid_from: date | None = None
    valid_to: date | None = None
    version: int = 1
    public_id: UUID | None = None

    def holds(self, on: date) -> bool:
        """Tell whether the version is valid on a day."""
        return (self.valid_from is None or self.valid_from <= on) and (
            self.valid_to is None or on < self.valid_to
        )

    def sets_as_json(self) -> dict[str, object]:
        """Return the stored and published form of the settings."""
        return {
            setting.dimension: {"tag": setting.from_tag} if setting.from_tag else setting.value
            for setting in self.sets
        }


@dataclass(frozen=True, slots=True)
class Parsed:
    """A rule read from outside, or what is wrong with it."""

    match: Match
    sets: tuple[Setting, ...]
    errors: tuple[FieldError, ...]


def parse(*, match: object, sets: object) -> Parsed:
    """Read the published form of a rule's match and settings; collects every mistake."""
    errors: list[FieldError] = []
    read = Match(
        provider=_patterns(match, "provider", errors),
        model=_patterns(match, "model", errors),
        tags=_tag_patterns(match, errors),
    )
    if isinstance(match, Mapping):
        for key in match.keys() - {"provider", "model", "tags"}:
            errors.append(
                FieldError(f"match.{key}", "unknown", "Match on provider, model or tags.")
            )
    return Parsed(read, _settings(sets, errors), tuple(errors))


def refusals_of_rule(rule: Rule) -> tuple[FieldError, ...]:
    """Return what is wrong with a rule apart from its match and settings."""
    found: list[FieldError] = []
    if not rule.name.strip() or len(rule.name) > 120 or not rule.name.isprintable():
        found.append(FieldError("name", "required", "Give a name of at most 120 characters."))
    if not 0 <= rule.priority <= 1_000_000:
        found.append(FieldError("priority", "range", "Give a priority from 0 to 1,000,000."))
    if rule.valid_from and rule.valid_to and rule.valid_to <= rule.valid_from:
        found.append(FieldError("valid_to", "order", "Give an end after the start."))
    return tuple(found)


def _any(patterns: tuple[str, ...], value: str) -> bool:
    return not patterns or any(_fits(pattern, value) for pattern in patterns)


def _fits(pattern: str, value: str) -> bool:
    if pattern.endswith("\\*"):
        return value == f"{pattern[:-2]}*"
    if pattern.endswith("*"):
        return value != "" and value.startswith(pattern[:-1])
    return value == pattern


def _patterns(match: object, key: str, errors: list[FieldError]) -> tuple[str, ...]:
    if not isinstance(match, Mapping):
        if key == "provider":
            errors.append(FieldError("match", "object", "Give an object, {} to match everything."))
        return ()
    return _texts(match.get(key, []), f"match.{key}", errors)


def _tag_patterns(
    match: object, errors: list[FieldError]
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    tags = match.get("tags", {}) if isinstance(match, Mapping) else {}
    if not isinstance(tags, Mapping):
        errors.append(FieldError("match.tags", "object", "Give an object of tag keys."))
        return ()
    return tuple(
        (str(key), _texts(tags[key], f"match.tags.{key}", errors)) for key in sorted(tags, key=str)
    )


def _texts(value: object, path: str, errors: list[FieldError]) -> tuple[str, ...]:
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list | tuple) or not all(_is_text(each) for each in values):
        errors.append(FieldError(path, "text", "Give a value or a list of values as text."))
        return ()
    return tuple(dict.fromkeys(values))


def _settings(sets: object, errors: list[FieldError]) -> tuple[Setting, ...]:
    if not isinstance(sets, Mapping) or not sets:
        errors.append(
            FieldError("sets", "required", 'Name at least one dimension, as {"team": "search"}.')
        )
        return ()
    return tuple(_setting(str(key), sets[key], errors) for key in sorted(sets, key=str))


def _setting(dimension: str, value: object, errors: list[FieldError]) -> Setting:
    path = f"sets.{dimension}"
    if dimension not in DIMENSIONS:
        errors.append(FieldError(path, "unknown", f"Set one of {', '.join(DIMENSIONS)}."))
    match value:
        case str() if value and _is_text(value):
            return Setting(dimension, value=value)
        case {"tag": str() as tag, **others} if not others and tag and _is_text(tag):
            return Setting(dimension, from_tag=tag)
        case _:
            errors.append(
                FieldError(path, "text", 'Give a code, or {"tag": "key"} to copy a tag\'s value.')
            )
            return Setting(dimension)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and len(value) <= _LIMIT and "\x00" not in value


def in_order(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    """Return rules in the order in which they are asked."""
    return tuple(sorted(rules, key=lambda rule: (rule.priority, rule.name, rule.version)))


def mapping_rule(*, tag: str, value: str, dimension: str, target: str) -> Rule:
    """Return the rule by which lines with this value of a tag belong to a code."""
    shown = value
    if len(value) > 60 or not value.isprintable():
        seal = blake2b(value.encode(), digest_size=6).hexdigest()
        shown = f"{''.join(filter(str.isprintable, value[:40]))} #{seal}"
    return Rule(
        name=f"Map {tag[:30]} {shown} to a {dimension.replace('_', ' ')}",
        priority=MAPPING_PRIORITY,
        match=Match(tags=((tag, (_literal(value),)),)),
        sets=(Setting(dimension, value=target),),
    )


def _literal(value: str) -> str:
    return f"{value[:-1]}\\*" if value.endswith("*") else value
