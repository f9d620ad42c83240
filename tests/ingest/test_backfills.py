"""Backfills: nothing counts before the close, all of it after, and a revert restores exactly."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any
from uuid import UUID

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from apps.audit.models import AuditRecord
from apps.core.domain.access import system_actor
from apps.core.domain.errors import Forbidden
from apps.core.domain.months import Month
from apps.ingest import selectors
from apps.ingest import services as ingest
from apps.ingest.models import Backfill, BackfillEvent, Correction
from apps.ingest.services import backfill_close as closing
from apps.ingest.services import backfill_revert as reverting
from apps.ingest.services import backfills
from apps.ingest.services.correct import NothingToRevert, ReasonMissing
from apps.periods import services as periods
from apps.rating import selectors as rating
from apps.usage import selectors as usage_selectors
from apps.usage import services as usage
from apps.usage.domain.decode import Form, decode_events
from apps.usage.models import Event, Outcome, Rollup
from tests.ingest.factories import NOW, WRITER, contract, event, send

JANUARY, FEBRUARY = Month(2026, 1), Month(2026, 2)
START, END = datetime(2026, 1, 15, tzinfo=UTC), datetime(2026, 1, 16, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
HOW: dict[str, Any] = {"actor": WRITER, "now": LATER}


def state() -> set[tuple[Any, ...]]:
    return set(Rollup.objects.values_list())


def draft(**changes: Any) -> backfills.BackfillDraft:
    said: dict[str, Any] = {
        "source": "gateway",
        "starts_at": START,
        "ends_at": END,
        "reason": "the gateway counted twice",
        "tags": {},
        **changes,
    }
    return backfills.BackfillDraft(**said)


def opened(**changes: Any) -> UUID:
    return backfills.open_backfill(draft=draft(**changes), actor=WRITER, now=LATER)


def post(backfill: UUID, *events: dict[str, Any]) -> Any:
    drafts = decode_events(body=json.dumps(list(events)).encode(), form=Form.JSON)
    return backfills.post_events(backfill=backfill, drafts=drafts, actor=WRITER, received_at=LATER)


def close(backfill: UUID) -> selectors.BackfillFacts:
    closing.close_backfill(backfill=backfill, **HOW)
    return selectors.backfill(id=backfill, actor=WRITER)


def tokens(month: Month = JANUARY) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = {}
    for row in Rollup.objects.filter(period=month.first_day):
        sums[row.meter] = sums.get(row.meter, Decimal(0)) + row.quantity
    return sums


def shown(event_id: str) -> Any:
    return usage_selectors.event(source="gateway", event_id=event_id, actor=WRITER).event


@pytest.fixture
def stored(acme: Any) -> set[tuple[Any, ...]]:
    """Three events in the scope, two beside it in time and source, one void."""
    contract(input_tokens="2.50", cached_input_tokens="1.25", output_tokens="10")
    send(
        [
            event("same"),
            event("wrong"),
            event("gone", tags={"team": "ads"}),
            event("other-day", time="2026-01-16T00:00:00Z"),
            event("other-source", source="batch"),
            event("void"),
        ]
    )
    ingest.void_event(source="gateway", event_id="void", reason="x", actor=WRITER, now=NOW)
    return state()


RIGHT = event("wrong", usage={"input_tokens": 7})
NEW = event("new", usage={"input_tokens": 100}, model="unheard-of")
BACK = event("void", usage={"input_tokens": 5})


def test_what_is_posted_counts_nothing_before_the_close(stored: set[tuple[Any, ...]]) -> None:
    backfill = opened()
    receipt = post(backfill, event("same"), RIGHT, NEW, BACK)
    assert (receipt.accepted, receipt.unpriced, receipt.rejected) == (4, 1, 0)
    assert state() == stored
    assert Event.objects.filter(event_id="new").count() == 0
    again = post(backfill, event("same"), event("wrong"), NEW)
    assert (again.accepted, again.duplicates, again.conflicts) == (0, 2, 1)
    assert BackfillEvent.objects.count() == 4


def test_the_close_replaces_the_scope_and_a_revert_restores_it(
    stored: set[tuple[Any, ...]],
) -> None:
    backfill = opened()
    post(backfill, event("same"), RIGHT, NEW, BACK)
    seen = closing.foresee_close(backfill=backfill, **HOW)
    assert (seen.kept, seen.added, seen.amended, seen.voided, seen.conflicts) == (1, 2, 1, 1, ())
    assert state() == stored
    before = tokens()
    done = close(backfill)
    assert (done.state, done.kept, done.added, done.amended, done.voided) == ("closed", 1, 2, 1, 1)
    after = tokens()
    foreseen = {
        meter: sum((each.after - each.before for each in seen.meters if each.meter == meter), 0)
        for meter in {each.meter for each in seen.meters}
    }
    assert {m: after.get(m, 0) - before.get(m, 0) for m in foreseen} == foreseen
    assert foreseen["input_tokens"] == 7 + 100 + 5 - 400 - 400
    assert usage.verify_rollups() == []
    assert [shown(name).state for name in ("same", "wrong", "gone", "new", "void")] == [
        "live",
        "live",
        "void",
        "live",
        "live",
    ]
    assert shown("same").revision == 0
    assert shown("other-day").revision == shown("other-day").revision == 0
    reverting.revert_backfill(backfill=backfill, reason="wrong file", **HOW)
    assert state() == stored
    assert usage.verify_rollups() == []
    assert [shown(name).state for name in ("same", "wrong", "gone", "new", "void")] == [
        "live",
        "live",
        "live",
        "void",
        "void",
    ]
    assert dict(shown("wrong").quantities) == dict(shown("same").quantities)


def test_identity_holds_for_ever(stored: set[tuple[Any, ...]]) -> None:
    backfill = opened()
    post(backfill, event("same"), RIGHT, NEW)
    close(backfill)
    after = state()
    receipt = send([event("wrong"), RIGHT, NEW, event("gone", tags={"team": "ads"}), event("same")])
    assert (receipt.accepted, receipt.duplicates, receipt.conflicts) == (0, 5, 0)
    receipt = send([event("new", usage={"input_tokens": 9})])
    assert (receipt.accepted, receipt.conflicts) == (0, 1)
    reverting.revert_backfill(backfill=backfill, reason="x", **HOW)
    assert send([NEW, RIGHT]).duplicates == 2
    assert state() == {*stored}
    assert after != stored


def test_a_second_backfill_may_put_the_first_right(stored: set[tuple[Any, ...]]) -> None:
    first = opened()
    post(first, RIGHT)
    close(first)
    second = opened()
    post(second, event("same"), event("wrong"), event("gone", tags={"team": "ads"}))
    done = close(second)
    assert (done.added, done.amended, done.voided) == (2, 1, 0)
    assert state() == stored
    with pytest.raises(reverting.BackfillOverlaid, match="gone, same, wrong"):
        reverting.revert_backfill(backfill=first, reason="x", **HOW)
    reverting.revert_backfill(backfill=second, reason="x", **HOW)
    reverting.revert_backfill(backfill=first, reason="x", **HOW)
    assert state() == stored
    assert usage.verify_rollups() == []


def test_tags_narrow_the_scope(stored: set[tuple[Any, ...]]) -> None:
    backfill = opened(tags={"team": "ads"})
    receipt = post(backfill, event("ads-1", tags={"team": "ads"}), event("wrong"))
    assert (receipt.accepted, receipt.rejected) == (1, 1)
    assert (receipt.errors[0].field, receipt.errors[0].code) == ("tags.team", "outside_scope")
    done = close(backfill)
    assert (done.added, done.voided) == (1, 1)
    assert shown("gone").state == "void"
    assert shown("wrong").state == "live"


@pytest.mark.parametrize(
    ("item", "field"),
    [
        (event("x", time="2026-01-16T00:00:00Z"), "time"),
        (event("x", source="batch"), "source"),
        (event("other-day"), "id"),
        (event("x", usage={"input_tokens": 1, "cached_input_tokens": 2}), "usage"),
    ],
)
def test_items_outside_of_the_scope_are_rejected(
    stored: set[tuple[Any, ...]], item: dict[str, Any], field: str
) -> None:
    receipt = post(opened(), item)
    assert (receipt.accepted, receipt.rejected) == (0, 1)
    assert (receipt.errors[0].field or "").startswith(field)
    assert BackfillEvent.objects.count() == 0


def test_usage_that_comes_meanwhile_stays(stored: set[tuple[Any, ...]]) -> None:
    backfill = opened()
    post(backfill, NEW, event("raced"))
    send([event("fresh"), event("raced", usage={"input_tokens": 3}), NEW], received_at=LATER)
    done = close(backfill)
    assert (done.kept, done.added, done.amended, done.voided) == (1, 0, 1, 3)
    assert shown("fresh").state == "live"
    assert shown("raced").quantities["output_tokens"] == 300
    assert usage.verify_rollups() == []


def freeze(month: Month) -> None:
    version = rating.current_version().version
    periods.freeze(month=month, actor=system_actor("t"), now=LATER, price_book_version=version)


def test_a_month_frozen_meanwhile_is_corrected_in_the_next(stored: set[tuple[Any, ...]]) -> None:
    backfill = opened()
    post(backfill, event("same"), RIGHT, NEW)
    freeze(JANUARY)
    close(backfill)
    assert {row for row in state() if row[0] == JANUARY.first_day} == stored
    assert tokens(FEBRUARY)["input_tokens"] == 7 + 100 - 400 - 400
    assert tokens(FEBRUARY)["requests"] == 0
    rows = Event.objects.filter(period=FEBRUARY.first_day)
    assert {row.original_period for row in rows} == {JANUARY.first_day}
    assert usage.verify_rollups() == []
    reverting.revert_backfill(backfill=backfill, reason="x", **HOW)
    assert state() == stored
    assert usage.verify_rollups() == []


def test_an_empty_backfill_voids_the_scope(stored: set[tuple[Any, ...]]) -> None:
    done = close(opened())
    assert (done.kept, done.voided) == (0, 3)
    assert tokens()["requests"] == 2


def test_what_happened_is_audited_and_shown(stored: set[tuple[Any, ...]]) -> None:
    before = AuditRecord.objects.count()
    backfill = opened()
    post(backfill, RIGHT)
    close(backfill)
    reverting.revert_backfill(backfill=backfill, reason="wrong file", **HOW)
    added = AuditRecord.objects.order_by("sequence")[before:]
    assert [row.action for row in added] == [
        "backfill.opened",
        "backfill.closed",
        "backfill.reverted",
    ]
    (told,) = selectors.backfills_of(source="gateway", event_id="wrong")
    assert (told.kind, told.by, told.reverted_at) == ("amend", WRITER.label, LATER)
    assert Correction.objects.filter(event_id="wrong").count() == 2
    with pytest.raises(NothingToRevert):
        ingest.revert_correction(
            source="gateway", event_id="wrong", reason="x", actor=WRITER, now=LATER
        )


def test_one_event_of_a_backfill_may_be_reverted_alone(stored: set[tuple[Any, ...]]) -> None:
    backfill = opened()
    post(backfill, event("same"), RIGHT)
    close(backfill)
    ingest.revert_correction(
        source="gateway", event_id="gone", reason="it was there", actor=WRITER, now=LATER
    )
    assert shown("gone").state == "live"
    assert usage.verify_rollups() == []
    with pytest.raises(reverting.BackfillOverlaid, match="gone"):
        reverting.revert_backfill(backfill=backfill, reason="x", **HOW)


def test_outcomes_come_along(stored: set[tuple[Any, ...]]) -> None:
    backfill = opened()
    post(backfill, event("told", outcome={"name": "accepted", "success": True}))
    assert Outcome.objects.count() == 0
    close(backfill)
    assert Outcome.objects.get().event_id == "told"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"source": ""}, "source"),
        ({"source": "x" * 201}, "source"),
        ({"reason": "  "}, "reason"),
        ({"ends_at": START}, "ends_at"),
        ({"starts_at": START.replace(tzinfo=None)}, "starts_at"),
        ({"starts_at": datetime(2020, 1, 1, tzinfo=UTC)}, "starts_at"),
        ({"ends_at": datetime(2036, 1, 1, tzinfo=UTC)}, "ends_at"),
        ({"tags": {"k" * 65: "v"}}, "tags"),
    ],
)
def test_a_scope_that_cannot_be_is_refused_by_field(
    acme: Any, changes: dict[str, Any], field: str
) -> None:
    with pytest.raises(backfills.BackfillNotValid) as caught:
        opened(**changes)
    assert (caught.value.errors[0].field or "").startswith(field)
    assert Backfill.objects.count() == 0


def test_refusals_change_nothing(stored: set[tuple[Any, ...]]) -> None:
    first = opened()
    with pytest.raises(backfills.BackfillOverlaps):
        opened(starts_at=START + timedelta(hours=1))
    opened(source="batch")
    opened(starts_at=END, ends_at=END + timedelta(hours=1))
    for stranger in (
        replace(WRITER, scopes=frozenset()),
        replace(WRITER, teams=frozenset({"search"})),
        replace(WRITER, bound_tags={"team": "search"}),
    ):
        with pytest.raises(Forbidden):
            backfills.open_backfill(draft=draft(), actor=stranger, now=LATER)
        with pytest.raises(Forbidden):
            closing.close_backfill(backfill=first, actor=stranger, now=LATER)
    with pytest.raises(reverting.BackfillNotClosed):
        reverting.revert_backfill(backfill=first, reason="x", **HOW)
    backfills.abandon_backfill(backfill=first, **HOW)
    for refused in (
        lambda: post(first, RIGHT),
        lambda: close(first),
        lambda: backfills.abandon_backfill(backfill=first, **HOW),
    ):
        with pytest.raises(backfills.BackfillNotOpen):
            refused()
    with pytest.raises(backfills.BackfillUnknown):
        close(UUID(int=1))
    again = opened()
    close(again)
    with pytest.raises(ReasonMissing):
        reverting.revert_backfill(backfill=again, reason=" ", **HOW)
    reverting.revert_backfill(backfill=again, reason="x", **HOW)
    assert state() == stored


def test_closed_months_take_no_backfill(stored: set[tuple[Any, ...]]) -> None:
    freeze(JANUARY)
    with pytest.raises(periods.PeriodNotOpen, match="2026-01 is soft_closed"):
        opened()
    assert Backfill.objects.count() == 0


def test_the_database_keeps_what_was_said(stored: set[tuple[Any, ...]]) -> None:
    backfill = opened()
    post(backfill, RIGHT)
    close(backfill)
    for statement in (
        "UPDATE ingest_backfill SET reason = 'other'",
        "UPDATE ingest_backfill SET state = 'open'",
        "UPDATE ingest_backfill SET state = 'reverted', kept = 9",
        "DELETE FROM ingest_backfill",
        "UPDATE ingest_backfillevent SET event_id = 'x'",
        "DELETE FROM ingest_backfillchange",
        "INSERT INTO ingest_backfillevent (backfill_id, event_id, digest, payload, posted_by, "
        "posted_at) SELECT backfill_id, 'x', digest, payload, 'x', now() FROM ingest_backfillevent",
    ):
        with (
            pytest.raises(DatabaseError),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)
    with pytest.raises(IntegrityError), transaction.atomic():
        Backfill.objects.create(
            source="s",
            starts_at=START,
            ends_at=END,
            reason="r",
            state="closed",
            opened_by="x",
            opened_at=NOW,
        )


@pytest.mark.parametrize("seed", range(4))
def test_whatever_is_posted_is_what_counts(acme: Any, seed: int) -> None:
    """Of usage corrected at random, the scope sums to what was posted; a revert restores."""
    chance = Random(seed)
    contract(input_tokens="2.50")
    names = [f"e{n}" for n in range(30)]
    sent = {name: chance.randrange(1, 10_000) for name in chance.sample(names, 20)}
    send([event(name, usage={"input_tokens": count}) for name, count in sent.items()])
    for name in chance.sample(sorted(sent), 6):
        ingest.void_event(source="gateway", event_id=name, reason="x", actor=WRITER, now=NOW)
    for name in chance.sample(sorted(sent), 4):
        if shown(name).state == "live":
            ingest.amend_event(
                source="gateway",
                event_id=name,
                event=event(name, usage={"input_tokens": 1}, model="other"),
                reason="x",
                actor=WRITER,
                now=NOW,
            )
    send([event("outside", source="batch", usage={"input_tokens": 77})])
    before = state()
    chosen = chance.sample(names, 15)
    said = {name: chance.choice([sent.get(name, 5), chance.randrange(1, 9)]) for name in chosen}
    backfill = opened()
    posted = [event(name, usage={"input_tokens": count}) for name, count in said.items()]
    assert post(backfill, *posted).accepted == 15
    done = close(backfill)
    assert done.kept + done.added + done.amended == 15
    assert tokens() == {
        "input_tokens": sum(said.values()) + 77,
        "requests": 16,
    }
    assert usage.verify_rollups() == []
    reverting.revert_backfill(backfill=backfill, reason="x", **HOW)
    assert state() == before
    assert usage.verify_rollups() == []
