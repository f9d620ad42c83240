"""Small requests that wait at the same time share a transaction, and nothing else."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from decimal import Decimal
from threading import Event as Flag
from typing import Any

import pytest
from django.db import connection, connections
from django_tenants.utils import schema_context

from apps.core.domain.errors import Unavailable
from apps.ingest.domain.receipt import BatchRefused, Receipt
from apps.ingest.models import IngestBatch
from apps.ingest.services import accept
from apps.ingest.services.prepare import Sent
from apps.ingest.services.together import MOST_REQUESTS, SMALL, GroupCommit
from apps.usage import services as usage
from apps.usage.domain.decode import Form, decode_events
from apps.usage.models import Event, EventKey, Rollup
from tests.conftest import drop_tenant, provision
from tests.ingest.factories import NOW, WRITER, contract, event, send

Write = Callable[[Sequence[Sent]], list[Receipt]]


def sent(*events: dict[str, Any]) -> Sent:
    drafts = decode_events(body=json.dumps(events).encode(), form=Form.JSON)
    return Sent(drafts, WRITER, NOW)


class Held:
    """A group commit whose first group waits until it is let go; the rest line up meanwhile."""

    def __init__(self, write: Write = accept._accept) -> None:
        self.group = GroupCommit(self._write)
        self.sizes: list[int] = []
        self._inner = write
        self._started, self._go = Flag(), Flag()

    def _write(self, requests: Sequence[Sent]) -> list[Receipt]:
        self.sizes.append(len(requests))
        if len(self.sizes) == 1:
            self._started.set()
            assert self._go.wait(30)
        return self._inner(requests)

    def send_all(self, requests: Sequence[tuple[str, Sent]]) -> list[Receipt | BaseException]:
        """Let the first request lead, line the others up in order, and return every outcome."""
        with ThreadPoolExecutor(len(requests)) as pool:
            waiting: list[Future[Receipt]] = []
            for number, (schema, one) in enumerate(requests):
                waiting.append(pool.submit(in_schema, schema, self.group.accept, one))
                if number == 0:
                    assert self._started.wait(30)
                else:
                    self._until_in_line(number)
            self._go.set()
            return [one.exception(30) or one.result() for one in waiting]

    def _until_in_line(self, number: int) -> None:
        pause = Flag()
        for _ in range(3_000):
            if sum(map(len, self.group._waiting.values())) >= number:
                return
            pause.wait(0.01)
        raise AssertionError("the request does not line up")


def in_schema(schema: str, accept_one: Callable[[str, Sent], Receipt], one: Sent) -> Receipt:
    with connections_closed(), schema_context(schema):
        return accept_one(schema, one)


@contextmanager
def connections_closed() -> Iterator[None]:
    try:
        yield
    finally:
        connections.close_all()


def test_many_threads_share_transactions_and_get_receipts_of_their_own(fresh_tenant: Any) -> None:
    contract(input_tokens="2.50", output_tokens="10")
    send([event("warm")])

    def post(number: int) -> Receipt:
        with connections_closed(), schema_context(fresh_tenant.schema):
            return send([event(f"evt-{number:03d}")])

    with ThreadPoolExecutor(16) as pool:
        receipts = list(pool.map(post, range(200)))
    assert {one.accepted for one in receipts} == {1}
    assert len({one.batch for one in receipts}) == 200
    assert IngestBatch.objects.count() == 201
    stored = dict(Event.objects.values_list("event_id", "batch"))
    assert all(stored[f"evt-{number:03d}"] == one.batch for number, one in enumerate(receipts))
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(DISTINCT xmin::text) FROM ingest_ingestbatch")
        assert cursor.fetchone()[0] < 201, "nobody shared a transaction"
    assert Rollup.objects.get(meter="requests").quantity == 201
    assert usage.verify_rollups() == []


def test_a_group_tells_its_members_duplicates_and_conflicts_apart(fresh_tenant: Any) -> None:
    contract(input_tokens="2.50", output_tokens="10")
    send([event("old"), event("other")])
    held, schema = Held(), fresh_tenant.schema
    outcomes = held.send_all(
        [
            (schema, sent(event("first"))),
            (schema, sent(event("new"), event("old"))),
            (schema, sent(event("new"), event("other", model="else"))),
            (schema, sent(event("new", model="else"), event("mine"), event("mine"))),
            (schema, sent(event("late", time="2031-01-01T00:00:00Z"), event("fine"))),
        ]
    )
    assert held.sizes == [1, 4]
    told = [
        (one.accepted, one.duplicates, one.conflicts, one.rejected)
        for one in outcomes
        if isinstance(one, Receipt)
    ]
    assert told == [(1, 0, 0, 0), (1, 1, 0, 0), (0, 1, 1, 0), (1, 1, 1, 0), (1, 0, 0, 1)]
    errors = [
        [(error.index, error.code) for error in one.errors]
        for one in outcomes
        if isinstance(one, Receipt)
    ]
    assert errors == [[], [], [(1, "conflict")], [(0, "conflict")], [(0, "time_in_future")]]
    assert set(EventKey.objects.values_list("event_id", flat=True)) == {
        *("old", "other", "first", "new", "mine", "fine")
    }
    assert Rollup.objects.filter(meter="output_tokens").get().quantity == Decimal(6 * 300)
    assert usage.verify_rollups() == []


def test_an_id_that_somebody_else_stores_meanwhile_is_told_apart_for_the_whole_group(
    fresh_tenant: Any,
) -> None:
    schema = fresh_tenant.schema

    def overtaken(requests: Sequence[Sent]) -> list[Receipt]:
        if len(requests) > 1:
            with ThreadPoolExecutor(1) as pool:
                one = sent(event("raced"), event("changed", model="first"))
                pool.submit(in_schema, schema, lambda _, it: accept._accept([it])[0], one).result()
        return accept._accept(requests)

    outcomes = Held(overtaken).send_all(
        [
            (schema, sent(event("first"))),
            (schema, sent(event("raced"))),
            (schema, sent(event("changed"), event("own"))),
        ]
    )
    counts = [
        (one.accepted, one.duplicates, one.conflicts)
        for one in outcomes
        if isinstance(one, Receipt)
    ]
    assert counts == [(1, 0, 0), (0, 1, 0), (1, 0, 1)]
    assert usage.verify_rollups() == []


def test_a_member_that_cannot_be_stored_hurts_no_other(fresh_tenant: Any) -> None:
    schema = fresh_tenant.schema

    def poisoned(requests: Sequence[Sent]) -> list[Receipt]:
        if any(getattr(draft, "id", "") == "poison" for one in requests for draft in one.drafts):
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1 / 0")
        return accept._accept(requests)

    held = Held(poisoned)
    outcomes = held.send_all(
        [(schema, sent(event(name))) for name in ("first", "good", "poison", "better")]
    )
    assert held.sizes == [1, 3, 1, 1, 1]
    kinds = [type(one).__name__ for one in outcomes]
    assert kinds == ["Receipt", "Receipt", "DataError", "Receipt"]
    assert set(EventKey.objects.values_list("event_id", flat=True)) == {"first", "good", "better"}
    assert usage.verify_rollups() == []


def test_a_leader_that_is_stopped_answers_for_its_group_and_the_line_goes_on(
    fresh_tenant: Any,
) -> None:
    schema = fresh_tenant.schema

    def stopped(requests: Sequence[Sent]) -> list[Receipt]:
        if len(requests) > 1:
            raise SystemExit
        return accept._accept(requests)

    held = Held(stopped)
    outcomes = held.send_all([(schema, sent(event(name))) for name in ("first", "a", "b")])
    assert isinstance(outcomes[0], Receipt)
    assert isinstance(outcomes[1], SystemExit)
    assert isinstance(outcomes[2], Unavailable)
    assert outcomes[2].code == "interrupted"
    assert in_schema(schema, held.group.accept, sent(event("b"))).accepted == 1


def test_tenants_go_beside_each_other_and_never_into_each_other(fresh_tenant: Any) -> None:
    other = provision(slug=f"fresh-{secrets.token_hex(4)}")
    try:
        here, there = fresh_tenant.schema, other.schema
        held = Held()
        outcomes = held.send_all(
            [
                (here, sent(event("first"))),
                (here, sent(event("mine"))),
                (here, sent(event("both"))),
                (here, sent(event("more"))),
            ]
        )
        assert held.sizes == [1, 3]

        def post(number: int) -> Receipt:
            schema = here if number % 2 else there
            with connections_closed(), schema_context(schema):
                return send([event(f"{schema}-{number}"), event("both")])

        with ThreadPoolExecutor(12) as pool:
            receipts = list(pool.map(post, range(60)))
        assert sum(one.accepted for one in receipts) == 60 + 1
        assert all(isinstance(one, Receipt) for one in outcomes)
        for schema, kept in ((here, 4 + 30), (there, 1 + 30)):
            with schema_context(schema):
                ids = set(EventKey.objects.values_list("event_id", flat=True))
                assert len(ids) == kept
                foreign = there if schema == here else here
                assert not any(name.startswith(foreign) for name in ids)
                assert usage.verify_rollups() == []
    finally:
        with schema_context(fresh_tenant.schema):
            pass
        drop_tenant(slug=other.slug, schema=other.schema)


def test_a_tenant_at_work_does_not_hold_up_another() -> None:
    started, go = Flag(), Flag()

    def write(requests: Sequence[Sent]) -> list[Receipt]:
        if requests[0].drafts:
            started.set()
            assert go.wait(30)
        return [Receipt(0, 0, 0, 0, 0, None, ()) for _ in requests]

    group = GroupCommit(write)
    with ThreadPoolExecutor(1) as pool:
        busy = pool.submit(group.accept, "one", sent(event("slow")))
        assert started.wait(30)
        assert group.accept("two", Sent([], WRITER, NOW)).accepted == 0
        assert not busy.done()
        go.set()
        busy.result(30)


def test_a_group_has_bounds_and_the_line_is_empty_afterwards() -> None:
    held = Held(lambda requests: [Receipt(0, 0, 0, 0, 0, None, ()) for _ in requests])
    held.send_all([("t", Sent([], WRITER, NOW)) for _ in range(MOST_REQUESTS + 6)])
    assert held.sizes == [1, MOST_REQUESTS, 5]
    assert held.group._waiting == {}


def test_large_atomic_and_rehearsed_requests_go_alone(
    fresh_tenant: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    together = accept._together.accept

    def noted(tenant: str, one: Sent) -> Receipt:
        asked.append(len(one.drafts))
        return together(tenant, one)

    monkeypatch.setattr(accept._together, "accept", noted)
    assert send([event("small")]).accepted == 1
    assert send([event(f"n-{n}") for n in range(SMALL + 1)]).accepted == SMALL + 1
    assert send([event("a")], atomic=True).accepted == 1
    assert send([event("b")], dry_run=True).batch is None
    with pytest.raises(BatchRefused):
        send([event("c"), event("a", model="else")], atomic=True)
    assert asked == [1]
    assert not EventKey.objects.filter(event_id__in=["b", "c"]).exists()
