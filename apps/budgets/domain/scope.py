"""What a budget or a policy is about: any combination of owner, model and key, by codes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from apps.catalog.domain.published import family_of
from apps.core.domain.access import Actor
from apps.core.domain.errors import FieldError
from apps.directory.domain.attribution import Owner

KEYS: Final = (
    "team",
    "cost_center",
    "product",
    "feature",
    "customer",
    "experiment",
    "environment",
    "provider",
    "model",
    "family",
    "credential",
    "account",
)
"""What a scope may name; `cost_center` takes everything below it along."""

OWNED: Final = ("team", "product", "feature", "customer", "experiment", "environment")
_LONGEST: Final = 256

Scope = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Subject:
    """Usage that is matched: one value a key, and the cost centers it lies under."""

    values: Mapping[str, str]
    cost_centers: frozenset[str]


def subject_of(
    *,
    owner: Owner,
    tags: Mapping[str, str],
    provider: str,
    model: str,
    credential: str,
    account: str,
    parents: Mapping[str, str],
) -> Subject:
    """Return what usage is matched by; `parents` is the tree of cost centers, by code.

    A team that nobody registered owns nothing, yet a budget may be set on it before it is
    entered, so its tag stands for it here.
    """
    values = {key: str(getattr(owner, key)) for key in OWNED}
    if "team" in owner.unregistered and not values["team"]:
        values["team"] = tags.get("team", "")
    values |= {
        "provider": provider,
        "model": model,
        "family": family_of(model) if model else "",
        "credential": credential,
        "account": account,
    }
    return Subject(values, _above(owner.cost_center, parents))


def matches(scope: Scope, subject: Subject) -> bool:
    """Tell whether usage falls under a scope; the empty scope takes everything."""
    return all(
        value in subject.cost_centers if key == "cost_center" else subject.values.get(key) == value
        for key, value in scope.items()
    )


def may_see(actor: Actor, scope: Scope) -> bool:
    """Tell whether an actor may see what is about a scope.

    A member sees what is about their teams; a key with bound tags what names all of them.
    """
    in_teams = actor.teams is None or scope.get("team", "") in actor.teams
    return in_teams and all(scope.get(key) == value for key, value in actor.bound_tags.items())


def refusals_of_scope(scope: Mapping[str, object]) -> tuple[FieldError, ...]:
    """Return what is wrong with a scope, field by field."""
    found: list[FieldError] = []
    for key, value in scope.items():
        name = f"scope.{str(key)[:64]}"
        if key not in KEYS:
            known = ", ".join(KEYS)
            found.append(FieldError(name, "unknown", f"There is no such key; known are {known}."))
        elif not isinstance(value, str) or not 0 < len(value) <= _LONGEST:
            found.append(FieldError(name, "value", f"Give a code of 1 to {_LONGEST} characters."))
        elif not value.isprintable():
            found.append(FieldError(name, "text", "Give printable characters only."))
    return tuple(found)


def _above(code: str, parents: Mapping[str, str]) -> frozenset[str]:
    found: set[str] = set()
    while code and code not in found:
        found.add(code)
        code = parents.get(code, "")
    return frozenset(found)
