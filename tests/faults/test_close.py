"""A close outlives its broker and its worker: four callers, one result, books that hold.

One platform of its own. Three people close the same month from the shell while the broker loses
what it held and comes back, and the first worker dies in the middle.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from finops_platform.embedded.home import REPOSITORY
from finops_platform.embedded.processes import end_group, is_alive
from tests.conftest import CLUSTER
from tests.faults.site import TENANT, Site
from tests.faults.writers import Traffic, Writers

pytestmark = [pytest.mark.slow, pytest.mark.live]

MONTH = "2026-01"
APPROVER = "owner@acme.example"
BATCHES = 4


class Priced(Traffic):
    """Traffic of models that all have a price, of the month alone on New York's clock."""

    def _event(self, chance: random.Random) -> dict[str, Any]:
        event = super()._event(chance)
        event["model"] = chance.choice(("gpt-4o", "gpt-4o-mini"))
        event["time"] = event["time"].replace("2026-01-01", "2026-01-02")
        return event


@pytest.fixture
def site(django_db_setup: None) -> Iterator[Site]:
    root = Path(tempfile.mkdtemp(prefix="finops-faults-"))
    root.chmod(0o711)
    try:
        with Site(root).running(origin=CLUSTER) as made:
            yield made
    finally:
        shutil.rmtree(root, ignore_errors=True)


def test_broker_and_worker_are_killed_while_three_close_a_month(site: Site) -> None:
    scopes = ("usage:write", "usage:read", "close:run", "costs:read")
    said = site.manage("create_api_key", TENANT, "--scopes", *scopes)
    key = said.strip().splitlines()[-1]
    Writers(port=lambda: site.port, key=key).send([Priced("close")], batches=BATCHES)

    with ExitStack() as ended:
        callers = [ended.enter_context(_closing(site)) for _ in range(3)]
        _wait(lambda: _close(site, key) is not None)
        _kill_broker(site)
        callers.append(ended.enter_context(_closing(site)))
        with site.worker() as first:
            _wait(lambda: _steps_done(site, key) >= 1)
            end_group(first.pid, signal.SIGKILL)
        with site.worker():
            said_by = [caller.communicate(timeout=300)[0] for caller in callers]
        assert [caller.returncode for caller in callers] == [0] * 4, said_by

    results = {result for text in said_by for result in re.findall(r"result ([0-9a-f]{64})", text)}
    found = _close(site, key)
    assert found is not None
    assert (found["state"], results) == ("finished", {found["result_hash"]})
    assert site.manage("reconcile", TENANT, MONTH)


def _closing(site: Site) -> subprocess.Popen[str]:
    """Close the month from the shell, as one of several callers."""
    command = ["manage.py", "close_period", TENANT, MONTH, "--approve-as", APPROVER]
    return subprocess.Popen(
        [sys.executable, *command],
        cwd=REPOSITORY,
        env={**os.environ, **site.environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _kill_broker(site: Site) -> None:
    valkey = site.cluster.services.valkey
    pid = valkey.pid()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    while is_alive(pid):
        time.sleep(0.01)
    valkey.start()


def _close(site: Site, key: str) -> dict[str, Any] | None:
    url = f"http://127.0.0.1:{site.port}/api/v1/periods/{MONTH}/close"
    answer = httpx.get(url, headers={"Authorization": f"Bearer {key}"}, timeout=60)
    found: dict[str, Any] | None = answer.json() if answer.status_code == 200 else None
    return found


def _steps_done(site: Site, key: str) -> int:
    found = _close(site, key)
    assert found is not None
    return sum(step["state"] == "done" for step in found["steps"])


def _wait(until: Callable[[], bool]) -> None:
    for _ in range(1_200):
        if until():
            return
        time.sleep(0.1)
    raise AssertionError("it never came to that")
