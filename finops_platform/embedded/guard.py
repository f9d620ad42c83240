"""A small process that cleans up when whoever started it dies without doing so itself.

It reads its standard input: `+123` names a process group to end, `-123` takes it back, `done` says
that all is cleaned up. When the pipe closes without `done`, the starter was killed, and the guard
ends the groups and stops the servers in its place.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from finops_platform.embedded.errors import StartRefused
from finops_platform.embedded.home import REPOSITORY, Home
from finops_platform.embedded.processes import end_group
from finops_platform.embedded.services import Services

Aftermath = Literal["stop", "destroy", "keep"]


@dataclass(frozen=True, slots=True)
class Guard:
    """The starter's end of the pipe."""

    process: subprocess.Popen[str]

    @classmethod
    def post(cls, home: Home, *, aftermath: Aftermath) -> Guard:
        """Start a guard over `home`; `aftermath` says what becomes of the servers."""
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "finops_platform.embedded.guard", str(home.root), aftermath],
            stdin=subprocess.PIPE,
            cwd=REPOSITORY,
            text=True,
            start_new_session=True,
        )
        return cls(process)

    def watch(self, pgid: int) -> None:
        self._tell(f"+{pgid}")

    def forget(self, pgid: int) -> None:
        self._tell(f"-{pgid}")

    def dismiss(self) -> None:
        """Say that everything is cleaned up, and wait for the guard to go."""
        self._tell("done")
        with contextlib.suppress(OSError):
            if self.process.stdin:
                self.process.stdin.close()
        self.process.wait()

    def _tell(self, word: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            if self.process.stdin:
                self.process.stdin.write(f"{word}\n")
                self.process.stdin.flush()


def stand(lines: Iterable[str], *, services: Services, aftermath: Aftermath) -> None:
    """Follow the starter's words until the pipe ends, then clean up unless it did."""
    groups: set[int] = set()
    for line in lines:
        word = line.strip()
        if word == "done":
            return
        (groups.add if word.startswith("+") else groups.discard)(int(word[1:]))
    _end_groups(groups)
    with contextlib.suppress(StartRefused):
        if aftermath == "stop":
            services.stop()
        if aftermath == "destroy":
            services.destroy()
            with contextlib.suppress(OSError):
                services.home.root.rmdir()


def _end_groups(groups: set[int]) -> None:
    for signum, patience in ((signal.SIGTERM, 10.0), (signal.SIGKILL, 0.0)):
        for pgid in groups:
            end_group(pgid, signum)
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline and any(_exists(pgid) for pgid in groups):
            time.sleep(0.1)


def _exists(pgid: int) -> bool:
    try:
        os.killpg(pgid, 0)
    except OSError:
        return False
    return True


def main() -> None:
    """Take home and aftermath from the command line; deaf to signals meant for the starter."""
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, signal.SIG_IGN)
    root, aftermath = sys.argv[1], sys.argv[2]
    os.environ["FINOPS_HOME"] = root
    services = Services(home=Home.from_environment())
    stand(sys.stdin, services=services, aftermath=aftermath)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
