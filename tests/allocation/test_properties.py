"""Properties of the engine over random rules, owners and amounts."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from random import Random

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from apps.allocation.domain.drivers import Drivers
from apps.allocation.domain.engine import AxisAllocation, totals_of
from apps.allocation.domain.proof import Sealer, source_totals
from apps.allocation.domain.routes import TrappedCost
from apps.allocation.domain.rules import Axis, Method, Rule, Scope, ZeroPolicy
from apps.allocation.domain.sources import Source, in_quanta
from apps.core.domain.shares import apportion
from tests.allocation.build import QUANTUM, allocation, exact, rule, source

TEAMS = ["ads", "it", "legal", "ops", "search"]
OWNERS = st.sampled_from([*TEAMS, ""])
SERVICES = st.sampled_from(["db", "vpc", "llm"])
UNITS = st.integers(-(10**16), 10**16)


@st.composite
def sources(draw: st.DrawFn) -> list[tuple[Source, str]]:
    count = draw(st.integers(1, 8))
    owned = []
    for index in range(count):
        item = source(
            f"k{index:02d}",
            "0",
            service=draw(SERVICES),
            meter=draw(st.sampled_from(["input_tokens", "requests", ""])),
            quantity=str(draw(st.integers(0, 1000))),
        )
        units = draw(UNITS)
        billed = draw(st.one_of(st.just(units), UNITS))
        owned.append((item._replace(billed=billed, effective=units), draw(OWNERS)))
    return owned


@st.composite
def rules(draw: st.DrawFn) -> list[Rule]:
    found = []
    for index in range(draw(st.integers(0, 5))):
        method = draw(st.sampled_from([Method.EVEN, Method.PROPORTIONAL, Method.FIXED]))
        to = draw(st.lists(st.sampled_from(TEAMS), min_size=1, max_size=4, unique=True))
        owners = draw(st.lists(st.sampled_from([*TEAMS, "UNALLOCATED"]), max_size=2, unique=True))
        service = draw(SERVICES)
        found.append(
            rule(
                f"r{index}",
                owners=owners,
                facts={} if owners and draw(st.booleans()) else {"service": (service,)},
                to=percents(draw, to) if method is Method.FIXED else to,
                method=method,
                driver=draw(st.sampled_from(["cost", "tokens", "heads", "none"])),
                zero_policy=draw(st.sampled_from(list(ZeroPolicy)[:3])),
                level=draw(st.integers(1, 3)),
                final_only=draw(st.booleans()),
            )
        )
    if draw(st.booleans()):
        found.append(
            rule("up", method=Method.MARKUP, percent=draw(st.decimals("0.01", 50, places=2)))
        )
    return found


def percents(draw: st.DrawFn, to: list[str]) -> dict[str, str]:
    cuts = sorted(
        draw(st.lists(st.integers(1, 99), min_size=len(to) - 1, max_size=len(to) - 1, unique=True))
    )
    edges = [0, *cuts, 100]
    return {code: str(edges[at + 1] - edges[at]) for at, code in enumerate(to)}


HEADS = Drivers(
    current={"heads": {"ads": Decimal(3), "ops": Decimal("1.5"), "legal": Decimal(-2)}},
    previous={"cost": {"search": Decimal(2), "it": Decimal(1)}},
)


def solve(owned: list[tuple[Source, str]], found: list[Rule]) -> AxisAllocation:
    try:
        return allocation(owned, found, everyone=TEAMS, drivers=HEADS)
    except TrappedCost:
        assume(False)
        raise


def digest(result: AxisAllocation) -> str:
    sealer = Sealer(result)
    for _ in sealer.lines():
        pass
    return sealer.digest()


@settings(max_examples=300)
@given(sources(), rules())
def test_money_is_conserved(owned: list[tuple[Source, str]], found: list[Rule]) -> None:
    result = solve(owned, found)
    assert totals_of(result.lines()) == source_totals(item for item, _ in owned)
    per_source: dict[int, tuple[int, int]] = {}
    for place, _, paid, cost in result.lines():
        billed, effective = per_source.get(place, (0, 0))
        per_source[place] = (billed + paid, effective + cost)
    for index, (item, _) in enumerate(owned):
        assert per_source.get(index, (0, 0)) == (item.billed, item.effective)
    assert per_source.get(-1, (0, 0)) == (0, 0)


@given(sources(), rules(), st.randoms(use_true_random=False))
def test_the_order_of_rules_and_receivers_changes_nothing(
    owned: list[tuple[Source, str]], found: list[Rule], random: Random
) -> None:
    shuffled = random.sample(found, len(found))
    teams = random.sample(TEAMS, len(TEAMS))
    first = solve(owned, found)
    second = allocation(owned, shuffled, everyone=teams, drivers=HEADS)
    assert digest(first) == digest(second)


@given(sources(), rules(), st.integers(2, 9))
def test_scaling_scales_at_the_exact_stage(
    owned: list[tuple[Source, str]], found: list[Rule], factor: int
) -> None:
    scaled = [
        (item._replace(billed=item.billed * factor, effective=item.effective * factor), owner)
        for item, owner in owned
    ]
    before = exact(solve(owned, found))
    after = exact(solve(scaled, found))
    assert after == {code: amount * factor for code, amount in before.items()}


@given(sources(), rules())
def test_recompute_is_identical_to_the_byte(
    owned: list[tuple[Source, str]], found: list[Rule]
) -> None:
    result = solve(owned, found)
    assert digest(result) == digest(result) == digest(solve(owned, found))


@given(
    st.dictionaries(st.sampled_from(TEAMS), st.integers(1, 1000), min_size=2),
    st.integers(1, 500),
    st.integers(1, 10**15),
    st.data(),
)
def test_more_usage_never_lowers_a_proportional_share(
    usage: dict[str, int], more: int, pool: int, data: st.DataObject
) -> None:
    grower = data.draw(st.sampled_from(sorted(usage)))
    shared = rule("p", facts={"service": ("pool",)}, method=Method.PROPORTIONAL, driver="tokens")

    def share(values: dict[str, int]) -> Fraction:
        owned = [(source("pool", "0", service="pool")._replace(effective=pool), "")]
        owned += [
            (source(f"u-{team}", "0", meter="input_tokens", quantity=str(count)), team)
            for team, count in values.items()
        ]
        return exact(allocation(owned, [shared], everyone=TEAMS))[grower]

    assert share(usage | {grower: usage[grower] + more}) >= share(usage)


@given(sources(), sources(), rules())
def test_originals_and_corrections_are_the_full_recompute(
    originals: list[tuple[Source, str]], late: list[tuple[Source, str]], found: list[Rule]
) -> None:
    """With drivers that do not depend on the sources, the exact stage is additive."""
    found = [
        item
        for item in found
        if item.driver in ("heads", "none") or item.method is not Method.PROPORTIONAL
    ]
    late = [(item._replace(key=f"late-{item.key}"), owner) for item, owner in late]
    together = exact(solve(originals + late, found))
    apart = exact(solve(originals, found))
    for code, amount in exact(solve(late, found)).items():
        apart[code] = apart.get(code, Fraction(0)) + amount
    assert {c: a for c, a in apart.items() if a} == {c: a for c, a in together.items() if a}


@given(st.lists(st.decimals(-1000, 1000, places=20), min_size=1, max_size=30))
def test_sources_are_rounded_as_shares_are(amounts: list[Decimal]) -> None:
    exact = {n: Fraction(amount) / Fraction(QUANTUM) for n, amount in enumerate(amounts)}
    assert in_quanta(amounts) == [int(part) for part in apportion(exact, Decimal(1)).values()]


@given(st.lists(st.decimals(-1000, 1000, places=20), min_size=1, max_size=30))
def test_sources_are_rounded_once(amounts: list[Decimal]) -> None:
    units = in_quanta(amounts)
    total = sum((Fraction(amount) for amount in amounts), Fraction(0))
    assert abs(sum(units) - total / Fraction(QUANTUM)) <= Fraction(1, 2)
    for amount, unit in zip(amounts, units, strict=True):
        assert abs(unit - Fraction(amount) / Fraction(QUANTUM)) <= 1


def test_a_scope_without_anything_is_empty() -> None:
    assert Scope().is_empty
    assert Axis.TEAM != Axis.CUSTOMER
