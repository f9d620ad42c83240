"""`make run` and `make serve`: servers, migrations, demo; web, worker and beat until Ctrl-C."""

from __future__ import annotations

import errno
import json
import os
import socket
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass

from finops_platform.embedded.console import say
from finops_platform.embedded.errors import StartRefused
from finops_platform.embedded.guard import Guard
from finops_platform.embedded.home import Home
from finops_platform.embedded.services import Services
from finops_platform.embedded.supervisor import Child, Stopped, Supervisor, sole_supervisor

READY_SECONDS = 90
KEEP_MARKER = "keep"  # in var/run: `make services` started the servers, Ctrl-C leaves them


@dataclass(frozen=True, slots=True)
class Address:
    """Where the web server listens."""

    host: str
    port: int

    @classmethod
    def from_environment(cls) -> Address:
        """Read HOST and PORT.

        :raises StartRefused: when PORT is no port.
        """
        port = os.environ.get("PORT") or "8000"
        if not (port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65536):
            raise StartRefused(f"PORT is '{port}', which is no port; use a number from 1 to 65535.")
        return cls(host=os.environ.get("HOST") or "127.0.0.1", port=int(port))

    @property
    def local_url(self) -> str:
        """Where this machine reaches it: a server on all addresses answers on loopback too."""
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::", "") else self.host  # noqa: S104
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    def check_free(self) -> None:
        """Find out early whether the port can be had.

        :raises StartRefused: when another program listens there, or HOST is not ours.
        """
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((self.host, self.port))
            except OSError as error:
                raise StartRefused(self._why_not(error)) from error

    def _why_not(self, error: OSError) -> str:
        if error.errno == errno.EADDRINUSE:
            return (
                f"port {self.port} is taken by another program. Stop it, or choose another port: "
                f"PORT={self.port + 1 if self.port < 65535 else 8000} make run"
            )
        if error.errno == errno.EACCES:
            return f"port {self.port} needs root; choose one above 1023: PORT=8000 make run"
        return f"cannot listen on {self.host}:{self.port}: {error.strerror}. Check HOST."


def serve(*, home: Home, demo: bool) -> int:
    """Run the whole platform until it is asked to stop; return the exit status.

    :raises StartRefused: when something stands in the way; what was started is stopped again.
    """
    address = Address.from_environment()
    with sole_supervisor(home, port=address.port):
        address.check_free()
        services = Services(home=home)
        keeps = (home.run / KEEP_MARKER).exists()
        guard = Guard.post(home, aftermath="keep" if keeps else "stop")
        supervisor = Supervisor(home=home, guard=guard)
        with supervisor.listening():
            try:
                _bring_up(supervisor, services=services, address=address, demo=demo)
                supervisor.watch()
            except Stopped:
                say("Stopping ...")
            finally:
                supervisor.stop()
                if not keeps:
                    services.stop()
                guard.dismiss()
                say("Stopped; everything that was started here has ended.")
    return 0


def _bring_up(supervisor: Supervisor, *, services: Services, address: Address, demo: bool) -> None:
    environment = child_environment(services.home)
    started = services.start()
    say(f"Started {' and '.join(started)}." if started else "The servers run already.")
    _clear_metrics(services.home)
    manage = [sys.executable, "manage.py"]
    supervisor.step(
        "Migrating the database ...",
        [*manage, "migrate_schemas", "--verbosity", "0"],
        environment=environment,
    )
    if demo:
        # The demo closes its months through the broker, so the worker is there first.
        worker = _spawn_worker(supervisor, environment, quiet=True)
        supervisor.step("Loading the demo ...", [*manage, "load_demo"], environment=environment)
        worker.quiet = False
    else:
        supervisor.step("Syncing prices ...", [*manage, "sync_prices"], environment=environment)
        _spawn_worker(supervisor, environment, quiet=False)
    supervisor.spawn("beat", _beat(), environment=environment)
    supervisor.spawn("web", _web(address), environment=environment)
    _wait_until_ready(supervisor, address)
    say(f"Ready: {address.local_url} is the operator's site; tenants answer at")
    say(f"       http://<slug>.localhost:{address.port}. Ctrl-C stops everything.")


def child_environment(home: Home) -> dict[str, str]:
    """Return what every process of this copy runs with."""
    return {
        "LOG_JSON": "0",
        "DJANGO_SETTINGS_MODULE": "finops_platform.settings.embedded",
        **os.environ,
        "FINOPS_HOME": str(home.root),
        "PYTHONUNBUFFERED": "1",
        # Celery discourages root because of pickled messages; this worker accepts JSON only.
        "PYTHONWARNINGS": "ignore:You're running the worker with superuser privileges",
        "PROMETHEUS_MULTIPROC_DIR": str(home.metrics),
        # One heap for all threads: each of glibc's own would keep what one large batch needed.
        "MALLOC_ARENA_MAX": os.environ.get("MALLOC_ARENA_MAX") or "1",
    }


def _clear_metrics(home: Home) -> None:
    """Counters restart with the processes; files of dead ones would be added up for ever."""
    for path in home.metrics.glob("*.db"):
        path.unlink(missing_ok=True)


def _spawn_worker(supervisor: Supervisor, environment: dict[str, str], *, quiet: bool) -> Child:
    from celery_worker.queues import QUEUES

    command = [
        sys.executable, "-m", "celery", "--quiet", "--app", "celery_worker", "worker",
        "--queues", ",".join(QUEUES),
        "--concurrency", os.environ.get("WORKERS") or str(max(2, os.cpu_count() or 2)),
        "--loglevel", "INFO", "--without-gossip", "--without-mingle", "--without-heartbeat",
    ]  # fmt: skip
    sole = {**environment, "FINOPS_SOLE_WORKER": "1"}
    return supervisor.spawn("worker", command, environment=sole, quiet=quiet)


def _beat() -> list[str]:
    return [
        sys.executable, "-m", "celery", "--quiet", "--app", "celery_worker", "beat",
        "--loglevel", "INFO", "--pidfile=",
    ]  # fmt: skip


def _web(address: Address) -> list[str]:
    return [
        sys.executable, "-m", "granian", "--interface", "wsgi", "--host", address.host,
        "--port", str(address.port), "--workers", os.environ.get("WEB_WORKERS") or "2",
        "--blocking-threads", os.environ.get("WEB_THREADS") or "64", "--no-ws",
        "--workers-kill-timeout", "10", "finops_platform.wsgi:application",
    ]  # fmt: skip


def _wait_until_ready(supervisor: Supervisor, address: Address) -> None:
    deadline = time.monotonic() + READY_SECONDS
    answer = "no answer"
    while time.monotonic() < deadline:
        supervisor.check()
        ready, answer = _ask_readiness(address)
        if ready:
            return
        time.sleep(0.2)
    raise StartRefused(f"the web server is not ready after {READY_SECONDS} s: {answer}")


def _ask_readiness(address: Address) -> tuple[bool, str]:
    try:
        with urllib.request.urlopen(f"{address.local_url}/readyz", timeout=3) as response:  # noqa: S310
            return True, json.load(response)["status"]
    except urllib.error.HTTPError as error:
        return False, error.read(500).decode(errors="replace")
    except (OSError, ValueError) as error:
        return False, str(error)
