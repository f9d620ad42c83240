"""The demo on a database without tenants: loaded, loaded again, closed, loaded once more.

Given recorded traffic; when it is posted twice; then no number moves; and when the complete
months are closed, every one of them is allocated to the last digit.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from django.conf import settings
from psycopg import sql

from finops_platform.embedded.credentials import OWNER_ROLE, secret
from finops_platform.embedded.home import REPOSITORY, Home
from tests.conftest import CLUSTER

pytestmark = pytest.mark.slow

Summary = dict[str, Any]
Load = Callable[..., list[Summary]]

# The second of a month: the month of today is nearly empty, so that the whole takes less long.
TODAY = (datetime.now(UTC).date().replace(day=1) - timedelta(days=1)).replace(day=2)

COMPLETE = {"acme": [28_185, 30_337], "globex": [12_031, 12_031]}
"""Events of the two complete months: as many as the traces hold, and the surge of acme's second."""

LATE = {"acme": 40, "globex": 12}
"""Requests of the first month that come after its close, and are booked in the second."""

LATE_COST = Decimal("0.226") + Decimal("4.9")
"""What acme's second month bears of them, and of the late bill beyond what was accrued."""


@pytest.fixture
def load(tmp_path: Any) -> Iterator[Load]:
    """Run the demo on a migrated database that holds prices and no tenant."""
    database = f"{settings.TEST_DATABASE}_demo"
    CLUSTER.provide(database)
    _drop_tenants(database)
    passwords = Home(CLUSTER.home.root).secrets / "demo.json"
    passwords.unlink(missing_ok=True)

    def run(*options: str) -> list[Summary]:
        done = subprocess.run(
            [sys.executable, "-m", "tests.flows.demo", TODAY.isoformat(), *options],
            cwd=REPOSITORY,
            env={
                **os.environ,
                "DJANGO_SETTINGS_MODULE": "finops_platform.settings.test",
                "FINOPS_TEST_DATABASE": database,
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    yield run
    passwords.unlink(missing_ok=True)
    with CLUSTER.services.postgres.connect() as server:
        server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(database)))


def test_the_demo_conserves_and_replays(load: Load) -> None:
    first = load("--no-close")
    assert {slug: _events(first, slug)[:2] for slug in COMPLETE} == COMPLETE
    assert all(Decimal(one["cost"]) > 0 for one in first)
    assert {(one["state"], one["difference"], one["documents"]) for one in first} == {
        ("open", None, 0)
    }
    assert _drawn() > 0, "the experiment that runs is drawn down by its own team"

    closed = load()  # replays every event before it closes the months
    for slug, (one, two, now) in {slug: _events(first, slug) for slug in COMPLETE}.items():
        assert _events(closed, slug) == [one, two + LATE[slug], now]
    before, after = _costs(first, "acme"), _costs(closed, "acme")
    assert (after[0], after[2]) == (before[0], before[2])
    assert Decimal(after[1]) - Decimal(before[1]) == LATE_COST
    assert _costs(closed, "globex") != _costs(first, "globex"), "the frozen rate is another one"
    for one in closed:
        if one["month"] == f"{TODAY:%Y-%m}":
            assert (one["state"], one["difference"], one["documents"]) == ("open", None, 0)
        else:
            assert (one["state"], Decimal(one["difference"])) == ("closed", 0)
            assert one["documents"] == {"acme": 5, "globex": 4}[one["tenant"]]

    assert load() == closed


def _events(found: list[Summary], slug: str) -> list[int]:
    return [int(Decimal(one["events"])) for one in found if one["tenant"] == slug]


def _costs(found: list[Summary], slug: str) -> list[str]:
    return [one["cost"] for one in found if one["tenant"] == slug]


def _drawn() -> Decimal:
    """Return what was spent of the grant of acme's running experiment."""
    with _as_owner(f"{settings.TEST_DATABASE}_demo") as connection:
        row = connection.execute(
            "SELECT schema_name FROM public.tenants_tenant WHERE slug = 'acme'"
        ).fetchone()
        assert row is not None
        windows, budgets = (
            sql.Identifier(row[0], name) for name in ("budgets_budgetwindow", "budgets_budget")
        )
        spent = sql.SQL(
            "SELECT sum(w.spent) FROM {} w JOIN {} b ON b.id = w.budget_id WHERE b.is_grant"
        )
        found = connection.execute(spent.format(windows, budgets)).fetchone()
    assert found is not None
    return Decimal(found[0])


def _as_owner(database: str) -> psycopg.Connection[Any]:
    owner = settings.OWNER_DATABASE
    return psycopg.connect(
        host=owner["HOST"],
        port=owner["PORT"],
        user=OWNER_ROLE,
        password=secret(CLUSTER.home, OWNER_ROLE),
        dbname=database,
        autocommit=True,
    )


def _drop_tenants(database: str) -> None:
    """Take the tenants of the template away, as the owner of their tables."""
    with _as_owner(database) as connection:
        found = connection.execute("SELECT schema_name FROM public.tenants_tenant").fetchall()
        for (schema,) in found:
            connection.execute(
                sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(schema))
            )
        connection.execute("DELETE FROM public.tenants_domain")
        connection.execute("DELETE FROM public.tenants_tenant")
