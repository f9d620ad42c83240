"""Requests from draft to report: real database, exact money, each refusal changes nothing."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from importlib import import_module
from typing import Any

import pytest
import time_machine
from django.db import IntegrityError, connection, transaction

from apps.audit import selectors as audit
from apps.budgets import selectors as budgets
from apps.budgets import services as budget_services
from apps.budgets.domain.budgets import BudgetDraft
from apps.budgets.models import Budget, ExperimentTag
from apps.budgets.selectors import book
from apps.budgets.services import counters
from apps.budgets.services.verify import verify_counters
from apps.core.domain.access import Scope
from apps.core.domain.errors import Forbidden, Invalid
from apps.experiments import selectors, services
from apps.experiments.domain.policy_text import PolicyInvalid, read_policy
from apps.experiments.domain.proposals import ProposalInvalid
from apps.experiments.domain.seats import NoSeat, SamePerson
from apps.experiments.domain.states import (
    ExperimentMissing,
    NotInState,
    NotYours,
    RoundState,
    State,
    StepState,
    Verdict,
)
from apps.experiments.models import (
    Decision,
    ExperimentRequest,
    OutcomeReport,
    Revision,
    Step,
    Submission,
)
from apps.experiments.selectors.assessing import forget_histories
from apps.experiments.selectors.commitments import budgets_for
from apps.experiments.tasks import follow_up
from apps.experiments.web.detail import snippets_of
from apps.ingest.services.outcomes import accept_outcomes
from apps.notifications.models import Delivery, PersonalNotice
from tests.experiments.base import (
    NOW,
    PLAN,
    D,
    People,
    create,
    proposal,
    running,
    say,
    settle,
    state_policy,
    submit,
)
from tests.ingest.factories import contract, event, send

TEN = date(2026, 2, 10)


@pytest.fixture
def people(acme: Any) -> People:
    forget_histories()
    return settle()


def test_a_request_is_priced_when_it_is_written(people: People) -> None:
    made = create(people)
    assert (made.code, made.state, made.asked) == ("exp-1", State.DRAFT, D("40.00"))
    band = made.revision.assessment.estimate.band
    assert band is not None
    assert (band.low, band.likely, band.high) == (D(10), D(20), D(40))
    assert create(people).code == "exp-2"
    assert [one.action for one in audit.history(subject="experiment", subject_id="exp-1")] == [
        "experiment.created"
    ]


def test_approval_grants_the_money_and_the_tag_draws_it_down(people: People) -> None:
    asked = submit(people)
    assert asked.state is State.SUBMITTED
    done = say(asked, people.approver)
    assert (done.state, done.amount, done.ends_on) == (State.RUNNING, D(40), TEN)
    assert done.grant is not None
    assert budgets.grant_standing(grant=done.grant).left == D(40)
    tagged = {"team": "search", "experiment": done.code}
    send([event(f"e{n}", tags=tagged) for n in range(3)], received_at=NOW)
    # 400 x 2.50 + 800 x 1.25 + 300 x 10 per million is half a cent an event
    standing = budgets.grant_standing(grant=done.grant)
    assert (standing.spent, standing.left) == (D("0.015"), D("39.985"))
    [found] = selectors.commitments(actor=people.finance)
    assert (found.request.code, found.open, found.over) == ("exp-1", D("39.985"), D(0))


def test_the_tag_is_no_way_for_other_teams_into_the_money(people: People) -> None:
    """Theirs draws their own budget, and is told on the experiment; its figures leave it out."""
    draft = BudgetDraft(name="Ads", amount=D(9), currency="USD", scope={"team": "ads"})
    ads = budget_services.create(draft=draft, actor=people.finance, now=NOW)
    done = running(people)
    assert done.grant is not None
    for team, events in (("search", 1), ("ads", 2), ("", 1)):
        tags = {"experiment": done.code} | ({"team": team} if team else {})
        named = [event(f"{team}-{n}", tags=tags) for n in range(events)]
        send(named, received_at=NOW)
    assert budgets.grant_standing(grant=done.grant).spent == D("0.005")
    on = date(2026, 1, 20)
    standing = budgets.standing(budget=ads, actor=people.finance, on=on)
    assert standing.counters.spent == D("0.010")
    row = ExperimentRequest.objects.get(code=done.code)
    foreign = selectors.foreign_use(row=row, now=NOW)
    told = [(one.team, one.requests, one.cost, one.currency) for one in foreign]
    assert told == [("ads", 2, D("0.010"), "USD"), ("", 1, D("0.005"), "USD")]
    came = selectors.results(row=row, now=NOW)
    assert (came.spent, came.requests) == (D("0.005"), 1)
    assert sum(one.requests for one in selectors.use_by_model(row=row, now=NOW)) == 1
    assert verify_counters(now=NOW) == []
    left = budgets.left_of(scope={"team": "ads", "experiment": done.code}, on=on)
    assert [one.name for one in left] == ["Ads"]


def test_a_grant_of_before_is_drawn_by_the_tag_alone(people: People) -> None:
    done = running(people)
    Budget.objects.filter(public_id=done.grant).update(scope={"experiment": done.code})
    counters.move_registry()
    send([event("a", tags={"team": "ads", "experiment": done.code})], received_at=NOW)
    assert done.grant is not None
    assert budgets.grant_standing(grant=done.grant).spent == D("0.005")
    row = ExperimentRequest.objects.get(code=done.code)
    assert selectors.foreign_use(row=row, now=NOW) == []
    assert selectors.results(row=row, now=NOW).requests == 1


def test_an_approved_one_starts_on_its_day(people: People) -> None:
    later = running(people, starts_on=date(2026, 1, 25))
    assert later.state is State.APPROVED
    assert services.follow_up(now=NOW).started == 0
    assert services.follow_up(now=NOW + timedelta(days=5)).started == 1
    assert services.follow_up(now=NOW + timedelta(days=5)).started == 0
    assert selectors.request(id=later.id, actor=people.owner).state is State.RUNNING


def test_own_requests_are_not_decided_and_every_seat_is_checked(people: People) -> None:
    own = services.create(proposal=proposal(), actor=people.approver, now=NOW)
    own = services.submit(id=own.id, actor=people.approver, now=NOW)
    with pytest.raises(SamePerson):
        say(own, people.approver)
    spent_by = create(people, owner="paula@lab.example")
    spent_by = services.submit(id=spent_by.id, actor=people.engineer, now=NOW)
    with pytest.raises(SamePerson):
        say(spent_by, people.approver)
    with pytest.raises(Forbidden):
        say(own, people.engineer)
    with pytest.raises(Forbidden):
        say(own, people.finance)
    key = replace(people.second, kind="key", label="key:robot", user_id=None)
    with pytest.raises(Forbidden):
        say(own, key)
    assert not Decision.objects.exists()
    state_policy(otherwise=[{"name": "Boss", "approvers": {"roles": ["owner"]}}])
    with pytest.raises(NoSeat):
        say(submit(people), people.approver)


def test_two_people_have_to_agree_where_the_policy_says_so(people: People) -> None:
    state_policy(
        routes=[
            {
                "name": "Dear",
                "when": {"amount_over": "30"},
                "steps": [
                    {"name": "Product", "quorum": 2, "approvers": {"roles": ["approver"]}},
                    {"name": "Boss", "order": 2, "approvers": {"roles": ["owner"]}},
                ],
            }
        ]
    )
    asked = submit(people)
    assert say(asked, people.approver).state is State.SUBMITTED
    with pytest.raises(NoSeat):
        say(asked, people.approver)
    with pytest.raises(NoSeat):
        say(asked, people.owner)
    assert say(asked, people.second).state is State.SUBMITTED
    assert say(asked, people.owner).state is State.RUNNING
    [round_] = selectors.submissions(id=asked.id, now=NOW)
    assert (round_.policy_version, round_.routes) == (1, ("Dear",))
    assert [one.state for one in round_.steps] == [StepState.PASSED, StepState.PASSED]
    assert [one.decided_by for one in round_.decisions] == [
        "paula@lab.example",
        "peter@lab.example",
        "olivia@lab.example",
    ]


def test_a_no_says_why_and_ends_it(people: People) -> None:
    asked = submit(people)
    with pytest.raises(Invalid):
        say(asked, people.approver, Verdict.REJECT, " ")
    rejected = say(asked, people.approver, Verdict.REJECT, "We did this last year.")
    assert rejected.state is State.REJECTED
    for act in (
        lambda: say(asked, people.second),
        lambda: services.withdraw(id=asked.id, reason="", actor=people.engineer, now=NOW),
        lambda: services.submit(id=asked.id, actor=people.engineer, now=NOW),
    ):
        with pytest.raises(NotInState):
            act()
    told = PersonalNotice.objects.get(person_id=people.engineer.user_id)
    assert "We did this last year." in told.text


def test_changes_are_a_revision_and_a_new_round(people: People) -> None:
    asked = submit(people)
    with pytest.raises(NotInState):
        services.edit(id=asked.id, proposal=proposal(), note="", actor=people.engineer, now=NOW)
    back = say(asked, people.approver, Verdict.REQUEST_CHANGES, "Half of it first.")
    assert back.state is State.CHANGES_REQUESTED
    with pytest.raises(NotYours):
        services.edit(id=asked.id, proposal=proposal(), note="", actor=people.second, now=NOW)
    less = services.edit(
        id=asked.id,
        proposal=proposal(amount=D(20)),
        note="half",
        actor=people.engineer,
        now=NOW,
    )
    assert (less.revision.number, less.asked, less.revision.note) == (2, D(20), "half")
    again = services.submit(id=asked.id, actor=people.engineer, now=NOW)
    assert say(again, people.approver).amount == D(20)
    rounds = selectors.submissions(id=asked.id, now=NOW)
    assert [(one.number, one.state) for one in rounds] == [
        (2, RoundState.APPROVED),
        (1, RoundState.CHANGES_REQUESTED),
    ]
    assert [one.amount for one in selectors.revisions(id=asked.id)] == [D(20), D(40)]


def test_nobodys_own_policy_lets_their_request_pass(people: People) -> None:
    state_policy(people.owner, auto={"up_to": "50", "team_month": "60"})
    draft = BudgetDraft(name="Search", scope={"team": "search"}, amount=D(100), currency="USD")
    budget_services.create(draft=draft, actor=people.finance, now=NOW)
    asked = services.create(proposal=proposal(), actor=people.owner, now=NOW)
    assert services.submit(id=asked.id, actor=people.owner, now=NOW).state is State.SUBMITTED
    [round_] = selectors.submissions(id=asked.id, now=NOW)
    assert round_.reasons == ("Somebody has to look at it: own policy",)
    assert submit(people, owner="olivia@lab.example").state is State.SUBMITTED
    assert submit(people).state is State.RUNNING


def test_small_ones_pass_by_themselves_while_the_team_has_money(people: People) -> None:
    state_policy(auto={"up_to": "50", "team_month": "60"})
    assert submit(people).state is State.SUBMITTED  # the team has no budget
    draft = BudgetDraft(name="Search", scope={"team": "search"}, amount=D(100), currency="USD")
    budget_services.create(draft=draft, actor=people.finance, now=NOW)
    passed = submit(people)
    assert (passed.state, passed.amount) == (State.RUNNING, D(40))
    [round_] = selectors.submissions(id=passed.id, now=NOW)
    assert (round_.automatic, round_.steps) == (True, ())
    assert submit(people, amount=D(20)).state is State.RUNNING
    waits = submit(people, amount=D("20.01"))
    assert waits.state is State.SUBMITTED
    [round_] = selectors.submissions(id=waits.id, now=NOW)
    assert "USD 60.00 of the USD 60.00" in round_.reasons[0]


def test_what_looks_wrong_never_passes_by_itself(people: People) -> None:
    state_policy(auto={"up_to": "5000", "team_month": "50000"})
    draft = BudgetDraft(name="S", scope={"team": "search"}, amount=D(9000), currency="USD")
    budget_services.create(draft=draft, actor=people.finance, now=NOW)
    slip = submit(people, amount=D(4000))  # 200 times the likely cost
    assert slip.state is State.SUBMITTED
    assert "unit slip" in selectors.submissions(id=slip.id, now=NOW)[0].reasons[0]


def test_a_huge_context_needs_a_case_for_its_return(people: People) -> None:
    step = {"name": "Product", "approvers": {"roles": ["approver"]}}
    state_policy(
        routes=[
            {
                "name": "Ultra context",
                "when": {"context_over": 200_000},
                "needs_roi": True,
                "steps": [step],
            }
        ]
    )
    made = create(people, max_context_tokens=200_001)
    with pytest.raises(services.NotReady) as refused:
        services.submit(id=made.id, actor=people.engineer, now=NOW)
    assert refused.value.errors[0].field == "roi_case"
    assert not Submission.objects.exists()
    assert submit(people, max_context_tokens=200_001, roi_case="It pays").state == "submitted"


def test_more_money_is_approved_again_by_what_it_is_in_all(people: People) -> None:
    first = running(people)
    for wrong in (
        {"amount": D(39), "note": "less"},
        {"amount": D(40), "note": "the same"},
        {"amount": D(60)},
        {"ends_on": date(2026, 2, 9), "note": "shorter"},
    ):
        with pytest.raises(services.NotReady):
            _amend(first, people, **wrong)
    more = _amend(first, people, amount=D(60), ends_on=date(2026, 2, 20), note="slow start")
    assert (more.state, more.amount, more.ends_on) == (State.RUNNING, D(40), TEN)
    with pytest.raises(services.RoundOpen):
        _amend(first, people, amount=D(70), note="even more")
    with pytest.raises(SamePerson):
        say(first, replace(people.engineer, scopes=frozenset(Scope)))
    done = say(first, people.second)
    assert (done.amount, done.ends_on, done.revision.number) == (D(60), date(2026, 2, 20), 2)
    assert done.grant is not None
    standing = budgets.grant_standing(grant=done.grant)
    assert (standing.amount, standing.ends_on) == (D(60), date(2026, 2, 20))
    _amend(first, people, amount=D(90), note="again")
    services.withdraw(id=first.id, reason="no", actor=people.engineer, now=NOW)
    assert selectors.request(id=first.id, actor=people.owner).amount == D(60)
    _amend(first, people, amount=D(91), note="again")
    refused = say(first, people.approver, Verdict.REJECT, "enough")
    assert (refused.state, refused.amount) == (State.RUNNING, D(60))


def _amend(request: Any, people: People, **changes: Any) -> Any:
    amendment = services.Amendment(**changes)
    return services.amend(id=request.id, amendment=amendment, actor=people.engineer, now=NOW)


def test_what_is_left_is_given_back_and_told_in_a_report(people: People) -> None:
    done = running(people)
    tagged = {"team": "search", "experiment": done.code}
    good = {"name": "answered", "success": True}
    send([event(f"e{n}", tags=tagged, outcome=good) for n in range(4)], received_at=NOW)
    over = services.complete(id=done.id, lessons="Longer helps.", actor=people.engineer, now=NOW)
    assert (over.state, over.released) == (State.COMPLETED, D("39.98"))
    report = OutcomeReport.objects.get()
    assert report.lessons == "Longer helps."
    figures = {name: report.figures[name] for name in ("spent", "successes", "requests", "tokens")}
    assert figures == {"spent": "0.02", "successes": 4, "requests": 4, "tokens": "6000"}
    assert report.figures["cost_per_success"] == "0.005"
    assert report.figures["roi"] == "99"  # 4 x 0.50 for two cents
    with pytest.raises(NotInState):
        services.complete(id=done.id, lessons="", actor=people.engineer, now=NOW)
    late = [{"experiment": done.code, "name": "answered", "success": True, "time": _when()}]
    accept_outcomes(outcomes=late, actor=people.owner, received_at=NOW)
    assert services.follow_up(now=NOW).restated == 1
    assert services.follow_up(now=NOW).restated == 0
    newest = OutcomeReport.objects.get(number=2)
    assert (newest.figures["successes"], newest.reason) == (5, "restated")
    assert newest.lessons == "Longer helps."
    services.add_lessons(id=done.id, lessons="And more", actor=people.engineer, now=NOW)
    assert OutcomeReport.objects.count() == 3


def _when() -> datetime:
    return datetime(2026, 1, 15, 10, tzinfo=UTC)


def test_without_a_success_there_is_no_cost_of_one(people: People) -> None:
    done = running(people)
    found = selectors.results(row=ExperimentRequest.objects.get(), now=NOW)
    assert (found.cost_per_success, found.missing_successes) == (None, "no use yet")
    send([event("e", tags={"team": "search", "experiment": done.code})], received_at=NOW)
    found = selectors.results(row=ExperimentRequest.objects.get(), now=NOW)
    assert (found.cost_per_success, found.missing_successes) == (None, "no success yet")
    assert found.spent == D("0.005")


def test_a_revoked_one_keeps_what_it_spent(people: People) -> None:
    done = running(people)
    send([event("e", tags={"team": "search", "experiment": done.code})], received_at=NOW)
    for actor in (people.engineer, replace(people.second, user_id=None)):
        with pytest.raises(Forbidden):
            services.revoke(id=done.id, reason="stop", actor=actor, now=NOW)
    with pytest.raises(Invalid):
        services.revoke(id=done.id, reason="", actor=people.finance, now=NOW)
    over = services.revoke(id=done.id, reason="Freeze", actor=people.finance, now=NOW)
    assert (over.state, over.released, over.end_reason) == (State.REVOKED, D("39.995"), "Freeze")


def test_nobody_sees_what_is_not_theirs(people: People) -> None:
    ads = services.create(proposal=proposal(team="ads"), actor=people.owner, now=NOW)
    seen = replace(people.engineer, user_id=-1)
    with pytest.raises(ExperimentMissing):
        selectors.request(id=ads.id, actor=seen)
    mine = create(people)
    assert [one.id for one in selectors.requests(actor=seen)] == [mine.id]
    bound = replace(people.owner, bound_tags={"team": "ads"})
    assert [one.id for one in selectors.requests(actor=bound)] == [ads.id]
    assert selectors.requests(actor=replace(bound, bound_tags={"environment": "x"})) == []
    with pytest.raises(ProposalInvalid):
        services.create(proposal=proposal(team="ads"), actor=people.engineer, now=NOW)
    with pytest.raises(ProposalInvalid):
        services.create(proposal=proposal(), actor=bound, now=NOW)
    with pytest.raises(ProposalInvalid):
        create(people, owner="nobody@lab.example")
    with pytest.raises(Forbidden):
        services.create(proposal=proposal(), actor=people.finance, now=NOW)


def test_somebody_stands_in_for_who_is_away(people: People) -> None:
    state_policy(otherwise=[{"name": "Paula", "approvers": {"people": ["paula@lab.example"]}}])
    asked = submit(people)
    with pytest.raises(NoSeat):
        say(asked, people.second)
    draft = services.DelegationDraft(
        absent="paula@lab.example",
        delegate="peter@lab.example",
        starts_on=NOW.date(),
        ends_on=NOW.date(),
        reason="leave",
    )
    with pytest.raises(Forbidden):
        services.delegate(draft=draft, actor=people.second, now=NOW)
    row = services.delegate(draft=draft, actor=people.approver, now=NOW)
    with pytest.raises(services.DelegationOverlaps):
        services.delegate(draft=draft, actor=people.owner, now=NOW)
    assert say(asked, people.second).state is State.RUNNING
    [decision] = selectors.submissions(id=asked.id, now=NOW)[0].decisions
    assert (decision.decided_by, decision.on_behalf_of) == (
        "peter@lab.example",
        "paula@lab.example",
    )
    services.end_delegation(id=row.public_id, actor=people.approver, now=NOW)
    with pytest.raises(services.DelegationEnded):
        services.end_delegation(id=row.public_id, actor=people.approver, now=NOW)
    with pytest.raises(NoSeat):
        say(submit(people), people.second)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"absent": "erin@lab.example"}, "absent"),
        ({"delegate": "paula@lab.example"}, "delegate"),
        ({"delegate": "frank@lab.example"}, "delegate"),
        ({"ends_on": date(2026, 1, 19)}, "ends_on"),
        ({"ends_on": date(2027, 1, 19)}, "ends_on"),
    ],
)
def test_a_stand_in_that_cannot_be(people: People, changes: Any, field: str) -> None:
    draft = services.DelegationDraft(
        absent="paula@lab.example",
        delegate="peter@lab.example",
        starts_on=NOW.date(),
        ends_on=NOW.date(),
    )
    with pytest.raises(services.DelegationInvalid) as refused:
        services.delegate(draft=replace(draft, **changes), actor=people.owner, now=NOW)
    assert refused.value.errors[0].field == field


def test_late_steps_are_reminded_of_then_opened_to_those_above(people: People) -> None:
    state_policy(
        otherwise=[{"name": "Product", "approvers": {"roles": ["approver"]}, "hours": 10}],
        expire_days=3,
    )
    asked = submit(people)
    with pytest.raises(NoSeat):
        say(asked, people.owner)
    at = {hours: NOW + timedelta(hours=hours) for hours in (4, 5, 10, 72)}
    assert services.follow_up(now=at[4]).reminded == 0
    assert [services.follow_up(now=at[5]).reminded for _ in range(2)] == [1, 0]
    assert [services.follow_up(now=at[10]).escalated for _ in range(2)] == [1, 0]
    assert PersonalNotice.objects.filter(
        person_id=people.owner.user_id, topic="approval.escalated"
    ).exists()
    with transaction.atomic():
        assert say(asked, people.owner).state is State.RUNNING
        transaction.set_rollback(True)
    assert [services.follow_up(now=at[72]).expired for _ in range(2)] == [1, 0]
    assert selectors.request(id=asked.id, actor=people.owner).state is State.EXPIRED


def test_what_is_sent_back_and_left_lying_lapses(people: People) -> None:
    asked = submit(people)
    say(asked, people.approver, Verdict.REQUEST_CHANGES, "why")
    assert services.follow_up(now=NOW + timedelta(days=13)).expired == 0
    assert services.follow_up(now=NOW + timedelta(days=14)).expired == 1


def test_the_last_day_ends_it(people: People) -> None:
    done = running(people)
    noon = NOW.replace(month=2, day=10)
    assert services.follow_up(now=noon).completed == 0
    assert services.follow_up(now=noon + timedelta(days=1)).completed == 1
    assert services.follow_up(now=noon + timedelta(days=1)).completed == 0
    over = selectors.request(id=done.id, actor=people.owner)
    assert (over.state, over.end_reason) == (State.COMPLETED, "its last day is over")
    assert OutcomeReport.objects.get().created_by == "system:experiments"


def test_prices_that_moved_are_priced_anew_at_submission(people: People) -> None:
    made = create(people)
    contract(model="other", input_tokens="1")
    asked = services.submit(id=made.id, actor=people.engineer, now=NOW)
    assert (asked.revision.number, asked.revision.note[:11]) == (2, "Priced anew")


def test_a_policy_is_simulated_on_the_past(people: People) -> None:
    submit(people)
    submit(people, amount=D(20))
    step = {"name": "Product", "approvers": {"roles": ["approver"]}}
    other = read_policy(
        {
            "otherwise": [step],
            "routes": [
                {
                    "name": "Dear",
                    "when": {"amount_over": "30"},
                    "steps": [{**step, "quorum": 2}],
                }
            ],
        }
    )
    found = selectors.simulate(policy=other, since=NOW - timedelta(days=30), actor=people.finance)
    assert [(one.code, one.before, one.after) for one in found.rows] == [
        ("exp-2", ("Approval",), ("Product",)),
        ("exp-1", ("Approval",), ("Product by 2",)),
    ]
    assert (found.changed, found.automatic_before, found.automatic_after) == (2, 0, 0)
    assert Submission.objects.count() == 2


def test_a_policy_names_people_who_can_decide(people: People) -> None:
    with pytest.raises(PolicyInvalid):
        state_policy(otherwise=[{"name": "x", "approvers": {"people": ["frank@lab.example"]}}])
    with pytest.raises(Forbidden):
        state_policy(people.approver)
    state_policy()
    with pytest.raises(services.PolicyMoved):
        services.state_policy(
            policy_text=selectors.current_policy().policy,
            note="x",
            after=0,
            actor=people.finance,
            now=NOW,
        )


def test_the_database_itself_keeps_the_four_eyes(people: People) -> None:
    asked = submit(people)
    step = Step.objects.get()
    values = {
        "submission": step.submission,
        "step": step,
        "verdict": "approve",
        "via": "api",
        "decided_by": "x",
        "decided_at": NOW,
    }
    engineer, approver = people.engineer.user_id, people.approver.user_id
    for pair in (
        {"user_id": engineer, "principal": engineer},
        {"user_id": approver, "principal": engineer, "on_behalf_of": "erin"},
        {"user_id": approver, "principal": people.second.user_id},
        {"user_id": approver, "principal": approver, "verdict": "reject"},
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            Decision.objects.create(**{**values, **pair})
    for table, change in (
        ("step", "state = 'passed'"),
        ("submission", "state = 'approved', closed_at = now()"),
        ("submission", "amount = 1"),
        ("step", "quorum = 5"),
        ("experimentrequest", "state = 'approved'"),
        ("experimentrequest", "requested_by_user = 7"),
        ("experimentrequest", "owner_user = 7"),
        ("experimentrequest", "title = 'other'"),
        ("revision", "amount = 1"),
        ("approvalpolicy", "version = 9"),
    ):
        with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"UPDATE experiments_{table} SET {change}")
    done = say(asked, people.approver)
    for change in ("amount = 999", "state = 'draft'", "state = 'submitted'"):
        with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"UPDATE experiments_experimentrequest SET {change}")
    for table in ("decision", "revision", "experimentrequest", "submission", "step"):
        with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"DELETE FROM experiments_{table}")
    with pytest.raises(IntegrityError), transaction.atomic():
        values["user_id"] = values["principal"] = people.second.user_id
        Decision.objects.create(**values)
    assert Decision.objects.count() == 1
    assert done.state is State.RUNNING
    assert Revision.objects.count() == 1


def test_people_are_written_to_with_links_of_their_own(people: People) -> None:
    submit(people)
    mails = {one.recipient: one.text for one in Delivery.objects.all()}
    owners = {"olivia@lab.example", "owner@acme.example"}
    assert set(mails) == {"paula@lab.example", "peter@lab.example", *owners}
    paula, peter = mails["paula@lab.example"], mails["peter@lab.example"]
    assert paula.count("/approvals/link/") == 3
    assert (
        set(paula.split())
        & set(peter.split())
        & {word for word in paula.split() if "/link/" in word}
        == set()
    )


def test_a_link_decides_once_and_only_for_its_reader(people: People) -> None:
    asked = submit(people)
    mail = Delivery.objects.get(recipient="paula@lab.example").text
    line = next(line for line in mail.splitlines() if line.startswith("Approve:"))
    token = line.rsplit("/", 2)[-2]
    with pytest.raises(Forbidden):
        services.opened(token=token, actor=people.second)
    found = services.opened(token=token, actor=people.approver)
    assert (found.request, found.verdict) == (asked.id, Verdict.APPROVE)
    services.decide_by_link(token=token, comment="", actor=people.approver, now=NOW)
    assert selectors.request(id=asked.id, actor=people.owner).state is State.RUNNING
    assert Decision.objects.get().via == "link"
    with pytest.raises(services.LinkUsed):
        services.decide_by_link(token=token, comment="", actor=people.approver, now=NOW)


def test_a_tag_that_usage_carries_already_is_taken_over_once(people: People) -> None:
    tag = {"proposal": proposal(), "actor": people.engineer, "now": NOW, "code": "rerank"}
    assert services.create(**tag).code == "rerank"
    with pytest.raises(services.CodeTaken):
        services.create(**tag)
    for wrong in ("exp-7", "Rerank", "a", "x y"):
        with pytest.raises(ProposalInvalid):
            services.create(**{**tag, "code": wrong})
    assert create(people).code == "exp-2"


def test_what_experiments_may_still_spend_is_no_room_in_a_budget(people: People) -> None:
    state_policy(auto={"up_to": "40", "team_month": "1000"})
    draft = BudgetDraft(name="Search", scope={"team": "search"}, amount=D(70), currency="USD")
    budget_services.create(draft=draft, actor=people.finance, now=NOW)
    assert submit(people).state is State.RUNNING
    waits = submit(people)
    assert waits.state is State.SUBMITTED
    [round_] = selectors.submissions(id=waits.id, now=NOW)
    assert round_.reasons == ("A budget that it would draw has too little left for it",)


@pytest.mark.parametrize(
    "scope",
    [
        {"product": "assistant"},
        {"model": "tiny"},
        {"provider": "testco", "environment": "staging"},
        {"feature": "chat", "team": "search"},
        {},
    ],
)
def test_every_budget_that_the_planned_use_would_draw_is_asked(
    people: People, scope: dict[str, str]
) -> None:
    """A team with plenty passes by itself, until a budget on something else is short."""
    state_policy(auto={"up_to": "40", "team_month": "1000"})
    plenty = BudgetDraft(name="Search", scope={"team": "search"}, amount=D(900), currency="USD")
    budget_services.create(draft=plenty, actor=people.finance, now=NOW)
    tags = {"product": "assistant", "feature": "chat"}
    assert submit(people, **tags).state is State.RUNNING
    short = BudgetDraft(name="Short", scope=scope, amount=D(70), currency="USD")
    budget_services.create(draft=short, actor=people.finance, now=NOW)
    waits = submit(people, **tags)
    [round_] = selectors.submissions(id=waits.id, now=NOW)
    assert (waits.state, round_.automatic) == (State.SUBMITTED, False), "40 of the 70 are promised"
    assert round_.reasons == ("A budget that it would draw has too little left for it",)
    other = replace(PLAN, provider="testco", model="elsewhere")
    row = ExperimentRequest.objects.get(code=waits.code)
    asked = replace(proposal(**tags), plans=(other,))
    names = {one.name for one in budgets_for(proposal=asked, row=row, on=date(2026, 1, 20))}
    assert ("Short" in names) == ("model" not in scope)


def test_keys_of_one_name_are_two(people: People) -> None:
    ours = replace(people.owner, kind="key", label="key:robot", user_id=None, key_id=1)
    made = services.create(proposal=proposal(), actor=ours, now=NOW)
    other = replace(ours, key_id=2, scopes=frozenset({Scope.EXPERIMENTS_WRITE}))
    with pytest.raises(NotYours):
        services.submit(id=made.id, actor=other, now=NOW)
    assert [one.id for one in selectors.requests(actor=ours, mine=True)] == [made.id]
    assert selectors.requests(actor=other, mine=True) == []


def test_snippets_quote_what_people_wrote(people: People) -> None:
    name = "tiny'; rm -rf ~; '\"$(id)"
    made = create(people, plans=(replace(PLAN, model=name),), amount=D(1))
    curl, python, _ = (text for _, _, text in snippets_of(made))
    assert json.loads(shlex.split(curl)[-1])["model"] == name
    assert json.dumps(name) in python


def test_the_task_follows_up_every_tenant_once(people: People, acme: Any) -> None:
    running(people, starts_on=date(2026, 1, 25))
    with time_machine.travel(NOW + timedelta(days=6), tick=False):
        for _ in range(2):
            follow_up(schema=acme.schema)
    assert ExperimentRequest.objects.get().state == "running"
    started = [one.action for one in audit.history(subject="experiment", subject_id="exp-1")]
    assert started.count("experiment.started") == 1


def test_granted_money_is_changed_by_an_approval_only(people: People) -> None:
    done = running(people)
    assert done.grant is not None
    draft = BudgetDraft(name="more", scope={"experiment": done.code}, amount=D(999), currency="USD")
    who = {"budget": done.grant, "actor": people.finance, "now": NOW}
    for act in (
        lambda: budget_services.change(draft=draft, **who),
        lambda: budget_services.retire(**who),
        lambda: budget_services.raise_limit(
            amount=D(5), expires_at=NOW + timedelta(days=1), reason="x", **who
        ),
    ):
        with pytest.raises(budget_services.GrantedMoney):
            act()
    assert budgets.grant_standing(grant=done.grant).amount == D(40)


def test_one_that_cannot_go_on_holds_no_other_back(people: People) -> None:
    stuck, other = running(people), running(people)
    assert stuck.grant is not None
    budget_services.close_grant(grant=stuck.grant, actor=people.finance, now=NOW)
    later = NOW.replace(month=2, day=12)
    assert services.follow_up(now=later).completed == 1
    assert selectors.request(id=other.id, actor=people.owner).state is State.COMPLETED
    assert selectors.request(id=stuck.id, actor=people.owner).state is State.RUNNING


def test_guardrails_are_told_what_a_request_says_about_its_tag(people: People) -> None:
    def tags() -> dict[str, str]:
        return dict(book.current_book().experiment_tags)

    draft = create(people)
    assert tags() == {draft.code: "not_approved"}
    before = book.current_book().version
    waiting = services.submit(id=draft.id, actor=people.engineer, now=NOW)
    assert book.current_book().version == before, "nothing is news"
    services.withdraw(id=waiting.id, reason="", actor=people.engineer, now=NOW)
    assert tags() == {draft.code: "not_approved"}
    done = running(people)
    assert tags()[done.code] == "open"
    assert book.current_book().version != before
    services.revoke(id=done.id, reason="Over.", actor=people.finance, now=NOW)
    assert tags() == {draft.code: "not_approved", done.code: "closed"}


def test_a_draft_stops_nobody_who_uses_the_tag_already(people: People) -> None:
    draft = services.create(proposal=proposal(), actor=people.engineer, now=NOW, code="summaries")
    assert dict(book.current_book().experiment_tags) == {}
    services.withdraw(id=draft.id, reason="", actor=people.engineer, now=NOW)
    assert dict(book.current_book().experiment_tags) == {}
    second = services.create(proposal=proposal(), actor=people.engineer, now=NOW, code="searches")
    services.submit(id=second.id, actor=people.engineer, now=NOW)
    assert dict(book.current_book().experiment_tags) == {"searches": "not_approved"}


def test_requests_of_before_are_announced_by_their_migration(people: People) -> None:
    done, draft = running(people), create(people, title="Another")
    ExperimentTag.objects.all().delete()
    step = import_module("apps.experiments.migrations.0004_announce_tags")
    with connection.cursor() as cursor:
        for operation in step.Migration.operations:
            cursor.execute(operation.sql[0])
    assert dict(book.current_book().experiment_tags) == {
        done.code: "open",
        draft.code: "not_approved",
    }
