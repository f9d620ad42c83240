"""The engine: the worked examples of docs/allocation.md, zero policies, explanations."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest

from apps.allocation.domain.drivers import Drivers
from apps.allocation.domain.engine import AxisAllocation, totals_of
from apps.allocation.domain.proof import Sealer
from apps.allocation.domain.routes import TrappedCost
from apps.allocation.domain.rules import Axis, Method, ZeroPolicy
from apps.allocation.domain.weights import DriverIsZero
from tests.allocation.build import allocation, cents, effective, exact, rule, source

TWO_SENDERS = [(source("s1", "100000"), "S1"), (source("s2", "60000"), "S2")]
S1_PARTS = {"S2": "20", "P1": "50", "P2": "30"}
S2_PARTS = {"S1": "10", "P1": "30", "P2": "60"}


def two_senders(
    *, s1_level: int = 1, s2_level: int = 1, final_only: bool = False
) -> AxisAllocation:
    rules = [
        rule("s1", owners=["S1"], to=S1_PARTS, level=s1_level, final_only=final_only),
        rule("s2", owners=["S2"], to=S2_PARTS, level=s2_level, final_only=final_only),
    ]
    return allocation(TWO_SENDERS, rules)


def test_reciprocal_is_exact() -> None:
    result = two_senders()
    assert exact(result) == {"P1": Fraction(550000, 7), "P2": Fraction(570000, 7)}
    assert effective(result) == {
        "P1": Decimal("78571.428571428572"),  # each source is rounded by itself (rule 15)
        "P2": Decimal("81428.571428571428"),
    }


def test_step_down_depends_on_the_order() -> None:
    assert cents(two_senders(s2_level=2)) == {"P1": "76666.67", "P2": "83333.33"}
    assert cents(two_senders(s1_level=2)) == {"P1": "84250.00", "P2": "75750.00"}


def test_direct_only_leaves_senders_out() -> None:
    assert cents(two_senders(final_only=True)) == {"P1": "82500.00", "P2": "77500.00"}


def test_hops_explain_the_reciprocal_share() -> None:
    result = two_senders()
    first, second = [b for b in result.bases if b.receiver == "P1" and b.kind == "shared"][:2]
    circle = {("S1", "S2"): Decimal("0.2"), ("S2", "S1"): Decimal("0.1")}
    by_s1 = {(hop.sender, hop.receiver): hop.share for hop in first.hops}
    by_s2 = {(hop.sender, hop.receiver): hop.share for hop in second.hops}
    assert (first.rule, second.rule) == ("s1", "s2")
    assert by_s1 == {**circle, ("S1", "P1"): Decimal("0.5")}
    assert by_s2 == {**circle, ("S2", "P1"): Decimal("0.3")}


def test_each_way_into_a_receiver_can_be_recomputed() -> None:
    """A pool's total times own driver over all drivers is the line, pool by pool."""
    result = two_senders()
    pools = {"s1": Fraction(0), "s2": Fraction(0)}
    reached: dict[tuple[str, str], Fraction] = {}
    for place, units in result.exact_shares():
        basis = result.bases[place]
        pools[basis.rule] += units
        key = (basis.rule, basis.receiver)
        reached[key] = reached.get(key, Fraction(0)) + units
    for (code, receiver), units in reached.items():
        parts = {**{k: Fraction(v) for k, v in (S1_PARTS if code == "s1" else S2_PARTS).items()}}
        final = sum(part for name, part in parts.items() if name.startswith("P"))
        assert units == pools[code] * parts[receiver] / final


def test_a_circle_that_leaks_nothing_is_refused_by_name() -> None:
    rules = [rule("a", owners=["S1"], to={"S2": "100"}), rule("b", owners=["S2"], to={"S1": "100"})]
    with pytest.raises(TrappedCost, match="S1, S2"):
        allocation(TWO_SENDERS, rules)


def test_owned_cost_stays_and_unowned_cost_is_named() -> None:
    result = allocation([(source("a", "12.5"), "search"), (source("b", "7.5"), "")])
    assert cents(result) == {"UNALLOCATED": "7.50", "search": "12.50"}
    assert [basis.kind for basis in result.bases] == ["direct", "unallocated"]


