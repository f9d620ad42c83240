"""How commitments stand: what was committed, used and missing by month."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.domain.access import Actor, Scope, system_actor
from apps.core.domain.errors import Forbidden
from apps.core.domain.months import Month
from apps.insights import selectors as insights
from apps.insights.domain.shortfall import InForce, standing
from apps.rating import selectors as rating
from apps.rating import services
from apps.rating.domain.terms import CommitmentDraft, LevelDraft
from apps.rating.domain.terms import Scope as Terms
from tests.accounts.people import bearer, browser, service_key
from tests.ingest.factories import NOW, contract, event, send

SYSTEM = system_actor("tests")
READER = Actor(kind="user", label="reader", scopes=frozenset(Scope), user_id=1)
JANUARY = Month(2026, 1)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


START, END = moment("2026-01-01"), moment("2026-02-01")


def test_a_level_for_a_part_of_the_month_commits_its_part_of_the_time() -> None:
    change = moment("2026-01-11")
    levels = [
        InForce(1, Decimal(3_100), START, change),
        InForce(2, Decimal(6_200), change, moment("2027-01-01")),
    ]
    found = standing(levels=levels, start=START, end=END, used=Decimal(5_000))
    assert (found.levels, found.committed) == ((1, 2), Decimal(5_200))
    assert (found.shortfall, found.ratio) == (200, Decimal("0.961538"))


@given(
    st.decimals(1, 10**12, places=6, allow_nan=False),
    st.integers(1, 31 * 86_400 - 1),
    st.decimals(0, 10**12, places=6, allow_nan=False),
)
def test_a_change_of_time_without_a_change_of_level_commits_the_same(
    commit: Decimal, seconds: int, used: Decimal
) -> None:
    change = datetime.fromtimestamp(START.timestamp() + seconds, UTC)
    split = [InForce(1, commit, START, change), InForce(1, commit, change, END)]
    found = standing(levels=split, start=START, end=END, used=used)
    assert found.committed == commit
    assert found.shortfall == max(0, commit - used)


def agreed(**changes: Any) -> rating.CommitmentFacts:
    terms: dict[str, Any] = {
        "name": "TestCo 2026",
        "scope": Terms(provider="testco"),
        "measure": "spend",
        "currency": "USD",
        "levels": (LevelDraft(commit=Decimal(10), percent=Decimal(5)),),
    }
    found = services.record_commitment(
        draft=CommitmentDraft(**(terms | changes)), actor=SYSTEM, now=NOW
    )
    services.put_level_in_force(
        commitment=found,
        level=1,
        valid_from=datetime(2026, 1, 1, 5, tzinfo=UTC),
        valid_to=None,
        note="",
        actor=SYSTEM,
        now=NOW,
    )
    return rating.commitment(found)


def test_the_shortfall_of_a_spend_commitment(acme: Any) -> None:
    contract(input_tokens="1", output_tokens="2", cached_input_tokens="0.5")
    send([event(usage={"input_tokens": 2_500_000}), event("o", provider="openai", model="gpt-4o")])
    (found,) = insights.standings(commitment=agreed(), through=JANUARY, actor=READER)
    assert found.month == JANUARY and found.provisional
    assert (found.standing.committed, found.standing.used) == (10, Decimal("2.5"))
    assert found.standing.shortfall == Decimal("7.5")


def test_the_shortfall_of_a_quantity_commitment(acme: Any) -> None:
    scope = Terms(provider="testco", model="tiny", meter="input_tokens")
    level = LevelDraft(commit=Decimal(1_000_000), amount=Decimal("0.9"), unit_size=1_000_000)
    commitment = agreed(scope=scope, measure="quantity", levels=(level,))
    send([event(usage={"input_tokens": 600_000}), event("b", usage={"input_tokens": 500_000})])
    (found,) = insights.standings(commitment=commitment, through=JANUARY, actor=READER)
    assert (found.standing.used, found.standing.shortfall) == (1_100_000, 0)


def test_who_sees_a_part_of_the_usage_sees_no_commitment(acme: Any) -> None:
    commitment = agreed()
    with pytest.raises(Forbidden):
        insights.standings(
            commitment=commitment,
            through=JANUARY,
            actor=replace(READER, teams=frozenset({"search"})),
        )


def test_the_shortfall_over_the_api(acme: Any) -> None:
    contract(input_tokens="1", output_tokens="2")
    send([event(usage={"input_tokens": 2_500_000})])
    commitment = agreed()
    path = f"/api/v1/prices/commitments/{commitment.id}/shortfall"
    key = service_key(Scope.BILLING_READ, Scope.COSTS_READ)
    body = browser("acme").get(path, headers=bearer(key)).json()
    months = {one["month"]: one for one in body["months"]}
    assert months["2026-01"] == {
        "month": "2026-01",
        "levels": [1],
        "committed": "10.000000000000",
        "used": "2.500000000000",
        "shortfall": "7.500000000000",
        "provisional": True,
    }
    assert body["currency"] == "USD"
