"""Allocating a month of ten million events against DuckDB's group-by over the same events.

    python -m benchmarks.close [events]     on servers that run (make bench starts its own)

5,000 combinations of tags and SKU, four meters each: 20,000 groups, 31 days. The events are made by
DuckDB as Parquet (zstd), a row an event with what a close needs of it: time, eight tags and
reserved keys, provider, model, currency, tokens and the exact cost (DECIMAL) of each meter. The
platform holds what ingest keeps of them: tag sets, SKUs and prices come from one real event a
combination, then the month's rollups (620,000 cells, in order of their days) are the events' own
sums by day, copied in. The close reads the rollups, gives every cost line its owner, runs four
shared pools over ten teams and both axes, writes sources, reasons and some 80,000 lines, and
publishes them with the database's own check, durably.

DuckDB (2 threads, the file warm) answers from the events what the close reads from the rollups:
per combination, within the month, quantity and exact cost of every meter, first and last day. Each
of the 20,000 groups must be equal. The leaner group-by that is told beside it has four of the
eleven columns and one cost, which no close could be made of. The close never reads events, so more
of them change only DuckDB's side: give 100,000,000 to see. Last it is run in a process of its own,
which says how much memory it took.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
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
TAGS: Final = ("team", "product", "feature", "customer", "environment")
GROUPED_BY: Final = (*TAGS, "account", "credential", "operation", "provider", "model", "currency")
IN_MONTH: Final = "occurred_at >= '2026-01-01' AND occurred_at < '2026-02-01'"


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
    grouped = grouping(database, parquet, events)
    facts = allocation.published(month)
    assert from_events(database, parquet) == from_rollups(month), "the groups are not equal"
    for ratio in interleaved(grouped, {"read, allocate, write, publish": allocated}, rounds=ROUNDS):
        print(
            f"close of {events:,} events in {cells:,} rollups, {ratio}  "
            f"[{facts.source_count:,} cost lines, {facts.line_count:,} lines on two axes]"
        )
        print(
            f"close, a run: {events / ratio.rate:.2f} s, DuckDB {events / ratio.calibration:.2f} s"
        )
    lean = sorted(leaner(database, parquet) for _ in range(ROUNDS))[ROUNDS // 2]
    print(f"close, DuckDB by four columns with one cost: {lean:.2f} s")
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
    """Write the events as Parquet: a random moment and combination, random token counts."""
    import duckdb

    database = duckdb.connect(config={"threads": 2})
    costs = ", ".join(
        f"CAST({name} * ({int(Decimal(price) * 100)} + 100 * (grp % {SKUS})) AS DECIMAL(18, 0)) "
        f"* CAST(0.00000001 AS DECIMAL(18, 8)) AS {name}_cost"
        for name, price in METERS.values()
        if price
    )
    database.execute(
        "COPY (SELECT '2026-01-01'::TIMESTAMP + to_seconds((random() * "
        f"{DAYS * 86_400 - 1})::INTEGER) AS occurred_at, "
        f"'team-' || (grp // {SKUS} % {len(TEAMS)}) AS team, "
        f"'product-' || (grp // {SKUS} % 30) AS product, "
        f"'feature-' || (grp // {SKUS}) AS feature, "
        f"'customer-' || (grp // {SKUS} % {CUSTOMERS}) AS customer, "
        "'production' AS environment, 'proj_1' AS account, 'key_1' AS credential, "
        f"'chat' AS operation, 'benchco' AS provider, 'model-' || (grp % {SKUS}) AS model, "
        f"'USD' AS currency, uncached, cached, output, {costs} "
        f"FROM (SELECT (random() * {GROUPS - 1})::INTEGER AS grp, "
        "(130 + random() * 4000)::BIGINT AS uncached, (60 + random() * 2000)::BIGINT AS cached, "
        f"(20 + random() * 900)::BIGINT AS output FROM range({events}))) "
        f"TO '{parquet}' (FORMAT parquet, COMPRESSION zstd)"
    )
    return database


def copied_rollups(database: Any, parquet: Path) -> int:
    """Put the events' sums by day in place of the month's rollups; return how many cells."""
    from django.db import connection

    from apps.core.db import current_schema

    name = connection.ops.quote_name(current_schema())
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
            for group, day, meter, quantity, cost in daily(database, parquet):
                ids = known[group, meter]
                copy.write_row(("2026-01-01", day, day, meter, "request", *ids, quantity, cost))
                cells += 1
    until_analyzed(connection, cells)
    return cells


def daily(database: Any, parquet: Path) -> Iterator[tuple[int, Any, str, int, Decimal | None]]:
    """Yield the events' sums by day, combination and meter, in that order, as ingest meets them."""
    sums = ", ".join(
        f"sum({column})::BIGINT, " + (f"sum({column}_cost)" if price else "NULL")
        for column, price in METERS.values()
    )
    database.execute(
        f"SELECT substr(feature, 9)::INT * {SKUS} + substr(model, 7)::INT AS grp, "
        f"occurred_at::DATE AS day, {sums} FROM read_parquet('{parquet}') GROUP BY 1, 2 "
        "ORDER BY 2, 1"
    )
    while rows := database.fetchmany(10_000):
        for group, day, *found in rows:
            for place, meter in enumerate(METERS):
                yield group, day, meter, found[2 * place], found[2 * place + 1]


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


