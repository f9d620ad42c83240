"""Recorded production traffic through the real service: the sums are exact, whatever the order."""

from __future__ import annotations

import csv
import gzip
import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connection, connections
from django_tenants.utils import schema_context

from apps.core.domain.errors import TooMany
from apps.ingest.domain.receipt import Receipt
from apps.usage import services as usage
from apps.usage.models import Event, EventKey, Rollup
from tests.ingest.factories import NOW, contract, send

DATA = Path(__file__).parents[2] / "finops_platform" / "demo" / "data"
START = datetime(2026, 1, 15, 10, tzinfo=UTC)


def rows(name: str) -> Iterator[dict[str, str]]:
    with gzip.open(DATA / name, "rt", encoding="utf-8", newline="") as text:
        yield from csv.DictReader(text)


def trace(name: str) -> list[dict[str, Any]]:
    first: datetime | None = None
    events = []
    for number, row in enumerate(rows(f"azure_{name}.csv.gz")):
        moment = datetime.fromisoformat(row["TIMESTAMP"][:26])
        first = first or moment
        events.append(
            {
                "id": f"{name}-{number}",
                "source": "azure-trace",
                "time": (START + (moment - first)).isoformat(),
                "provider": "testco",
                "model": "gpt",
                "usage": {
                    "input_tokens": int(row["ContextTokens"]),
                    "output_tokens": int(row["GeneratedTokens"]),
                },
                "tags": {"team": name, "shift": str(number % 7)},
            }
        )
    return events


def total() -> Decimal:
    return sum((row.cost for row in Rollup.objects.exclude(price=0)), Decimal(0))


def parts(events: list[dict[str, Any]], size: int) -> list[list[dict[str, Any]]]:
    return [events[start : start + size] for start in range(0, len(events), size)]


@pytest.mark.parametrize(
    ("name", "count", "tokens", "cost"),
    [
        ("code", 8_819, (18_059_974, 245_896), "47.608895"),
        ("conv", 19_366, (22_361_870, 4_088_665), "96.791325"),
    ],
)
def test_azure_traces(acme: Any, name: str, count: int, tokens: tuple[int, int], cost: str) -> None:
    contract(model="gpt", input_tokens="2.50", output_tokens="10")
    accepted = sum(send(part, received_at=NOW).accepted for part in parts(trace(name), 10_000))
    assert accepted == count
    sums = {
        meter: sum(row.quantity for row in Rollup.objects.filter(meter=meter))
        for meter in ("input_tokens", "output_tokens", "requests")
    }
    assert (sums["input_tokens"], sums["output_tokens"], sums["requests"]) == (*tokens, count)
    assert total() == Decimal(cost)
    assert usage.verify_rollups() == []


def test_mooncake_prefix_reuse_is_cached_input(globex: Any) -> None:
    contract(model="gpt", input_tokens="2", cached_input_tokens="0.5", output_tokens="8")
    events = [
        {
            "id": f"m-{number}",
            "source": "mooncake",
            "time": (START + timedelta(milliseconds=int(row["timestamp"]))).isoformat(),
            "provider": "testco",
            "model": "gpt",
            "usage": {
                "input_tokens": int(row["input_length"]),
                "cached_input_tokens": int(row["cached_length"]),
                "output_tokens": int(row["output_length"]),
            },
        }
        for number, row in enumerate(rows("mooncake.csv.gz"))
    ]
    assert sum(send(part).accepted for part in parts(events, 10_000)) == 12_031
    fresh, cached, output = 144_793_823 - 54_098_411, 54_098_411, 4_122_048
    assert total() == (fresh * 2 + cached * Decimal("0.5") + output * 8) / 1_000_000


def test_the_founding_example(acme: Any) -> None:
    contract(model="gpt", input_tokens="0.12", output_tokens="0.36")
    send(
        [
            {
                "id": "1",
                "source": "s",
                "time": "2026-01-15T00:00:00Z",
                "provider": "testco",
                "model": "gpt",
                "usage": {"input_tokens": 128_000, "output_tokens": 128_000},
            }
        ]
    )
    assert total() == Decimal("0.06144")


@pytest.mark.slow
def test_replayed_ten_times_shuffled_and_at_once(fresh_tenant: Any) -> None:
    """Ten replays of the code trace by four threads, every one in another order and cut."""
    contract(model="gpt", input_tokens="2.50", output_tokens="10")
    events = trace("code")
    accepted, duplicates, conflicts = 0, 0, 0
    with ThreadPoolExecutor(4) as pool:
        for done in pool.map(lambda seed: _replay(fresh_tenant.schema, events, seed), range(10)):
            accepted += done[0]
            duplicates += done[1]
            conflicts += done[2]
    assert (accepted, duplicates, conflicts) == (8_819, 9 * 8_819, 0)
    assert EventKey.objects.count() == Event.objects.count() == 8_819
    assert total() == Decimal("47.608895")
    assert usage.verify_rollups() == []


def _replay(schema: str, events: list[dict[str, Any]], seed: int) -> tuple[int, int, int]:
    shuffled = events[:]
    random.Random(seed).shuffle(shuffled)
    try:
        with schema_context(schema):
            receipts = [_sent(part) for part in parts(shuffled, 2_000 + 97 * seed)]
    finally:
        connections.close_all()
    return (
        sum(receipt.accepted for receipt in receipts),
        sum(receipt.duplicates for receipt in receipts),
        sum(receipt.conflicts for receipt in receipts),
    )


def _sent(part: list[dict[str, Any]]) -> Receipt:
    """Send a part, again when the process has its hands full, as every sender does."""
    while True:
        try:
            return send(part)
        except TooMany as busy:
            time.sleep(busy.retry_after / 20)


@pytest.mark.slow
def test_a_writer_killed_in_the_middle_leaves_nothing_half(fresh_tenant: Any) -> None:
    """The backend of a writer is terminated after the keys were written; then all is sent again."""
    from unittest import mock

    from apps.usage import store

    contract(model="gpt", input_tokens="2.50", output_tokens="10")
    events = trace("code")[:3_000]
    whole = store.copy_events

    def killed(*args: Any, **kwargs: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            backend = cursor.fetchone()[0]
        _terminate(backend)
        whole(*args, **kwargs)

    with mock.patch.object(store, "copy_events", killed), pytest.raises(OperationalError):
        send(events)
    connection.close()
    assert EventKey.objects.count() == Rollup.objects.count() == 0
    assert send(events).accepted == 3_000
    assert usage.verify_rollups() == []


def _terminate(backend: int) -> None:
    from tests.conftest import CLUSTER

    with CLUSTER.services.postgres.connect() as server:
        server.execute("SELECT pg_terminate_backend(%s)", [backend])
