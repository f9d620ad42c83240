"""A platform of its own that a test may break: durable PostgreSQL, Valkey, web and worker."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from psycopg import sql

from finops_platform.embedded.credentials import OWNER_ROLE, SUPERUSER, secret
from finops_platform.embedded.home import REPOSITORY, Home
from finops_platform.embedded.postgres import _wheel
from finops_platform.embedded.processes import clean_environment, end_group, is_alive
from finops_platform.embedded.services import Services
from tests import live
from tests.cluster import Cluster

DATABASE = "faults"
TENANT = "acme"


class Site:
    """Starts, kills and asks the platform of one directory; everything here is ours to kill."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.home = Home(root.resolve())
        self.cluster = Cluster(home=self.home, is_kept=False)
        self.cluster.services = Services(home=self.home, durable=True)
        self.port = 0
        self.process: subprocess.Popen[bytes] | None = None
        self._web = contextlib.ExitStack()

    @property
    def environment(self) -> dict[str, str]:
        """Return what points a process at this site instead of the tests' own."""
        return {
            "FINOPS_TEST_HOME": str(self.home.root),
            "FINOPS_HOME": str(self.home.root),
            "FINOPS_TEST_DATABASE": DATABASE,
            "FINOPS_TEST_LIVE": "1",
            "DJANGO_SETTINGS_MODULE": "finops_platform.settings.test",
        }

    @contextmanager
    def running(self, *, origin: Cluster) -> Iterator[Site]:
        """Start servers and web on a copy of the tests' own cluster, and end all of it."""
        self.cluster.open()
        try:
            self._copy(origin)
            self._make_database()
            self.start_web()
            yield self
        finally:
            self._web.close()
            self.cluster.close()

    def _copy(self, origin: Cluster) -> None:
        """Copy secrets and data, template and all: migrating anew would take most of the time."""
        source, target = origin.services.postgres, self.cluster.services.postgres
        self.home.prepare()
        for path in origin.home.secrets.iterdir():
            shutil.copy2(path, self.home.secrets / path.name)
        account = target._prepare_places()
        command = [
            str(_wheel() / "bin" / "pg_basebackup"), "--pgdata", str(target.data), "--no-sync",
            "--host", str(source.socket_directory), "--username", SUPERUSER, "--checkpoint", "fast",
        ]  # fmt: skip
        password = secret(origin.home, "postgres_superuser")
        environment = {**clean_environment(), "PGPASSWORD": password}
        subprocess.run(command, env=environment, check=True, capture_output=True)
        if os.geteuid() == 0:
            for path in (target.data, *target.data.rglob("*")):
                os.chown(path, account.uid, account.gid)

    def _make_database(self) -> None:
        """Start the servers and make the site's database of the template that was copied."""
        self.cluster.services.start()
        with self.cluster.services.postgres.connect() as server:
            query = "SELECT datname FROM pg_database WHERE datname ~ '^template_[0-9a-f]{16}$'"
            (template,) = server.execute(query).fetchone() or ("",)
            parts = map(sql.Identifier, (DATABASE, OWNER_ROLE, template))
            server.execute(sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {}").format(*parts))
            server.execute(
                sql.SQL("ALTER DATABASE {} SET timezone TO 'UTC'").format(sql.Identifier(DATABASE))
            )

    # Web and worker

    def start_web(self) -> None:
        """Serve; the port is new each time."""
        log = self.home.log / "web.log"
        web = live.web_process(log=log, workers=1, more=self.environment)
        self.port, self.process = self._web.enter_context(web)

    def kill_web(self) -> None:
        """Kill every process of the web server at once."""
        assert self.process is not None
        end_group(self.process.pid, signal.SIGKILL)
        self.process.wait()

    @contextmanager
    def worker(self) -> Iterator[subprocess.Popen[bytes]]:
        """Run a worker that a test may kill."""
        log = self.home.log / f"worker-{time.monotonic_ns()}.log"
        with live.worker(log=log, more=self.environment) as process:
            yield process

    # PostgreSQL

    def kill_postgres(self) -> None:
        """Kill the server and all its children, as a power cut would."""
        postmaster = self.cluster.services.postgres.postmaster()
        assert postmaster is not None
        doomed = [postmaster, *_children(postmaster)]
        for pid in doomed:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        while any(map(is_alive, doomed)):
            time.sleep(0.01)

    def start_postgres(self) -> None:
        """Start the server on what the killed one left; it recovers from its log."""
        self.cluster.services.postgres.start()

    # Questions

    def manage(self, *arguments: str) -> str:
        """Run a command of manage.py and return what it prints."""
        return self._run("manage.py", *arguments)

    def judge(self) -> dict[str, Any]:
        """Return what is stored, read by another process: ids, sums, and rollups rebuilt."""
        found: dict[str, Any] = json.loads(self._run("-m", "tests.faults.judge", TENANT))
        return found

    def _run(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=REPOSITORY,
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{arguments}:\n{done.stdout}\n{done.stderr}"
        return done.stdout


def _children(parent: int) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = path.read_text().rpartition(")")[2].split()
            if int(fields[1]) == parent:
                found.append(int(path.parent.name))
    return found
