"""The servers behind the tests: started on first use, shared by all workers, gone at the end.

One cluster a run, in `FINOPS_TEST_HOME`. One template database is migrated once and holds the
tenants acme and globex; each pytest worker gets its own copy of it.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from psycopg import sql

from finops_platform.embedded.credentials import OWNER_ROLE
from finops_platform.embedded.guard import Guard
from finops_platform.embedded.home import REPOSITORY, Home
from finops_platform.embedded.services import Services

WHAT_SHAPES_THE_TEMPLATE = (
    "apps/*/migrations/*.py",
    "apps/core/sql.py",
    "apps/tenants/**/*.py",
    "apps/accounts/**/*.py",
    "apps/catalog/**/*.py",
    "finops_platform/provisioning*",
    "finops_platform/provisioning/*.py",
    "finops_platform/database_setup.py",
    "tests/template.py",
)


class Cluster:
    """The test servers of this run. Only the process that pytest was started as removes them."""

    def __init__(self, *, home: Home, is_kept: bool) -> None:
        self.home = home
        self.is_kept = is_kept
        self.services = Services(home=home, durable=False)
        self.guard: Guard | None = None

    @classmethod
    def of_this_run(cls) -> Cluster:
        """Read the place from FINOPS_TEST_HOME; one that a person named is kept."""
        root = Path(os.environ["FINOPS_TEST_HOME"]).resolve()
        return cls(home=Home(root), is_kept=os.environ.get("FINOPS_TEST_KEEP") != "0")

    def open(self) -> None:
        """Create the directory, and see to it that the servers end even if pytest is killed."""
        self.home.root.mkdir(parents=True, exist_ok=True)
        self.home.root.chmod(0o711 if os.geteuid() == 0 else 0o700)
        self.guard = Guard.post(self.home, aftermath="stop" if self.is_kept else "destroy")

    def close(self) -> None:
        """Stop the servers; delete everything unless the place is kept for the next run."""
        if self.is_kept:
            self.services.stop()
        else:
            self.services.destroy()
            shutil.rmtree(self.home.root, ignore_errors=True)
        if self.guard:
            self.guard.dismiss()

    def provide(self, database: str) -> None:
        """Make a fresh copy of the template under this name; the first caller makes the template.

        Safe to call from several workers at once.
        """
        self.home.prepare()
        with self._locked():
            self.services.start()
            template = f"template_{_fingerprint()}"
            if not self._exists(template):
                self._build(template)
            with self.services.postgres.connect() as server:
                name = sql.Identifier(database)
                server.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))
                server.execute(
                    sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {}").format(
                        name, sql.Identifier(OWNER_ROLE), sql.Identifier(template)
                    )
                )
                server.execute(sql.SQL("ALTER DATABASE {} SET timezone TO 'UTC'").format(name))

    def _drop_old_templates(self) -> None:
        with self.services.postgres.connect() as server:
            query = "SELECT datname FROM pg_database WHERE datname ~ '^template_[0-9a-f]{16}'"
            for (old,) in server.execute(query).fetchall():
                name = sql.Identifier(old)
                server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with (self.home.run / "template.lock").open("a") as handle:
            fcntl.flock(handle.fileno(), fcntl.LOCK_EX)
            yield

    def _exists(self, database: str) -> bool:
        with self.services.postgres.connect() as server:
            query = "SELECT 1 FROM pg_database WHERE datname = %s"
            return server.execute(query, [database]).fetchone() is not None

    def _build(self, template: str) -> None:
        """Migrate and provision under a working name; a complete template gets the real one."""
        partial = f"{template}_partial"
        name = sql.Identifier(partial)
        self._drop_old_templates()
        self.services.set_up_database(partial)
        done = subprocess.run(
            [sys.executable, "-m", "tests.template"],
            cwd=REPOSITORY,
            env={**os.environ, "FINOPS_DB_ROLE": "owner", "FINOPS_TEST_DATABASE": partial},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"the template database failed:\n{done.stdout}\n{done.stderr}")
        with self.services.postgres.connect() as server:
            server.execute(
                sql.SQL("ALTER DATABASE {} RENAME TO {}").format(name, sql.Identifier(template))
            )


def _fingerprint() -> str:
    """Digest the files that decide what the template holds."""
    state = hashlib.sha256()
    for pattern in WHAT_SHAPES_THE_TEMPLATE:
        for path in sorted(REPOSITORY.glob(pattern)):
            if path.is_file() and path.suffix == ".py":
                state.update(str(path.relative_to(REPOSITORY)).encode() + path.read_bytes())
    return state.hexdigest()[:16]
