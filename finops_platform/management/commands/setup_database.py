"""Makes roles, database and default privileges on a PostgreSQL of yours, with a superuser's URL."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from typing import Any

import psycopg
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from psycopg import conninfo

from finops_platform.database_setup import DatabaseSetup, set_up_database
from finops_platform.env import Env


class Command(BaseCommand):
    help = (
        "Create the owner role, the application role, the database and its default privileges. "
        "Takes the names and passwords from DATABASE_URL and OWNER_DATABASE_URL, and connects "
        "with SUPERUSER_DATABASE_URL. Safe to repeat."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--wait", type=int, default=0, help="seconds to wait for the server")

    def handle(self, *args: Any, **options: Any) -> None:
        setup = _setup_from_settings()
        url = Env().text("SUPERUSER_DATABASE_URL")
        try:
            with _connect_patiently(url, seconds=options["wait"]) as server:
                set_up_database(
                    server, connect=lambda: _connect_to(url, setup.database), setup=setup
                )
        except psycopg.Error as error:
            raise CommandError(f"the database answers: {str(error).strip()}") from error
        self.stdout.write(
            f"Database {setup.database} is ready: owner {setup.owner}, application {setup.app}."
        )


def _setup_from_settings() -> DatabaseSetup:
    """Read both roles.

    :raises CommandError: when there are not two of them.
    """
    app, owner = settings.DATABASE, settings.OWNER_DATABASE
    if owner is None or owner["USER"] == app["USER"]:
        raise CommandError(
            "set DATABASE_URL and OWNER_DATABASE_URL to two different roles of the same database."
        )
    return DatabaseSetup(
        database=app["NAME"],
        owner=owner["USER"],
        owner_password=owner["PASSWORD"],
        app=app["USER"],
        app_password=app["PASSWORD"],
    )


def _connect_patiently(url: str, *, seconds: int) -> psycopg.Connection:
    deadline = time.monotonic() + seconds
    while True:
        try:
            return psycopg.connect(url, autocommit=True, connect_timeout=5)
        except psycopg.OperationalError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(1)


def _connect_to(url: str, database: str) -> psycopg.Connection:
    return psycopg.connect(
        conninfo.make_conninfo(url, dbname=database), autocommit=True, connect_timeout=5
    )
