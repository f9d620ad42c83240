"""Rollups are a function of events, price corrections and a price book: rebuilt, they are equal."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal, localcontext
from typing import Any

from apps.core.domain.access import system_actor
from apps.core.domain.months import Month
from apps.ingest import services as ingest
from apps.usage import services as usage
from apps.usage.models import Rollup
from tests.ingest.factories import NOW, contract, event, send

JANUARY = Month(2026, 1)


def costs() -> dict[str, Decimal | None]:
    totals: dict[str, Decimal | None] = {}
    for row in Rollup.objects.order_by("meter"):
        before = totals.get(row.meter)
        totals[row.meter] = row.cost if before is None or row.cost is None else before + row.cost
    return totals


def spread(count: int = 200) -> list[dict[str, Any]]:
    start = datetime(2025, 12, 28, tzinfo=UTC)
    return [
        event(
            f"e-{number}",
            time=(start + timedelta(hours=2.3) * number).isoformat(),
            model=f"tiny-{number % 3}",
            usage={"input_tokens": 1000 + number, "output_tokens": number},
            tags={"team": f"t{number % 4}"},
            meters={"pages": f"{number}.25"} if number % 7 == 0 else None,
        )
        for number in range(count)
    ]


def test_rebuilt_rollups_are_identical(acme: Any) -> None:
    for number in range(2):
        contract(model=f"tiny-{number}", input_tokens="2.50", output_tokens="10", pages="3")
    receipt = send(spread())
    assert receipt.accepted == 200
    assert usage.verify_rollups() == []


def test_costs_are_exact_whoever_multiplies(acme: Any) -> None:
    """Large and small prices, quantities beyond 64 bits, decimals: all as if by hand."""
    contract(
        model="odd", input_tokens="0.000000000000000001", output_tokens="999999.99", pages="0.1"
    )
    most = 10**18 - 1
    events = [
        event(
            f"odd-{number}",
            model="odd",
            usage={"input_tokens": most, "output_tokens": most - number},
            meters={"pages": "0.000001"} if number > 15 else None,
            tags={"team": "large" if number < 11 else "small" if number < 16 else "pages"},
        )
        for number in range(18)
    ]
    assert send(events[:16]).accepted == 16
    assert send(events[16:]).accepted == 2
    million = Decimal(1_000_000)
    kept = {
        meter: sum(row.cost or 0 for row in Rollup.objects.filter(meter=meter))
        for meter in ("input_tokens", "output_tokens", "pages")
    }
    output = sum(most - number for number in range(18))
    with localcontext(Context(prec=60)):
        assert kept == {
            "input_tokens": 18 * most * Decimal("0.000000000000000001") / million,
            "output_tokens": output * Decimal("999999.99") / million,
            "pages": Decimal("0.000002") * Decimal("0.1") / million,
        }
    assert usage.verify_rollups() == []


def test_a_changed_rollup_is_named(acme: Any) -> None:
    contract(input_tokens="2.50", cached_input_tokens="1", output_tokens="10")
    send([event()])
    Rollup.objects.filter(meter="output_tokens").update(quantity=Decimal(7))
    (found,) = usage.verify_rollups()
    assert found.kept is not None
    assert found.rebuilt is not None
    assert (found.kept.quantity, found.rebuilt.quantity) == (7, 300)
    assert found.month == JANUARY


def test_a_price_change_at_an_instant_splits_exactly_there(acme: Any) -> None:
    noon = datetime(2026, 1, 15, 17, 0, 0, 500_000, tzinfo=UTC)
    contract(input_tokens="2", until=noon)
    contract(input_tokens="3", since=noon)
    one_million = {"input_tokens": 1_000_000}
    send(
        [
            event("before", time="2026-01-15T17:00:00.499999Z", usage=one_million),
            event("after", time="2026-01-15T17:00:00.5Z", usage=one_million),
        ]
    )
    rows = Rollup.objects.filter(meter="input_tokens").order_by("cost")
    assert [(row.quantity, row.cost) for row in rows] == [
        (Decimal(1_000_000), Decimal(2)),
        (Decimal(1_000_000), Decimal(3)),
    ]
    assert usage.verify_rollups() == []


def test_a_new_price_takes_effect_by_adoption(acme: Any) -> None:
    send([event(usage={"input_tokens": 2_000_000})])
    assert costs() == {"input_tokens": None, "requests": None}
    contract(input_tokens="2.50")
    assert costs()["input_tokens"] is None
    for month in usage.open_months_in_use():
        result = usage.rerate(month=month, actor=system_actor("tests"), now=NOW)
        assert result.cells == 2  # the unpriced cell goes, the priced one comes
    assert costs() == {"input_tokens": Decimal(5), "requests": None}
    assert usage.verify_rollups() == []


def test_adoption_rates_open_months_again_in_one_step(acme: Any) -> None:
    contract(input_tokens="2.50", cached_input_tokens="1", output_tokens="10")
    send([event(usage={"input_tokens": 1_000_000})])
    from apps.rating import services as rating

    rating.record_contract_price(
        draft=rating.ContractDraft(
            provider="testco",
            model="tiny",
            meter="input_tokens",
            amount=Decimal("2.00"),
            unit_size=1_000_000,
            currency="USD",
            valid_from=datetime(2026, 1, 1, tzinfo=UTC),
            replaces=_only_price("input_tokens"),
        ),
        actor=system_actor("tests"),
        now=NOW,
    )
    adoption = ingest.adopt_prices(actor=system_actor("tests"), now=NOW)
    assert adoption.after > adoption.before
    (rerated,) = adoption.months
    assert (rerated.before, rerated.after) == ({"USD": Decimal("2.5")}, {"USD": Decimal(2)})
    again = ingest.adopt_prices(actor=system_actor("tests"), now=NOW)
    assert (again.after, again.months) == (adoption.after, ())
    assert usage.verify_rollups() == []


def _only_price(meter: str) -> Any:
    from apps.rating.models import ContractPrice

    return ContractPrice.objects.get(meter=meter, known_to=None).public_id


def test_a_price_of_something_else_reads_no_event(acme: Any, monkeypatch: Any) -> None:
    import sys

    contract(input_tokens="2.50", cached_input_tokens="1", output_tokens="10")
    send(spread(20))
    _record("another-model", "input_tokens")

    def unwanted(**how: Any) -> Any:
        raise AssertionError("the month's events were read")

    monkeypatch.setattr(sys.modules["apps.usage.services.rebuild"], "groups_of", unwanted)
    adoption = ingest.adopt_prices(actor=system_actor("tests"), now=NOW)
    assert adoption.after > adoption.before
    assert adoption.months == ()


def test_an_alias_that_becomes_known_is_found(acme: Any) -> None:
    """A pattern price for what was unknown so far concerns the months that hold it."""
    send([event(model="tiny-2026", usage={"input_tokens": 1_000_000})])
    _record("tiny-*", "input_tokens")
    adoption = ingest.adopt_prices(actor=system_actor("tests"), now=NOW)
    assert [rerated.after for rerated in adoption.months] == [{"USD": Decimal(7)}]
    assert usage.verify_rollups() == []


def _record(model: str, meter: str) -> None:
    from apps.rating import services as rating

    rating.record_contract_price(
        draft=rating.ContractDraft(
            provider="testco",
            model=model,
            meter=meter,
            amount=Decimal(7),
            unit_size=1_000_000,
            currency="USD",
            valid_from=datetime(2025, 1, 1, tzinfo=UTC),
        ),
        actor=system_actor("tests"),
        now=NOW,
    )