def test_even_reaches_everyone_but_the_sender() -> None:
    result = allocation(
        [(source("a", "100"), "platform"), (source("b", "1"), "search")],
        [rule("share", owners=["platform"])],
        everyone=["platform", "search", "ads", "legal"],
    )
    amounts = effective(result)
    assert amounts == {
        "ads": Decimal("33.333333333334"),
        "legal": Decimal("33.333333333333"),
        "search": Decimal("34.333333333333"),
    }


def test_proportional_to_cost_tokens_requests_and_headcount() -> None:
    owned = [
        (source("pool", "100", service="gateway"), ""),
        (source("a1", "30", meter="input_tokens", quantity="100"), "ads"),
        (source("a2", "0", meter="requests", quantity="9"), "ads"),
        (source("s1", "10", meter="output_tokens", quantity="300"), "search"),
        (source("s2", "0", meter="requests", quantity="1"), "search"),
    ]
    headcount = Drivers(current={"headcount": {"ads": Decimal(1), "search": Decimal(1)}})
    expected = {
        "cost": {"ads": "105.00", "search": "35.00"},
        "tokens": {"ads": "55.00", "search": "85.00"},
        "requests": {"ads": "120.00", "search": "20.00"},
        "headcount": {"ads": "80.00", "search": "60.00"},
    }
    for driver, amounts in expected.items():
        shared = rule(
            "gateway",
            facts={"service": ("gateway",)},
            method=Method.PROPORTIONAL,
            driver=driver,
        )
        result = allocation(owned, [shared], everyone=["ads", "search"], drivers=headcount)
        assert cents(result) == amounts, driver


def test_the_line_says_why() -> None:
    shared = rule("gw", owners=["UNALLOCATED"], method=Method.PROPORTIONAL, driver="heads")
    heads = Drivers(current={"heads": {"ads": Decimal(10), "search": Decimal(30)}})
    result = allocation(
        [(source("pool", "8"), "")], [shared], everyone=["ads", "search"], drivers=heads
    )
    basis = next(basis for basis in result.bases if basis.receiver == "ads")
    assert (basis.kind, basis.rule, basis.method, basis.driver) == (
        "shared",
        "gw",
        "proportional",
        "heads",
    )
    assert (basis.driver_value, basis.driver_total, basis.share) == (10, 40, Decimal("0.25"))


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (ZeroPolicy.UNALLOCATED, {"UNALLOCATED": "100.00"}),
        (ZeroPolicy.EVEN, {"ads": "50.00", "search": "50.00"}),
        (ZeroPolicy.PREVIOUS_PERIOD, {"ads": "25.00", "search": "75.00"}),
    ],
)
def test_zero_driver_follows_the_policy(policy: ZeroPolicy, expected: dict[str, str]) -> None:
    shared = rule(
        "pool",
        owners=["platform"],
        to=["ads", "search"],
        method=Method.PROPORTIONAL,
        driver="tokens",
        zero_policy=policy,
    )
    before = Drivers(previous={"tokens": {"ads": Decimal(1), "search": Decimal(3)}})
    result = allocation([(source("pool", "100"), "platform")], [shared], drivers=before)
    assert cents(result) == expected


def test_zero_driver_can_stop_the_run() -> None:
    shared = rule(
        "pool",
        owners=["platform"],
        to=["ads"],
        method=Method.PROPORTIONAL,
        driver="tokens",
        zero_policy=ZeroPolicy.FAIL,
    )
    with pytest.raises(DriverIsZero, match=r"Rule pool.*tokens"):
        allocation([(source("pool", "100"), "platform")], [shared])


def test_previous_period_without_values_lands_in_unallocated() -> None:
    shared = rule(
        "pool",
        owners=["platform"],
        to=["ads"],
        method=Method.PROPORTIONAL,
        driver="tokens",
        zero_policy=ZeroPolicy.PREVIOUS_PERIOD,
    )
    result = allocation([(source("pool", "100"), "platform")], [shared])
    assert cents(result) == {"UNALLOCATED": "100.00"}
    assert result.bases[0].measure == "no driver value"


def test_three_levels_step_down() -> None:
    rules = [
        rule("cloud", facts={"service": ("vpc",)}, to={"it": "50", "ops": "50"}, level=1),
        rule("it", owners=["it"], to={"ops": "50", "ads": "50"}, level=2),
        rule("ops", owners=["ops"], to=["ads", "search"], level=3),
    ]
    result = allocation([(source("vpc", "80", service="vpc"), "")], rules)
    assert cents(result) == {"ads": "50.00", "search": "30.00"}


