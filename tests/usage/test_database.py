"""What the database itself holds, raw SQL or not: facts stay, closed months refuse writes."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from apps.core.domain.access import system_actor
from apps.core.domain.months import Month
from apps.periods import services as periods
from apps.usage import services as usage
from apps.usage.models import Event, Rollup
from tests.ingest.factories import NOW, event, send

JANUARY = Month(2026, 1)


def refused(statement: str) -> str:
    """Run a statement that must be refused; return the database's words."""
    with (
        pytest.raises(DatabaseError) as caught,
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
    return str(caught.value)


APPEND_ONLY = [
    "usage_event",
    "usage_event_2026_01",
    "usage_eventkey",
    "usage_eventdigest",
    "usage_tagset",
    "usage_sku",
    "usage_sentsku",
    "usage_outcome",
    "usage_pricecorrection",
    "ingest_ingestbatch",
    "ingest_correction",
]


@pytest.mark.parametrize("table", APPEND_ONLY)
def test_facts_are_append_only(acme: Any, table: str) -> None:
    send([event(outcome={"name": "x"})])
    column = _A_COLUMN.get(table, "digest")
    assert "append-only" in refused(f'UPDATE "{table}" SET "{column}" = "{column}"')
    assert "append-only" in refused(f'DELETE FROM "{table}"')


_A_COLUMN = {
    "usage_event": "status",
    "usage_event_2026_01": "status",
    "usage_sku": "model",
    "usage_sentsku": "model",
    "usage_pricecorrection": "reason",
    "ingest_ingestbatch": "accepted",
    "ingest_correction": "reason",
}


def freeze() -> None:
    periods.freeze(month=JANUARY, actor=system_actor("tests"), now=NOW, price_book_version=1)


CLOSED = [
    "INSERT INTO usage_event (period, key, source, event_id, original_period, occurred_at, "
    "received_at, batch, tag_set, sent_sku, context_tokens, meters) SELECT period, key + 1, "
    "source, event_id, original_period, occurred_at, received_at, batch, tag_set, sent_sku, 0, "
    "'{}' FROM usage_event",
    "INSERT INTO usage_event_2026_01 SELECT * FROM usage_event",
    "UPDATE usage_rollup SET quantity = quantity + 1",
    "UPDATE usage_rollup_2026_01 SET quantity = quantity + 1",
    "DELETE FROM usage_rollup",
    "DELETE FROM usage_rollup_2026_01",
    "INSERT INTO usage_rollup SELECT period, day, utc_day, tag_set + 1, sku, price, meter, feed, "
    "quantity, cost, currency FROM usage_rollup",
    "INSERT INTO usage_rollup_2026_01 SELECT * FROM usage_rollup",
    "UPDATE usage_rollup SET period = '2026-02-01'",
]


@pytest.mark.parametrize("statement", CLOSED)
def test_a_frozen_month_refuses_raw_sql(acme: Any, statement: str) -> None:
    send([event()])
    before = (list(Event.objects.values_list()), set(Rollup.objects.values_list()))
    freeze()
    assert "the period 2026-01 is soft_closed" in refused(statement)
    assert (list(Event.objects.values_list()), set(Rollup.objects.values_list())) == before


@pytest.mark.parametrize("table", ["usage_event_2026_01", "usage_rollup_2026_01"])
def test_a_frozen_month_refuses_copy(acme: Any, table: str) -> None:
    freeze()
    with (
        pytest.raises(DatabaseError, match="soft_closed"),
        transaction.atomic(),
        connection.cursor() as cursor,
        connection.wrap_database_errors,
        cursor.copy(f"COPY {table} FROM STDIN") as copy,
    ):
        copy.write(b"")


@pytest.mark.parametrize("table", ["usage_event", "usage_rollup", "usage_rollup_2026_01"])
def test_nobody_truncates(acme: Any, table: str) -> None:
    assert refused(f"TRUNCATE {table}")


def test_an_unpriced_cell_has_no_cost(acme: Any) -> None:
    send([event()])
    assert "usage_rollup_unpriced" in refused("UPDATE usage_rollup SET cost = 0")


def test_a_closed_month_keeps_its_rating(acme: Any) -> None:
    send([event()])
    freeze()
    with pytest.raises(periods.PeriodNotOpen):
        usage.rerate(month=JANUARY, actor=system_actor("tests"), now=NOW)


def test_partitions_are_made_once(acme: Any, owner_connection: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_inherits WHERE inhparent = 'usage_event'::regclass")
        assert cursor.fetchone()[0] == 20
    assert usage.ensure_partitions(first=Month(2025, 1), last=Month(2026, 2)) == ()
