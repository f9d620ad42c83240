"""Events through the service into the database: stored once, rated exactly, counted honestly."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from apps.core.domain.errors import Forbidden, Unprocessable
from apps.ingest.domain.receipt import BatchRefused
from apps.ingest.models import IngestBatch
from apps.usage.models import Event, EventKey, Outcome, Rollup
from tests.ingest.factories import NOW, WRITER, contract, event, send


def rollups() -> dict[str, tuple[Decimal, Decimal | None]]:
    return {row.meter: (row.quantity, row.cost) for row in Rollup.objects.all()}


def test_one_event_is_stored_and_rated(acme: Any) -> None:
    contract(input_tokens="2.50", cached_input_tokens="1.25", output_tokens="10")
    receipt = send([event()])
    assert (receipt.accepted, receipt.duplicates, receipt.unpriced) == (1, 0, 0)
    assert receipt.errors == ()
    assert rollups() == {
        "input_tokens": (Decimal(400), Decimal("0.001")),
        "cached_input_tokens": (Decimal(800), Decimal("0.001")),
        "output_tokens": (Decimal(300), Decimal("0.003")),
        "requests": (Decimal(1), None),
    }
    stored = Event.objects.get()
    assert stored.meters == {"input_tokens": 400, "cached_input_tokens": 800, "output_tokens": 300}
    assert (stored.context_tokens, stored.sign, stored.revision) == (1200, 1, 0)
    assert str(stored.period) == "2026-01-01"
    assert IngestBatch.objects.get().public_id == receipt.batch


def test_sending_again_is_a_duplicate_and_changes_nothing(acme: Any) -> None:
    contract(input_tokens="2.50", cached_input_tokens="1.25", output_tokens="10")
    send([event()])
    before = rollups()
    receipt = send([event(), event()])
    assert (receipt.accepted, receipt.duplicates, receipt.conflicts) == (0, 2, 0)
    assert rollups() == before
    assert Event.objects.count() == EventKey.objects.count() == 1


def test_another_payload_is_a_conflict_and_the_stored_event_stays(acme: Any) -> None:
    send([event()])
    before = rollups()
    changed = event(usage={"input_tokens": 9})
    receipt = send([changed, event("evt-2"), event("evt-2", region="eu")])
    assert (receipt.accepted, receipt.duplicates, receipt.conflicts) == (1, 0, 2)
    assert [(e.index, e.id, e.code) for e in receipt.errors] == [
        (0, "evt-1", "conflict"),
        (2, "evt-2", "conflict"),
    ]
    assert rollups()["input_tokens"][0] == before["input_tokens"][0] * 2
    assert Event.objects.count() == 2


def test_unknown_model_is_stored_unpriced(acme: Any) -> None:
    receipt = send([event(model="never-heard-of")])
    assert (receipt.accepted, receipt.unpriced) == (1, 1)
    assert {cost for _, cost in rollups().values()} == {None}
    assert {row.price for row in Rollup.objects.all()} == {0}


def test_a_bad_item_never_loses_the_rest(acme: Any) -> None:
    receipt = send([event("a"), event("b", usage={"input_tokens": 1, "cached_input_tokens": 2})])
    assert (receipt.accepted, receipt.rejected) == (1, 1)
    assert receipt.errors[0].code == "cached_exceeds_input"
    assert receipt.errors[0].field == "usage.cached_input_tokens"


def test_atomic_stores_nothing_when_one_item_is_bad(acme: Any) -> None:
    with pytest.raises(BatchRefused) as caught:
        send([event("a"), event("b", model=None)], atomic=True)
    assert caught.value.items[0].index == 1
    send([event("c")])
    for dry in (False, True):
        with pytest.raises(BatchRefused):
            send([event("d"), event("c", region="eu")], atomic=True, dry_run=dry)
    assert [key.event_id for key in EventKey.objects.all()] == ["c"]


def test_outcome_comes_with_the_event(acme: Any) -> None:
    send([event(outcome={"name": "accepted", "success": True, "value": "0.40"})])
    outcome = Outcome.objects.get()
    assert (outcome.name, outcome.success, outcome.value) == ("accepted", True, Decimal("0.4"))
    assert outcome.event_id == "evt-1"


def test_scope_is_needed(acme: Any) -> None:
    from dataclasses import replace

    with pytest.raises(Forbidden):
        send([event()], actor=replace(WRITER, scopes=frozenset()))
    assert Event.objects.count() == 0


def test_times_outside_are_rejected(acme: Any) -> None:
    receipt = send(
        [
            event("a", time="2026-01-20T13:00:01Z"),
            event("b", time="2024-11-30T00:00:00Z"),
            event("c", time="9999-12-31T23:59:59-01:00"),
            event("d", time="2026-01-20T13:00:00Z"),
        ]
    )
    assert [(e.id, e.code) for e in receipt.errors] == [
        ("a", "time_in_future"),
        ("b", "time_before_first_period"),
        ("c", "time_in_future"),
    ]
    assert receipt.accepted == 1
    assert NOW.year == 2026


def test_sums_beyond_all_digits_are_refused_by_name(acme: Any) -> None:
    most = {"input_tokens": 10**18 - 1}
    send([event(f"evt-{i}", usage=most) for i in range(10_000)])
    for more in (1, 51):
        with pytest.raises(Unprocessable, match="void stored ones") as refused:
            send([event(f"more-{i}", usage=most) for i in range(more)])
        assert refused.value.code == "quantity_overflow"
    assert Event.objects.count() == 10_000
    assert rollups()["input_tokens"] == (Decimal(10**22 - 10**4), None)
