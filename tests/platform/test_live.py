"""Web server and worker as processes of their own, and what survives when one is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.contrib.sessions.models import Session
from django.db import transaction
from django.utils import timezone
from django_tenants.utils import schema_context

from finops_platform.tasks import clear_sessions_everywhere
from tests import live

pytestmark = [pytest.mark.live, pytest.mark.slow]


def until(happened: Callable[[], bool], *, seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if happened():
            return True
        time.sleep(0.1)
    return False


def expired_session(schema: str) -> Callable[[], bool]:
    """Commit an expired session; the answer says whether somebody has deleted it."""
    with schema_context(schema):
        Session.objects.create(
            session_key="old", session_data="", expire_date=timezone.now() - timedelta(hours=1)
        )

    def is_gone() -> bool:
        with schema_context(schema):
            return not Session.objects.filter(session_key="old").exists()

    return is_gone


def test_the_web_server_answers(web_port: int) -> None:
    with urllib.request.urlopen(f"http://127.0.0.1:{web_port}/readyz") as answer:
        assert json.load(answer)["checks"] == {"database": "ok", "broker": "ok"}


def test_the_worker_does_what_was_sent(
    fresh_tenant: Any, task_worker: subprocess.Popen[bytes]
) -> None:
    is_gone = expired_session(fresh_tenant.schema)
    with live.sending():
        clear_sessions_everywhere.delay()
    assert until(is_gone)


def test_a_task_of_a_killed_worker_is_done_by_the_next(
    fresh_tenant: Any, owner_connection: psycopg.Connection, tmp_path: Path
) -> None:
    def is_held_up() -> bool:
        query = "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) "
        query += "WHERE NOT granted AND datname = current_database()"
        return owner_connection.execute(query).fetchone() != (0,)

    def is_free() -> bool:
        return not is_held_up()

    is_gone = expired_session(fresh_tenant.schema)
    with ExitStack() as lock:
        lock.enter_context(transaction.atomic())
        Session.objects.select_for_update().get(session_key="old")  # the task runs into this lock
        with live.worker(log=tmp_path / "first.log") as first:
            with live.sending():
                clear_sessions_everywhere.delay()
            assert until(is_held_up)
            os.killpg(first.pid, signal.SIGKILL)
        assert until(is_free)  # the database has noticed that the worker is gone
        with live.worker(log=tmp_path / "second.log"):
            assert until(is_held_up)
            assert not is_gone()
            lock.close()
            assert until(is_gone)