def group_by(parquet: Path) -> str:
    """Return the query that answers from events what a close reads from rollups."""
    sums = ", ".join(
        f"sum({column})" + (f", sum({column}_cost)" if price else "")
        for column, price in METERS.values()
    )
    return (
        f"SELECT {', '.join(GROUPED_BY)}, {sums}, min(occurred_at), max(occurred_at) "
        f"FROM read_parquet('{parquet}') WHERE {IN_MONTH} GROUP BY ALL"
    )


def grouping(database: Any, parquet: Path, events: int) -> Callable[[], float]:
    """Return a function that groups all events once and says events a second."""
    query = group_by(parquet)

    def grouped() -> float:
        begin = time.perf_counter()
        database.execute(query).fetchall()
        return events / (time.perf_counter() - begin)

    grouped()
    return grouped


def leaner(database: Any, parquet: Path) -> float:
    """Group by four columns with one cost and no month; return the seconds it took."""
    query = (
        "SELECT team, customer, feature, model, count(*), sum(uncached), sum(cached), sum(output), "
        f"sum(output_cost) FROM read_parquet('{parquet}') GROUP BY ALL"
    )
    begin = time.perf_counter()
    database.execute(query).fetchall()
    return time.perf_counter() - begin


Groups = dict[tuple[str, ...], tuple[Decimal, Decimal, Any, Any]]
"""By tags, reserved keys, provider, model, currency and meter: quantity, cost, first, last day."""


def from_events(database: Any, parquet: Path) -> Groups:
    """Return the 20,000 groups as DuckDB sums them up."""
    found: Groups = {}
    for row in database.execute(group_by(parquet)).fetchall():
        keys, sums = row[: len(GROUPED_BY)], iter(row[len(GROUPED_BY) : -2])
        days = row[-2].date(), row[-1].date()
        for meter, (_, price) in METERS.items():
            quantity = Decimal(next(sums))
            found[(*keys, meter)] = quantity, next(sums) if price else Decimal(0), *days
    return found


def from_rollups(month: Any) -> Groups:
    """Return the groups as the cost base has them."""
    from apps.costs import selectors as costs

    return {
        (
            *(line.tags[tag] for tag in (*TAGS, "account", "credential", "operation")),
            *(line.provider, line.model, line.original_currency, line.meter),
        ): (line.quantity, line.original_amount, line.first_day, line.last_day)
        for line in costs.cost_base(month=month).lines
    }


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
