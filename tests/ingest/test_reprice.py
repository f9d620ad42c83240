"""Prices that come after a close: booked as facts in the next open month; closed totals stay."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from apps.core.domain.access import system_actor
from apps.core.domain.errors import Forbidden
from apps.core.domain.months import Month
from apps.ingest import services as ingest
from apps.ingest.services.reprice import ReasonMissing
from apps.periods import services as periods
from apps.rating import selectors as rating
from apps.usage import services as usage
from apps.usage.models import PriceCorrection, Rollup
from tests.ingest.factories import NOW, WRITER, contract, event, send

JANUARY, FEBRUARY = Month(2026, 1), Month(2026, 2)
SYSTEM = system_actor("tests")
HOW = {"reason": "the contract was signed late", "actor": SYSTEM, "now": NOW}
MILLION = {"input_tokens": 1_000_000}


def freeze(month: Month) -> None:
    version = rating.current_version().version
    periods.freeze(month=month, actor=SYSTEM, now=NOW, price_book_version=version)


def cells(month: Month) -> dict[str, tuple[Decimal, Decimal | None]]:
    rows = Rollup.objects.filter(period=month.first_day)
    return {f"{row.meter}@{row.cost and row.currency}": (row.quantity, row.cost) for row in rows}


def total(month: Month) -> Decimal:
    rows = Rollup.objects.filter(period=month.first_day).exclude(price=0)
    return sum((row.cost for row in rows), Decimal(0))


@pytest.fixture
def unpriced_and_closed(acme: Any) -> set[tuple[Any, ...]]:
    send([event("a", usage=MILLION), event("b", usage=MILLION, tags={"team": "ads"})])
    freeze(JANUARY)
    contract(input_tokens="2.50")
    return set(Rollup.objects.filter(period=JANUARY.first_day).values_list())


def test_a_price_after_the_close_is_booked_in_the_next_open_month(
    unpriced_and_closed: set[tuple[Any, ...]],
) -> None:
    result = ingest.correct_prices(month=JANUARY, **HOW)
    assert (result.booked_in, result.facts) == (FEBRUARY, 2)
    assert result.difference == {"USD": Decimal(5)}
    closed = Rollup.objects.filter(period=JANUARY.first_day)
    assert set(closed.values_list()) == unpriced_and_closed
    assert total(FEBRUARY) == Decimal(5)
    unpriced = Rollup.objects.filter(period=FEBRUARY.first_day, price=0)
    assert [row.quantity for row in unpriced] == [Decimal(-1_000_000)] * 2
    assert usage.verify_rollups() == []
    assert ingest.correct_prices(month=JANUARY, **HOW).facts == 0
    assert PriceCorrection.objects.count() == 2


def test_originals_and_corrections_equal_a_full_recompute(acme: Any) -> None:
    contract(input_tokens="2.50")
    send([event(f"e{n}", usage={"input_tokens": 1_000 + n}) for n in range(50)])
    freeze(JANUARY)
    booked = total(JANUARY)
    _cheaper("1.75", since=datetime(2026, 1, 1, tzinfo=UTC))
    ingest.adopt_prices(actor=SYSTEM, now=NOW)
    result = ingest.correct_prices(month=JANUARY, **HOW)
    tokens = sum(1_000 + n for n in range(50))
    assert total(JANUARY) == booked == tokens * Decimal("2.50") / 1_000_000
    assert total(JANUARY) + total(FEBRUARY) == tokens * Decimal("1.75") / 1_000_000
    assert result.difference == {"USD": tokens * Decimal("-0.75") / 1_000_000}
    assert usage.verify_rollups() == []


def test_a_void_after_a_correction_carries_the_corrected_price(
    unpriced_and_closed: set[tuple[Any, ...]],
) -> None:
    ingest.correct_prices(month=JANUARY, **HOW)
    ingest.void_event(source="gateway", event_id="a", reason="twice", actor=WRITER, now=NOW)
    assert total(FEBRUARY) == Decimal("2.5")
    assert usage.verify_rollups() == []


def test_a_reopened_month_is_rated_anew_and_counts_once(
    unpriced_and_closed: set[tuple[Any, ...]],
) -> None:
    ingest.correct_prices(month=JANUARY, **HOW)
    periods.unfreeze(month=JANUARY, actor=SYSTEM, reason="late price", now=NOW)
    ingest.refresh_reopened(month=JANUARY, actor=SYSTEM, now=NOW)
    assert (total(JANUARY), total(FEBRUARY)) == (Decimal(5), Decimal(0))
    assert not Rollup.objects.filter(period=FEBRUARY.first_day).exists()
    assert usage.verify_rollups() == []
    ingest.refresh_reopened(month=JANUARY, actor=SYSTEM, now=NOW)
    assert PriceCorrection.objects.count() == 4
    freeze(JANUARY)
    assert ingest.correct_prices(month=JANUARY, **HOW).facts == 0
    assert usage.verify_rollups() == []


def test_refusals_change_nothing(unpriced_and_closed: set[tuple[Any, ...]]) -> None:
    with pytest.raises(usage.MonthIsOpen):
        ingest.correct_prices(month=FEBRUARY, **HOW)
    with pytest.raises(ReasonMissing):
        ingest.correct_prices(month=JANUARY, **{**HOW, "reason": " "})
    with pytest.raises(Forbidden):
        ingest.correct_prices(month=JANUARY, **{**HOW, "actor": WRITER})
    assert PriceCorrection.objects.count() == 0


def _cheaper(amount: str, *, since: datetime) -> None:
    from apps.rating import services as prices
    from apps.rating.models import ContractPrice

    prices.record_contract_price(
        draft=prices.ContractDraft(
            provider="testco",
            model="tiny",
            meter="input_tokens",
            amount=Decimal(amount),
            unit_size=1_000_000,
            currency="USD",
            valid_from=since,
            replaces=ContractPrice.objects.get(meter="input_tokens", known_to=None).public_id,
        ),
        actor=SYSTEM,
        now=NOW,
    )


def test_the_task_refreshes_twice_as_once(
    acme: Any, unpriced_and_closed: set[tuple[Any, ...]]
) -> None:
    from apps.ingest import tasks

    periods.unfreeze(month=JANUARY, actor=SYSTEM, reason="late price", now=NOW)
    changed = [tasks.refresh_reopened(schema=acme.schema, month="2026-01") for _ in range(2)]
    assert changed == [4, 0]
    assert total(JANUARY) == Decimal(5)
