"""Allocating 100,000 sources through two levels against a bare exact integer allocator.

    python -m benchmarks.allocation

Four fifths of the sources stay with their owner, one fifth goes through shared levels to about
twenty receivers each. The bare allocator knows owners, integer weights and one amount; it walks
the same levels in topological order and splits every source by largest remainder. The engine also
matches scopes, carries two amounts, keeps the reason of every line and, in the second case, seals
both into the run's digest. All totals by receiver must be equal.
"""

from __future__ import annotations

import random
import time
import tracemalloc
from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from math import lcm
from typing import Final

from apps.allocation.domain.drivers import Drivers
from apps.allocation.domain.engine import AxisAllocation
from apps.allocation.domain.proof import Sealer
from apps.allocation.domain.rules import Axis, Facts, Method, Receivers, Rule, Scope
from apps.allocation.domain.sources import Source
from benchmarks.rounds import interleaved

ITEMS: Final = 100_000
TEAMS: Final = [f"team-{number:03d}" for number in range(200)]
LEVELS: Final = (
    [f"platform-{number:02d}" for number in range(20)],
    [f"base-{n}" for n in range(5)],
)
ROUNDS: Final = 7

Parts = dict[str, int]


def organization(seed: int = 5) -> list[dict[str, Parts]]:
    """Return by level and sender the integer weights of its receivers."""
    pick = random.Random(seed)
    first = {
        sender: {code: pick.randrange(1, 50) for code in pick.sample(TEAMS, 10) + LEVELS[1][:2]}
        for sender in LEVELS[0]
    }
    second = {
        sender: {code: pick.randrange(1, 50) for code in pick.sample(TEAMS, 6)}
        for sender in LEVELS[1]
    }
    return [first, second]


def items(seed: int = 6) -> list[tuple[str, str, int]]:
    """Return (key, owner, whole numbers of 1e-12)."""
    pick = random.Random(seed)
    senders = LEVELS[0] + LEVELS[1]
    return [
        (
            f"item-{number:06d}",
            pick.choice(senders) if number % 5 == 0 else pick.choice(TEAMS),
            pick.randrange(1, 10**15),
        )
        for number in range(ITEMS)
    ]


# The bare allocator -----------------------------------------------------------------------------


def bare(levels: list[dict[str, Parts]], rows: list[tuple[str, str, int]]) -> dict[str, int]:
    """Allocate exactly with integers and nothing else; return totals by receiver."""
    weights: dict[str, tuple[list[str], list[int], int]] = {}
    totals: dict[str, int] = {}
    for owner in {row[1] for row in rows}:
        held = {owner: Fraction(1)}
        for level in levels:
            reached: dict[str, Fraction] = {}
            for holder, share in held.items():
                parts = level.get(holder, {holder: 1})
                whole = sum(parts.values())
                for code, part in parts.items():
                    reached[code] = reached.get(code, Fraction(0)) + share * Fraction(part, whole)
            held = reached
        codes = sorted(held)
        common = lcm(*(held[code].denominator for code in codes))
        weights[owner] = (codes, [int(held[code] * common) for code in codes], common)
    lines = []
    for number, (_, owner, units) in enumerate(rows):
        codes, shares, common = weights[owner]
        parts = [units * share // common for share in shares]
        missing = units - sum(parts)
        if missing:
            rests = [
                part * common - units * share for part, share in zip(parts, shares, strict=True)
            ]
            for place in sorted(range(len(parts)), key=rests.__getitem__)[:missing]:
                parts[place] += 1
        for code, part in zip(codes, parts, strict=True):
            lines.append((number, code, part))
    for _, code, part in lines:
        totals[code] = totals.get(code, 0) + part
    return totals


# The engine -------------------------------------------------------------------------------------


def rules_of(levels: list[dict[str, Parts]]) -> list[Rule]:
    found = []
    for number, level in enumerate(levels, start=1):
        for sender, parts in level.items():
            whole = sum(parts.values())
            percents = {code: Decimal(part) * 100 / whole for code, part in parts.items()}
            found.append(
                Rule(
                    code=f"pass-on-{sender}",
                    axis=Axis.TEAM,
                    method=Method.PROPORTIONAL,
                    driver=sender,
                    scope=Scope(owners=frozenset({sender})),
                    receivers=Receivers(codes=tuple(percents)),
                    level=number,
                )
            )
    return found


def drivers_of(levels: list[dict[str, Parts]]) -> Drivers:
    values = {
        sender: {code: Decimal(part) for code, part in parts.items()}
        for level in levels
        for sender, parts in level.items()
    }
    return Drivers(current=values)


def sources_of(rows: list[tuple[str, str, int]]) -> list[Source]:
    """Return sources of twenty models and five meters; a third is billed at another amount."""
    facts = [
        Facts(provider="openai", model=f"model-{n % 20}", meter=f"meter-{n % 5}")
        for n in range(100)
    ]
    return [
        Source(key, facts[n % 100], units if n % 3 else units // 2, units)
        for n, (key, _, units) in enumerate(rows)
    ]


def engine(
    rules: list[Rule], drivers: Drivers, sources: list[Source], owners: list[str]
) -> AxisAllocation:
    return AxisAllocation(
        axis=Axis.TEAM,
        sources=sources,
        owners=owners,
        rules=rules,
        everyone=TEAMS,
        drivers=drivers,
    )


def run() -> None:
    levels, rows = organization(), items()
    rules, drivers = rules_of(levels), drivers_of(levels)
    sources, owners = sources_of(rows), [owner for _, owner, _ in rows]
    expected = bare(levels, rows)

    def timed(work: Callable[[], object]) -> float:
        begin = time.perf_counter()
        work()
        return ITEMS / (time.perf_counter() - begin)

    def allocated() -> dict[str, int]:
        result = engine(rules, drivers, sources, owners)
        kept = list(result.lines())
        totals: dict[str, int] = {}
        for _, basis, _, cost in kept:
            code = result.bases[basis].receiver
            totals[code] = totals.get(code, 0) + cost
        return totals

    def sealed() -> str:
        sealer = Sealer(engine(rules, drivers, sources, owners))
        for _ in sealer.lines():
            pass
        sealer.check()
        return sealer.digest()

    assert allocated() == expected, "the engine and the bare allocator differ"
    cases = {
        "with reasons": lambda: timed(allocated),
        "with reasons, sealed": lambda: timed(sealed),
    }
    for ratio in interleaved(lambda: timed(lambda: bare(levels, rows)), cases, rounds=ROUNDS):
        print(
            f"allocation of {ITEMS:,} sources, {ratio}  [{shape(rules, drivers, sources, owners)}]"
        )
    used = memory(rules, drivers, sources, owners)
    print(f"allocation, memory: {used:.0f} bytes a source, streamed")


def shape(rules: list[Rule], drivers: Drivers, sources: list[Source], owners: list[str]) -> str:
    result = engine(rules, drivers, sources, owners)
    lines = sum(1 for _ in result.lines())
    return f"{len(rules)} rules on 2 levels, {lines:,} lines, {len(result.bases):,} reasons"


def memory(rules: list[Rule], drivers: Drivers, sources: list[Source], owners: list[str]) -> float:
    """Return the peak of what the engine adds, a source, while its lines stream past."""
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    drained(engine(rules, drivers, sources, owners).lines())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return (peak - before) / ITEMS


def drained(lines: Iterator[object]) -> None:
    for _ in lines:
        pass


if __name__ == "__main__":
    run()
