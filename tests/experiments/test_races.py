"""Two at once: however they come, one decision each, one grant, one end."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from django.db import connections
from django_tenants.utils import schema_context

from apps.budgets import services as budgets
from apps.budgets.domain.budgets import BudgetDraft
from apps.budgets.models import Budget
from apps.core.domain.errors import Refusal
from apps.experiments import services
from apps.experiments.domain.states import Verdict
from apps.experiments.models import (
    Decision,
    ExperimentRequest,
    LinkUse,
    OutcomeReport,
    Step,
    Submission,
)
from apps.experiments.services.links import link_for
from apps.notifications.models import Delivery
from tests.experiments.base import (
    NOW,
    D,
    People,
    create,
    running,
    say,
    settle,
    state_policy,
    submit,
)

pytestmark = pytest.mark.slow


def at_once(tenant: Any, *acts: Callable[[], object]) -> list[str]:
    """Do all of them at the same moment, each on a connection of its own; return how they went."""
    barrier = Barrier(len(acts))

    def do(act: Callable[[], object]) -> str:
        try:
            with schema_context(tenant.schema):
                barrier.wait()
                act()
            return "done"
        except Refusal as refusal:
            return refusal.code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(acts)) as pool:
        return sorted(pool.map(do, acts))


@pytest.fixture
def people(fresh_tenant: Any) -> People:
    return settle()


def test_two_approvers_at_once_open_one_grant(people: People, fresh_tenant: Any) -> None:
    asked = submit(people)
    went = at_once(
        fresh_tenant,
        lambda: say(asked, people.approver),
        lambda: say(asked, people.second),
        lambda: say(asked, people.owner),
    )
    assert went == ["done", "experiment_state", "experiment_state"]
    assert (Decision.objects.count(), Budget.objects.filter(is_grant=True).count()) == (1, 1)


def test_one_person_clicking_twice_votes_once(people: People, fresh_tenant: Any) -> None:
    steps = [{"name": "Product", "quorum": 2, "approvers": {"roles": ["approver"]}}]
    state_policy(otherwise=steps)
    asked = submit(people)
    went = at_once(fresh_tenant, *(lambda: say(asked, people.approver) for _ in range(3)))
    assert went == ["done", "not_an_approver", "not_an_approver"]
    assert Decision.objects.count() == 1
    assert Submission.objects.get().state == "open"


@pytest.mark.parametrize("turn", range(3))
def test_approve_against_reject_against_withdraw_has_one_end(
    people: People, fresh_tenant: Any, turn: int
) -> None:
    asked = submit(people)
    went = at_once(
        fresh_tenant,
        lambda: say(asked, people.approver),
        lambda: say(asked, people.second, Verdict.REJECT, "no"),
        lambda: services.withdraw(id=asked.id, reason="", actor=people.engineer, now=NOW),
    )
    assert went == ["done", "experiment_state", "experiment_state"]
    row = ExperimentRequest.objects.get(public_id=asked.id)
    assert row.state in ("running", "rejected", "withdrawn")
    assert (row.grant is not None) == (row.state == "running")


def test_automatic_approvals_never_share_one_allowance(people: People, fresh_tenant: Any) -> None:
    state_policy(auto={"up_to": "40", "team_month": "100"})
    draft = BudgetDraft(name="S", scope={"team": "search"}, amount=D(999), currency="USD")
    budgets.create(draft=draft, actor=people.finance, now=NOW)
    made = [create(people) for _ in range(4)]
    acts = [
        lambda one=one: services.submit(id=one.id, actor=people.engineer, now=NOW) for one in made
    ]
    assert at_once(fresh_tenant, *acts) == ["done"] * 4
    assert Submission.objects.filter(automatic=True, state="approved").count() == 2
    assert Submission.objects.filter(state="open").count() == 2


def test_two_ends_at_once_release_the_money_once(people: People, fresh_tenant: Any) -> None:
    done = running(people)
    went = at_once(
        fresh_tenant,
        lambda: services.complete(id=done.id, lessons="", actor=people.engineer, now=NOW),
        lambda: services.revoke(id=done.id, reason="stop", actor=people.finance, now=NOW),
    )
    assert went == ["done", "experiment_state"]
    assert OutcomeReport.objects.count() <= 1


def test_a_link_of_a_channel_is_used_by_one_of_two(people: People, fresh_tenant: Any) -> None:
    steps = [{"name": "Product", "quorum": 2, "approvers": {"roles": ["approver"]}}]
    state_policy(otherwise=steps)
    submit(people)
    link = link_for(
        step=str(Step.objects.get().public_id), reader="channel:1", verdict=Verdict.APPROVE
    )
    token = link.rsplit("/", 2)[-2]
    went = at_once(
        fresh_tenant,
        *(
            lambda actor=actor: services.decide_by_link(
                token=token, comment="", actor=actor, now=NOW
            )
            for actor in (people.approver, people.second)
        ),
    )
    assert went == ["done", "link_used"]
    assert (Decision.objects.count(), LinkUse.objects.count()) == (1, 1)


def test_following_up_twice_at_once_does_everything_once(people: People, fresh_tenant: Any) -> None:
    submit(people)
    later = NOW + timedelta(hours=48)
    at_once(
        fresh_tenant,
        *(lambda: services.follow_up(now=later) for _ in range(2)),
    )
    keys = Delivery.objects.filter(message__startswith="approval.escalated")
    assert keys.values("recipient").distinct().count() == keys.count() > 0
