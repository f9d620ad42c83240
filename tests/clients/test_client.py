"""The client by itself: it never waits, never raises, never loses and never sends twice in vain."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from finops_metering import Client, EventError, EventNotValid
from finops_metering.ids import Minter
from finops_metering.spool import Spool

from finops_platform.embedded.home import REPOSITORY
from tests.clients.fakes import Platform, serving

NOWHERE = "http://127.0.0.1:9"  # the discard port: nobody listens


@pytest.fixture
def platform() -> Platform:
    return Platform()


@pytest.fixture
def url(platform: Platform) -> Iterator[str]:
    with serving(platform.handler()) as address:
        yield address


def client_of(url: str, **options: Any) -> Client:
    settings: dict[str, Any] = {"source": "tests", "flush_interval": 0.02, "timeout": 3.0}
    return Client(url, "fp_acme_x_y", **{**settings, **options})


def fill(client: Client, count: int, **fields: Any) -> list[str]:
    return [
        client.record(provider="openai", model="gpt-4o", usage={"output_tokens": 1}, **fields)
        for _ in range(count)
    ]


def test_events_go_out_in_batches_and_each_once(platform: Platform, url: str) -> None:
    with client_of(url, batch_size=100, tags={"team": "search"}) as client:
        ids = fill(client, 1_000, tags={"feature": "chat"})
        assert client.flush(10)
        stats = client.stats()
    assert set(platform.stored) == set(ids)
    assert len(ids) == len(set(ids)) == 1_000
    assert max(platform.batches) == 100
    assert (stats.recorded, stats.accepted, stats.queued, stats.dropped) == (1_000, 1_000, 0, 0)
    assert platform.stored[ids[0]]["tags"] == {"team": "search", "feature": "chat"}
    assert platform.stored[ids[0]]["source"] == "tests"


def test_one_event_leaves_within_the_interval(platform: Platform, url: str) -> None:
    client = client_of(url)
    (only,) = fill(client, 1)
    for _ in range(300):
        if only in platform.stored:
            break
        time.sleep(0.01)
    assert only in platform.stored
    client.close()


def test_recording_does_not_wait_for_a_server_that_does_not_answer() -> None:
    client = client_of(NOWHERE)
    begun = time.perf_counter()
    fill(client, 2_000)
    assert time.perf_counter() - begun < 2  # far below one try a batch, whatever the machine
    assert client.stats().queued == 2_000
    client.close(0)


def test_numbers_and_times_are_written_exactly(platform: Platform, url: str) -> None:
    with client_of(url) as client:
        name = client.record(
            service="scraping",
            meters={"pages": Decimal("0.10"), "seconds": 0.1, "calls": 2},
            reported_cost={"amount": Decimal("1E-7"), "currency": "USD"},
            end_user=None,
        )
        assert client.flush(10)
    stored = platform.stored[name]
    assert stored["meters"] == {"pages": "0.10", "seconds": "0.1", "calls": 2}
    assert stored["reported_cost"] == {"amount": "0.0000001", "currency": "USD"}
    assert "end_user" not in stored
    assert datetime.fromisoformat(stored["time"]).utcoffset() is not None


def test_it_waits_as_long_as_it_is_told_and_sends_the_same(platform: Platform, url: str) -> None:
    platform.plan = [(429, {"Retry_After": "1"}), (503, {"Retry_After": "1"}), "break"]
    begun = time.monotonic()
    with client_of(url) as client:
        ids = fill(client, 10)
        assert client.flush(30)
        stats = client.stats()
    assert time.monotonic() - begun >= 2
    assert set(platform.stored) == set(ids)
    assert (stats.retries, stats.duplicates, stats.accepted) in ((3, 10, 0), (2, 10, 0))


def test_a_refused_event_is_told_and_the_others_are_stored(platform: Platform, url: str) -> None:
    told: list[EventError] = []
    client = client_of(url, on_error=told.append)
    platform.refuses = lambda events: 400 if any("poison" in e["id"] for e in events) else None
    ids = fill(client, 7)
    client.record(id="poison", provider="openai", model="gpt-4o", usage={})
    ids += fill(client, 7)
    assert client.flush(10)
    assert set(platform.stored) == set(ids)
    assert [(one.id, one.code, one.message) for one in told] == [("poison", "refused", "no")]
    assert told[0].event["model"] == "gpt-4o"
    assert client.stats().refused == 1
    client.close()


def test_items_that_the_receipt_names_are_told(platform: Platform, url: str) -> None:
    told: list[EventError] = []
    error = {"index": 1, "id": "b", "code": "conflict", "field": None, "message": "stored already"}
    platform.store = lambda events: {"accepted": 1, "errors": [error]}  # type: ignore[method-assign]

    def raising(one: EventError) -> None:
        told.append(one)
        raise RuntimeError("a callback that breaks")

    client = client_of(url, on_error=raising)
    client.record(id="a", provider="openai", model="m", usage={})
    client.record(id="b", provider="openai", model="m", usage={})
    assert client.flush(10)
    assert [(one.id, one.code) for one in told] == [("b", "conflict")]
    assert fill(client, 1) != [""]
    client.close()


@pytest.mark.parametrize(
    "event",
    [
        {"time": datetime(2026, 1, 1)},  # no zone
        {"tags": {"team": "x"}, "meters": {"pages": object()}},
        {"meters": {"pages": float("nan")}},
    ],
)
def test_what_cannot_be_written_never_raises_unless_asked(url: str, event: Any) -> None:
    told: list[EventError] = []
    client = client_of(url, on_error=told.append)
    assert client.record_raw(event) == ""
    assert [one.code for one in told] == ["not_valid"]
    client.close()
    strict = client_of(url, strict=True)
    with pytest.raises(EventNotValid):
        strict.record_raw(event)
    strict.close()


def test_an_answer_that_is_no_receipt_settles_nothing(platform: Platform, url: str) -> None:
    platform.plan = [(200, {})]
    with client_of(url) as client:
        ids = fill(client, 3)
        assert client.flush(10)
        assert client.stats().retries == 1
    assert set(platform.stored) == set(ids)


def test_a_redirect_is_a_wrong_address_not_a_wrong_event(platform: Platform, url: str) -> None:
    told: list[EventError] = []
    platform.plan = [(308, {"Location": "https://elsewhere.example/"})]
    client = client_of(url, on_error=told.append)
    fill(client, 3)
    assert client.flush(10)
    assert [one.code for one in told] == ["http_308"] * 3
    assert platform.batches == [3]
    client.close()


# A full queue ------------------------------------------------------------------------------------


def test_a_full_queue_drops_the_new_and_counts_it() -> None:
    told: list[EventError] = []
    client = client_of(NOWHERE, queue_size=5, on_error=told.append, batch_size=1)
    ids = fill(client, 20)
    dropped = ids.count("")
    assert dropped in (14, 15)  # one may be on its way
    assert client.stats().dropped == dropped
    assert {one.code for one in told} == {"queue_full"}
    client.close(0)
    assert client.stats().dropped == 20
    assert {one.code for one in told} == {"queue_full", "not_sent"}


def test_a_full_queue_may_drop_the_oldest_instead() -> None:
    told: list[EventError] = []
    client = client_of(
        NOWHERE, queue_size=5, when_full="drop_old", on_error=told.append, batch_size=1
    )
    ids = fill(client, 20)
    assert "" not in ids
    assert len(told) in (14, 15)
    assert ids[-1] not in {one.id for one in told}
    client.close(0)


def test_a_full_queue_may_make_the_caller_wait(platform: Platform, url: str) -> None:
    platform.plan = [(503, {"Retry_After": "0"})] * 3
    client = client_of(url, queue_size=2, when_full="block", batch_size=1)
    ids = fill(client, 30)
    assert client.flush(20)
    assert set(ids) == set(platform.stored)
    client.close()


def test_bytes_are_bounded_as_well() -> None:
    client = client_of(NOWHERE, queue_bytes=20_000)
    ids = fill(client, 20, tags={"note": "x" * 1_900})
    assert 8 <= sum(map(bool, ids)) <= 19
    client.close(0)


# The spool ---------------------------------------------------------------------------------------


def test_nothing_is_lost_when_the_process_ends_during_an_outage(
    platform: Platform, url: str, tmp_path: Path
) -> None:
    spool = tmp_path / "deep" / "events.spool"
    before = client_of(NOWHERE, spool=spool)
    ids = fill(before, 2_500)
    assert before.close(0.1) is False
    assert before.stats().spooled == 2_500
    after = client_of(url, spool=spool)
    ids += fill(after, 5)
    assert after.flush(20)
    assert set(platform.stored) == set(ids)
    after.close()
    assert [path.name for path in spool.parent.iterdir() if path.stat().st_size] == []


def test_with_a_spool_a_full_queue_drops_nothing(
    platform: Platform, url: str, tmp_path: Path
) -> None:
    platform.plan = [(503, {"Retry_After": "1"})]
    client = client_of(url, queue_size=5, spool=tmp_path / "events.spool", batch_size=2)
    ids = fill(client, 50)
    assert "" not in ids
    assert client.flush(20)
    assert set(platform.stored) == set(ids)
    assert (client.stats().dropped, client.stats().spooled > 30) == (0, True)
    client.close()


def test_a_wrong_key_keeps_events_for_a_start_with_the_right_one(
    platform: Platform, url: str, tmp_path: Path
) -> None:
    spool = tmp_path / "events.spool"
    platform.refuses = lambda events: 401
    wrong = client_of(url, spool=spool)
    ids = fill(wrong, 10)
    assert wrong.flush(10)
    assert (wrong.stats().spooled, wrong.stats().refused) == (10, 0)
    wrong.close()
    platform.refuses = lambda events: None
    right = client_of(url, spool=spool)
    assert right.flush(10)
    assert set(platform.stored) == set(ids)
    right.close()


def test_a_wrong_key_without_a_spool_is_told(platform: Platform, url: str) -> None:
    told: list[EventError] = []
    platform.refuses = lambda events: 401
    client = client_of(url, on_error=told.append)
    fill(client, 3)
    assert client.flush(10)
    assert [one.code for one in told] == ["refused"] * 3
    client.close()


def test_what_a_dead_process_had_taken_over_is_taken_over_again(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "s")
    spool.append([b'{"id":"a"}', b'{"id":"b"}'])
    (claim,) = spool.claim()
    assert Spool(tmp_path / "s").claim() == []  # it is ours while we live
    claim.give_back()
    (again,) = Spool(tmp_path / "s").claim()
    assert list(again.lines()) == [b'{"id":"a"}', b'{"id":"b"}']
    again.finish()
    assert Spool(tmp_path / "s").claim() == []


# Processes ---------------------------------------------------------------------------------------

PROGRAM = """
import sys
from finops_metering import Client
url, options, name = sys.argv[1], eval(sys.argv[2]), sys.argv[3]
client = Client(url, "fp_acme_x_y", source="program", flush_interval=30, **options)
for n in range(25):
    client.record(id=f"{name}-{n}", provider="openai", model="m", usage={"output_tokens": 1})
