"""PostgreSQL and Valkey together: start what no environment variable replaces, stop it, name it."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from urllib.parse import quote

from finops_platform.database_setup import DatabaseSetup, set_up_database
from finops_platform.embedded.credentials import APP_ROLE, OWNER_ROLE, existing_secret, secret
from finops_platform.embedded.home import Home
from finops_platform.embedded.postgres import Postgres
from finops_platform.embedded.valkey import Valkey

DATABASE = "finops"


@dataclass(frozen=True, slots=True)
class Services:
    """The embedded servers of one home; each drops out when its URL is set in the environment."""

    home: Home
    durable: bool = True

    @property
    def postgres(self) -> Postgres:
        return Postgres(home=self.home, durable=self.durable)

    @property
    def valkey(self) -> Valkey:
        return Valkey(home=self.home, durable=self.durable)

    def start(self) -> list[str]:
        """Bring up what is needed and return the names of the servers that this call started.

        :raises StartRefused: when a server does not come up; the others are left as they are.
        """
        self.home.prepare()
        secret(self.home, "secret_key")
        with self.home.locked():
            started: list[str] = []
            if needs_postgres():
                if self.postgres.start():
                    started.append("PostgreSQL")
                self.set_up_database(DATABASE)
            if needs_valkey() and self.valkey.start():
                started.append("Valkey")
        return started

    def stop(self) -> list[str]:
        """Stop both servers, whoever started them, and return the names of those that ran."""
        if not self.home.var.exists():
            return []
        self.home.prepare()
        with self.home.locked():
            running = {"Valkey": self.valkey.stop(), "PostgreSQL": self.postgres.stop()}
        return [name for name, stopped in running.items() if stopped]

    def destroy(self) -> None:
        """Stop the servers and delete `var/` with all data, documents and secrets."""
        if not self.home.var.exists():
            return
        self.stop()
        self.postgres.destroy()
        shutil.rmtree(self.home.var)

    def set_up_database(self, name: str) -> None:
        """Make the roles, the database called `name` and its default privileges; idempotent."""
        with self.postgres.connect() as server:
            set_up_database(
                server,
                connect=lambda: self.postgres.connect(name),
                setup=DatabaseSetup(
                    database=name,
                    owner=OWNER_ROLE,
                    owner_password=secret(self.home, OWNER_ROLE),
                    app=APP_ROLE,
                    app_password=secret(self.home, APP_ROLE),
                ),
            )


def needs_postgres() -> bool:
    """Say whether nothing points us at a real PostgreSQL."""
    return not (os.environ.get("DATABASE_URL") or os.environ.get("DATABASE_URL_FILE"))


def needs_valkey() -> bool:
    """Say whether the broker or the cache is left to us."""
    return not all(
        os.environ.get(name) or os.environ.get(f"{name}_FILE")
        for name in ("BROKER_URL", "CACHE_URL")
    )


def database_url(home: Home, *, role: str, database: str = DATABASE) -> str:
    """Return the URL of the embedded database for a role, whether or not the server runs.

    Before the first start there is no password yet; the URL then carries none, so that commands
    which need no database (`makemigrations --check`, `spectacular`) leave no files behind.
    """
    password = quote(existing_secret(home, role) or "", safe="")
    host = quote(str(Postgres(home=home).socket_directory), safe="")
    return f"postgresql://{role}:{password}@{host}:5432/{database}"


def valkey_url(home: Home, *, scheme: str, database: int) -> str:
    """Return the embedded Valkey's URL as kombu (`redis+socket`) or redis-py (`unix`) reads it."""
    path = quote(str(Valkey(home=home).socket))
    key = "virtual_host" if scheme == "redis+socket" else "db"
    return f"{scheme}://{path}?{key}={database}"
