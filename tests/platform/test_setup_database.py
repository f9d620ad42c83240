"""`manage.py setup_database`: two roles and a database on a PostgreSQL of one's own, repeatably."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from django.core.management import CommandError, call_command
from psycopg import sql

from finops_platform.embedded.credentials import SUPERUSER, secret
from tests.conftest import CLUSTER


@dataclass(frozen=True)
class Place:
    """A database and two roles that do not exist yet."""

    database: str
    owner: str
    app: str

    def role(self, name: str) -> dict[str, Any]:
        return {"NAME": self.database, "USER": name, "PASSWORD": f"p'w {name}"}

    def connect(self, name: str) -> psycopg.Connection:
        postgres = CLUSTER.services.postgres
        return psycopg.connect(
            host=str(postgres.socket_directory),
            user=name,
            password=f"p'w {name}",
            dbname=self.database,
            autocommit=True,
        )


@pytest.fixture
def place(django_db_setup: None, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    place = Place(*(f"setup_{os.getpid()}_{part}" for part in ("db", "owner", "app")))
    settings.DATABASE, settings.OWNER_DATABASE = place.role(place.app), place.role(place.owner)
    socket = quote(str(CLUSTER.services.postgres.socket_directory), safe="")
    password = quote(secret(CLUSTER.home, "postgres_superuser"), safe="")
    url = f"postgresql://{SUPERUSER}:{password}@/postgres?host={socket}"
    monkeypatch.setenv("SUPERUSER_DATABASE_URL", url)
    yield place
    with CLUSTER.services.postgres.connect() as server:
        drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
        server.execute(drop.format(sql.Identifier(place.database)))
        for role in (place.app, place.owner):
            server.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(role)))


def set_up() -> str:
    out = StringIO()
    call_command("setup_database", stdout=out)
    return out.getvalue()


def test_the_application_uses_rows_of_what_the_owner_makes(place: Place) -> None:
    said = set_up()
    assert said == (
        f"Database {place.database} is ready: owner {place.owner}, application {place.app}.\n"
    )
    with place.connect(place.owner) as owner, place.connect(place.app) as app:
        owner.execute("CREATE SCHEMA t_new CREATE TABLE coin (id bigserial PRIMARY KEY)")
        app.execute("INSERT INTO t_new.coin DEFAULT VALUES")
        assert app.execute("SELECT count(*) FROM t_new.coin").fetchone() == (1,)
        for forbidden in ("TRUNCATE t_new.coin", "DROP TABLE t_new.coin", "CREATE SCHEMA mine"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                app.execute(forbidden)
        extensions = app.execute("SELECT extname FROM pg_extension").fetchall()
        assert ("btree_gist",) in extensions


def test_a_second_run_changes_nothing(place: Place) -> None:
    first = set_up()
    with place.connect(place.owner) as owner:
        owner.execute("CREATE TABLE public.kept (id int PRIMARY KEY)")
    assert set_up() == first
    with place.connect(place.app) as app:
        assert app.execute("SELECT count(*) FROM public.kept").fetchone() == (0,)


def test_one_role_is_not_enough(place: Place, settings: Any) -> None:
    settings.OWNER_DATABASE = settings.DATABASE
    with pytest.raises(CommandError, match="two different roles"):
        set_up()


def test_a_server_that_refuses_is_said_plainly(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUPERUSER_DATABASE_URL", "postgresql://nobody:x@127.0.0.1:1/postgres")
    with pytest.raises(CommandError, match="the database answers: "):
        set_up()
