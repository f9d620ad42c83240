"""Keeps the children running under one roof: shows what they say, and all stop when one does."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import IO

from finops_platform.embedded.console import say
from finops_platform.embedded.errors import StartRefused
from finops_platform.embedded.guard import Guard
from finops_platform.embedded.home import REPOSITORY, Home
from finops_platform.embedded.processes import end_group

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LARGEST_LOG = 10 * 1024 * 1024
# A worker finishes its running tasks on SIGTERM and drops them on SIGQUIT; dropped ones are taken
# up again at the next start.
PATIENCE = ((signal.SIGTERM, 15.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))


class Stopped(Exception):
    """Somebody asked us to stop (Ctrl-C, `make stop`)."""


class ChildEnded(StartRefused):
    """A child ended by itself, which ends the rest as well."""


@dataclass(slots=True)
class Child:
    """One running program and the last lines it said."""

    name: str
    process: subprocess.Popen[bytes]
    quiet: bool
    last_lines: deque[str] = field(default_factory=lambda: deque(maxlen=15))
    reader: threading.Thread | None = None

    @property
    def has_ended(self) -> bool:
        return self.process.poll() is not None


@dataclass(slots=True)
class Supervisor:
    """Starts programs in their own sessions and ends each of them, however we end ourselves."""

    home: Home
    guard: Guard
    children: list[Child] = field(default_factory=list)
    asked_to_stop: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take the stop signals for the time of the block: each is noted and acted on in order."""
        before = {signum: signal.signal(signum, self._on_signal) for signum in SIGNALS}
        try:
            yield
        finally:
            for signum, handler in before.items():
                signal.signal(signum, handler)

    def check(self) -> None:
        """Look up between two things to do.

        :raises Stopped: when a stop signal came.
        :raises ChildEnded: when a child ended by itself.
        """
        if self.asked_to_stop.is_set():
            raise Stopped
        for child in self.children:
            if child.has_ended:
                raise ChildEnded(self._obituary(child))

    def step(self, title: str, command: Sequence[str], *, environment: Mapping[str, str]) -> None:
        """Run one program to its end, on the terminal itself so that progress bars work.

        :raises Stopped: when a stop signal came; the program is ended first.
        :raises StartRefused: when the program fails.
        """
        self.check()
        say(title)
        process = subprocess.Popen(  # noqa: S603
            command, cwd=REPOSITORY, env=dict(environment), start_new_session=True,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        self.guard.watch(process.pid)
        try:
            while process.poll() is None:
                self.check()
                time.sleep(0.05)
        finally:
            _end(process)
            self.guard.forget(process.pid)
        if process.returncode != 0:
            raise StartRefused(f"'{title}' failed with status {process.returncode}; see above.")

    def spawn(
        self,
        name: str,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        quiet: bool = False,
    ) -> Child:
        """Start a program that stays; its lines go to its log, and to the terminal unless quiet."""
        self.check()
        process = subprocess.Popen(  # noqa: S603
            command, cwd=REPOSITORY, env=dict(environment), start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self.guard.watch(process.pid)
        child = Child(name=name, process=process, quiet=quiet)
        child.reader = threading.Thread(target=self._relay, args=(child,), daemon=True)
        child.reader.start()
        self.children.append(child)
        return child

    def watch(self) -> None:
        """Stay until something happens; leaves only by an exception of `check`."""
        while True:
            self.check()
            self.asked_to_stop.wait(0.3)

    def stop(self) -> None:
        """End all children together, harder as time passes; a second Ctrl-C skips to the end."""
        running = list(self.children)
        self.children.clear()
        self.asked_to_stop.clear()
        for signum, patience in PATIENCE:
            for child in running:
                _send(child.process, signum)
            if self._all_ended(running, seconds=patience):
                break
        for child in running:
            end_group(child.process.pid, signal.SIGKILL)  # grandchildren that outlived the child
            if child.reader:
                child.reader.join(2)
            self.guard.forget(child.process.pid)

    def _all_ended(self, children: list[Child], *, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not self.asked_to_stop.is_set():
            if all(child.has_ended for child in children):
                return True
            time.sleep(0.05)
        return all(child.has_ended for child in children)

    def _on_signal(self, _signum: int, _frame: FrameType | None) -> None:
        self.asked_to_stop.set()

    def _relay(self, child: Child) -> None:
        with _open_log(self.home.log / f"{child.name}.log") as log:
            for raw in child.process.stdout or ():
                log.write(raw)
                log.flush()
                line = raw.decode(errors="replace").rstrip("\n")
                child.last_lines.append(line)
                if not child.quiet:
                    say(line, name=child.name)

    def _obituary(self, child: Child) -> str:
        if child.reader:
            child.reader.join(2)
        text = f"{child.name} ended by itself with status {child.process.returncode}"
        if not child.quiet or not child.last_lines:
            return f"{text}; see {self.home.log / child.name}.log."
        return f"{text}. It said last:\n    " + "\n    ".join(child.last_lines)


def _send(process: subprocess.Popen[bytes], signum: signal.Signals) -> None:
    """Signal the child itself, or the whole group where nobody is meant to survive."""
    if signum is signal.SIGKILL:
        end_group(process.pid, signum)
    elif process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signum)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    _send(process, signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        _send(process, signal.SIGKILL)
        process.wait()


def _open_log(path: Path) -> IO[bytes]:
    with contextlib.suppress(FileNotFoundError):
        if path.stat().st_size > LARGEST_LOG:
            path.replace(path.with_suffix(".log.1"))
    return path.open("ab")


@contextmanager
def sole_supervisor(home: Home, *, port: int) -> Iterator[None]:
    """Be the only supervisor of this home; the lock ends with the process, however it ends.

    :raises StartRefused: when another one runs.
    """
    home.prepare()
    path = home.run / "supervisor"
    with path.open("a+") as handle:
        try:
            fcntl.flock(handle.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.seek(0)
            pid, _, other_port = handle.read().partition(" ")
            raise StartRefused(
                f"this copy runs already (process {pid}, port {other_port}). Stop it with "
                "`make stop`, or run another copy with other values of FINOPS_HOME and PORT."
            ) from None
        handle.truncate(0)
        handle.write(f"{os.getpid()} {port}")
        handle.flush()
        yield
        handle.truncate(0)


def running_supervisor(home: Home) -> int | None:
    """Return the pid of the supervisor that holds this home; None when there is none."""
    path = home.run / "supervisor"
    try:
        handle = path.open("r+")
    except FileNotFoundError:
        return None
    with handle:
        try:
            fcntl.flock(handle.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            text = handle.read().partition(" ")[0]
            return int(text) if text.isdigit() else None
    return None
