"""A platform of its own that a test may break: durable PostgreSQL, Valkey, web and worker."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from finops_platform.embedded.home import REPOSITORY, Home
from finops_platform.embedded.processes import end_group, is_alive
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
    def running(self) -> Iterator[Site]:
        """Start servers and web, and end all of it."""
        self.cluster.open()
        try:
            with self._at_home():
                self.cluster.provide(DATABASE)
            self.start_web()
            yield self
        finally:
            self._web.close()
            self.cluster.close()

    @contextmanager
    def _at_home(self) -> Iterator[None]:
        """Let the template be built here: its builder reads the environment."""
        before = {name: os.environ.get(name) for name in self.environment}
        os.environ.update(self.environment)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value

    # Web and worker

    def start_web(self) -> None:
        """Serve with two processes; the port is new each time."""
        log = self.home.log / "web.log"
        web = live.web_process(log=log, workers=2, more=self.environment)
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
