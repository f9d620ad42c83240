"""Allocating a month of ten million events against DuckDB's group-by over the same events.

    python -m benchmarks.close [events]     on servers that run (make bench starts its own)

5,000 combinations of team, customer, feature and model, four meters each: 20,000 groups, 31 days.
The events are made by DuckDB as Parquet (zstd). The platform holds what ingest keeps of them: tag
sets, SKUs and prices come from one real event a combination, then the month's rollups (620,000
cells) are the events' own sums by day, copied in. The close reads the rollups, gives every cost
line its owner, runs four shared pools over ten teams and both axes, writes sources, reasons and
some 80,000 lines, and publishes them with the database's own check, durably. DuckDB (2 threads)
groups all events by team, customer, feature and model, and sums their tokens and exact cost. Both
totals must be equal. The close never reads events, so more of them change only DuckDB's side:
give 100,000,000 to see. Last it is run in a process of its own, which says how much memory it took.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from benchmarks.ingest import BATCH, SKUS, decoded, tenant
from benchmarks.rounds import interleaved

EVENTS: Final = 10_000_000
ROUNDS: Final = 7
NOW: Final = datetime(2026, 2, 3, 9, tzinfo=UTC)
GROUPS: Final = 5_000
DAYS: Final = 31
TEAMS: Final = [f"team-{number}" for number in range(14)]
POOLS: Final = TEAMS[10:]
CUSTOMERS: Final = 60
METERS: Final = {
    "input_tokens": ("uncached", "2.50"),
    "cached_input_tokens": ("cached", "1.25"),
    "output_tokens": ("output", "10"),
    "requests": ("1", ""),
}


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "finops_platform.settings.embedded")
    import django

    django.setup()
    if len(sys.argv) > 2:
        alone(sys.argv[2])
        return
    events = int(sys.argv[1]) if len(sys.argv) > 1 else EVENTS
    slug = f"bench-{secrets.token_hex(3)}"
    with tenant(slug) as made, tempfile.TemporaryDirectory() as folder:
        run(events, Path(folder) / "events.parquet", made.schema)


def run(events: int, parquet: Path, schema: str) -> None:
    from apps.allocation import selectors as allocation
    from apps.core.domain.access import system_actor
    from apps.core.domain.months import Month

    actor, month = system_actor("bench"), Month(2026, 1)
    prepare(actor, month)
    one_event_a_group(actor)
    database = made_events(events, parquet)
    cells = copied_rollups(database, parquet)
    values = iter(range(1, 10_000))

    def allocated() -> float:
        return events / publish(actor, month, next(values))

    allocated()
    total, grouped = grouping(database, parquet, events)
    facts = allocation.published(month)
    assert facts.sources.effective == total, (facts.sources.effective, total)
    for ratio in interleaved(grouped, {"read, allocate, write, publish": allocated}, rounds=ROUNDS):
        print(
            f"close of {events:,} events in {cells:,} rollups, {ratio}  "
            f"[{facts.source_count:,} cost lines, {facts.line_count:,} lines on two axes]"
        )
    print(f"close, parts: {parts(month)}", flush=True)
    subprocess.run([sys.executable, "-m", "benchmarks.close", str(events), schema], check=True)


def publish(actor: Any, month: Any, headcount: int) -> float:
    """Change a driver, so that nothing stands, and return the seconds of one published run."""
    from apps.allocation import services
    from apps.allocation.selectors import Axis

    services.set_driver_values(
        code="heads",
        axis=Axis.TEAM,
        month=month,
        values={"team-0": Decimal(headcount)},
        actor=actor,
        now=NOW,
    )
    begin = time.perf_counter()
    services.run(month=month, actor=actor, now=NOW)
    return time.perf_counter() - begin


def alone(schema: str) -> None:
    """Publish three runs in this process, as a worker would, and say how much memory it took."""
    from django_tenants.utils import schema_context

    from apps.core.domain.access import system_actor
    from apps.core.domain.months import Month

    with schema_context(schema):
        seconds = [
            publish(system_actor("bench"), Month(2026, 1), 20_000 + number) for number in range(3)
        ]
    status = Path("/proc/self/status").read_text()
    peak = int(status.split("VmHWM:")[1].split()[0]) // 1024
    print(f"close, in a process of its own: {min(seconds):.2f} s, at most {peak} MiB resident")


def prepare(actor: Any, month: Any) -> None:
    """Enter teams, customers, and four rules: by headcount, tokens, cost and evenly."""
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
        customers=[
            CustomerFacts(code=f"customer-{n}", name=f"customer-{n}") for n in range(CUSTOMERS)
        ],
    )
    for owner, driver in zip(POOLS, ("heads", "tokens", "cost", ""), strict=True):
        body = {
            "code": f"pool-{owner}",
            "method": "proportional" if driver else "even",
            **({"driver": driver} if driver else {}),
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


def one_event_a_group(actor: Any) -> None:
    """Ingest an event of every combination, so that its tag set, SKU and prices are there."""
    from apps.ingest import services as ingest

    for first in range(0, GROUPS, BATCH):
        drafts = decoded([event(n) for n in range(first, min(GROUPS, first + BATCH))])
        receipt = ingest.accept_events(drafts=drafts, actor=actor, received_at=NOW)
        assert receipt.accepted == len(drafts), receipt.errors[:3]


def event(group: int) -> dict[str, Any]:
    tag_set = group // SKUS
    return {
        "id": f"seed-{group}",
        "source": "gateway",
        "time": "2026-01-01T00:00:00Z",
        "provider": "benchco",
        "model": f"model-{group % SKUS}",
        "usage": {"input_tokens": 3, "cached_input_tokens": 1, "output_tokens": 1},
        "tags": {
            "team": f"team-{tag_set % len(TEAMS)}",
            "product": f"product-{tag_set % 30}",
            "feature": f"feature-{tag_set}",
            "customer": f"customer-{tag_set % CUSTOMERS}",
            "environment": "production",
        },
        "account": "proj_1",
        "credential": "key_1",
        "operation": "chat",
    }


def made_events(events: int, parquet: Path) -> Any:
    """Write the events as Parquet: an hour of day, a random combination, random token counts."""
    import duckdb

    database = duckdb.connect(config={"threads": 2})
    prices = {name: Decimal(price) for name, price in METERS.values() if price}
    cost = " + ".join(
        f"{name} * ({int(price * 100)} + 100 * (grp % {SKUS}))" for name, price in prices.items()
    )
    database.execute(
        "COPY (SELECT grp, ('2026-01-01'::DATE + (random() * "
        f"{DAYS - 1})::INTEGER) AS day, "
        f"'team-' || (grp // {SKUS} % {len(TEAMS)}) AS team, "
        f"'customer-' || (grp // {SKUS} % {CUSTOMERS}) AS customer, "
        f"'feature-' || (grp // {SKUS}) AS feature, 'model-' || (grp % {SKUS}) AS model, "
        f"uncached, cached, output, CAST({cost} AS DECIMAL(18, 0)) * "
        "CAST(0.00000001 AS DECIMAL(18, 8)) AS cost "
        f"FROM (SELECT (random() * {GROUPS - 1})::INTEGER AS grp, "
        "(130 + random() * 4000)::BIGINT AS uncached, (60 + random() * 2000)::BIGINT AS cached, "
        f"(20 + random() * 900)::BIGINT AS output FROM range({events}))) "
        f"TO '{parquet}' (FORMAT parquet, COMPRESSION zstd)"
    )
    return database


def copied_rollups(database: Any, parquet: Path) -> int:
    """Put the events' sums by day in place of the month's rollups; return how many cells."""
    from django.db import connection

    name = connection.ops.quote_name(connection.schema_name)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT substr(t.tags->>'feature', 9)::int * {SKUS} + substr(s.model, 7)::int, "
            f"r.meter, r.tag_set, r.sku, r.price, r.currency FROM {name}.usage_rollup r "
            f"JOIN {name}.usage_tagset t ON t.id = r.tag_set "
            f"JOIN {name}.usage_sku s ON s.id = r.sku"
        )
        known = {(group, meter): ids for group, meter, *ids in cursor.fetchall()}
        assert len(known) == GROUPS * len(METERS), len(known)
        cursor.execute(f"DELETE FROM {name}.usage_rollup")
        cells = 0
        with cursor.copy(
            f"COPY {name}.usage_rollup (period, day, utc_day, meter, feed, tag_set, sku, price, "
            "currency, quantity, cost) FROM STDIN"
        ) as copy:
            for meter, (column, price) in METERS.items():
                for group, day, quantity in database.execute(
                    f"SELECT grp, day, sum({column})::BIGINT FROM read_parquet('{parquet}') "
                    "GROUP BY ALL ORDER BY ALL"
                ).fetchall():
                    tag_set, sku, price_id, currency = known[group, meter]
                    rate = Decimal(price) + group % SKUS if price else None
                    cost = None if rate is None else rate * quantity / 1_000_000
                    ids = (tag_set, sku, price_id, currency)
                    copy.write_row(("2026-01-01", day, day, meter, "request", *ids, quantity, cost))
                    cells += 1
    until_analyzed(connection, cells)
    return cells


def until_analyzed(connection: Any, cells: int) -> None:
    """Wait for autovacuum to count the cells, as it has long done when a month is closed."""
    query = (
        "SELECT reltuples FROM pg_class WHERE oid = "
        f"'{connection.schema_name}.usage_rollup_2026_01'::regclass"
    )
    for _ in range(180):
        with connection.cursor() as cursor:
            cursor.execute(query)
            if cursor.fetchone()[0] > cells // 2:
                return
        time.sleep(1)


def grouping(database: Any, parquet: Path, events: int) -> tuple[Decimal, Any]:
    """Return the total and a function that groups all events once and says events a second."""
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
