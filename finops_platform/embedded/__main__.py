"""Command line of the launcher: run, serve, start, stop, status, destroy, temporary."""

from __future__ import annotations

import signal

# A Ctrl-C while the rest is still being imported ends us without a traceback.
signal.signal(signal.SIGINT, signal.SIG_DFL)

# ruff: noqa: E402
import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from finops_platform.embedded.console import fail, say
from finops_platform.embedded.errors import StartRefused
from finops_platform.embedded.guard import Guard
from finops_platform.embedded.home import Home
from finops_platform.embedded.processes import end_process
from finops_platform.embedded.services import Services
from finops_platform.embedded.supervisor import Stopped, Supervisor, running_supervisor
from finops_platform.embedded.whole import KEEP_MARKER, child_environment, serve


def main(arguments: Sequence[str] | None = None) -> int:
    """Do one thing with the copy that FINOPS_HOME names; 0 is success."""
    parser = argparse.ArgumentParser(prog="python -m finops_platform.embedded", description=__doc__)
    parser.add_argument("action", choices=sorted(ACTIONS))
    parser.add_argument("command", nargs=argparse.REMAINDER, help="for temporary: what to run")
    options = parser.parse_args(arguments)
    try:
        return ACTIONS[options.action](Home.from_environment(), options.command)
    except StartRefused as refusal:
        fail(str(refusal))
    except PermissionError as error:
        fail(
            f"no access to {error.filename}: it belongs to another user (an earlier start as "
            "root?). Run as that user, or choose another place with FINOPS_HOME=/some/directory."
        )
    return 1


def run(home: Home, _command: list[str]) -> int:
    """The platform with the demo, until Ctrl-C."""
    return serve(home=home, demo=True)


def serve_only(home: Home, _command: list[str]) -> int:
    """The platform without the demo, until Ctrl-C."""
    return serve(home=home, demo=False)


def start(home: Home, _command: list[str]) -> int:
    """Only the servers, in the background, until `stop`."""
    started = Services(home=home).start()
    (home.run / KEEP_MARKER).touch()
    say(f"Started {' and '.join(started)}." if started else "The servers run already.")
    return 0


def stop(home: Home, _command: list[str]) -> int:
    """Everything of this copy, whoever started it."""
    stopped = _stop_all(home)
    say(f"Stopped {' and '.join(stopped)}." if stopped else "Nothing was running.")
    return 0


def destroy(home: Home, _command: list[str]) -> int:
    """Stop everything and delete `var/` with the database, the documents and the secrets."""
    _stop_all(home)
    Services(home=home).destroy()
    say(f"Deleted {home.var}.")
    return 0


def status(home: Home, _command: list[str]) -> int:
    """Say what runs; 0 when both servers do."""
    services = Services(home=home)
    running = {
        "PostgreSQL": services.postgres.postmaster() if home.var.exists() else None,
        "Valkey": services.valkey.pid() if home.var.exists() else None,
        "platform": running_supervisor(home) if home.var.exists() else None,
    }
    say(f"FINOPS_HOME {home.root}")
    for name, pid in running.items():
        say(f"{name:<11} {f'runs (process {pid})' if pid else 'is stopped'}")
    return 0 if running["PostgreSQL"] and running["Valkey"] else 1


def temporary(_home: Home, command: list[str]) -> int:
    """Run a command on migrated servers of its own that leave no trace, as benchmarks need them."""
    words = command[1:] if command[:1] == ["--"] else command
    if not words:
        raise StartRefused("say what to run: temporary -- python -m benchmarks")
    root = Path(tempfile.mkdtemp(prefix="finops-")).resolve()
    root.chmod(0o711 if os.geteuid() == 0 else 0o700)
    os.environ["FINOPS_HOME"] = str(root)
    home = Home.from_environment()
    guard = Guard.post(home, aftermath="destroy")
    supervisor = Supervisor(home=home, guard=guard)
    with supervisor.listening():
        try:
            Services(home=home).start()
            _run_in(supervisor, home, words)
        except Stopped:
            return 130
        finally:
            supervisor.stop()
            Services(home=home).destroy()
            shutil.rmtree(root, ignore_errors=True)
            guard.dismiss()
    return 0


def _run_in(supervisor: Supervisor, home: Home, words: list[str]) -> None:
    environment = child_environment(home)
    migrate = [sys.executable, "manage.py", "migrate_schemas", "--verbosity", "0"]
    supervisor.step("Migrating a temporary database ...", migrate, environment=environment)
    supervisor.step(f"Running {' '.join(words)} ...", words, environment=environment)


def _stop_all(home: Home) -> list[str]:
    if not home.var.exists():
        return []
    stopped = []
    pid = running_supervisor(home)
    if pid is not None:
        if not end_process(pid, signals=[(signal.SIGTERM, 60), (signal.SIGKILL, 5)]):
            raise StartRefused(f"the supervisor (process {pid}) does not stop.")
        stopped.append("the platform")
    (home.run / KEEP_MARKER).unlink(missing_ok=True)
    return stopped + Services(home=home).stop()


ACTIONS = {
    "run": run,
    "serve": serve_only,
    "start": start,
    "stop": stop,
    "status": status,
    "destroy": destroy,
    "temporary": temporary,
}

if __name__ == "__main__":
    sys.exit(main())
