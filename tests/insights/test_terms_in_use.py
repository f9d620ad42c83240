"""A discount from price book to rollup: open months are rated again, closed ones stay as is."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from apps.core.domain.access import system_actor
from apps.core.domain.months import Month
from apps.ingest import services as ingest
from apps.periods import services as periods
from apps.rating import selectors as rating
from apps.rating import services
from apps.rating.domain.terms import CommitmentDraft, DiscountDraft, LevelDraft, Scope
from apps.usage import services as usage
from apps.usage.models import Rollup
from tests.ingest.factories import NOW, event, send

SYSTEM = system_actor("tests")
JANUARY = Month(2026, 1)
NOON = datetime(2026, 1, 16, 12, tzinfo=UTC)


def discount(**changes: Any) -> None:
    terms: dict[str, Any] = {
        "scope": Scope(provider="openai", model="gpt-4o*"),
        "percent": Decimal("7.5"),
        "valid_from": NOON,
    }
    services.record_discount(draft=DiscountDraft(**(terms | changes)), actor=SYSTEM, now=NOW)


def used(event_id: str, time: str, **changes: Any) -> dict[str, Any]:
    usage_of = {"input_tokens": 1_000_001}
    return event(event_id, time=time, provider="openai", model="gpt-4o", usage=usage_of, **changes)


def total(month: Month) -> Decimal:
    rows = Rollup.objects.filter(period=month.first_day).exclude(price=0)
    return sum((row.cost for row in rows), Decimal(0))


def test_an_open_month_is_rated_again_from_the_second_on_at_which_a_discount_holds(
    acme: Any,
) -> None:
    send([used("before", "2026-01-16T11:59:59.999999Z"), used("after", "2026-01-16T12:00:00Z")])
    whole = Decimal("2.5000025")
    assert total(JANUARY) == 2 * whole
    discount()
    ingest.adopt_prices(actor=SYSTEM, now=NOW)
    assert total(JANUARY) == whole + whole * Decimal("0.925")
    assert usage.verify_rollups(months=[JANUARY]) == []
    send([used("late", "2026-01-17T00:00:00Z")])
    assert total(JANUARY) == whole + 2 * whole * Decimal("0.925")
    prices = rating.prices(Rollup.objects.values_list("price", flat=True).distinct())
    kinds = {(one.kind, one.amount, one.list_amount, one.percent) for one in prices.values()}
    assert kinds == {
        ("list", Decimal("2.5"), None, None),
        ("discount", Decimal("2.3125"), Decimal("2.5"), Decimal("7.5")),
    }


def test_a_frozen_month_stays_and_the_difference_is_a_correction(acme: Any) -> None:
    send([used("a", "2026-01-20T10:00:00Z")])
    version = rating.current_version().version
    periods.freeze(month=JANUARY, actor=SYSTEM, now=NOW, price_book_version=version)
    discount(percent=Decimal(20))
    ingest.adopt_prices(actor=SYSTEM, now=NOW)
    assert total(JANUARY) == Decimal("2.5000025")
    booked = ingest.correct_prices(month=JANUARY, reason="signed late", actor=SYSTEM, now=NOW)
    assert booked.difference == {"USD": Decimal("-0.5000005")}
    assert total(JANUARY) == Decimal("2.5000025")


def test_a_committed_level_prices_usage_and_a_tie_leaves_it_unpriced(acme: Any) -> None:
    agreed = services.record_commitment(
        draft=CommitmentDraft(
            name="OpenAI",
            scope=Scope(provider="openai", model="gpt-4o*"),
            measure="spend",
            currency="USD",
            levels=(LevelDraft(commit=Decimal(100), percent=Decimal(10)),),
        ),
        actor=SYSTEM,
        now=NOW,
    )
    services.put_level_in_force(
        commitment=agreed,
        level=1,
        valid_from=datetime(2026, 1, 1, tzinfo=UTC),
        valid_to=None,
        note="",
        actor=SYSTEM,
        now=NOW,
    )
    ingest.adopt_prices(actor=SYSTEM, now=NOW)
    receipt = send([used("a", "2026-01-20T10:00:00Z")])
    assert receipt.unpriced == 0
    assert total(JANUARY) == Decimal("2.25000225")
    discount(valid_from=datetime(2026, 1, 1, tzinfo=UTC))
    ingest.adopt_prices(actor=SYSTEM, now=NOW)
    assert total(JANUARY) == 0
    row = Rollup.objects.get(period=JANUARY.first_day, meter="input_tokens")
    assert (row.price, row.cost) == (0, None)
