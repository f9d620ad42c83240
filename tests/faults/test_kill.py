"""kill -9 in the middle of concurrent ingest: nothing acknowledged is lost, nothing counts twice.

One platform of its own with a durable PostgreSQL; web, a worker with an import and PostgreSQL are
killed while several writers send three duplicates in ten events and repeat until acknowledged.
"""

from __future__ import annotations

import json
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest

from finops_platform.embedded.processes import end_group
from tests.conftest import CLUSTER
from tests.faults.site import TENANT, Site
from tests.faults.writers import Traffic, Writers, truth

pytestmark = [pytest.mark.slow, pytest.mark.live]

WRITERS = 5
BATCHES = 16
sent: list[Traffic] = []
"""Everything that was ever sent to the site: each test adds its own and checks the whole."""


@pytest.fixture(scope="module")
def site(django_db_setup: None) -> Iterator[Site]:
    root = Path(tempfile.mkdtemp(prefix="finops-faults-"))
    root.chmod(0o711)
    try:
        with Site(root).running(origin=CLUSTER) as made:
            yield made
    finally:
        shutil.rmtree(root, ignore_errors=True)


@pytest.fixture(scope="module")
def key(site: Site) -> str:
    said = site.manage("create_api_key", TENANT, "--scopes", "usage:write", "usage:read")
    return said.strip().splitlines()[-1]


@pytest.fixture
def writers(site: Site, key: str) -> Writers:
    return Writers(port=lambda: site.port, key=key)


def traffic(name: str, count: int = WRITERS) -> list[Traffic]:
    made = [Traffic(f"{name}{number}") for number in range(count)]
    sent.extend(made)
    return made


def sending(
    pool: ThreadPoolExecutor, writers: Writers, name: str, batches: int = BATCHES
) -> Future[None]:
    return pool.submit(writers.send, traffic(name), batches=batches)


def when_acknowledged(writers: Writers, share: float, work: Future[None]) -> None:
    """Wait until a share of what a test sends has been acknowledged: the middle of the work."""
    wanted = share * WRITERS * BATCHES * 70
    while len(writers.acknowledged) < wanted and not work.done():
        time.sleep(0.005)
    assert not work.done(), "the writers were through before anything was killed"


def assert_whole(stored: dict[str, Any], writers: Writers) -> None:
    """Hold what the database has to everything that was ever sent."""
    made = truth(*sent)
    assert writers.acknowledged <= set(stored["ids"]), "an acknowledged event is lost"
    assert stored["ids"] == made["ids"]
    assert stored["sums"] == made["sums"]
    assert stored["accepted"] == len(made["ids"])
    assert stored["differences"] == []


def test_web_is_killed(site: Site, writers: Writers) -> None:
    with ThreadPoolExecutor(1) as pool:
        work = sending(pool, writers, "web")
        for share in (0.25, 0.6):
            when_acknowledged(writers, share, work)
            site.kill_web()
            site.start_web()
        work.result()
    assert sum(count for what, count in writers.answers.items() if what != "200") > 0
    assert_whole(site.judge(), writers)


def test_postgres_is_killed(site: Site, writers: Writers) -> None:
    with ThreadPoolExecutor(1) as pool:
        work = sending(pool, writers, "pg")
        for share in (0.25, 0.6):
            when_acknowledged(writers, share, work)
            site.kill_postgres()
            time.sleep(0.3)  # senders meet a database that is not there
            site.start_postgres()
        work.result()
    assert writers.answers["503"] > 0
    assert writers.answers["500"] == 0
    assert_whole(site.judge(), writers)


def test_a_worker_is_killed_while_it_imports(site: Site, writers: Writers, key: str) -> None:
    (file,) = traffic("file", 1)
    chance = Random("file")
    lines = [json.dumps(one) for batch in file.batches(150, chance) for one in batch]
    with ThreadPoolExecutor(1) as pool:
        work = sending(pool, writers, "beside")
        with site.worker() as first:
            at = _upload(site, key, "\n".join(lines))
            _wait(lambda: _progress(at, key)["rows"] > 0)
            end_group(first.pid, signal.SIGKILL)
        assert _progress(at, key)["state"] == "running"
        with site.worker():
            _wait(lambda: _progress(at, key)["state"] == "done")
        work.result()
    shown = _progress(at, key)
    assert shown["rows"] == len(lines)
    assert_whole(site.judge(), writers)


def test_these_assertions_can_fail(site: Site, writers: Writers) -> None:
    """Events that no generator made, one that nobody stored, a sum that is one off, a rollup."""
    stray = Traffic("stray")
    writers.send([stray], batches=1)
    stored = site.judge()
    with pytest.raises(AssertionError):
        assert_whole(stored, writers)
    sent.append(stray)
    assert_whole(stored, writers)
    sums = {**stored["sums"], "output_tokens": stored["sums"]["output_tokens"] + 1}
    for broken in ({"sums": sums}, {"differences": ["a cell"]}, {"accepted": 1}):
        with pytest.raises(AssertionError):
            assert_whole({**stored, **broken}, writers)
    writers.acknowledged.add("never-stored")
    with pytest.raises(AssertionError, match="an acknowledged event is lost"):
        assert_whole(stored, writers)


def _upload(site: Site, key: str, text: str) -> str:
    url = f"http://127.0.0.1:{site.port}/api/v1/usage/imports"
    answer = httpx.post(
        url,
        files={"file": ("usage.jsonl", text.encode())},
        headers={"Authorization": f"Bearer {key}"},
        timeout=60,
    )
    assert answer.status_code == 202, answer.text
    return f"{url}/{answer.json()['id']}"


def _progress(url: str, key: str) -> dict[str, Any]:
    answer = httpx.get(url, headers={"Authorization": f"Bearer {key}"}, timeout=60)
    assert answer.status_code == 200, answer.text
    shown: dict[str, Any] = answer.json()
    return shown


def _wait(until: Callable[[], bool]) -> None:
    for _ in range(6_000):
        if until():
            return
        time.sleep(0.01)
    raise AssertionError("it never came to that")
