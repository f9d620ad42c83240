"""What an actor may see of the costs: filters come after the numbers, and change none."""

from __future__ import annotations

from collections.abc import Iterable

from apps.core.domain.access import Actor
from apps.costs.domain.grouping import OwnedLine
from apps.directory.domain.rules import STANDARD_TAGS


def visible(owned: Iterable[OwnedLine], actor: Actor) -> list[OwnedLine]:
    """Return the lines of the actor's teams and bound tags; all of them when there is no limit."""
    return [each for each in owned if _in_teams(each, actor) and _in_bounds(each, actor)]


def sees_everything(actor: Actor) -> bool:
    """Tell whether no line is hidden from the actor."""
    return actor.teams is None and not actor.bound_tags


def _in_teams(owned: OwnedLine, actor: Actor) -> bool:
    return actor.teams is None or owned.owner.team in actor.teams


def _in_bounds(owned: OwnedLine, actor: Actor) -> bool:
    return all(_value(owned, key) == value for key, value in actor.bound_tags.items())


def _value(owned: OwnedLine, key: str) -> str:
    if key in STANDARD_TAGS:
        return str(getattr(owned.owner, key))
    return owned.line.tags.get(key, "")
