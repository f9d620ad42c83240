"""Imports whose worker died, was never reached, or lost them to another."""

from __future__ import annotations

from datetime import timedelta
from itertools import count
from typing import Any

import pytest

from apps.ingest import services as ingest
from apps.ingest import tasks
from apps.ingest.models import Import
from apps.ingest.services import imports
from apps.usage.models import EventKey
from tests.ingest.factories import NOW, event
from tests.ingest.test_files import lines, queue

ROWS = 6


class Broken(Exception):
    """What nobody foresaw."""


@pytest.fixture
def ticking() -> Any:
    moments = count()
    return lambda: NOW + timedelta(seconds=next(moments))


@pytest.fixture
def queued(acme: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(imports, "ROWS", 2)
    return queue("a.jsonl", lines([event(f"e{n}") for n in range(ROWS)]))


def counts() -> tuple[Any, ...]:
    one = Import.objects.get()
    return one.state, one.rows_done, one.accepted, one.duplicates


def break_off(at: int, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """Let the import break before (`begin_part`, `advance`) its part number `at`, once."""
    done, calls = getattr(Import, step), count(1)

    def breaks(row: Import, *args: Any, **kwargs: Any) -> bool:
        if next(calls) == at:
            raise Broken
        return bool(done(row, *args, **kwargs))

    monkeypatch.setattr(Import, step, breaks)


@pytest.mark.parametrize("step", ["begin_part", "advance"])
def test_a_silent_import_is_taken_up_once(
    queued: Any, ticking: Any, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    break_off(2, monkeypatch, step)
    with pytest.raises(Broken):
        ingest.run_import(import_id=queued, clock=ticking)
    assert ingest.take_up_imports(now=NOW + timedelta(minutes=5)) == []
    later = NOW + timedelta(minutes=15)
    assert ingest.take_up_imports(now=later) == [queued]
    assert ingest.take_up_imports(now=later) == []
    ingest.run_import(import_id=queued, clock=ticking)
    assert counts() == ("done", ROWS, ROWS, 0)
    assert EventKey.objects.count() == ROWS
    assert ingest.take_up_imports(now=later + timedelta(hours=1)) == []


def test_one_that_no_worker_was_told_of_is_taken_up(queued: Any, ticking: Any) -> None:
    assert ingest.take_up_imports(now=NOW + timedelta(minutes=9)) == []
    assert ingest.take_up_imports(now=NOW + timedelta(minutes=11)) == [queued]


def test_the_latest_worker_has_it(
    queued: Any, ticking: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first loses the import while it stores a part: it counts nothing more."""
    store, begun = imports._store, count()

    def stores(*args: Any, **kwargs: Any) -> Any:
        stored = store(*args, **kwargs)
        if next(begun) == 1:
            ingest.run_import(import_id=queued, clock=ticking)
        return stored

    monkeypatch.setattr(imports, "_store", stores)
    ingest.run_import(import_id=queued, clock=ticking)
    assert counts() == ("done", ROWS, ROWS, 0)


def test_one_that_never_comes_on_is_given_up_and_says_so(
    queued: Any, ticking: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*args: Any, **kwargs: Any) -> Any:
        raise Broken

    monkeypatch.setattr(imports, "_store", breaks)
    for _ in range(imports.MOST_ATTEMPTS):
        with pytest.raises(Broken):
            ingest.run_import(import_id=queued, clock=ticking)
    ingest.run_import(import_id=queued, clock=ticking)
    one = Import.objects.get()
    assert (one.state, one.rows_done) == ("failed", 0)
    assert "broke off five times after row 0" in one.message


def test_the_task_takes_up_every_tenants(
    queued: Any, acme: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[dict[str, str]] = []
    monkeypatch.setattr(tasks.run_import, "delay", lambda **kwargs: told.append(kwargs))
    tasks.take_up_imports_everywhere()
    assert told == [{"schema": acme.schema, "import_id": str(queued)}]
