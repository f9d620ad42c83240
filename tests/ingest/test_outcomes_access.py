"""Whoever is limited to teams or tags tells what came of own events only."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from apps.ingest.services.outcomes import OutcomeRefused, accept_outcomes
from apps.usage.models import Outcome
from tests.ingest.factories import NOW, WRITER, event, send

MEMBER = replace(WRITER, teams=frozenset({"search"}))
BOUND = replace(WRITER, bound_tags={"team": "search"})


def outcome(**names: str) -> dict[str, Any]:
    return {"name": "accepted", "success": True, **names}


@pytest.mark.parametrize("actor", [MEMBER, BOUND])
@pytest.mark.parametrize(
    "names",
    [
        {"source": "gateway", "id": "theirs"},
        {"source": "gateway", "id": "unknown"},
        {"trace_id": "t-1"},
        {"experiment": "exp-1"},
        {"source": "gateway", "id": "mine", "experiment": "exp-1"},
    ],
)
def test_others_events_traces_and_experiments_are_refused(
    acme: Any, actor: Any, names: dict[str, str]
) -> None:
    _register("search", "ads")
    send([event("mine"), event("theirs", tags={"team": "ads"})])
    with pytest.raises(OutcomeRefused) as refused:
        accept_outcomes(outcomes=[outcome(**names)], actor=actor, received_at=NOW)
    assert [(one.field, one.code) for one in refused.value.errors] == [("0.id", "not_yours")]
    assert not Outcome.objects.exists()


@pytest.mark.parametrize("actor", [MEMBER, BOUND])
def test_own_events_are_taken(acme: Any, actor: Any) -> None:
    _register("search")
    send([event("mine")])
    mine = [outcome(source="gateway", id="mine")]
    assert accept_outcomes(outcomes=mine, actor=actor, received_at=NOW) == 1
    assert accept_outcomes(outcomes=mine, actor=actor, received_at=NOW) == 0


def _register(*teams: str) -> None:
    from apps.core.domain.access import system_actor
    from apps.directory import services as directory
    from apps.directory.domain.entries import TeamFacts

    directory.ensure_entries(
        actor=system_actor("tests"),
        now=NOW,
        teams=[TeamFacts(code=team, name=team.title()) for team in teams],
    )
