"""What of the directory an actor may see: whoever is limited to teams sees these teams only."""

from __future__ import annotations

from collections.abc import Sequence

from apps.core.domain.access import Actor
from apps.directory.domain.entries import CustomerFacts, Entry, TeamFacts


def seen_by(actor: Actor, entries: Sequence[Entry]) -> list[Entry]:
    """Return the entries that the actor may see; customers are for whoever sees every team."""
    if actor.teams is None:
        return list(entries)
    return [entry for entry in entries if _is_seen(entry, actor.teams)]


def _is_seen(entry: Entry, teams: frozenset[str]) -> bool:
    match entry:
        case TeamFacts():
            return entry.code in teams
        case CustomerFacts():
            return False
        case _:
            return True
