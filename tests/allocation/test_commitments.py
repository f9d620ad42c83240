"""Savings of commitments: everybody pays contracted prices, savings go where a rule says."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.allocation.domain.check import RuleRefused, check_rule
from apps.allocation.domain.engine import totals_of
from apps.allocation.domain.payload import read_rule, rule_json
from apps.allocation.domain.rules import Axis, Method, Rule
from apps.core.domain.months import Month
from tests.allocation.build import QUANTUM, allocation, effective, rule, source

D = Decimal
AZURE = {"provider": ("Microsoft",)}


def use(key: str, cost: str, saving: str = "0", **facts: Any) -> Any:
    """Return use of Azure that cost so much, and what a commitment took off its price."""
    made = source(key, cost, provider="Microsoft", charge_category="Usage", **facts)
    return made._replace(saving=int(D(saving) / QUANTUM))


def purchase(key: str, billed: str) -> Any:
    return source(key, "0", billed=billed, provider="Microsoft", charge_category="Purchase")


def sharing(driver: str, to: Any = None) -> Rule:
    return rule("ptu", method=Method.COMMITMENT, facts=AZURE, driver=driver, to=to)


MONTH = [
    # A commitment of 100 a month. At contracted prices ads used 120, search 60, support 20.
    (use("ads", "120"), "ads"),
    (use("search", "45", "15"), "search"),  # covered: 60 at contracted prices
    (use("support", "5", "15"), "support"),  # covered: 20 at contracted prices
    (use("unused", "50", "-50"), ""),  # nobody used half of the commitment
    (purchase("fee", "100"), "search"),
]
"""Effective 220; savings 30, of which 50 unused are paid: the commitment lost 20."""


def test_without_a_rule_chance_decides() -> None:
    assert effective(allocation(MONTH)) == {
        "UNALLOCATED": D(50),
        "ads": D(120),
        "search": D(45),
        "support": D(5),
    }


def test_by_usage_everybody_pays_the_same_part_of_contracted_prices() -> None:
    """200 at contracted prices cost 220: everybody bears 1.1 of their use."""
    found = effective(allocation(MONTH, [sharing("usage")]))
    assert found == {
        "UNALLOCATED": D(0),
        "ads": D(132),
        "search": D(66),
        "support": D(22),
    }
    assert sum(found.values()) == D(220)


def test_by_purchase_the_buyer_bears_the_loss_and_earns_the_saving() -> None:
    found = effective(allocation(MONTH, [sharing("purchase")]))
    assert found == {"UNALLOCATED": D(0), "ads": D(120), "search": D(80), "support": D(20)}


def test_buyers_are_named_in_percent_when_the_purchase_is_of_another_month() -> None:
    rules = [sharing("purchase", to={"ads": "75", "search": "25"})]
    found = effective(allocation(MONTH[:4], rules))
    assert found == {"UNALLOCATED": D(0), "ads": D(135), "search": D(65), "support": D(20)}


def test_only_named_receivers_share_by_usage() -> None:
    found = effective(allocation(MONTH, [sharing("usage", to=["ads"])]))
    assert found == {"UNALLOCATED": D(0), "ads": D(140), "search": D(60), "support": D(20)}


def test_where_nobody_bought_savings_stay_where_they_fell() -> None:
    assert effective(allocation(MONTH[:4], [sharing("purchase")])) == effective(
        allocation(MONTH[:4])
    )


def test_use_of_others_and_billed_cost_stay_as_they_are() -> None:
    other = use("other", "10", "5")
    other = other._replace(facts=other.facts._replace(provider="OpenAI"))
    lines = list(allocation([*MONTH, (other, "ads")], [sharing("usage")]).lines())
    assert effective(allocation([*MONTH, (other, "ads")], [sharing("usage")]))["ads"] == D(142)
    assert all(billed == 0 for source, _, billed, _ in lines if source < 0)


def test_each_line_says_what_was_given_up_and_received() -> None:
    result = allocation(MONTH, [sharing("usage")])
    lines = list(result.lines())
    places = [basis for source, basis, _, _ in lines if source < 0]
    reasons = {result.bases[place].receiver: result.bases[place] for place in places}
    found = reasons["support"]
    assert (found.kind, found.rule, found.driver) == ("commitment", "ptu", "usage")
    assert (found.driver_value, found.driver_total) == (D(20), D(200))
    assert found.hops[0].measure == "gives up a saving of 15, receives -2"


def test_shared_cost_is_passed_on_before_savings_are_shared() -> None:
    """Support passes its use on to ads, so ads stands for it."""
    pool = rule("pool", owners=["support"], to=["ads"], method=Method.DIRECT)
    found = effective(allocation(MONTH, [pool, sharing("usage")]))
    assert found == {"UNALLOCATED": D(0), "ads": D(154), "search": D(66)}


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b", "c", ""]),
            st.integers(-(10**15), 10**15),
            st.integers(-(10**14), 10**14),
            st.sampled_from(["Usage", "Purchase"]),
        ),
        min_size=1,
        max_size=12,
    ),
    st.sampled_from(["usage", "purchase"]),
)
def test_sharing_never_makes_or_loses_money(rows: list[Any], driver: str) -> None:
    owned = []
    for number, (owner, units, saving, category) in enumerate(rows):
        made = source(str(number), "0", provider="Microsoft", charge_category=category)
        owned.append((made._replace(billed=units, effective=units, saving=saving), owner))
    plain, shared = (
        totals_of(allocation(owned, rules).lines()) for rules in ([], [sharing(driver)])
    )
    assert plain == shared


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"driver": "tokens"}, "driver"),
        ({"driver": "usage", "receivers": {"ads": 100}}, "receivers"),
        ({"driver": "purchase", "receivers": {"ads": 99}}, "receivers"),
        ({"scope": {"owners": ["ads"]}}, "scope.owners"),
    ],
)
def test_what_cannot_be_meant_is_refused(changes: dict[str, Any], field: str) -> None:
    body = {"code": "ptu", "method": "commitment", "driver": "usage", "receivers": "*"}
    made = read_rule({**body, **changes}, first_month=Month(2026, 1))
    with pytest.raises(RuleRefused) as refused:
        check_rule(rule=made, known={Axis.TEAM: frozenset({"ads"}), Axis.CUSTOMER: frozenset()})
    assert {one.field for one in refused.value.errors} == {field}


def test_a_rule_travels_as_json() -> None:
    body = {
        "code": "ptu",
        "name": "Reserved capacity",
        "method": "commitment",
        "driver": "purchase",
        "receivers": {"ads": "100"},
        "scope": {"provider": ["Microsoft"]},
    }
    made = read_rule(body, first_month=Month(2026, 1))
    check_rule(rule=made, known={Axis.TEAM: frozenset({"ads"}), Axis.CUSTOMER: frozenset()})
    kept = {name: value for name, value in rule_json(made).items() if name != "version"}
    assert read_rule(kept, first_month=Month(2026, 1)) == made
