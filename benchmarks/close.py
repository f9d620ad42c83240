"""Allocating a month of one million events against DuckDB's group-by over the same events.

    python -m benchmarks.close [events]     on servers that run (make bench starts its own)

The events are really ingested: 300 tag sets, 10 SKUs, 31 days. The close reads the month's
rollups, gives every cost line its owner, runs two shared pools over all teams on both axes,
writes sources, reasons and lines, and publishes them with the database's own check, durably.
DuckDB (2 threads) groups the same events by team, customer, feature and model out of Parquet
(zstd), and sums their tokens and their exact cost. Both totals must be equal.
"""

from __future__ import annotations

import os
import secrets
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from benchmarks.ingest import BATCH, Traffic, decoded, tenant
from benchmarks.rounds import interleaved

EVENTS: Final = 1_000_000
ROUNDS: Final = 5
START: Final = datetime(2026, 1, 1, tzinfo=UTC)
NOW: Final = datetime(2026, 2, 3, 9, tzinfo=UTC)
TEAMS: Final = [f"team-{number}" for number in range(12)]


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "finops_platform.settings.embedded")
    import django

    django.setup()
    events = int(sys.argv[1]) if len(sys.argv) > 1 else EVENTS
    with tenant(f"bench-{secrets.token_hex(3)}"), tempfile.TemporaryDirectory() as folder:
        run(events, Path(folder) / "events.parquet")


def run(events: int, parquet: Path) -> None:
    from apps.allocation import selectors as allocation
    from apps.allocation import services
    from apps.allocation.selectors import Axis
    from apps.core.domain.access import system_actor
    from apps.core.domain.months import Month

    actor, month = system_actor("bench"), Month(2026, 1)
    prepare(actor, month)
    ingested(events, parquet, actor)
    values = iter(range(1, 10_000))

    def allocated() -> float:
        services.set_driver_values(
            code="heads",
            axis=Axis.TEAM,
            month=month,
            values={"team-0": Decimal(next(values))},
            actor=actor,
            now=NOW,
        )
        begin = time.perf_counter()
        services.run(month=month, actor=actor, now=NOW)
        return events / (time.perf_counter() - begin)

    allocated()
    total, grouped = grouping(parquet, events)
    facts = allocation.published(month)
    assert facts.sources.effective == total, (facts.sources.effective, total)
    for ratio in interleaved(grouped, {"read, allocate, write, publish": allocated}, rounds=ROUNDS):
        print(
            f"close of {events:,} events, {ratio}  [{facts.source_count:,} cost lines, "
            f"{facts.line_count:,} lines on two axes]"
        )
    print(f"close, parts: {parts(month)}")


def prepare(actor: Any, month: Any) -> None:
    """Enter teams, customers, and two rules: one by headcount, one by tokens."""
    from apps.allocation import services
    from apps.allocation.domain.payload import read_rule
    from apps.allocation.selectors import Axis
    from apps.directory import services as directory
    from apps.directory.domain.entries import CostCenterFacts, CustomerFacts, TeamFacts

    directory.ensure_entries(
        actor=actor,
        now=NOW,
        cost_centers=[CostCenterFacts(code=f"cc-{team}", name=team) for team in TEAMS],
        teams=[TeamFacts(code=team, name=team, cost_center=f"cc-{team}") for team in TEAMS],
        customers=[CustomerFacts(code=f"customer-{n}", name=f"customer-{n}") for n in range(60)],
    )
    for code, owner, driver in (("a", "team-10", "heads"), ("b", "team-11", "tokens")):
        body = {
            "code": code,
            "method": "proportional",
            "driver": driver,
            "scope": {"owners": [owner]},
            "receivers": TEAMS[:10],
        }
        services.save_rule(rule=read_rule(body, first_month=month), actor=actor, now=NOW)
    services.set_driver_values(
        code="heads",
        axis=Axis.TEAM,
        month=month,
        values={team: Decimal(number) for number, team in enumerate(TEAMS[:10], start=3)},
        actor=actor,
        now=NOW,
    )


def ingested(count: int, parquet: Path, actor: Any) -> None:
    """Ingest day by day, and keep the same events as Parquet."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from apps.ingest import services as ingest

    traffic, sent = Traffic(models_a_tag_set=10), set[str]()
    schema = pa.schema(
        [(name, pa.string()) for name in ("team", "customer", "feature", "model")]
        + [(name, pa.int64()) for name in ("uncached", "cached", "output")]
        + [("cost", pa.decimal128(38, 12))]
    )
    with pq.ParquetWriter(parquet, schema, compression="zstd") as writer:
        for number in range(count // BATCH):
            day = timedelta(days=number * 31 * BATCH // count)
            events = traffic.batch()
            for event in [one for one in events if one["id"] not in sent]:
                at = datetime.fromisoformat(event["time"])
                event["time"] = (START + day + (at - at.replace(hour=0, minute=0))).isoformat()
            fresh = [event for event in events if event["id"] not in sent]
            sent |= {event["id"] for event in fresh}
            receipt = ingest.accept_events(drafts=decoded(events), actor=actor, received_at=NOW)
            assert not receipt.rejected, receipt.errors[:3]
            writer.write_table(pa.Table.from_pylist([flat(one) for one in fresh], schema=schema))


def flat(event: dict[str, Any]) -> dict[str, Any]:
    """Return an event as a row with its exact cost at its model's contract price."""
    usage, number = event["usage"], int(event["model"].split("-")[1])
    uncached = usage["input_tokens"] - usage["cached_input_tokens"]
    cost = (
        uncached * (Decimal("2.50") + number)
        + usage["cached_input_tokens"] * (Decimal("1.25") + number)
        + usage["output_tokens"] * (Decimal(10) + number)
    )
    tags = event["tags"]
    return {
        **{name: tags[name] for name in ("team", "customer", "feature")},
        "model": event["model"],
        "uncached": uncached,
        "cached": usage["cached_input_tokens"],
        "output": usage["output_tokens"],
        "cost": cost / 1_000_000,
    }


def grouping(parquet: Path, events: int) -> tuple[Decimal, Any]:
    """Return the total and a function that groups all events once and says events a second."""
    import duckdb

    database = duckdb.connect(config={"threads": 2})
    query = (
        "SELECT team, customer, feature, model, count(*), sum(uncached), sum(cached), sum(output), "
        f"sum(cost) FROM read_parquet('{parquet}') GROUP BY ALL"
    )

    def grouped() -> float:
        begin = time.perf_counter()
        database.execute(query).fetchall()
        return events / (time.perf_counter() - begin)

    grouped()
    total = database.execute(f"SELECT sum(cost) FROM read_parquet('{parquet}')").fetchone()
    assert total is not None
    return total[0], grouped


def parts(month: Any) -> str:
    """Say how long the parts of one run take."""
    from apps.allocation.selectors import gather
    from apps.costs import selectors as costs

    begin = time.perf_counter()
    costs.cost_base(month=month)
    read = time.perf_counter()
    inputs = gather(month=month)
    inputs.digest  # noqa: B018 - computed once, on being asked for
    gathered = time.perf_counter()
    lines = sum(1 for allocation in inputs.allocations.values() for _ in allocation.lines())
    done = time.perf_counter()
    return (
        f"cost base {read - begin:.2f} s, with owners and digest {gathered - read:.2f} s, "
        f"{lines:,} lines {done - gathered:.2f} s"
    )


if __name__ == "__main__":
    main()
