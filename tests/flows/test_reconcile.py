"""`reconcile` ends non-zero at every link of the chain, and names the one that broke.

Nothing but the owner of the tables can break a closed month, so each test does what an owner could:
it takes the guards off, changes one amount, and gives all of it back.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.core.management import CommandError, call_command
from django.db import connection, transaction

from apps.core.db import as_owner
from tests.flows.test_month import FIRST, JANUARY, book, close, entered, january

BREAKS = {
    "an event is lost": (
        "usage_event_2026_01",
        "DELETE FROM {table} WHERE key = (SELECT min(key) FROM {table})",
        ["rollups differ from what the events say"],
    ),
    "an event says more": (
        "usage_event_2026_01",
        "UPDATE {table} SET meters = jsonb_set(meters, '{{output_tokens}}', '999') "
        "WHERE key = (SELECT min(key) FROM {table})",
        ["rollups differ from what the events say"],
    ),
    "a rollup costs more": (
        "usage_rollup_2026_01",
        "UPDATE {table} SET cost = cost + 0.000001 WHERE cost IS NOT NULL "
        "AND tag_set = (SELECT min(tag_set) FROM {table})",
        ["rollups differ from what the events say", "cost base = sources"],
    ),
    "a bill states another total": (
        "costs_bill",
        "UPDATE {table} SET totals = jsonb_set(totals, '{{USD,effective}}', '\"1\"')",
        ["totals as imported = lines of the bills"],
    ),
    "a charge is changed": (
        "costs_billline_2026_01",
        "UPDATE {table} SET effective_cost = effective_cost + 1, billed_cost = billed_cost + 1",
        ["totals as imported = lines of the bills", "cost base = sources"],
    ),
    "a source is changed": (
        "allocation_source",
        "UPDATE {table} SET effective = effective + 0.000000000001 "
        "WHERE id = (SELECT min(id) FROM {table})",
        ["cost base = sources", "sources = lines by team", "sources = lines by customer"],
    ),
    "a team bears more": (
        "allocation_line",
        "UPDATE {table} SET effective = effective + 0.000000000001 "
        "WHERE id = (SELECT min(id) FROM {table} WHERE axis = 'team')",
        ["sources = lines by team, effective"],
    ),
    "a team bears a cent more": (
        "allocation_line",
        "UPDATE {table} SET effective = effective + 0.01 "
        "WHERE id = (SELECT min(id) FROM {table} WHERE axis = 'team')",
        ["sources = lines by team, effective", "lines = 3 statements, effective"],
    ),
    "a customer is billed less": (
        "allocation_line",
        "UPDATE {table} SET billed = billed - 0.01 "
        "WHERE id = (SELECT min(id) FROM {table} WHERE axis = 'customer')",
        ["sources = lines by customer, billed"],
    ),
    "a statement is changed": (
        "documents_document",
        "UPDATE {table} SET total = total + 0.01 WHERE id = (SELECT min(id) FROM {table})",
        ["lines = 3 statements, effective", "statements = journal"],
    ),
    "a statement is gone": (
        "chargeback_statement",
        "UPDATE {table} SET run = gen_random_uuid() WHERE id = (SELECT min(id) FROM {table})",
        ["lines = 2 statements, effective", "statements = journal"],
    ),
    "a journal charges more": (
        "chargeback_journalline",
        "UPDATE {table} SET debit = debit + 0.01 WHERE id = "
        "(SELECT min(id) FROM {table} WHERE cost_center <> '' AND debit > 0)",
        ["statements = journal"],
    ),
}
"""By what happened: the table, the change, and the links that must say so."""


def test_every_break_is_found_and_named(fresh_tenant: Any, settings: Any, tmp_path: Path) -> None:
    cast = entered(settings, tmp_path)
    january()
    close(JANUARY, cast, FIRST)
    book(JANUARY)
    assert reconciled(fresh_tenant.slug) == []
    for name, (table, change, links) in BREAKS.items():
        with broken(fresh_tenant.schema, table, change):
            found = reconciled(fresh_tenant.slug)
        for link in links:
            assert any(link in line for line in found), (name, link, found)
    assert reconciled(fresh_tenant.slug) == []


@contextmanager
def broken(schema: str, table: str, change: str) -> Iterator[None]:
    """Change a table behind the back of its guards, as its owner, until the block ends."""
    name = f'"{schema}"."{table}"'
    with as_owner(), transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE {name} DISABLE TRIGGER USER")
            cursor.execute(change.format(table=name))
            assert cursor.rowcount > 0, table
        yield
        transaction.set_rollback(True)


def reconciled(slug: str) -> list[str]:
    """Return the lines of `reconcile` that tell a break; none when it ends well."""
    out = io.StringIO()
    try:
        call_command("reconcile", slug, str(JANUARY), stdout=out)
    except CommandError as error:
        assert str(error) == f"{JANUARY} does not reconcile."
        told = [line for line in out.getvalue().splitlines() if _tells(line)]
        assert told, out.getvalue()
        return told
    assert "reconciles: difference 0.00" in out.getvalue()
    return []


def _tells(line: str) -> bool:
    return "differ from what" in line or (
        ", difference " in line and not line.endswith(", difference 0.00")
    )
