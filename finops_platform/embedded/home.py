"""Where a copy of the platform keeps its things: `FINOPS_HOME/var`."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from finops_platform.embedded.errors import StartRefused

REPOSITORY = Path(__file__).resolve().parents[2]

# sockaddr_un.sun_path holds 108 bytes on Linux and 104 on macOS, the closing NUL included.
LONGEST_SOCKET_PATH = 103 if sys.platform == "darwin" else 107


@dataclass(frozen=True, slots=True)
class Home:
    """One copy of the platform; two homes share nothing and run side by side."""

    root: Path

    @classmethod
    def from_environment(cls) -> Home:
        """Read `FINOPS_HOME`, the repository itself when unset."""
        return cls(root=Path(os.environ.get("FINOPS_HOME") or REPOSITORY).expanduser().resolve())

    @property
    def var(self) -> Path:
        return self.root / "var"

    @property
    def run(self) -> Path:
        return self.var / "run"

    @property
    def log(self) -> Path:
        return self.var / "log"

    @property
    def secrets(self) -> Path:
        return self.var / "secrets"

    @property
    def documents(self) -> Path:
        return self.var / "documents"

    @property
    def mail(self) -> Path:
        return self.var / "mail"

    @property
    def static(self) -> Path:
        return self.var / "static"

    @property
    def metrics(self) -> Path:
        return self.var / "metrics"

    @property
    def short_run(self) -> Path:
        """A directory with a short name for sockets whose usual path is too long."""
        digest = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:12]
        return Path("/tmp") / f"finops-{digest}"  # noqa: S108 (ownership is checked on use)

    def prepare(self) -> None:
        """Create the directories of `var/`; only `var` and `run` may be crossed by the server user.

        :raises StartRefused: when the place cannot be written.
        """
        open_mode = 0o711 if os.geteuid() == 0 else 0o700
        for path in (self.var, self.run):
            make_private(path, mode=open_mode)
        for path in (self.log, self.secrets, self.documents, self.mail, self.static, self.metrics):
            make_private(path)
        self.prepare_sockets()

    @property
    def sockets(self) -> Path:
        """Where sockets go: `var/run`, or a short directory where that path cannot be used.

        The kernel limits the length, and to libpq a comma separates one host from the next.
        """
        longest = os.fsencode(self.run / "pg" / ".s.PGSQL.5432")
        usable = len(longest) <= LONGEST_SOCKET_PATH and b"," not in longest
        return self.run if usable else self.short_run

    def prepare_sockets(self) -> None:
        """Create the socket directory, which other users may cross only when root starts us.

        :raises StartRefused: when somebody else got hold of the name under /tmp.
        """
        if self.sockets != self.run:
            with contextlib.suppress(FileExistsError):
                self.sockets.mkdir(mode=0o700)
            check_not_planted(self.sockets, owners={os.geteuid(), self.var.stat().st_uid})
            self.sockets.chmod(0o711 if os.geteuid() == 0 else 0o700)

    @contextmanager
    def locked(self, *, seconds: float = 90) -> Iterator[None]:
        """Hold the start/stop lock of this home, so that two starts never race.

        :raises StartRefused: when another start or stop holds it for longer than `seconds`.
        """
        with (self.run / "start.lock").open("a") as handle:
            _wait_for_lock(handle.fileno(), seconds=seconds)
            yield


def make_private(path: Path, *, mode: int = 0o700) -> None:
    """Create a directory with exactly `mode`, whatever the umask; keep one that exists.

    :raises StartRefused: when it cannot be created or belongs to somebody else.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        if os.geteuid() in (0, path.stat().st_uid):
            path.chmod(mode)
    except OSError as error:
        raise StartRefused(
            f"cannot create {path}: {error.strerror}. "
            "Choose a place you may write with FINOPS_HOME=/some/directory."
        ) from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise StartRefused(
            f"{path} belongs to another user (an earlier start as root?). Run as that user, "
            "or choose another place with FINOPS_HOME=/some/directory."
        )


def check_not_planted(path: Path, *, owners: set[int]) -> None:
    """Refuse a directory under /tmp that somebody else made first.

    :raises StartRefused: when it is a link, open to others, or owned by a stranger.
    """
    info = path.lstat()
    if not stat.S_ISDIR(info.st_mode) or info.st_uid not in owners or info.st_mode & 0o022:
        raise StartRefused(
            f"{path} exists but is not a private directory of ours. "
            "Remove it, or move the platform to a shorter path (below "
            f"{LONGEST_SOCKET_PATH - 30} bytes)."
        )


def _wait_for_lock(fileno: int, *, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(fileno, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise StartRefused(
                    "another start or stop of this copy is still under way; try again when it has "
                    "finished."
                ) from None
            time.sleep(0.1)
        else:
            return
