"""Small truths about processes: is it alive, what is it, how to end it."""

from __future__ import annotations

import contextlib
import os
import platform
import pwd
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finops_platform.embedded.errors import StartRefused


@dataclass(frozen=True, slots=True)
class Account:
    """The operating-system user a server runs as."""

    name: str
    uid: int
    gid: int

    @classmethod
    def current(cls) -> Account:
        uid = os.geteuid()
        return cls(name=str(uid), uid=uid, gid=os.getegid())

    @classmethod
    def of_uid(cls, uid: int) -> Account:
        """Look up a user by number.

        :raises StartRefused: when the number has no entry in the user database.
        """
        try:
            entry = pwd.getpwuid(uid)
        except KeyError as error:
            raise StartRefused(f"user id {uid} is unknown on this machine.") from error
        return cls(name=entry.pw_name, uid=entry.pw_uid, gid=entry.pw_gid)

    @classmethod
    def unprivileged(cls) -> Account:
        """Return who stands in for root: `nobody`, unless FINOPS_SERVER_USER names another.

        :raises StartRefused: when there is no such user.
        """
        name = os.environ.get("FINOPS_SERVER_USER", "nobody")
        try:
            return cls.of_uid(pwd.getpwnam(name).pw_uid)
        except KeyError as error:
            raise StartRefused(
                f"PostgreSQL refuses to run as root and there is no user '{name}' to run it as. "
                "Name one with FINOPS_SERVER_USER=..., or start as an ordinary user."
            ) from error

    @property
    def spawn_options(self) -> dict[str, Any]:
        """The arguments that make subprocess start a program as this user; none when already it."""
        if self.uid == os.geteuid():
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


def clean_environment() -> dict[str, str]:
    """Return the environment without what steers a server: libpq's and the locale's variables."""
    unwanted = ("PG", "LC_", "LANG")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(unwanted)}
    return {**kept, "LC_ALL": "C", "TZ": "UTC"}


def spawn_server(
    command: Sequence[str | Path],
    *,
    account: Account,
    log: Path,
    cwd: Path,
    environment: Mapping[str, str],
) -> subprocess.Popen[bytes]:
    """Start a program in its own session, so that a Ctrl-C meant for us does not reach it."""
    with log.open("ab") as output:
        return subprocess.Popen(  # noqa: S603 (a list of our own making, no shell)
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            env=dict(environment),
            start_new_session=True,
            **account.spawn_options,
        )


def program_name(pid: int) -> str | None:
    """Return the short program name of a live process; None when there is none (or a zombie)."""
    if platform.system() == "Linux":
        return _program_name_from_proc(pid)
    found = subprocess.run(  # noqa: S603
        ["/bin/ps", "-o", "state=,comm=", "-p", str(pid)],
        capture_output=True,
        text=True,
        check=False,
    )
    state, _, name = found.stdout.strip().partition(" ")
    return None if not state or state.startswith("Z") else Path(name.strip()).name


def _program_name_from_proc(pid: int) -> str | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    name, _, rest = text.partition("(")[2].rpartition(")")
    return None if rest.split()[0] == "Z" else name


def is_alive(pid: int) -> bool:
    """Say whether the process still runs; a zombie does not."""
    return program_name(pid) is not None


def end_process(pid: int, *, signals: Sequence[tuple[signal.Signals, float]]) -> bool:
    """Send each signal in turn and wait its seconds; True once the process is gone."""
    for signum, patience in signals:
        if not is_alive(pid):
            return True
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signum)
        if _wait_until_gone(pid, seconds=patience):
            return True
    return not is_alive(pid)


def end_group(pgid: int, signum: signal.Signals) -> None:
    """Signal a whole process group; nothing happens when it is gone already."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pgid, signum)


def _wait_until_gone(pid: int, *, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        _reap(pid)
        if not is_alive(pid):
            return True
        time.sleep(0.02)
    return False


def _reap(pid: int) -> None:
    """Collect our own child, which would stay a zombie otherwise; leave other processes alone."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def tail(path: Path, *, lines: int = 12) -> str:
    """Return the end of a log file for an error message, indented."""
    try:
        text = path.read_text(errors="replace").rstrip()
    except OSError:
        return ""
    return "\n".join(f"    {line}" for line in text.splitlines()[-lines:])
