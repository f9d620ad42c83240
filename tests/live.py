"""Real processes for live tests: a web server and a worker on this pytest worker's own database."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from django.conf import settings

from celery_worker import app
from celery_worker.queues import QUEUES
from finops_platform.embedded.home import REPOSITORY
from finops_platform.embedded.processes import end_group

START_SECONDS = 60


def environment() -> dict[str, str]:
    """Return what makes another process see the same database, broker and documents as the test."""
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "finops_platform.settings.test",
        "FINOPS_TEST_DATABASE": settings.TEST_DATABASE,
        "FINOPS_TEST_LIVE": "1",
        "LOG_JSON": "0",
    }


@contextmanager
def web(*, log: Path, workers: int = 1, more: dict[str, str] | None = None) -> Iterator[int]:
    """Serve the platform and give the port; its output goes to `log`, `more` is environment.

    :raises RuntimeError: when it is not ready within a minute.
    """
    with web_process(log=log, workers=workers, more=more) as (port, _):
        yield port


@contextmanager
def web_process(
    *, log: Path, workers: int = 1, more: dict[str, str] | None = None
) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """Serve the platform and give port and process, so that a test may kill it; else as `web`."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [
        "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port),
        "--workers", str(workers), "--blocking-threads", "4", "--no-ws",
        "finops_platform.wsgi:application",
    ]  # fmt: skip
    with _running(command, log=log, more=more) as process:
        _wait_for_answer(process, url=f"http://127.0.0.1:{port}/readyz", log=log)
        yield port, process


@contextmanager
def worker(*, log: Path, more: dict[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """Run a worker for all queues and give its process, so that a test may kill it.

    Tasks of an earlier worker that was killed come first, as after a restart of the platform.
    """
    command = [
        "celery", "--quiet", "--app", "celery_worker", "worker", "--queues", ",".join(QUEUES),
        "--concurrency", "2", "--loglevel", "INFO",
        "--without-gossip", "--without-mingle", "--without-heartbeat",
    ]  # fmt: skip
    with _running(command, log=log, more={"FINOPS_SOLE_WORKER": "1", **(more or {})}) as process:
        _wait_for_words(process, words=" ready.", log=log)
        yield process


@contextmanager
def sending() -> Iterator[None]:
    """Send tasks to the broker within the block instead of running them in place."""
    app.conf.task_always_eager = False
    try:
        yield
    finally:
        app.conf.task_always_eager = True


@contextmanager
def _running(
    command: list[str], *, log: Path, more: dict[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    output: IO[bytes]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=REPOSITORY,
            env={**environment(), **(more or {})},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        end_group(process.pid, signal.SIGKILL)


def _wait_for_answer(process: subprocess.Popen[bytes], *, url: str, log: Path) -> None:
    for _ in _patiently(process, log=log):
        try:
            urllib.request.urlopen(url, timeout=3).close()
        except (urllib.error.URLError, OSError):
            continue
        return


def _wait_for_words(process: subprocess.Popen[bytes], *, words: str, log: Path) -> None:
    for _ in _patiently(process, log=log):
        if words in log.read_text(errors="replace"):
            return


def _patiently(process: subprocess.Popen[bytes], *, log: Path) -> Iterator[None]:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        yield
        time.sleep(0.1)
    raise RuntimeError(f"the process did not come up:\n{log.read_text(errors='replace')}")
