"""What an actor may see of usage: a member their teams, a key with bound tags what carries them."""

from __future__ import annotations

from collections.abc import Mapping

from apps.core.domain.access import Actor
from apps.directory.domain.attribution import Owner
from apps.directory.domain.rules import STANDARD_TAGS


def sees_everything(actor: Actor) -> bool:
    """Tell whether no usage is hidden from the actor."""
    return actor.teams is None and not actor.bound_tags


def may_see(actor: Actor, owner: Owner, tags: Mapping[str, str]) -> bool:
    """Tell whether the actor may see usage of that owner and those tags."""
    in_teams = actor.teams is None or owner.team in actor.teams
    return in_teams and all(
        value_of(owner, tags, key) == value for key, value in actor.bound_tags.items()
    )


def value_of(owner: Owner, tags: Mapping[str, str], key: str) -> str:
    """Return the value of a tag: resolved where it is a standard one, else as sent."""
    if key in STANDARD_TAGS:
        return str(getattr(owner, key))
    return tags.get(key, "")
