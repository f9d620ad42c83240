"""The form of an attribution rule: one pattern a line, one choice a dimension."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from django import forms

from apps.directory import selectors as directory
from apps.directory import services
from apps.directory.domain.entries import Entry
from apps.directory.domain.rules import Rule, Setting, parse

CHOSEN: Final = ("team", "cost_center", "product", "feature", "customer")
"""Dimensions with a register; the others are written as text."""

_COPY: Final = "tag:"
_LISTED: Final[Mapping[str, Callable[[], Sequence[Entry]]]] = {
    "team": directory.teams,
    "cost_center": directory.cost_centers,
    "product": directory.products,
    "feature": directory.features,
    "customer": directory.customers,
}


def _lines(label: str, rows: int, help_text: str) -> forms.CharField:
    widget = forms.Textarea(attrs={"rows": rows, "spellcheck": "false"})
    return forms.CharField(
        label=label, required=False, strip=False, widget=widget, help_text=help_text
    )


def _day(help_text: str) -> forms.DateField:
    widget = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    return forms.DateField(required=False, widget=widget, help_text=help_text)


class RuleForm(forms.Form):
    """An attribution rule."""

    name = forms.CharField(max_length=120)
    priority = forms.IntegerField(
        initial=100, min_value=0, max_value=1_000_000, help_text="The lowest is asked first."
    )
    provider = _lines("When the provider is", 2, "One a line; aws* is every one that begins so.")
    model = _lines("and the model is", 2, "One a line; gpt-4o* is every one that begins so.")
    tags = _lines(
        "and the tags are",
        3,
        "One a line, such as business_unit = Vienna*. Two lines of one tag mean either. An empty "
        "value asks for the absence of the tag, * for its presence. account, credential and "
        "service can be asked for too.",
    )
    team = forms.ChoiceField(label="Then the team is", required=False)
    cost_center = forms.ChoiceField(label="the cost center is", required=False)
    product = forms.ChoiceField(label="the product is", required=False)
    feature = forms.ChoiceField(label="the feature is", required=False)
    customer = forms.ChoiceField(label="the customer is", required=False)
    others = _lines(
        "and furthermore",
        2,
        "One a line, such as environment = production, or customer = tag:tenant to take the value "
        "of a tag.",
    )
    valid_from = _day("Empty: for every day that is not closed yet.")
    valid_to = _day("The first day on which it holds no longer. Empty: for good.")

    def __init__(self, *args: Any, fixed_name: str = "", **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["name"].disabled = bool(fixed_name)
        for dimension, listed in _LISTED.items():
            named = [(entry.code, f"{entry.name} ({entry.code})") for entry in listed()]
            self.fields[dimension].choices = [("", "left as it is"), *named]  # type: ignore[attr-defined]

    def to_rule(self) -> Rule:
        """Return the rule as the service takes it.

        :raises RuleRefused: when a line cannot be read; names every mistake.
        """
        entered = self.cleaned_data
        read = parse(match=_match(entered), sets=_sets(entered))
        if read.errors:
            raise services.RuleRefused(read.errors[0].message, errors=read.errors)
        return Rule(
            name=entered["name"],
            priority=entered["priority"],
            match=read.match,
            sets=read.sets,
            valid_from=entered["valid_from"],
            valid_to=entered["valid_to"],
        )


def initial_of(rule: Rule) -> dict[str, Any]:
    """Return a rule as the form shows it."""
    chosen = {one.dimension: one.value for one in rule.sets if _is_chosen(one)}
    others = [f"{one.dimension} = {_written(one)}" for one in rule.sets if not _is_chosen(one)]
    tags = [f"{key} = {pattern}" for key, patterns in rule.match.tags for pattern in patterns]
    return {
        "name": rule.name,
        "priority": rule.priority,
        "provider": "\n".join(rule.match.provider),
        "model": "\n".join(rule.match.model),
        "tags": "\n".join(tags),
        "others": "\n".join(others),
        "valid_from": rule.valid_from,
        "valid_to": rule.valid_to,
        **chosen,
    }


def field_of(path: str) -> str:
    """Return the field of the form in which the named part of a rule stands."""
    section, _, name = path.partition(".")
    if section == "match":
        return name if name in ("provider", "model") else "tags"
    if section == "sets":
        return name if name in CHOSEN else "others"
    return section


def _match(entered: Mapping[str, Any]) -> dict[str, Any]:
    tags: dict[str, list[str]] = {}
    for key, value in _pairs(entered["tags"]):
        tags.setdefault(key, []).append(value)
    return {
        "provider": _each(entered["provider"]),
        "model": _each(entered["model"]),
        "tags": tags,
    }


def _sets(entered: Mapping[str, Any]) -> dict[str, Any]:
    sets: dict[str, Any] = {name: entered[name] for name in CHOSEN if entered[name]}
    for name, value in _pairs(entered["others"]):
        copied = value.removeprefix(_COPY)
        sets[name] = {"tag": copied} if value.startswith(_COPY) else value
    return sets


def _each(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _pairs(text: str) -> Iterable[tuple[str, str]]:
    """Yield what stands on each line before and after the first equals sign."""
    for line in _each(text):
        key, _, value = line.partition("=")
        yield key.strip(), value.strip()


def _is_chosen(setting: Setting) -> bool:
    return setting.dimension in CHOSEN and not setting.from_tag


def _written(setting: Setting) -> str:
    return f"{_COPY}{setting.from_tag}" if setting.from_tag else setting.value
