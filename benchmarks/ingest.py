"""Library ingest of 10,000-event batches against a bare binary COPY of the same rows.

    python -m benchmarks.ingest            on servers that run (make bench starts its own)

Every batch: 300 tag sets, 10 SKUs, 10 % duplicates of stored events, one day of use, keys, events
and rollups in one transaction with synchronous commit. The calibration writes the event rows of
such a batch, encoded beforehand, into a heap without index or partition. Ids count upwards, or are
random (uuid4); a replay sends a batch that is stored; two writers are two processes.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import uuid4

from benchmarks.rounds import interleaved

BATCH = 10_000
DUPLICATES = 1_000
TAG_SETS = 300
SKUS = 10
ROUNDS = 7
WRITER_BATCHES = 3
WARM = 3
NOW = datetime(2026, 1, 20, 12, tzinfo=UTC)
DAY = datetime(2026, 1, 19, tzinfo=UTC)


@contextmanager
def tenant(slug: str) -> Iterator[Any]:
    """A tenant with contract prices for ten SKUs, left in place: the servers are temporary."""
    from django_tenants.utils import schema_context

    from apps.core.domain.access import system_actor
    from finops_platform.provisioning import provision_tenant

    made = provision_tenant(
        actor=system_actor("bench"),
        slug=slug,
        name=slug,
        base_currency="USD",
        timezone="UTC",
        locale="en-US",
        admin_email=f"owner@{slug}.example",
        now=NOW,
    )
    with schema_context(made.schema):
        _prices()
        yield made


def _prices() -> None:
    from apps.core.domain.access import system_actor
    from apps.rating import services as rating

    actor = system_actor("bench")
    for number in range(SKUS):
        for meter, amount in (
            ("input_tokens", "2.50"),
            ("cached_input_tokens", "1.25"),
            ("output_tokens", "10"),
        ):
            draft = rating.ContractDraft(
                provider="benchco",
                model=f"model-{number}",
                meter=meter,
                amount=Decimal(amount) + number,
                unit_size=1_000_000,
                currency="USD",
                valid_from=datetime(2024, 1, 1, tzinfo=UTC),
            )
            rating.record_contract_price(draft=draft, actor=actor, now=NOW)
    rating.adopt_version(actor=actor, now=NOW)


class Traffic:
    """Makes batches: ids grow, every batch repeats a thousand events of the one before."""

    def __init__(
        self, *, models_a_tag_set: int, seed: int = 7, has_random_ids: bool = False
    ) -> None:
        self.random = random.Random(seed)
        self.models = models_a_tag_set
        self.has_random_ids = has_random_ids
        self.next = 0
        self.run = secrets.token_hex(3)
        self.last: list[dict[str, Any]] = []

    def batch(self) -> list[dict[str, Any]]:
        fresh = [self._event() for _ in range(BATCH - (DUPLICATES if self.last else 0))]
        again = self.random.sample(self.last, DUPLICATES) if self.last else []
        self.last = fresh
        both = fresh + again
        self.random.shuffle(both)
        return both

    def _event(self) -> dict[str, Any]:
        self.next += 1
        tag_set = self.random.randrange(TAG_SETS)
        model = (tag_set + self.random.randrange(self.models)) % SKUS
        at = DAY + timedelta(microseconds=self.random.randrange(86_000_000_000))
        total = self.random.randrange(200, 6_000)
        return {
            "id": str(uuid4()) if self.has_random_ids else f"{self.run}-{self.next:012d}",
            "source": "gateway",
            "time": at.isoformat().replace("+00:00", "Z"),
            "provider": "benchco",
            "model": f"model-{model}",
            "usage": {
                "input_tokens": total,
                "cached_input_tokens": total // 3,
                "output_tokens": self.random.randrange(20, 900),
            },
            "tags": {
                "team": f"team-{tag_set % 12}",
                "product": f"product-{tag_set % 30}",
                "feature": f"feature-{tag_set}",
                "customer": f"customer-{tag_set % 60}",
                "environment": "production",
            },
            "account": "proj_1",
            "credential": "key_1",
            "operation": "chat",
            "trace_id": secrets.token_hex(16),
        }


def decoded(events: list[dict[str, Any]]) -> list[Any]:
    import msgspec

    from apps.usage.domain.decode import Form, decode_events

    return decode_events(body=msgspec.json.encode(events), form=Form.JSON)


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "finops_platform.settings.embedded")
    import django

    django.setup()
    with tenant(f"bench-{secrets.token_hex(3)}"):
        run()


def run() -> None:
    from apps.core.domain.access import system_actor
    from apps.ingest import services as ingest

    actor = system_actor("bench")
    streams = {
        "one SKU a tag set": Traffic(models_a_tag_set=1, seed=8),
        "all SKUs in every tag set": Traffic(models_a_tag_set=SKUS),
        "one SKU a tag set, random ids": Traffic(models_a_tag_set=1, seed=9, has_random_ids=True),
    }

    def case(traffic: Traffic) -> float:
        return timed(decoded(traffic.batch()))

    def timed(drafts: list[Any]) -> float:
        begin = time.perf_counter()
        receipt = ingest.accept_events(drafts=drafts, actor=actor, received_at=NOW)
        took = time.perf_counter() - begin
        assert receipt.accepted + receipt.duplicates == BATCH, receipt
        return BATCH / took

    for traffic in streams.values():
        for _ in range(WARM):
            case(traffic)
    calibrate = calibration()
    cases: dict[str, Callable[[], float]] = {
        name: partial(case, traffic) for name, traffic in streams.items()
    }
    ordered = streams["one SKU a tag set"]
    cases["a full replay"] = lambda: timed(decoded(ordered.last + ordered.last[:DUPLICATES]))
    with writing(2) as writers:
        cases |= {"1 writer process": lambda: writers(1), "2 writer processes": lambda: writers(2)}
        ratios = {one.name: one for one in interleaved(calibrate, cases, rounds=ROUNDS)}
    for name, ratio in ratios.items():
        shape = f"  [{shape_of(streams[name])}]" if name in streams else ""
        print(f"ingest, library, {ratio}{shape}")
    one, two = ratios["1 writer process"], ratios["2 writer processes"]
    print(f"ingest, library, two writers against one: {two.median / one.median:.2f}")
    ids = ratios["one SKU a tag set, random ids"].median / ratios["one SKU a tag set"].median
    print(f"ingest, library, random ids against ordered ones: {ids:.2f}")


@contextmanager
def writing(count: int) -> Iterator[Callable[[int], float]]:
    """Keep writer processes in this tenant; give what lets some of them ingest at once."""
    from apps.core.db import current_schema

    context = multiprocessing.get_context("spawn")
    pipes: list[Any] = []
    processes = []
    for number in range(count):
        ours, theirs = context.Pipe()
        process = context.Process(
            target=_writer, args=(theirs, current_schema(), number), daemon=True
        )
        process.start()
        pipes.append(ours)
        processes.append(process)

    def at_once(how_many: int) -> float:
        chosen = pipes[:how_many]
        for pipe in chosen:
            pipe.send("make")
        for pipe in chosen:
            pipe.recv()
        begin = time.perf_counter()
        for pipe in chosen:
            pipe.send("go")
        for pipe in chosen:
            pipe.recv()
        return how_many * WRITER_BATCHES * BATCH / (time.perf_counter() - begin)

    try:
        at_once(count)
        yield at_once
    finally:
        for pipe, process in zip(pipes, processes, strict=True):
            pipe.send("end")
            process.join(20)


def _writer(pipe: Any, schema: str, number: int) -> None:
    """Make batches when asked, and store them when told to go."""
    import django

    django.setup()
    from django_tenants.utils import schema_context

    from apps.core.domain.access import system_actor
    from apps.ingest import services as ingest

    traffic, actor = Traffic(models_a_tag_set=1, seed=20 + number), system_actor("bench")
    with schema_context(schema):
        while pipe.recv() != "end":
            batches = [decoded(traffic.batch()) for _ in range(WRITER_BATCHES)]
            pipe.send("ready")
            pipe.recv()
            for drafts in batches:
                ingest.accept_events(drafts=drafts, actor=actor, received_at=NOW)
            pipe.send("done")


def shape_of(traffic: Traffic) -> str:
    """Say how many days, meters and rollup rows a batch has."""
    combos = {(event["tags"]["feature"], event["model"]) for event in traffic.last}
    return (
        f"1 day, 4 meters, {len(combos) * 4:,} rollup rows, {BATCH:,} events, "
        f"{DUPLICATES:,} duplicates"
    )


def calibration() -> Callable[[], float]:
    """Return a bare binary COPY of a batch's event rows, encoded beforehand, as rows a second."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE pick AS SELECT * FROM usage_event LIMIT 10000")
        payload = bytearray()
        with cursor.copy("COPY pick TO STDOUT (FORMAT BINARY)") as out:
            for part in out:
                payload += bytes(part)
        cursor.execute("SELECT count(*) FROM pick")
        rows: int = cursor.fetchone()[0]
    bare = f"bare_{secrets.token_hex(3)}"
    from apps.core.db import as_owner, current_schema

    schema = current_schema()
    with as_owner(), connection.cursor() as cursor:
        cursor.execute(f'CREATE TABLE "{schema}"."{bare}" (LIKE "{schema}".usage_event)')
    data = bytes(payload)

    def copy() -> float:
        begin = time.perf_counter()
        with (
            connection.cursor() as cursor,
            cursor.copy(f'COPY "{schema}"."{bare}" FROM STDIN (FORMAT BINARY)') as into,
        ):
            into.write(data)
        return rows / (time.perf_counter() - begin)

    copy()
    return copy


if __name__ == "__main__":
    main()
