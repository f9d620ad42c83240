"""Routing, progress and seats: pure, so that no order of clicks changes who has to agree."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.experiments.domain.policies import (
    DEFAULT,
    Approvers,
    AutoApproval,
    Condition,
    Policy,
    Risk,
    Route,
    StepRule,
    route,
)
from apps.experiments.domain.policy_text import PolicyInvalid, policy_payload, read_policy
from apps.experiments.domain.progress import StepFacts, Vote, standing
from apps.experiments.domain.results import Results
from apps.experiments.domain.seats import (
    Away,
    Decider,
    NoSeat,
    OpenStep,
    SamePerson,
    seat_of,
    seated,
    told,
)
from apps.experiments.domain.states import NEXT, OVER, RoundState, State, StepState, Verdict

D = Decimal
ANY = Approvers(frozenset({"approver"}))
OWNER = Approvers(frozenset({"owner"}))


def step(name: str = "Product", **more: Any) -> StepRule:
    return StepRule(name=name, approvers=ANY, **more)


def risk(**changes: Any) -> Risk:
    values: dict[str, Any] = {
        "amount": D(20),
        "context": 8_000,
        "models": ("openai/gpt-4o",),
        "team": "search",
        "environments": ("staging",),
        "sensitivity": "internal",
        "budget_left": D(1000),
    }
    return Risk(**(values | changes))


POLICY = Policy(
    auto=AutoApproval(D(25), D(60)),
    routes=(
        Route(
            name="Large", when=Condition(amount_over=D(500)), steps=(step(), step("Money", order=2))
        ),
        Route(
            name="Ultra context",
            when=Condition(context_over=200_000),
            steps=(step(quorum=2, hours=8),),
            needs_roi=True,
        ),
        Route(name="Dear models", when=Condition(models=("o1-pro*",)), steps=(step("Models"),)),
        Route(
            name="People's data in production",
            when=Condition(sensitivities=("personal",), environments=("production",)),
            steps=(step("Privacy"),),
        ),
    ),
    otherwise=(step("Default"),),
)


def routed(**changes: Any) -> tuple[bool, list[str]]:
    found = route(POLICY, risk(**changes), currency="USD")
    return found.automatic, [one.name for one in found.steps]


@pytest.mark.parametrize(
    ("changes", "automatic", "steps"),
    [
        ({}, True, []),
        ({"amount": D(25)}, True, []),
        ({"amount": D("25.01")}, False, ["Default"]),
        ({"amount": D(500)}, False, ["Default"]),
        ({"amount": D("500.01")}, False, ["Product", "Money"]),
        ({"amount": None}, False, ["Product", "Money"]),
        ({"context": 200_001}, False, ["Product"]),
        ({"models": ("openai/O1-pro-2025",)}, False, ["Models"]),
        ({"models": ("x/gpt", "openai/o1-pro")}, False, ["Models"]),
        ({"sensitivity": "personal"}, True, []),
        ({"sensitivity": "personal", "environments": ("production",)}, False, ["Privacy"]),
        ({"alarms": ("unit_slip",)}, False, ["Default"]),
        ({"auto_used": D("40.01")}, False, ["Default"]),
        ({"auto_used": D(40)}, True, []),
        ({"budget_left": D("19.99")}, False, ["Default"]),
        ({"budget_left": None}, False, ["Default"]),
    ],
)
def test_routes(changes: dict[str, Any], automatic: bool, steps: list[str]) -> None:
    assert routed(**changes) == (automatic, steps)


def test_routes_that_match_together_join_their_steps_as_the_strictest() -> None:
    found = route(POLICY, risk(amount=D(900), context=300_000), currency="USD")
    assert found.routes == ("Large", "Ultra context")
    assert found.needs_roi
    assert [(one.name, one.order, one.quorum, one.hours) for one in found.steps] == [
        ("Product", 1, 2, 8),
        ("Money", 2, 1, 48),
    ]
    assert found.reasons == (
        "Large: more than USD 500.00",
        "Ultra context: a context above 200,000 tokens",
    )


def test_without_a_policy_of_its_own_one_approver_decides_everything() -> None:
    found = route(DEFAULT, risk(amount=D("0.01")), currency="USD")
    assert not found.automatic
    assert [one.approvers.roles for one in found.steps] == [{"approver", "owner"}]


@given(
    amount=st.none() | st.decimals(0, 2000, places=2),
    context=st.integers(0, 10**6),
    left=st.none() | st.decimals(0, 100, places=2),
)
def test_nothing_goes_without_a_step_unless_it_passes_by_itself(
    amount: Decimal | None, context: int, left: Decimal | None
) -> None:
    found = route(POLICY, risk(amount=amount, context=context, budget_left=left), currency="USD")
    assert found.automatic != bool(found.steps)
    if found.automatic:
        assert amount is not None
        assert amount <= D(25)
        assert left is not None
        assert amount <= left


@given(low=st.decimals(0, 2000, places=2), more=st.decimals(0, 2000, places=2))
def test_asking_for_more_never_needs_fewer_people(low: Decimal, more: Decimal) -> None:
    small = route(POLICY, risk(amount=low), currency="USD")
    large = route(POLICY, risk(amount=low + more), currency="USD")
    assert len(small.steps) <= len(large.steps)


def test_a_policy_is_read_back_as_it_was_kept() -> None:
    assert read_policy(policy_payload(POLICY)) == POLICY
    assert read_policy(policy_payload(DEFAULT)) == DEFAULT


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"otherwise": []}, {"otherwise"}),
        ({"otherwise": "x"}, {"otherwise"}),
        ({"surplus": 1}, {"policy.surplus"}),
        ({"expire_days": 0}, {"expire_days"}),
        ({"expire_days": True}, {"expire_days"}),
        ({"auto": {"up_to": 5}}, {"auto.up_to", "auto.team_month"}),
        ({"auto": {"up_to": "NaN"}}, {"auto.up_to", "auto.team_month"}),
        ({"routes": [{"name": "x", "when": {}, "steps": []}]}, {"routes.0.when", "routes.0.steps"}),
        (
            {"otherwise": [{"name": "a", "approvers": {"roles": ["finance"]}}]},
            {"otherwise.0.approvers.roles"},
        ),
        ({"otherwise": [{"name": "a", "approvers": {}}]}, {"otherwise.0.approvers"}),
        (
            {"otherwise": [{"name": "", "quorum": 0, "approvers": {"team_owner": True}}]},
            {"otherwise.0.name", "otherwise.0.quorum"},
        ),
        ({"otherwise": [{"name": "a", "approvers": 5}]}, {"otherwise.0.approvers"}),
    ],
)
def test_a_policy_that_cannot_be_is_refused_by_field(
    change: dict[str, Any], fields: set[str]
) -> None:
    with pytest.raises(PolicyInvalid) as refused:
        read_policy(policy_payload(DEFAULT) | change)
    assert {error.field for error in refused.value.errors} == fields


def test_what_is_no_object_is_no_policy() -> None:
    with pytest.raises(PolicyInvalid):
        read_policy([1])


STEPS = [StepFacts(1, 1, 2), StepFacts(2, 1, 1), StepFacts(3, 2, 1)]


def vote(step: int, person: int, verdict: Verdict = Verdict.APPROVE) -> Vote:
    return Vote(step, person, verdict)


def test_parallel_steps_pass_by_quorum_and_the_next_opens_when_both_have() -> None:
    assert standing(STEPS, []).steps == {1: "open", 2: "open", 3: "waiting"}
    assert standing(STEPS, [vote(1, 7), vote(1, 7)]).steps[1] is StepState.OPEN
    both = [vote(1, 7), vote(1, 8)]
    assert standing(STEPS, both).steps == {1: "passed", 2: "open", 3: "waiting"}
    assert standing(STEPS, [*both, vote(2, 9)]).steps == {1: "passed", 2: "passed", 3: "open"}
    done = standing(STEPS, [*both, vote(2, 9), vote(3, 10)])
    assert done.state is RoundState.APPROVED


def test_one_no_ends_it_whatever_the_others_say() -> None:
    votes = [vote(1, 7), vote(1, 8), vote(2, 9, Verdict.REJECT)]
    found = standing(STEPS, votes)
    assert found.state is RoundState.REJECTED
    assert found.steps == {1: "passed", 2: "stopped", 3: "skipped"}
    changes = standing(STEPS, [vote(1, 7, Verdict.REQUEST_CHANGES)])
    assert changes.state is RoundState.CHANGES_REQUESTED


@given(
    st.lists(
        st.builds(vote, st.integers(1, 3), st.integers(1, 6), st.sampled_from(list(Verdict))),
        max_size=5,
    )
)
def test_the_order_of_votes_never_matters(votes: list[Vote]) -> None:
    first = standing(STEPS, votes)
    assert all(standing(STEPS, list(other)) == first for other in itertools.permutations(votes))
    if first.state is RoundState.APPROVED:
        assert {v.verdict for v in votes} == {Verdict.APPROVE}


def decider(id: int, role: str = "approver", *owns: str) -> Decider:
    return Decider(id, f"p{id}@acme.example", f"P{id}", role, frozenset(owns))


PEOPLE = [decider(1), decider(2, "owner"), decider(3, "approver", "search")]
STEP = OpenStep(1, "Product", ANY)


def sit(person: int, **more: Any) -> Any:
    values: dict[str, Any] = {
        "steps": [STEP],
        "team": "search",
        "people": PEOPLE,
        "barred": frozenset(),
        "spoken": frozenset(),
        "away": [],
        "on": date(2026, 1, 20),
    }
    return seat_of(person, **(values | more))


def test_seats_by_role_by_name_and_by_team() -> None:
    nobody = frozenset[int]()
    assert [p.id for p in seated(ANY, team="search", people=PEOPLE, barred=nobody)] == [1, 3]
    named = Approvers(people=frozenset({"p2@acme.example"}))
    assert [p.id for p in seated(named, team="x", people=PEOPLE, barred=nobody)] == [2]
    team = Approvers(team_owner=True)
    assert [p.id for p in seated(team, team="search", people=PEOPLE, barred=nobody)] == [3]
    assert seated(team, team="ads", people=PEOPLE, barred=nobody) == []
    assert [p.id for p in seated(ANY, team="x", people=PEOPLE, barred=frozenset({1}))] == [3]


def test_whoever_asks_never_sits_and_nobody_sits_twice() -> None:
    assert (sit(1).step, sit(1).principal) == (1, 1)
    with pytest.raises(SamePerson):
        sit(1, barred=frozenset({1}))
    with pytest.raises(NoSeat):
        sit(1, spoken=frozenset({1}))
    with pytest.raises(NoSeat):
        sit(2)


def test_a_stand_in_sits_for_who_is_away_on_those_days_only() -> None:
    away = [Away(1, 2, date(2026, 1, 19), date(2026, 1, 20))]
    assert sit(2, away=away).principal == 1
    with pytest.raises(NoSeat):
        sit(2, away=away, on=date(2026, 1, 21))
    with pytest.raises(NoSeat):
        sit(2, away=away, barred=frozenset({1}))
    with pytest.raises(NoSeat):
        sit(2, away=away, spoken=frozenset({1}))
    with pytest.raises(SamePerson):
        sit(2, away=away, barred=frozenset({2}))
    index = {one.id: one for one in PEOPLE}
    assert [p.id for p in told(PEOPLE[:1], away=away, on=date(2026, 1, 20), people=index)] == [2]
    assert [p.id for p in told(PEOPLE[:1], away=away, on=date(2026, 1, 22), people=index)] == [1]


def test_states_end_and_no_end_leads_on() -> None:
    assert {State.REJECTED, State.WITHDRAWN, State.EXPIRED, State.REVOKED, State.COMPLETED} == OVER
    assert State.APPROVED not in NEXT[State.DRAFT]
    assert set(NEXT) == set(State)


RESULTS = Results(
    currency="USD",
    spent=D(50),
    approved=D(80),
    likely=D(40),
    tokens=D(1_000_000),
    requests=500,
    outcome="answered",
    successes=200,
    target=400,
    value_each=D("0.40"),
)


def test_ratios_of_an_outcome() -> None:
    assert RESULTS.cost_per_success == D("0.25")
    assert RESULTS.tokens_per_success == D(5000)
    assert RESULTS.cost_per_request == D("0.1")
    assert RESULTS.roi == D("0.6")
    assert RESULTS.expected_roi == D(1)
    assert RESULTS.against_estimate == D("1.25")
    assert RESULTS.missing_successes == ""


def test_no_success_is_no_cost_of_zero() -> None:
    none = replace(RESULTS, successes=0)
    assert none.cost_per_success is None
    assert none.tokens_per_success is None
    assert none.roi == D(-1)
    assert none.missing_successes == "no success yet"
    unused = replace(none, spent=D(0), requests=0, tokens=D(0))
    assert unused.roi is None
    assert unused.missing_successes == "no use yet"
    assert replace(RESULTS, spent=None).cost_per_success is None
    assert replace(RESULTS, value_each=None).roi is None
