"""Steps have people enough: counted at the policy, and again without those who ask."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.experiments import services
from apps.experiments.domain.policy_text import PolicyInvalid
from apps.experiments.domain.seats import Need, first_unmet
from apps.experiments.models import ApprovalPolicy, Submission
from tests.experiments.base import NOW, People, create, settle, state_policy, submit

pytestmark = pytest.mark.usefixtures("acme")


@pytest.fixture
def people(acme: Any) -> People:
    return settle()


def _step(name: str, quorum: int = 1, **approvers: Any) -> dict[str, Any]:
    return {"name": name, "quorum": quorum, "approvers": approvers or {"roles": ["approver"]}}


def test_a_policy_whose_step_asks_for_more_people_than_there_are_is_refused(people: People) -> None:
    """Two approvers: three are too many, and so are two of theirs beside a step of one of them."""
    with pytest.raises(PolicyInvalid) as refused:
        state_policy(otherwise=[_step("Product", 3)])
    [wrong] = refused.value.errors
    assert wrong.field == "otherwise.0.quorum"
    assert wrong.message.startswith("Product needs 3 people, and 2 could decide it (any approver)")
    routes = [
        {
            "name": "Large",
            "when": {"amount_over": "10"},
            "steps": [_step("Product", 2), _step("Paula", people=["paula@lab.example"])],
        }
    ]
    with pytest.raises(PolicyInvalid) as refused:
        state_policy(routes=routes)
    assert refused.value.errors[0].field == "routes.0.steps.1.quorum"
    assert not ApprovalPolicy.objects.exists()
    state_policy(otherwise=[_step("Product", 1), _step("Paula", people=["paula@lab.example"])])
    assert ApprovalPolicy.objects.count() == 1


def test_who_asks_is_not_counted_when_it_is_submitted(people: People) -> None:
    """Two of two approvers have to agree, late or not, and Paula is to spend it."""
    step = _step("Product", 2) | {"escalate_to": {"roles": ["approver"]}}
    state_policy(otherwise=[step])
    made = services.create(
        proposal=create(people, owner="paula@lab.example").proposal, actor=people.engineer, now=NOW
    )
    with pytest.raises(services.NotReady) as refused:
        services.submit(id=made.id, actor=people.engineer, now=NOW)
    [wrong] = refused.value.errors
    assert wrong.field == "approval"
    assert "nobody who asks or is to spend the money" in wrong.message
    assert "Ask finance for another approver, or for fewer" in wrong.message
    assert not Submission.objects.exists()
    assert submit(people).state.value == "submitted", "the engineer has no seat to lose"


@given(
    st.lists(st.tuples(st.integers(1, 3), st.frozensets(st.integers(0, 4), max_size=5)), max_size=4)
)
def test_quorums_are_met_when_seats_can_be_matched_to_people(steps: Any) -> None:
    needs = [Need(str(at), quorum, could) for at, (quorum, could) in enumerate(steps)]
    seats = [could for quorum, could in steps for _ in range(quorum)]

    def fits(at: int, taken: frozenset[int]) -> bool:
        return at == len(seats) or any(fits(at + 1, taken | {one}) for one in seats[at] - taken)

    assert (first_unmet(needs) is None) == fits(0, frozenset())