"""


def run(program: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY / "clients" / "python")},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout + done.stderr


def test_a_program_that_just_ends_has_sent_everything(platform: Platform, url: str) -> None:
    run(PROGRAM, url, "{}", "exit")
    assert set(platform.stored) == {f"exit-{n}" for n in range(25)}


def test_a_program_that_ends_in_an_outage_leaves_its_spool(
    platform: Platform, url: str, tmp_path: Path
) -> None:
    options = f"dict(spool={str(tmp_path / 's')!r}, close_timeout=0.2)"
    run(PROGRAM, NOWHERE, options, "outage")
    run(PROGRAM, url, options, "after")
    wanted = {f"{when}-{n}" for when in ("outage", "after") for n in range(25)}
    assert set(platform.stored) == wanted


FORKING = """
import os, sys
from finops_metering import Client
client = Client(sys.argv[1], "fp_acme_x_y", source="program", flush_interval=0.2)
def fill(name):
    for n in range(50):
        client.record(id=f"{name}-{n}", provider="openai", model="m", usage={"output_tokens": 1})
fill("before")
for child in range(3):
    if os.fork() == 0:
        fill(f"child{child}")
        sent = client.close()
        os._exit(0 if sent and client.stats().accepted == 50 else 1)
codes = [os.waitstatus_to_exitcode(os.wait()[1]) for _ in range(3)]
fill("after")
assert client.close()
print(codes, client.stats().accepted, client.stats().duplicates)
"""


def test_forked_processes_send_their_own_events_once(platform: Platform, url: str) -> None:
    said = run(FORKING, url)
    assert "[0, 0, 0] 100 0" in said
    names = ("before", "child0", "child1", "child2", "after")
    assert set(platform.stored) == {f"{name}-{n}" for name in names for n in range(50)}
    assert sum(platform.batches) == 250


def test_ids_rise_whatever_the_clock_does() -> None:
    minter = Minter()
    ids = [minter.mint() for _ in range(20_000)]
    assert ids == sorted(ids)
    assert len(set(ids)) == 20_000
    assert all(one[14] == "7" and one[19] in "89ab" for one in ids[:100])


def test_an_address_that_is_none_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="base_url is http"):
        Client("acme.example", "key", source="x")


def test_an_event_is_one_line_of_json() -> None:
    from finops_metering.events import line_of

    line = line_of({"tags": {"note": "two\nlines"}, "id": "é"}, source="s")
    assert b"\n" not in line.json
    assert json.loads(line.json)["id"] == "é"
