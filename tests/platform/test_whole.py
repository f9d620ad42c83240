"""The whole platform under one process, as `make serve` starts it: up, answering, and all gone."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from finops_platform.embedded.home import REPOSITORY, Home
from finops_platform.embedded.services import Services

pytestmark = [pytest.mark.live, pytest.mark.slow]


@pytest.fixture
def place() -> Iterator[dict[str, str]]:
    """A home with a space in its name, and a free port."""
    root = Path("/tmp") / f"finops whole {os.getpid()}"
    root.mkdir(mode=0o711)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    without = {k: v for k, v in os.environ.items() if not k.startswith(("FINOPS_", "DJANGO_"))}
    without.pop("EMAIL_URL", None)
    yield {**without, "FINOPS_HOME": str(root), "PORT": str(port)}
    Services(home=Home(root)).destroy()
    shutil.rmtree(root)


def launch(action: str, environment: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "finops_platform.embedded", action],
        cwd=REPOSITORY,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def processes_of(home: str) -> list[str]:
    found = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    named = [line for line in found.stdout.splitlines() if home in line]
    return [line for line in named if not line.startswith("ps ")]


def test_serve_answers_and_leaves_nothing_behind(place: dict[str, str]) -> None:
    platform = launch("serve", place)
    assert platform.stdout
    said: list[str] = []
    for line in platform.stdout:
        said.append(line)
        if "Ready: " in line:
            break
    assert platform.poll() is None, "".join(said)

    with urllib.request.urlopen(f"http://127.0.0.1:{place['PORT']}/readyz") as answer:
        assert json.load(answer)["status"] == "ready"
    second = launch("serve", place)
    words, _ = second.communicate(timeout=30)
    assert second.returncode == 1
    assert f"this copy runs already (process {platform.pid}" in words
    assert "Traceback" not in words

    platform.send_signal(signal.SIGINT)
    words, _ = platform.communicate(timeout=60)
    assert platform.returncode == 0, words
    assert "everything that was started here has ended" in words
    assert processes_of(place["FINOPS_HOME"]) == []


def test_a_child_that_dies_ends_the_rest_with_its_own_words(place: dict[str, str]) -> None:
    platform = launch("serve", {**place, "WEB_WORKERS": "none"})
    words, _ = platform.communicate(timeout=120)
    assert platform.returncode == 1
    assert "Invalid value for '--workers'" in words
    assert "error: web ended by itself with status 2" in words
    assert "Traceback" not in words
    assert processes_of(place["FINOPS_HOME"]) == []


def test_commands_say_that_the_servers_are_down(place: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "migrate_schemas"],
        cwd=REPOSITORY,
        env=place,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: the embedded PostgreSQL of ")
    assert "make serve" in done.stderr
    assert "Traceback" not in done.stderr
