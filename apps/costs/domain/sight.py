"""What an actor may see of the costs: filters come after the numbers, and change none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from apps.core.domain.access import Actor
from apps.costs.domain.grouping import OwnedLine
from apps.directory.domain.attribution import Owner
from apps.directory.domain.rules import STANDARD_TAGS


def visible(owned: Iterable[OwnedLine], actor: Actor) -> list[OwnedLine]:
    """Return the lines of the actor's teams and bound tags; all of them when there is no limit."""
    if sees_everything(actor):
        return list(owned)
    return [each for each in owned if owner_visible(each.owner, each.line.tags, actor)]


def owner_visible(owner: Owner, tags: Mapping[str, str], actor: Actor) -> bool:
    """Tell whether the actor may see the cost of a line of that owner and those tags."""
    in_teams = actor.teams is None or owner.team in actor.teams
    return in_teams and all(
        _value(owner, tags, key) == value for key, value in actor.bound_tags.items()
    )


def sees_everything(actor: Actor) -> bool:
    """Tell whether no line is hidden from the actor."""
    return actor.teams is None and not actor.bound_tags


def _value(owner: Owner, tags: Mapping[str, str], key: str) -> str:
    if key in STANDARD_TAGS:
        return str(getattr(owner, key))
    return tags.get(key, "")
