"""Closes by real workers: three at once, one killed in the middle, and one result."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connection, connections, transaction
from django_tenants.utils import schema_context

from apps.accounts import selectors as accounts
from apps.accounts import services as account_services
from apps.allocation import selectors as allocation
from apps.allocation.models import Run
from apps.chargeback import selectors as chargeback
from apps.closing import selectors, services, tasks
from apps.closing.models import CloseRun
from apps.closing.selectors import CloseRunFacts, RunState, Step
from apps.core.domain.access import Role, system_actor
from apps.core.domain.months import Month
from apps.periods import selectors as periods
from apps.periods.domain.calendar import State
from tests import live
from tests.allocation.base import NOW, enter_directory
from tests.closing.bill import MONTH, bill_of

pytestmark = [pytest.mark.live, pytest.mark.slow]
SYSTEM = system_actor("tests")


def until(happened: Callable[[], bool], *, seconds: float = 60) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if happened():
            return True
        time.sleep(0.1)
    return False


@pytest.fixture
def month(fresh_tenant: Any) -> Iterator[Month]:
    """A committed tenant with a bill of January 2026, a preparer and an approver."""
    enter_directory()
    for name, role in (("anna", Role.FINANCE), ("bob", Role.APPROVER)):
        account_services.invite(
            actor=SYSTEM, email=f"{name}@example.com", name=name, role=role, teams=(), now=NOW
        )
    bill_of({"ads": "300.004", "search": "100.009", "": "7.001"}, actor=SYSTEM)
    yield MONTH


def start() -> CloseRunFacts:
    return services.start_close(
        month=MONTH, actor=accounts.actor_of_person("anna@example.com"), now=NOW
    )


def facts(run: CloseRunFacts) -> CloseRunFacts:
    return selectors.close_run(run.id)


def test_three_closes_with_a_killed_worker_give_one_result(
    month: Month, fresh_tenant: Any, owner_connection: psycopg.Connection, tmp_path: Path
) -> None:
    """A worker dies inside the allocation; two more callers start the close meanwhile."""

    def is_held_up() -> bool:
        query = "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) "
        query += "WHERE NOT granted AND datname = current_database()"
        return owner_connection.execute(query).fetchone() != (0,)

    run = start()
    with ExitStack() as lock:
        lock.enter_context(transaction.atomic())
        with connection.cursor() as cursor:  # the allocation of the worker runs into this lock
            cursor.execute("LOCK TABLE allocation_run IN SHARE MODE")
        with live.worker(log=tmp_path / "first.log") as first:
            with live.sending():
                for _ in range(3):
                    tasks.advance.delay(schema=fresh_tenant.schema, run=str(run.id))
            assert until(is_held_up), (tmp_path / "first.log").read_text()
            os.killpg(first.pid, signal.SIGKILL)
        assert until(lambda: not is_held_up())
    assert facts(run).step(Step.ALLOCATE).state == "running"
    assert allocation.published_or_none(month) is None

    with live.worker(log=tmp_path / "second.log"), live.sending():
        for other in (start(), start()):
            assert other.id == run.id
            tasks.advance.delay(schema=fresh_tenant.schema, run=str(other.id))
        assert until(lambda: facts(run).state is RunState.WAITING), (
            tmp_path / "second.log"
        ).read_text()
        prepared = facts(run)
        services.approve(
            run=run.id, approver=accounts.actor_of_person("bob@example.com"), comment="", now=NOW
        )
        for _ in range(3):
            tasks.advance.delay(schema=fresh_tenant.schema, run=str(run.id))
        assert until(lambda: facts(run).state is RunState.FINISHED), (
            tmp_path / "second.log"
        ).read_text()
    done = facts(run)
    assert done.result_hash == prepared.result_hash
    assert done.step(Step.ALLOCATE).attempts >= 2
    assert CloseRun.objects.count() == Run.objects.count() == 1
    assert periods.period(month).state is State.CLOSED
    published = allocation.published(month)
    assert published.sources.effective == Decimal("407.014")
    statements = chargeback.set_of(published.id)
    assert statements is not None
    assert len(set(statements.numbers)) == statements.count == 3
    assert statements.total == Decimal("407.01")
    assert selectors.proof_of(month=month).holds


def test_three_advancers_at_once_give_one_result(month: Month, fresh_tenant: Any) -> None:
    """Threads race through every step without a broker."""
    run = start()
    errors: list[BaseException] = []

    def race() -> None:
        try:
            with schema_context(fresh_tenant.schema):
                for _ in range(40):
                    services.advance(run=run.id, now=NOW)
                    if selectors.close_run(run.id).state is RunState.WAITING:
                        return
        except BaseException as error:
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=race) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert errors == []
    services.advance(run=run.id, now=NOW)
    assert facts(run).state is RunState.WAITING
    assert Run.objects.count() == 1
    drafts = chargeback.set_of(allocation.published(month).id)
    assert drafts is not None
    assert drafts.count == 3


def test_concurrent_starts_give_one_close(month: Month, fresh_tenant: Any) -> None:
    ids: list[Any] = []

    def begin() -> None:
        try:
            with schema_context(fresh_tenant.schema):
                ids.append(start().id)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=begin) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(ids) == 5
    assert len(set(ids)) == 1


def test_concurrent_runs_publish_once(month: Month, fresh_tenant: Any) -> None:
    from apps.allocation import services as allocations

    ids: list[Any] = []

    def allocate() -> None:
        try:
            with schema_context(fresh_tenant.schema):
                ids.append(allocations.run(month=month, actor=SYSTEM, now=NOW).id)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=allocate) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(ids) == 5
    assert len(set(ids)) == 1
    assert Run.objects.count() == 1


HELD_UP: dict[Step, str] = {
    Step.FREEZE: "periods_period IN SHARE MODE",
    Step.RECONCILE: "costs_reconciliation IN SHARE MODE",
    Step.ATTRIBUTE: "allocation_adjustment IN ACCESS EXCLUSIVE MODE",
    Step.ALLOCATE: "allocation_line IN SHARE MODE",
    Step.STATEMENTS: "documents_document IN SHARE MODE",
    Step.REVIEW: "notifications_personalnotice IN ACCESS EXCLUSIVE MODE",
    Step.LOCK: "periods_period IN SHARE MODE",
    Step.RENDER: "documents_rendition IN SHARE MODE",
}
"""What keeps a step from ending: a table that it writes last, or that it alone asks."""


def test_a_worker_killed_in_every_step_changes_nothing(
    month: Month, fresh_tenant: Any, owner_connection: psycopg.Connection, tmp_path: Path
) -> None:
    """Eight workers die, one a step; the result is that of a close that nobody disturbed."""
    query = "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) "
    query += "WHERE NOT granted AND datname = current_database()"

    def is_held_up() -> bool:
        return owner_connection.execute(query).fetchone() != (0,)

    def send() -> None:
        with live.sending():
            for _ in range(2):
                tasks.advance.delay(schema=fresh_tenant.schema, run=str(run.id))

    def until_killed_in(step: Step) -> None:
        with ExitStack() as lock:
            lock.enter_context(transaction.atomic())
            with connection.cursor() as cursor:
                cursor.execute(f"LOCK TABLE {HELD_UP[step]}")
            log = tmp_path / f"{step}.log"
            with live.worker(log=log) as worker:
                send()
                assert until(is_held_up), f"{step}: {log.read_text()}"
                os.killpg(worker.pid, signal.SIGKILL)
            assert until(lambda: not is_held_up())
        assert facts(run).step(step).state in ("running", "pending"), step

    run = start()
    steps = list(Step)
    for step in steps[: steps.index(Step.LOCK)]:
        until_killed_in(step)
    with live.worker(log=tmp_path / "review.log"):
        send()
        assert until(lambda: facts(run).state is RunState.WAITING)
    prepared = facts(run)
    services.approve(
        run=run.id, approver=accounts.actor_of_person("bob@example.com"), comment="", now=NOW
    )
    until_killed_in(Step.LOCK)
    assert periods.period(month).state is State.SOFT_CLOSED
    until_killed_in(Step.RENDER)
    with live.worker(log=tmp_path / "last.log"):
        send()
        assert until(lambda: facts(run).state is RunState.FINISHED), (
            tmp_path / "last.log"
        ).read_text()

    published = allocation.published(month)
    assert facts(run).result_hash == prepared.result_hash
    assert CloseRun.objects.count() == Run.objects.count() == 1
    statements = chargeback.set_of(published.id)
    assert statements is not None
    assert len(set(statements.numbers)) == statements.count == 3
    assert selectors.proof_of(month=month).holds

    undisturbed = closed_anew(month)
    assert undisturbed.output_hash == published.output_hash
    assert undisturbed.input_hash == published.input_hash


def closed_anew(month: Month) -> Any:
    """Reopen the month, close it in this process, and return the run that is published then."""
    anna = accounts.actor_of_person("anna@example.com")
    bob = accounts.actor_of_person("bob@example.com")
    services.request_reopen(month=month, reason="again", actor=anna, now=NOW)
    services.reopen(month=month, actor=bob, now=NOW)
    run = start()
    for _ in Step:
        services.advance(run=run.id, now=NOW)
    services.approve(run=run.id, approver=bob, comment="", now=NOW)
    services.advance(run=run.id, now=NOW)
    return allocation.published(month)


def test_fifty_recomputes_at_once_give_one_run_and_no_deadlock(
    month: Month, fresh_tenant: Any
) -> None:
    """Ten threads, five runs each, while a driver changes under them."""
    from apps.allocation import services as allocations
    from apps.allocation.domain.payload import read_rule
    from apps.allocation.selectors import Axis

    body = {
        "code": "pool",
        "method": "proportional",
        "driver": "heads",
        "scope": {"origin": ["bill"]},
        "receivers": ["ads", "search"],
    }
    allocations.save_rule(rule=read_rule(body, first_month=MONTH), actor=SYSTEM, now=NOW)
    errors: list[BaseException] = []
    runs: list[Any] = []

    def recompute(number: int) -> None:
        try:
            with schema_context(fresh_tenant.schema):
                for turn in range(5):
                    if number == 0:
                        allocations.set_driver_values(
                            code="heads",
                            axis=Axis.TEAM,
                            month=MONTH,
                            values={"ads": Decimal(number + 1), "search": Decimal(turn + 1)},
                            actor=SYSTEM,
                            now=NOW,
                        )
                    runs.append(allocations.run(month=MONTH, actor=SYSTEM, now=NOW).id)
        except BaseException as error:
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=recompute, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(240)
    assert errors == []
    assert len(runs) == 50
    last = allocations.run(month=MONTH, actor=SYSTEM, now=NOW)
    assert Run.objects.filter(state="published").count() == 1
    assert last.sources.effective == Decimal("407.014")
    assert all(totals == last.sources for totals in last.totals.values())
