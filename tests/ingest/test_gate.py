"""The gate: a bound on what is worked on at once, and a fair share for every tenant."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from apps.ingest.services import gate as module
from apps.ingest.services.gate import Gate, Lanes, ServerBusy, TenantBusy, Work, in_flight


class Clock:
    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def gate(clock: Clock) -> Gate:
    return Gate(slots=8, room={Work.BATCH: 4, Work.SMALL: 7}, clock=clock)


@pytest.fixture
def held() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def test_a_tenant_alone_has_every_slot_and_no_more(gate: Gate, held: ExitStack) -> None:
    for _ in range(8):
        held.enter_context(gate.slot("acme", Work.BATCH))
    with pytest.raises(ServerBusy) as refused, gate.slot("acme", Work.BATCH):
        pass
    assert refused.value.permanent is False
    held.close()
    with gate.slot("acme", Work.BATCH):
        pass


def test_the_last_thread_is_for_whoever_has_less_than_its_share(
    gate: Gate, held: ExitStack
) -> None:
    with gate.slot("globex", Work.BATCH):
        pass
    for _ in range(3):
        held.enter_context(gate.slot("acme", Work.BATCH))
    with pytest.raises(TenantBusy) as refused, gate.slot("acme", Work.BATCH):
        pass
    assert refused.value.retry_after == 1
    with gate.slot("globex", Work.BATCH):  # the thread that acme was refused
        pass


def test_nobody_is_refused_while_threads_are_free(gate: Gate, held: ExitStack) -> None:
    for name in ("acme", "globex", "initech"):
        held.enter_context(gate.slot(name, Work.BATCH))
    held.enter_context(gate.slot("umbrella", Work.BATCH))


def test_a_tenant_that_stopped_sending_is_forgotten(
    gate: Gate, clock: Clock, held: ExitStack
) -> None:
    with gate.slot("globex", Work.BATCH):
        pass
    clock.now += 5_000_000_001
    for _ in range(8):
        held.enter_context(gate.slot("acme", Work.BATCH))


def test_a_slot_is_given_back_whatever_happens(gate: Gate) -> None:
    for _ in range(20):
        with pytest.raises(ZeroDivisionError), gate.slot("acme", Work.BATCH):
            raise ZeroDivisionError
    assert gate._held == {}


def test_batches_and_small_requests_have_rooms_of_their_own(gate: Gate, held: ExitStack) -> None:
    with gate.slot("globex", Work.SMALL):
        pass
    for _ in range(3):
        held.enter_context(gate.slot("acme", Work.BATCH))
    with pytest.raises(TenantBusy), gate.slot("acme", Work.BATCH):
        pass
    for _ in range(5):
        held.enter_context(gate.slot("acme", Work.SMALL))


def test_batches_beyond_the_lanes_wait_and_go_on_when_patience_ends() -> None:
    lanes = Lanes(1, patience=0.05)
    with lanes.lane(), lanes.lane():
        pass
    with lanes.lane():
        assert not lanes._free.acquire(blocking=False)
    assert lanes._free.acquire(blocking=False)
    assert not lanes._free.acquire(blocking=False), "a lane that was not held was given back"


def test_who_holds_a_slot_does_not_take_another(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = Gate(slots=1, room={Work.BATCH: 1, Work.SMALL: 1})
    monkeypatch.setattr(module, "gate", alone)
    with in_flight(is_small=False), in_flight(is_small=False):
        assert alone._held.total() == 1
    with in_flight(is_small=True), pytest.raises(ServerBusy), in_flight(is_small=False):
        pass
    assert alone._held.total() == 0
