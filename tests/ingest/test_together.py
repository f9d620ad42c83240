"""Small requests that wait at the same time share a transaction, and nothing else."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from decimal import Decimal
from threading import Event as Flag
from threading import Semaphore, Thread, current_thread
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection, connections
from django_tenants.utils import schema_context

from apps.core import together
from apps.core.db import current_schema
from apps.core.domain.errors import Unavailable
from apps.core.domain.limits import Limits
from apps.core.together import MOST_REQUESTS, MOST_WRITERS, GroupCommit
from apps.ingest.domain.receipt import BatchRefused, Receipt
from apps.ingest.models import IngestBatch
from apps.ingest.services import SMALL, accept
from apps.ingest.services.prepare import Sent
from apps.tenants import selectors as tenants
from apps.tenants.domain.facts import TenantFacts, TenantStatus
from apps.usage import services as usage
from apps.usage.domain.decode import Form, decode_events
from apps.usage.models import Event, EventKey, Rollup
from tests.conftest import drop_tenant, provision
from tests.ingest.factories import NOW, WRITER, contract, event, send

Write = Callable[[Sequence[Sent]], list[Receipt]]


def facts(provisioned: Any) -> TenantFacts:
    return tenants.fresh(slug=provisioned.slug)


def nobody(schema: str) -> TenantFacts:
    """A tenant of which only the name is asked."""
    return TenantFacts(
        schema, schema, schema, "USD", ZoneInfo("UTC"), "en-US", TenantStatus.ACTIVE, "", Limits()
    )


def sent(*events: dict[str, Any]) -> Sent:
    drafts = decode_events(body=json.dumps(events).encode(), form=Form.JSON)
    return Sent(drafts, WRITER, NOW)


class Held:
    """A group commit whose first group waits until it is let go; the rest line up meanwhile."""

    def __init__(self, write: Write = accept._store_group) -> None:
        self.group = GroupCommit(self._write, name="ingest-writer")
        self.sizes: list[int] = []
        self._inner = write
        self._started, self._go = Flag(), Flag()

    def _write(self, requests: Sequence[Sent]) -> list[Receipt]:
        self.sizes.append(len(requests))
        if len(self.sizes) == 1:
            self._started.set()
            assert self._go.wait(30)
        return self._inner(requests)

    def send_all(
        self, requests: Sequence[tuple[TenantFacts, Sent]]
    ) -> list[Receipt | BaseException]:
        """Have the first request stored, line the others up in order, and return every outcome."""
        with ThreadPoolExecutor(len(requests)) as pool:
            waiting: list[Future[Receipt]] = []
            for number, (tenant, one) in enumerate(requests):
                waiting.append(pool.submit(self.group.accept, tenant, one))
                if number == 0:
                    assert self._started.wait(30)
                else:
                    self._until_in_line(number)
            self._go.set()
            return [one.exception(30) or one.result() for one in waiting]

    def _until_in_line(self, number: int) -> None:
        pause = Flag()
        for _ in range(3_000):
            if sum(len(line.waiting) for line in self.group._lines.values()) >= number:
                return
            pause.wait(0.01)
        raise AssertionError("the request does not line up")


def in_schema(schema: str, requests: Sequence[Sent]) -> list[Receipt]:
    with connections_closed(), schema_context(schema):
        return accept._accept(requests)


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
    held, schema = Held(), facts(fresh_tenant)
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
    tenant = facts(fresh_tenant)

    def overtaken(requests: Sequence[Sent]) -> list[Receipt]:
        if len(requests) > 1:
            with ThreadPoolExecutor(1) as pool:
                one = sent(event("raced"), event("changed", model="first"))
                pool.submit(in_schema, tenant.schema, [one]).result()
        return accept._store_group(requests)

    outcomes = Held(overtaken).send_all(
        [
            (tenant, sent(event("first"))),
            (tenant, sent(event("raced"))),
            (tenant, sent(event("changed"), event("own"))),
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
    schema = facts(fresh_tenant)

    def poisoned(requests: Sequence[Sent]) -> list[Receipt]:
        if any(getattr(draft, "id", "") == "poison" for one in requests for draft in one.drafts):
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1 / 0")
        return accept._store_group(requests)

    held = Held(poisoned)
    outcomes = held.send_all(
        [(schema, sent(event(name))) for name in ("first", "good", "poison", "better")]
    )
    assert held.sizes == [1, 3, 1, 1, 1]
    kinds = [type(one).__name__ for one in outcomes]
    assert kinds == ["Receipt", "Receipt", "DataError", "Receipt"]
    assert set(EventKey.objects.values_list("event_id", flat=True)) == {"first", "good", "better"}
    assert usage.verify_rollups() == []


def test_a_writer_that_is_stopped_answers_for_its_group_and_the_line_goes_on(
    fresh_tenant: Any,
) -> None:
    schema = facts(fresh_tenant)

    def stopped(requests: Sequence[Sent]) -> list[Receipt]:
        if len(requests) > 1:
            raise SystemExit
        return accept._store_group(requests)

    held = Held(stopped)
    outcomes = held.send_all([(schema, sent(event(name))) for name in ("first", "a", "b")])
    assert isinstance(outcomes[0], Receipt)
    for outcome in outcomes[1:]:
        assert isinstance(outcome, Unavailable)
        assert outcome.code == "interrupted"
    assert held.group.accept(schema, sent(event("b"))).accepted == 1


def test_tenants_go_beside_each_other_and_never_into_each_other(fresh_tenant: Any) -> None:
    other = provision(slug=f"fresh-{secrets.token_hex(4)}")
    try:
        here, there = fresh_tenant.schema, other.schema
        held, tenant = Held(), facts(fresh_tenant)
        outcomes = held.send_all(
            [
                (tenant, sent(event("first"))),
                (tenant, sent(event("mine"))),
                (tenant, sent(event("both"))),
                (tenant, sent(event("more"))),
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

    group = GroupCommit(write, name="ingest-writer")
    with ThreadPoolExecutor(1) as pool:
        busy = pool.submit(group.accept, nobody("one"), sent(event("slow")))
        assert started.wait(30)
        assert group.accept(nobody("two"), Sent([], WRITER, NOW)).accepted == 0
        assert not busy.done()
        go.set()
        busy.result(30)


def test_a_group_has_bounds_and_the_line_is_empty_afterwards() -> None:
    held = Held(lambda requests: [Receipt(0, 0, 0, 0, 0, None, ()) for _ in requests])
    held.send_all([(nobody("t"), Sent([], WRITER, NOW)) for _ in range(MOST_REQUESTS + 6)])
    assert held.sizes == [1, MOST_REQUESTS, 5]
    assert held.group._lines == {}


def test_tenants_beyond_the_writers_wait_for_one_and_are_served_in_turn() -> None:
    served: list[str] = []
    started, go = Semaphore(0), Flag()

    def write(requests: Sequence[Sent]) -> list[Receipt]:
        started.release()
        assert go.wait(30)
        served.append(current_schema())
        return [Receipt(0, 0, 0, 0, 0, None, ()) for _ in requests]

    group = GroupCommit(write, name="ingest-writer")
    names = [f"t{number}" for number in range(MOST_WRITERS + 3)]
    with ThreadPoolExecutor(len(names)) as pool:
        waiting = [pool.submit(group.accept, nobody(name), Sent([], WRITER, NOW)) for name in names]
        for _ in range(MOST_WRITERS):
            assert started.acquire(timeout=30)
        assert not started.acquire(timeout=0.2), "more writers than there may be"
        go.set()
        for one in waiting:
            assert one.result(30).accepted == 0
    assert sorted(served) == sorted(names)
    assert group._lines == {}


def test_a_writer_without_work_ends_and_the_next_request_gets_another(
    fresh_tenant: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(together, "IDLE_SECONDS", 0.01)
    threads: list[Thread] = []

    def write(requests: Sequence[Sent]) -> list[Receipt]:
        threads.append(current_thread())
        return accept._store_group(requests)

    group, tenant = GroupCommit(write, name="ingest-writer"), facts(fresh_tenant)
    assert group.accept(tenant, sent(event("one"))).accepted == 1
    threads[0].join(30)
    assert not threads[0].is_alive()
    assert group._writers == 0
    assert group.accept(tenant, sent(event("two"))).accepted == 1
    assert threads[1] is not threads[0]


def test_a_price_book_that_moved_is_read_anew_and_the_group_is_rated_with_it(
    fresh_tenant: Any,
) -> None:
    contract(input_tokens="2.50", output_tokens="10")
    tenant, group = facts(fresh_tenant), GroupCommit(accept._store_group, name="ingest-writer")
    plain = {"input_tokens": 10, "output_tokens": 3}
    assert group.accept(tenant, sent(event("before", usage=plain))).unpriced == 0
    contract(model="another", input_tokens="5", output_tokens="20")
    other = event("after", model="another", usage=plain)
    assert group.accept(tenant, sent(other)).unpriced == 0
    assert usage.verify_rollups() == []


def test_what_comes_along_with_small_events_is_kept(fresh_tenant: Any) -> None:
    tenant, group = facts(fresh_tenant), GroupCommit(accept._store_group, name="ingest-writer")
    rare = {"end_user": "u-1", "status": "error", "trace_id": "abc"}
    group.accept(tenant, sent(event("plain")))
    group.accept(tenant, sent(event("rare", **rare)))
    rows = Event.objects.order_by("event_id").values_list("status", "trace_id", "end_user")
    assert [(status, trace, user is not None) for status, trace, user in rows] == [
        ("ok", None, False),
        ("error", "abc", True),
    ]
    assert usage.verify_rollups() == []


def test_large_atomic_and_rehearsed_requests_go_alone(
    fresh_tenant: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    stored = accept._together.accept

    def noted(tenant: TenantFacts, one: Sent) -> Receipt:
        asked.append(len(one.drafts))
        return stored(tenant, one)

    monkeypatch.setattr(accept._together, "accept", noted)
    assert send([event("small")]).accepted == 1
    assert send([event(f"n-{n}") for n in range(SMALL + 1)]).accepted == SMALL + 1
    assert send([event("a")], atomic=True).accepted == 1
    assert send([event("b")], dry_run=True).batch is None
    with pytest.raises(BatchRefused):
        send([event("c"), event("a", model="else")], atomic=True)
    assert asked == [1]
    assert not EventKey.objects.filter(event_id__in=["b", "c"]).exists()
