"""Tiers, bounded shares, meters and outcomes as drivers, subsidies."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.allocation.domain.check import RuleRefused, check_rule
from apps.allocation.domain.drivers import Drivers
from apps.allocation.domain.limits import limited
from apps.allocation.domain.payload import read_rule, rule_json
from apps.allocation.domain.rules import MARKUP, UNALLOCATED, Axis, Method, Tier
from apps.allocation.domain.weights import in_tiers
from apps.core.domain.months import Month
from tests.allocation.build import allocation, effective, rule, source

POOL = {"facts": {"service": ("gateway",)}}
D = Decimal


def shared(amount: str = "100") -> list[Any]:
    return [(source("pool", amount, service="gateway"), "")]


def split(values: dict[str, str], **more: Any) -> dict[str, Decimal]:
    drivers = Drivers({"heads": {code: D(value) for code, value in values.items()}})
    asked = rule(
        "r", to=list(values), driver="heads", **{"method": Method.PROPORTIONAL, **POOL, **more}
    )
    return effective(allocation(shared(), [asked], everyone=values, drivers=drivers))


def test_tiers_weigh_a_driver_band_by_band() -> None:
    tiers = (Tier(D(100), D(1)), Tier(D(1000), D("0.5")), Tier(None, D("0.1")))
    assert in_tiers(D(50), tiers) == 50
    assert in_tiers(D(100), tiers) == 100
    assert in_tiers(D(300), tiers) == 200
    assert in_tiers(D(2000), tiers) == 100 + 450 + 100
    assert in_tiers(D(0), tiers) == 0
    found = split({"a": "50", "b": "300", "c": "2000"}, method=Method.TIERED, tiers=tiers)
    assert sum(found.values()) == 100
    assert abs(found["a"] - D(100) * 50 / 900) < D("1e-11")
    assert abs(found["c"] - D(100) * 650 / 900) < D("1e-11")


def test_a_cap_hands_the_rest_to_the_others_in_proportion() -> None:
    found = split({"a": "80", "b": "15", "c": "5"}, maximum_share=D(50))
    assert found == {"a": D(50), "b": D("37.5"), "c": D("12.5")}


def test_a_floor_takes_from_the_others_in_proportion() -> None:
    found = split({"a": "80", "b": "20", "c": "0"}, minimum_share=D(10))
    assert found == {"a": D(72), "b": D(18), "c": D(10)}


def test_what_nobody_may_bear_stays_unallocated() -> None:
    found = split({"a": "9", "b": "1"}, maximum_share=D(40))
    assert found == {"a": D(40), "b": D(40), UNALLOCATED: D(20)}


def test_even_shares_may_be_capped() -> None:
    asked = rule("r", to=["a", "b"], maximum_share=D(30), **POOL)
    found = effective(allocation(shared(), [asked], everyone=["a", "b"]))
    assert found == {"a": D(30), "b": D(30), UNALLOCATED: D(40)}


PARTS = st.lists(st.integers(0, 50), min_size=1, max_size=8).filter(any)
BOUND = st.fractions(0, 1, max_denominator=20)


@given(PARTS, BOUND, BOUND)
def test_bounded_shares_are_exact(parts: list[int], one: Fraction, other: Fraction) -> None:
    least, most = sorted((one, other))
    if not most:
        most = Fraction(1)
    shares = {f"r{at}": Fraction(part, sum(parts)) for at, part in enumerate(parts)}
    found = limited(shares, least=least, most=most)
    total = sum(found.values())
    assert total <= 1
    if len(shares) * least >= 1:
        assert total == 1
        return
    assert all(least <= share <= most for share in found.values())
    most_possible = sum(most if share else least for share in shares.values())
    assert total == min(Fraction(1), most_possible)
    free = [code for code, share in found.items() if least < share < most]
    assert len({found[code] / shares[code] for code in free}) <= 1


@given(PARTS)
def test_no_bounds_change_nothing(parts: list[int]) -> None:
    shares = {f"r{at}": Fraction(part, sum(parts)) for at, part in enumerate(parts)}
    assert limited(shares, least=Fraction(0), most=Fraction(1)) == shares


def test_any_meter_of_direct_cost_is_a_driver() -> None:
    owned = [
        (source("1", "1", meter="output_tokens", quantity="30"), "a"),
        (source("2", "1", meter="output_tokens", quantity="10"), "b"),
        (source("3", "1", meter="input_tokens", quantity="999"), "b"),
        *shared("40"),
    ]
    asked = rule(
        "r", to=["a", "b"], method=Method.PROPORTIONAL, driver="meter:output_tokens", **POOL
    )
    assert effective(allocation(owned, [asked], everyone=["a", "b"])) == {"a": D(31), "b": D(12)}


def test_a_subsidy_is_a_line_of_its_own_that_sums_to_zero() -> None:
    owned = [(source("1", "100"), "a"), (source("2", "50"), "b")]
    asked = rule("help", to=["a"], method=Method.MARKUP, percent=D("-10"))
    found = effective(allocation(owned, [asked], everyone=["a", "b"]))
    assert found == {"a": D(90), "b": D(50), MARKUP: D(10)}


KNOWN = {Axis.TEAM: frozenset({"a", "b"}), Axis.CUSTOMER: frozenset()}
BODY = {
    "code": "r",
    "method": "tiered",
    "driver": "heads",
    "scope": {"service": "gateway"},
    "receivers": ["a", "b"],
    "tiers": [{"up_to": "10", "weight": "1"}, {"up_to": None, "weight": "0.5"}],
}


def test_a_rule_travels_with_its_tiers_and_bounds() -> None:
    body = {**BODY, "minimum_share": "5", "maximum_share": "60"}
    read = read_rule(body, first_month=Month(2026, 1))
    check_rule(rule=read, known=KNOWN)
    sent = rule_json(read)
    assert sent["tiers"] == [{"up_to": "10", "weight": "1"}, {"up_to": None, "weight": "0.5"}]
    del sent["version"]
    assert read_rule(sent, first_month=Month(2026, 1)) == read


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"tiers": []}, "tiers"),
        ({"tiers": [{"up_to": "10", "weight": "1"}]}, "tiers"),
        ({"tiers": [{"weight": "1"}, {"weight": "1"}]}, "tiers"),
        (
            {
                "tiers": [
                    {"up_to": "9", "weight": "1"},
                    {"up_to": "9", "weight": "1"},
                    {"weight": "1"},
                ]
            },
            "tiers",
        ),
        ({"tiers": [{"weight": "0"}]}, "tiers"),
        ({"tiers": [{"weight": "-1"}]}, "tiers"),
        ({"tiers": "x"}, "tiers"),
        ({"tiers": [{"weight": 0.5}]}, "tiers.0.weight"),
        ({"method": "even"}, "tiers"),
        ({"driver": ""}, "driver"),
        ({"minimum_share": "60"}, "minimum_share"),
        ({"minimum_share": "50", "maximum_share": "40"}, "minimum_share"),
        ({"maximum_share": "0"}, "minimum_share"),
        ({"maximum_share": "101"}, "minimum_share"),
        (
            {"method": "fixed", "tiers": [], "receivers": {"a": "100"}, "maximum_share": "50"},
            "minimum_share",
        ),
        ({"method": "markup", "tiers": [], "percent": "0"}, "percent"),
        ({"method": "markup", "tiers": [], "percent": "-101"}, "percent"),
    ],
)
def test_what_cannot_be_is_refused_by_field(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(RuleRefused) as refused:
        read = read_rule({**BODY, **changes}, first_month=Month(2026, 1))
        check_rule(rule=read, known=KNOWN)
    assert field in {error.field for error in refused.value.errors}


def test_successful_outcomes_are_a_driver(acme: Any) -> None:
    from apps.allocation.selectors.inputs import outcomes
    from apps.core.domain.access import system_actor
    from apps.directory import services as directory
    from apps.directory.domain.entries import CostCenterFacts, TeamFacts
    from apps.ingest import services as ingest
    from tests.ingest.factories import NOW, WRITER, event, send

    directory.ensure_entries(
        actor=system_actor("tests"),
        now=NOW,
        cost_centers=[CostCenterFacts(code="cc", name="cc")],
        teams=[TeamFacts(code=code, name=code, cost_center="cc") for code in ("search", "ads")],
    )
    won = {"name": "answer", "success": True}
    send(
        [
            event("1", outcome=won),
            event("2", outcome={**won, "success": False}),
            event("3", tags={"team": "ads"}, outcome=won),
            event("4", tags={"team": "ads"}, trace_id="t1"),
            event("5", tags={"team": "ads"}, trace_id="t1"),
            event("6", outcome=won),
        ]
    )
    at = datetime(2026, 1, 16, tzinfo=UTC)
    late = [
        {"name": "sale", "success": True, "trace_id": "t1", "time": at},
        {"name": "sale", "success": True, "source": "gateway", "id": "nobody", "time": at},
    ]
    ingest.accept_outcomes(outcomes=late, actor=WRITER, received_at=NOW)
    ingest.void_event(source="gateway", event_id="6", reason="test", actor=WRITER, now=NOW)
    found = outcomes(Month(2026, 1), Axis.TEAM)
    assert found["outcomes"] == {"search": D(1), "ads": D(2)}
    assert found["outcomes:sale"] == {"ads": D(1)}
    assert found["outcomes:answer"] == {"search": D(1), "ads": D(1)}
    assert outcomes(Month(2026, 2), Axis.TEAM) == {}
