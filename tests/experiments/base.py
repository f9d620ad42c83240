"""People, prices and requests for the tests of experiments."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from apps.accounts import selectors as accounts
from apps.core.domain.access import Actor, Role, system_actor
from apps.experiments import services
from apps.experiments.domain.bands import Counts
from apps.experiments.domain.facts import RequestFacts
from apps.experiments.domain.policy_text import read_policy
from apps.experiments.domain.proposals import ModelPlan, Proposal
from apps.experiments.domain.states import Verdict
from tests.accounts.people import person
from tests.ingest.factories import contract, teams

D = Decimal
NOW = datetime(2026, 1, 20, 15, tzinfo=UTC)
ADMIN = system_actor("tests")


class People:
    """Who takes part: an engineer of search, two approvers, an owner, finance."""

    def __init__(self) -> None:
        self.engineer = self._actor(Role.MEMBER, "erin", ("search",))
        self.approver = self._actor(Role.APPROVER, "paula")
        self.second = self._actor(Role.APPROVER, "peter")
        self.owner = self._actor(Role.OWNER, "olivia")
        self.finance = self._actor(Role.FINANCE, "frank")

    def _actor(self, role: Role, name: str, teams: tuple[str, ...] = ()) -> Actor:
        return accounts.actor_of_user(person(role, email=f"{name}@lab.example", teams=teams))


def settle() -> People:
    """Enter prices, teams and people into the current schema."""
    contract(input_tokens="2.50", cached_input_tokens="1.25", output_tokens="10")
    teams("search", "ads")
    return People()


PLAN = ModelPlan(
    provider="testco",
    model="tiny",
    runs=Counts(500, 1000, 2000),
    input_tokens=Counts.exactly(4000),
    output_tokens=Counts.exactly(1000),
)
"""USD 10, 20 and 40: 4,000 x 2.50 + 1,000 x 10 per million is two cents a run."""


def proposal(**changes: Any) -> Proposal:
    values: dict[str, Any] = {
        "title": "Rerank with a longer context",
        "hypothesis": "Reranking fifty passages answers one question in five more.",
        "owner": "erin@lab.example",
        "team": "search",
        "plans": (PLAN,),
        "starts_on": date(2026, 1, 10),
        "ends_on": date(2026, 2, 10),
        "environments": ("staging",),
        "outcome_name": "answered",
        "outcome_target": 100,
        "outcome_value": D("0.50"),
    }
    return Proposal(**(values | changes))


def create(people: People, **changes: Any) -> RequestFacts:
    return services.create(proposal=proposal(**changes), actor=people.engineer, now=NOW)


def submit(people: People, **changes: Any) -> RequestFacts:
    made = create(people, **changes)
    return services.submit(id=made.id, actor=people.engineer, now=NOW)


def say(
    request: RequestFacts, actor: Actor, verdict: Verdict = Verdict.APPROVE, comment: str = "ok"
) -> RequestFacts:
    ballot = services.Ballot(request=request.id, verdict=verdict, comment=comment)
    return services.decide(ballot=ballot, actor=actor, now=NOW)


def running(people: People, **changes: Any) -> RequestFacts:
    return say(submit(people, **changes), people.approver)


def state_policy(actor: Actor = ADMIN, **changes: Any) -> None:
    """Put a policy in force: one approver, unless the changes say otherwise."""
    value = {
        "otherwise": [{"name": "Product", "approvers": {"roles": ["approver"]}}],
        **changes,
    }
    services.state_policy(
        policy_text=read_policy(value), note="tests", after=None, actor=actor, now=NOW
    )


__all__ = ["NOW", "People", "create", "proposal", "replace", "running", "say", "submit"]
