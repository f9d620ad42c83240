"""Fixtures that every test may use: a database of its own, tenants to live in, an owner."""

from __future__ import annotations

import os
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from pytest_django import DjangoDbBlocker

from finops_platform.embedded.credentials import APP_ROLE, OWNER_ROLE, secret
from tests import live
from tests.cluster import Cluster

CLUSTER = Cluster.of_this_run()

# A machine that others use as well is slow at times; that is no property of what is tested.
hypothesis_settings.register_profile(
    "shared", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
hypothesis_settings.load_profile("shared")


def pytest_configure(config: pytest.Config) -> None:
    """Open the place of the servers, once a run; they start when the first test needs them."""
    if not hasattr(config, "workerinput"):
        CLUSTER.open()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave nothing running and nothing on disk."""
    if not hasattr(config, "workerinput"):
        CLUSTER.close()


@pytest.fixture(scope="session")
def django_db_setup(django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Give this worker its own database, a copy of the migrated and provisioned template."""
    from django.db import connections

    CLUSTER.provide(settings.TEST_DATABASE)
    # The passwords were made with the servers, after the settings had been read.
    settings.DATABASES["default"]["PASSWORD"] = secret(CLUSTER.home, APP_ROLE)
    settings.OWNER_DATABASE["PASSWORD"] = secret(CLUSTER.home, OWNER_ROLE)
    yield
    with django_db_blocker.unblock():
        connections.close_all()


@pytest.fixture
def acme(db: None) -> Iterator[Any]:
    """Live in acme (USD, America/New_York) for one test; all is rolled back. Gives its facts."""
    with _inside("acme") as tenant:
        yield tenant


@pytest.fixture
def globex(db: None) -> Iterator[Any]:
    """Live in globex (EUR, Europe/Berlin) for one test; all is rolled back. Gives its facts.

    A test that asks for both tenants is in the one it names last.
    """
    with _inside("globex") as tenant:
        yield tenant


@pytest.fixture
def committed_db(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Open the database without a transaction around the test: whatever it commits, stays.

    Take `fresh_tenant` where you can; with this alone, remove what you wrote. Works from any
    thread; pytest-django's own `transactional_db` does not, as nobody here may TRUNCATE.
    """
    from django.db import connections

    with django_db_blocker.unblock():
        try:
            yield
        finally:
            connections.close_all()
            _forget_tenants()


@pytest.fixture
def fresh_tenant(committed_db: None) -> Iterator[Any]:
    """A new tenant (USD, UTC) whose rows are really committed, for threads and for crashes.

    Gives its facts with the connection inside its schema; other threads enter it by
    `schema_context(fresh_tenant.schema)`. The schema is dropped afterwards.
    """
    tenant = provision(slug=f"fresh-{secrets.token_hex(4)}")
    with _inside(tenant.slug) as facts:
        yield facts
    drop_tenant(slug=tenant.slug, schema=tenant.schema)


@pytest.fixture
def owner_connection(django_db_setup: None) -> Iterator[psycopg.Connection]:
    """A plain autocommit connection as the owner of all tables, beside Django's."""
    with connect_as_owner() as connection:
        yield connection


@pytest.fixture(scope="session")
def web_port(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A real web server on this worker's database: http://127.0.0.1:PORT, acme.localhost:PORT.

    It sees committed rows only (`fresh_tenant`). Chromium resolves *.localhost by itself; other
    clients call 127.0.0.1 with a Host header.
    """
    with live.web(log=tmp_path_factory.mktemp("web") / "log") as port:
        yield port


@pytest.fixture
def task_worker(committed_db: None, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A real worker on this worker's database and broker; enqueue with `live.sending()`."""
    with live.worker(log=tmp_path / "worker.log") as process:
        yield process


def provision(*, slug: str, base_currency: str = "USD", timezone: str = "UTC") -> Any:
    """Create a tenant for good; give it back to `drop_tenant`."""
    from apps.core.domain.access import system_actor
    from finops_platform.provisioning import provision_tenant

    return provision_tenant(
        actor=system_actor("tests"),
        slug=slug,
        name=slug.title(),
        base_currency=base_currency,
        timezone=timezone,
        locale="en-US",
        admin_email=f"owner@{slug}.example",
        now=datetime(2026, 1, 1, 12, tzinfo=UTC),
    )


def drop_tenant(*, slug: str, schema: str) -> None:
    """Remove a tenant that a test committed: the platform itself never deletes one."""
    from django.db import connections

    connections.close_all()
    with connect_as_owner() as connection:
        connection.execute(f'DROP SCHEMA IF EXISTS "{schema}" CASCADE')
        found = "(SELECT id FROM public.tenants_tenant WHERE slug = %s)"
        connection.execute(f"DELETE FROM public.tenants_domain WHERE tenant_id = {found}", [slug])
        connection.execute("DELETE FROM public.tenants_tenant WHERE slug = %s", [slug])
    _forget_tenants()


def connect_as_owner() -> psycopg.Connection:
    """Open an autocommit connection as the role that owns schemas and tables."""
    owner = settings.OWNER_DATABASE
    return psycopg.connect(
        host=owner["HOST"],
        port=owner["PORT"],
        user=owner["USER"],
        password=owner["PASSWORD"],
        dbname=settings.TEST_DATABASE,
        autocommit=True,
    )


@contextmanager
def _inside(slug: str) -> Iterator[Any]:
    from django.db import connection
    from django_tenants.utils import schema_context

    from apps.tenants import selectors as tenants

    connection.set_schema_to_public()
    tenant = tenants.by_slug(slug=slug)
    with schema_context(tenant.schema):
        yield tenant
    _forget_tenants()


def _forget_tenants() -> None:
    """Empty the process's memory of tenants and keys: a rollback does not tell it."""
    from apps.accounts import keyring
    from apps.tenants import roster

    roster.forget()
    keyring.forget()


@pytest.hookimpl(trylast=True)
def pytest_report_header() -> str:
    return f"test servers: {os.environ['FINOPS_TEST_HOME']}"
