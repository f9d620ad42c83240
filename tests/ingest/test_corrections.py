"""Void, amend and revert: facts that bring every rollup back to where it was."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from apps.audit.models import AuditRecord
from apps.core.domain.access import Actor, system_actor
from apps.core.domain.errors import Forbidden
from apps.core.domain.months import Month
from apps.ingest import services as ingest
from apps.ingest.services.correct import (
    AlreadyVoid,
    AmendmentRefused,
    NothingAmended,
    NothingToRevert,
    ReasonMissing,
)
from apps.periods import services as periods
from apps.usage import selectors
from apps.usage import services as usage
from apps.usage.models import Event, Rollup
from tests.ingest.factories import NOW, WRITER, contract, event, send

NAME = {"source": "gateway", "event_id": "evt-1"}
HOW = {"reason": "sent twice by a broken client", "actor": WRITER, "now": NOW}
JANUARY, FEBRUARY = Month(2026, 1), Month(2026, 2)


def state() -> set[tuple[Any, ...]]:
    return set(Rollup.objects.values_list())


@pytest.fixture
def stored(acme: Any) -> set[tuple[Any, ...]]:
    contract(input_tokens="2.50", cached_input_tokens="1.25", output_tokens="10")
    send([event("evt-0"), event(), event("evt-2", tags={"team": "other"})])
    return state()


def test_void_amend_and_revert_bring_rollups_back(stored: set[tuple[Any, ...]]) -> None:
    ingest.void_event(**NAME, **HOW)
    after_void = state()
    assert after_void != stored
    assert usage.verify_rollups() == []
    ingest.revert_correction(**NAME, **HOW)
    assert state() == stored
    ingest.amend_event(**NAME, **HOW, event=event(usage={"input_tokens": 9}))
    assert state() != stored
    assert usage.verify_rollups() == []
    ingest.revert_correction(**NAME, **HOW)
    assert state() == stored
    assert usage.verify_rollups() == []
    signs = Event.objects.filter(event_id="evt-1").order_by("revision", "-sign")
    assert [(row.revision, row.sign) for row in signs] == [
        (0, 1),
        (0, -1),
        (1, 1),
        (1, -1),
        (2, 1),
        (2, -1),
        (3, 1),
    ]


def test_three_corrections_leave_three_audit_entries(stored: set[tuple[Any, ...]]) -> None:
    before = AuditRecord.objects.count()
    ingest.void_event(**NAME, **HOW)
    ingest.revert_correction(**NAME, **HOW)
    ingest.amend_event(**NAME, **HOW, event=event(usage={"input_tokens": 9}))
    added = AuditRecord.objects.order_by("sequence")[before:]
    assert [row.action for row in added] == ["event.voided", "event.reverted", "event.amended"]


def test_a_void_of_the_only_event_leaves_no_rollup(acme: Any) -> None:
    send([event()])
    ingest.void_event(**NAME, **HOW)
    assert Rollup.objects.count() == 0
    assert Event.objects.count() == 2


def test_void_never_frees_the_id(stored: set[tuple[Any, ...]]) -> None:
    ingest.void_event(**NAME, **HOW)
    before = state()
    receipt = send([event(), event(usage={"input_tokens": 5})])
    assert (receipt.accepted, receipt.duplicates, receipt.conflicts) == (0, 1, 1)
    assert state() == before


def test_either_payload_is_a_duplicate_after_an_amendment(stored: set[tuple[Any, ...]]) -> None:
    amended = event(usage={"input_tokens": 9})
    ingest.amend_event(**NAME, **HOW, event=amended)
    before = state()
    receipt = send([event(), amended, event(usage={"input_tokens": 10})])
    assert (receipt.accepted, receipt.duplicates, receipt.conflicts) == (0, 2, 1)
    assert state() == before


def test_an_amendment_may_move_an_event(stored: set[tuple[Any, ...]]) -> None:
    moved = event(time="2026-01-03T00:00:00Z", tags={"team": "ads"}, model="unknown-model")
    ingest.amend_event(**NAME, **HOW, event=moved)
    shown = selectors.event(**NAME, actor=WRITER)
    assert (shown.event.revision, shown.event.model) == (1, "unknown-model")
    assert shown.is_unpriced
    assert usage.verify_rollups() == []


def test_refusals_change_nothing(stored: set[tuple[Any, ...]]) -> None:
    with pytest.raises(ReasonMissing):
        ingest.void_event(**NAME, **{**HOW, "reason": "  "})
    with pytest.raises(selectors.EventMissing):
        ingest.void_event(source="gateway", event_id="nope", **HOW)
    with pytest.raises(Forbidden):
        ingest.void_event(**NAME, **{**HOW, "actor": replace(WRITER, scopes=frozenset())})
    with pytest.raises(NothingToRevert):
        ingest.revert_correction(**NAME, **HOW)
    with pytest.raises(NothingAmended):
        ingest.amend_event(**NAME, **HOW, event=event())
    with pytest.raises(AmendmentRefused) as caught:
        ingest.amend_event(**NAME, **HOW, event=event(usage={"inputs": 1}))
    assert caught.value.errors[0].field == "usage.inputs"
    with pytest.raises(AmendmentRefused):
        ingest.amend_event(**NAME, **HOW, event=event("evt-9"))
    assert state() == stored
    ingest.void_event(**NAME, **HOW)
    with pytest.raises(AlreadyVoid):
        ingest.void_event(**NAME, **HOW)


def test_a_member_corrects_only_what_they_see(stored: set[tuple[Any, ...]]) -> None:
    stranger = Actor(kind="key", label="m", scopes=WRITER.scopes, teams=frozenset({"another-team"}))
    with pytest.raises(selectors.EventMissing):
        ingest.void_event(**NAME, **{**HOW, "actor": stranger})
    assert state() == stored


def freeze(month: Month) -> None:
    from apps.rating import selectors as rating

    periods.freeze(
        month=month,
        actor=system_actor("tests"),
        now=NOW,
        price_book_version=rating.current_version().version,
    )


def test_late_usage_is_booked_in_the_next_open_month(stored: set[tuple[Any, ...]]) -> None:
    freeze(JANUARY)
    receipt = send([event("late")])
    assert receipt.accepted == 1
    row = Event.objects.get(event_id="late")
    assert (row.period, row.original_period) == (FEBRUARY.first_day, JANUARY.first_day)
    assert {r for r in state() if r[0] == JANUARY.first_day} == stored
    assert usage.verify_rollups() == []


def test_a_void_after_the_close_carries_the_old_price(stored: set[tuple[Any, ...]]) -> None:
    freeze(JANUARY)
    dearer = datetime(2026, 1, 10, tzinfo=UTC)
    _replace_price("output_tokens", "20", since=dearer)
    ingest.adopt_prices(actor=system_actor("tests"), now=NOW)
    ingest.void_event(**NAME, **HOW)
    booked = Rollup.objects.filter(period=FEBRUARY.first_day)
    assert {row.meter: (row.quantity, row.cost) for row in booked} == {
        "input_tokens": (Decimal(-400), Decimal("-0.001")),
        "cached_input_tokens": (Decimal(-800), Decimal("-0.001")),
        "output_tokens": (Decimal(-300), Decimal("-0.003")),
        "requests": (Decimal(-1), None),
    }
    assert {r for r in state() if r[0] == JANUARY.first_day} == stored
    assert usage.verify_rollups() == []
    ingest.revert_correction(**NAME, **HOW)
    assert state() == stored
    assert usage.verify_rollups() == []


def _replace_price(meter: str, amount: str, *, since: datetime) -> None:
    from apps.rating import services as rating
    from apps.rating.models import ContractPrice

    rating.record_contract_price(
        draft=rating.ContractDraft(
            provider="testco",
            model="tiny",
            meter=meter,
            amount=Decimal(amount),
            unit_size=1_000_000,
            currency="USD",
            valid_from=since,
            replaces=ContractPrice.objects.get(meter=meter, known_to=None).public_id,
        ),
        actor=system_actor("tests"),
        now=NOW,
    )
