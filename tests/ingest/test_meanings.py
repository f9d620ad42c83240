"""Mapping a sent model: what it would change is what it changes, to the last digit."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from apps.audit.models import AuditRecord
from apps.core.domain.access import Actor, Scope, system_actor
from apps.core.domain.errors import Forbidden
from apps.core.domain.months import Month
from apps.ingest import services as ingest
from apps.periods import services as periods
from apps.periods.domain.calendar import State
from apps.rating import selectors as rating
from apps.rating import services as rating_services
from apps.rating.models import ModelMapping, Price, PriceBookVersion
from apps.usage import selectors as usage_selectors
from apps.usage import services as usage
from apps.usage.models import Rollup, Sku
from tests.ingest.factories import NOW, WRITER, contract, event, send, teams

JANUARY, FEBRUARY = Month(2026, 1), Month(2026, 2)
FINANCE = Actor(
    kind="key",
    label="key:finance",
    scopes=frozenset({Scope.PRICES_WRITE, Scope.USAGE_READ, Scope.USAGE_CORRECT}),
)
SINCE = datetime(2025, 12, 1, tzinfo=UTC)
LARGE = {"input_tokens": 1_000_000, "output_tokens": 100_000}


def draft(**changes: Any) -> rating_services.MappingDraft:
    said = {
        "sent_provider": "testco",
        "sent_model": "house",
        "provider": "testco",
        "model": "tiny",
        "valid_from": SINCE,
        **changes,
    }
    return rating_services.MappingDraft(**said)


def state() -> tuple[Any, ...]:
    return (
        set(Rollup.objects.values_list()),
        Sku.objects.count(),
        Price.objects.count(),
        ModelMapping.objects.count(),
        PriceBookVersion.objects.count(),
        AuditRecord.objects.count(),
    )


def total(month: Month) -> Decimal:
    rows = Rollup.objects.filter(period=month.first_day).exclude(price=0)
    return sum((row.cost for row in rows), Decimal(0))


@pytest.fixture
def unpriced(acme: Any) -> None:
    teams("search", "ads")
    contract(input_tokens="2.50", output_tokens="10")
    send(
        [
            event("a", model="House", usage=LARGE),
            event("b", model="house", usage=LARGE, tags={"team": "ads"}),
            event("c", usage=LARGE),
            event("d", model="other", usage=LARGE),
        ]
    )


@pytest.mark.usefixtures("unpriced")
class TestMapping:
    def test_a_dry_run_says_what_confirming_does_and_keeps_nothing(self) -> None:
        before = state()
        seen = ingest.foresee_mapping(draft=draft(), actor=FINANCE)
        assert state() == before
        assert [(m.month, m.state, m.is_rated_again) for m in seen.months] == [
            (JANUARY, State.OPEN, True)
        ]
        assert seen.months[0].cost.before == {}
        assert seen.months[0].cost.after == {"USD": Decimal(7)}
        assert [(t.team, dict(t.cost.after)) for t in seen.teams] == [
            ("ads", {"USD": Decimal("3.5")}),
            ("search", {"USD": Decimal("3.5")}),
        ]
        shown = {
            (x.before, x.after, x.meter, x.quantity, x.cost_before, x.cost_after)
            for x in seen.lines
        }
        assert shown == {
            (f"testco/{name}", "testco/tiny", meter, Decimal(quantity), None, Decimal(cost))
            for name in ("House", "house")
            for meter, quantity, cost in (
                ("input_tokens", 1_000_000, "2.5"),
                ("output_tokens", 100_000, "1"),
            )
        }
        booked = total(JANUARY)
        done = ingest.map_model(draft=draft(), actor=FINANCE, now=NOW)
        assert total(JANUARY) - booked == Decimal(7)
        assert done.adoption.after > done.adoption.before
        assert usage.verify_rollups() == []
        left = usage_selectors.unpriced(month=JANUARY)
        assert {row.sku.model for row in left} == {"other"}

    def test_what_comes_later_is_rated_by_it(self) -> None:
        ingest.map_model(draft=draft(), actor=FINANCE, now=NOW)
        receipt = send([event("e", model="HOUSE", usage=LARGE)])
        assert receipt.unpriced == 0
        assert usage.verify_rollups() == []
        shown = usage_selectors.event(source="gateway", event_id="e", actor=WRITER)
        assert (shown.sku, shown.event.model) == ("testco tiny", "HOUSE")

    def test_withdrawing_it_brings_every_rollup_back(self) -> None:
        rollups = state()[0]
        done = ingest.map_model(draft=draft(), actor=FINANCE, now=NOW)
        how = {"mapping": done.mapping, "actor": FINANCE}
        seen = ingest.foresee_end(valid_to=None, **how)
        assert seen.months[0].cost == type(seen.months[0].cost)({"USD": Decimal(7)}, {})
        ingest.withdraw_meaning(reason="a guess", now=NOW, **how)
        assert state()[0] == rollups
        assert usage.verify_rollups() == []
        with pytest.raises(rating.MappingUnknown):
            ingest.foresee_end(valid_to=None, **how)

    def test_it_ends_at_a_moment_exactly(self) -> None:
        done = ingest.map_model(draft=draft(), actor=FINANCE, now=NOW)
        at = datetime(2026, 1, 15, 10, 20, 30, tzinfo=UTC)
        how = {"mapping": done.mapping, "valid_to": at, "actor": FINANCE}
        seen = ingest.foresee_end(**how)
        assert seen.cells == 6
        ingest.end_meaning(now=NOW, **how)
        assert {row.sku.model for row in usage_selectors.unpriced(month=JANUARY)} == {
            "House",
            "house",
            "other",
        }
        send([event("f", model="house", usage=LARGE, time="2026-01-15T10:20:29.999999Z")])
        assert total(JANUARY) == Decimal("3.5") * 2
        assert usage.verify_rollups() == []

    def test_a_frozen_month_is_told_and_not_touched(self) -> None:
        version = rating.current_version().version
        periods.freeze(
            month=JANUARY, actor=system_actor("tests"), now=NOW, price_book_version=version
        )
        booked = state()[0]
        seen = ingest.foresee_mapping(draft=draft(), actor=FINANCE)
        assert [(m.month, m.is_rated_again) for m in seen.months] == [(JANUARY, False)]
        assert (seen.cells, seen.lines, seen.teams) == (0, (), ())
        ingest.map_model(draft=draft(), actor=FINANCE, now=NOW)
        assert state()[0] == booked
        corrected = ingest.correct_prices(month=JANUARY, reason="mapped", actor=FINANCE, now=NOW)
        assert corrected.difference == dict(seen.months[0].cost.after) == {"USD": Decimal(7)}
        assert total(FEBRUARY) == Decimal(7)
        assert usage.verify_rollups() == []

    def test_refusals_change_nothing(self) -> None:
        before = state()
        with pytest.raises(rating_services.MappingNotValid):
            ingest.map_model(draft=draft(model="nobody"), actor=FINANCE, now=NOW)
        for stranger in (WRITER, replace(FINANCE, teams=frozenset({"ads"}))):
            with pytest.raises(Forbidden):
                ingest.map_model(draft=draft(), actor=stranger, now=NOW)
            with pytest.raises(Forbidden):
                ingest.foresee_mapping(draft=draft(), actor=stranger)
        assert state() == before


def test_the_queue_says_why_and_how_much_at_worst(acme: Any) -> None:
    contract(input_tokens="2.50")
    send([event("a", model="house", usage=LARGE), event("b", usage=LARGE)])
    rows = usage_selectors.unpriced_queue(month=JANUARY, actor=WRITER)
    told = {(row.sku.model, row.meter): (row.reason.value, row.quantity) for row in rows}
    assert told == {
        ("house", "input_tokens"): ("unknown_provider", Decimal(1_000_000)),
        ("house", "output_tokens"): ("unknown_provider", Decimal(100_000)),
        ("tiny", "output_tokens"): ("no_meter_price", Decimal(100_000)),
    }
    worst = {(row.sku.model, row.meter): row.worst for row in rows}
    own = worst["house", "input_tokens"]
    assert (own.amount, own.basis.value, own.price.model) == (Decimal("2.5"), "provider", "tiny")
    assert worst["tiny", "output_tokens"].basis.value == "any"


def test_the_queue_of_a_team_shows_its_own_usage_only(acme: Any) -> None:
    teams("search", "ads")
    send([event("a"), event("b", model="ads-only", tags={"team": "ads"})])
    member = replace(WRITER, teams=frozenset({"ads"}))
    rows = usage_selectors.unpriced_queue(month=JANUARY, actor=member)
    assert {row.sku.model for row in rows} == {"ads-only"}