def test_a_sender_may_keep_a_part() -> None:
    rules = [rule("p", owners=["platform"], to={"platform": "25", "ads": "75"})]
    result = allocation([(source("a", "100"), "platform")], rules)
    assert cents(result) == {"ads": "75.00", "platform": "25.00"}


def test_a_pool_takes_a_source_from_its_owner_once() -> None:
    rules = [
        rule("first", facts={"service": ("db",)}, to=["ads"], method=Method.DIRECT),
        rule("second", facts={"service": ("d*",)}, to=["search"], method=Method.DIRECT, level=2),
    ]
    result = allocation([(source("a", "5", service="db"), "legal")], rules)
    assert cents(result) == {"ads": "5.00"}
    assert result.bases[0].kind == "direct"
    assert result.bases[0].rule == "first"


def test_scope_matches_tags_prefixes_and_presence() -> None:
    rules = [
        rule("t", tags={"env": ("prod*",), "system": ("*",)}, to=["ads"], method=Method.DIRECT)
    ]
    owned = [
        (source("yes", "1", tags={"env": "production", "system": "x"}), ""),
        (source("no", "2", tags={"env": "production"}), ""),
    ]
    assert cents(allocation(owned, rules)) == {"UNALLOCATED": "2.00", "ads": "1.00"}


def test_billed_and_effective_share_alike() -> None:
    rules = [rule("p", owners=["platform"], to={"ads": "30", "search": "70"})]
    result = allocation([(source("a", "10", billed="1"), "platform")], rules)
    lines = list(result.lines())
    assert [line[2:] for line in lines] == [
        (3 * 10**11, 3 * 10**12),
        (7 * 10**11, 7 * 10**12),
    ]


def test_credits_mirror_charges() -> None:
    rules = [rule("p", owners=["platform"], to=["a", "b", "c"])]
    plus = effective(allocation([(source("x", "100"), "platform")], rules))
    minus = effective(allocation([(source("x", "-100"), "platform")], rules))
    assert minus == {code: -amount for code, amount in plus.items()}


def test_markup_sums_to_zero() -> None:
    owned = [(source("a", "200"), "acme"), (source("b", "50"), "globex"), (source("c", "7"), "")]
    rules = [rule("m", method=Method.MARKUP, axis=Axis.CUSTOMER, percent=Decimal(15), to=["acme"])]
    result = allocation(owned, rules, axis=Axis.CUSTOMER)
    assert cents(result) == {
        "MARKUP": "-30.00",
        "UNALLOCATED": "7.00",
        "acme": "230.00",
        "globex": "50.00",
    }
    assert totals_of(result.lines()).effective == 257 * 10**12
    assert len(result.bases) <= result.most_bases()


def test_axes_do_not_mix() -> None:
    rules = [rule("p", owners=["acme"], to=["globex"], axis=Axis.CUSTOMER, method=Method.DIRECT)]
    team = allocation([(source("a", "1"), "acme")], rules, axis=Axis.TEAM)
    assert cents(team) == {"acme": "1.00"}


def test_unowned_cost_can_be_shared_on_a_later_level() -> None:
    rules = [
        rule("pool", facts={"service": ("x",)}, method=Method.PROPORTIONAL, driver="none"),
        rule("rest", owners=["UNALLOCATED"], to=["ads", "legal"], level=2),
    ]
    result = allocation([(source("a", "10", service="x"), "")], rules, everyone=["ads"])
    assert cents(result) == {"ads": "5.00", "legal": "5.00"}


def test_unallocated_is_final_within_a_level() -> None:
    rules = [
        rule("rest", owners=["UNALLOCATED"], to=["S1"], method=Method.DIRECT),
        rule("s1", owners=["S1"], method=Method.PROPORTIONAL, driver="none", to=["P1"]),
    ]
    result = allocation([(source("a", "10"), "")], rules)
    assert cents(result) == {"UNALLOCATED": "10.00"}


def test_the_digest_repeats_and_conservation_is_checked() -> None:
    digests = set()
    for _ in range(3):
        sealer = Sealer(two_senders())
        assert (
            len(list(sealer.lines())) == sealer.count == 8
        )  # two sources, two receivers, two ways
        sealer.check()
        digests.add(sealer.digest())
    assert len(digests) == 1
