"""What a month would have cost: the same prices give the same cost, other ones exact ones."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.db import connection

from apps.core.domain.access import Actor, Scope, system_actor
from apps.core.domain.errors import Invalid
from apps.core.domain.months import Month
from apps.insights import selectors as insights
from apps.insights.domain.what_if import Answer
from apps.periods import services as periods
from apps.periods.domain.fx import MissingRate, RateKind
from apps.rating import selectors as rating
from apps.rating import services
from apps.rating.domain.rate import cost_of
from apps.usage import selectors as usage
from apps.usage.models import Rollup
from tests.ingest.factories import NOW, contract, event, send, teams

JANUARY = Month(2026, 1)
SYSTEM = system_actor("tests")
READER = Actor(kind="user", label="reader", scopes=frozenset({Scope.COSTS_READ}), user_id=1)
START, END = (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 3, tzinfo=UTC))
TINY = ("testco", "tiny")


def price(
    meter: str, amount: str, *, model: str = "tiny", provider: str = "testco", **more: Any
) -> rating.ContractDraft:
    terms: dict[str, Any] = {
        "provider": provider,
        "model": model,
        "meter": meter,
        "amount": Decimal(amount),
        "unit_size": 1_000_000,
        "currency": "USD",
        "valid_from": datetime(2025, 12, 1, tzinfo=UTC),
    }
    return rating.ContractDraft(**(terms | more))


def ask(actor: Actor = READER, **question: Any) -> Answer:
    return insights.what_if(
        question=insights.Question(**({"month": JANUARY} | question)), actor=actor
    )


def instead(used: tuple[str, str], other: tuple[str, str]) -> tuple[rating.Substitution, ...]:
    return (rating.Substitution(used, other),)


def actual() -> Decimal:
    rows = Rollup.objects.filter(period=JANUARY.first_day).exclude(price=0)
    return sum((row.cost for row in rows), Decimal(0))


def test_the_seeds_example(acme: Any) -> None:
    send([event(usage={"input_tokens": 128_000, "output_tokens": 128_000})])
    found = ask(prices=(price("input_tokens", "0.12"), price("output_tokens", "0.36")))
    assert found.total.would_be == Decimal("0.06144")
    assert found.total.was is None  # nothing had a price
    assert found.unpriced == ()
    assert {row.dimensions["meter"]: row.costs.would_be for row in found.rows} == {
        "input_tokens": Decimal("0.01536"),
        "output_tokens": Decimal("0.04608"),
    }


def many(seed: int, count: int = 120) -> list[dict[str, Any]]:
    """Return events over January whose contexts lie around the tiers of real models."""
    draw = random.Random(seed)
    models = [("openai", "gpt-4o"), ("anthropic", "claude-sonnet-4-5"), ("testco", "tiny")]
    events = []
    for number in range(count):
        provider, model = draw.choice(models)
        total = draw.choice([3, 1_000, 199_999, 200_000, 200_001, 350_000])
        at = datetime(2026, 1, 1, 6, tzinfo=UTC) + timedelta(seconds=draw.randrange(19 * 86_400))
        events.append(
            event(
                f"e-{seed}-{number}",
                time=at.isoformat().replace("+00:00", "Z"),
                provider=provider,
                model=model,
                usage={
                    "input_tokens": total,
                    "cached_input_tokens": total // 3,
                    "output_tokens": draw.randrange(1, 9_000),
                },
                tags={"team": draw.choice(["search", "ads", "nobody"])},
            )
        )
    return events


def listed(model: tuple[str, str]) -> tuple[rating.ContractDraft, ...]:
    """Return what a model costs, as supposed prices with all their context tiers."""
    book = rating.price_book()
    sku = rating.SkuKey(*model)
    rows = [row for row in book.rows(sku=sku) if not row.conditions.other]
    return tuple(
        price(
            row.meter,
            str(row.amount),
            model=model[1],
            provider=model[0],
            conditions=row.conditions,
            unit_size=row.unit_size,
        )
        for row in rows
        if row.valid_from <= START and row.valid_to > NOW
    )


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_same_prices_give_the_actual_cost_to_the_last_digit(acme: Any, seed: int) -> None:
    contract(input_tokens="0.123456789", cached_input_tokens="0.1", output_tokens="7")
    teams("search", "ads")
    send(many(seed))
    untouched = ask()
    assert untouched.total.was == untouched.total.would_be == actual()
    same = (
        price("input_tokens", "0.123456789"),
        *listed(("openai", "gpt-4o")),
        *listed(("anthropic", "claude-sonnet-4-5")),
    )
    found = ask(prices=same)
    assert found.total.would_be == found.total.was == actual()
    assert found.total.difference == 0
    assert all(row.costs.difference == 0 for row in found.rows)
    shown = usage.summary(
        start=JANUARY.first_day,
        end=(JANUARY + 1).first_day,
        group_by=("team", "model", "meter"),
        filters={},
        granularity="total",
        actor=SYSTEM,
    )
    costs = {tuple(row.dimensions.values()): row.cost for row in shown.rows if row.cost}
    assert {
        tuple(row.dimensions.values()): row.costs.was for row in found.rows if row.costs.was
    } == costs


@pytest.mark.parametrize("seed", [4, 5])
@pytest.mark.parametrize(
    ("used", "other"),
    [
        (("openai", "gpt-4o"), ("anthropic", "claude-sonnet-4-5")),
        (("anthropic", "claude-sonnet-4-5"), ("openai", "gpt-4o")),
        (("anthropic", "claude-sonnet-4-5"), ("openai", "gpt-4o-mini")),
        (("testco", "tiny"), ("anthropic", "claude-sonnet-4-5")),
    ],
)
def test_another_model_is_priced_event_by_event_with_its_own_context_tiers(
    acme: Any, seed: int, used: tuple[str, str], other: tuple[str, str]
) -> None:
    """The oracle prices each event alone: the whole request falls in one tier."""
    sent = many(seed)
    send(sent)
    found = ask(substitutions=instead(used, other))
    book = rating.price_book()
    expected = Decimal(0)
    for one in sent:
        if (one["provider"], one["model"]) != used:
            continue
        counts, at = one["usage"], datetime.fromisoformat(one["time"])
        sku = book.sku_for(
            provider=other[0],
            model=other[1],
            service_tier="",
            batch=False,
            region="",
            context_tokens=counts["input_tokens"],
            at=at,
        )
        meters = {
            "input_tokens": counts["input_tokens"] - counts["cached_input_tokens"],
            "cached_input_tokens": counts["cached_input_tokens"],
            "output_tokens": counts["output_tokens"],
        }
        for meter, quantity in meters.items():
            quote = book.quote(sku=sku, meter=meter, at=at)
            assert quote is not None, (sku, meter)
            expected += cost_of(
                quantity=Decimal(quantity), amount=quote.amount, unit_size=quote.unit_size
            )
    rows = [row for row in found.rows if row.dimensions["model"] == used[1]]
    assert sum((row.costs.would_be or Decimal(0) for row in rows), Decimal(0)) == expected
    assert expected > 0


def test_a_meter_without_a_price_on_the_other_model_is_named_and_never_zero(acme: Any) -> None:
    contract(input_tokens="1", output_tokens="2", cached_input_tokens="0.5")
    contract(model="big", input_tokens="3", output_tokens="4")
    send([event()])
    found = ask(substitutions=instead(TINY, ("testco", "big")))
    assert [(one.model, one.meter, one.quantity) for one in found.unpriced] == [
        ("big", "cached_input_tokens", 800)
    ]
    assert found.total.would_be is None and found.total.difference is None
    assert found.total.was == Decimal("0.0014")
    assert found.total.comparable_was == Decimal("0.001")
    assert found.total.comparable_would_be == Decimal("0.0024")
    assert found.total.comparable_percent == 140
    rows = {row.dimensions["meter"]: row.costs for row in found.rows}
    assert rows["cached_input_tokens"].would_be is None
    assert rows["cached_input_tokens"].was == Decimal("0.0004")


def test_a_supposed_price_goes_over_a_contract_price_and_may_begin_within_a_day(acme: Any) -> None:
    contract(input_tokens="1", output_tokens="2", cached_input_tokens="0.5")
    noon = datetime(2026, 1, 15, 12, tzinfo=UTC)
    times = ("2026-01-15T11:59:59Z", "2026-01-15T12:00:00Z")
    send([event(f"e-{at}", time=at, usage={"input_tokens": 1_000_000}) for at in times])
    found = ask(prices=(price("input_tokens", "10", valid_from=noon),))
    assert (found.total.was, found.total.would_be) == (2, 11)
    (row,) = found.rows
    assert (row.costs.difference, row.costs.percent, row.quantity) == (9, 450, 2_000_000)


def test_nothing_is_written(acme: Any) -> None:
    contract(input_tokens="1", output_tokens="2", cached_input_tokens="0.5")
    send(many(6))
    tables = ("usage_sku", "usage_sentsku", "rating_price", "audit_auditrecord", "usage_rollup")

    def counts() -> list[int]:
        with connection.cursor() as cursor:
            return [
                cursor.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables
            ]

    before = counts()
    ask(substitutions=instead(TINY, ("anthropic", "claude-sonnet-4-5")))
    assert counts() == before


def test_filters_and_sight_narrow_the_answer_and_change_no_figure(acme: Any) -> None:
    contract(input_tokens="1", output_tokens="2", cached_input_tokens="0.5")
    teams("search", "ads")
    send([event("a"), event("b", tags={"team": "ads"})])
    double = (price("input_tokens", "2"),)
    whole = ask(prices=double)
    search = ask(prices=double, filters={"team": "search"})
    member = ask(replace(READER, teams=frozenset({"search"})), prices=double)
    assert whole.total.was == 2 * search.total.was
    assert (search.rows, search.total) == (member.rows, member.total)
    assert {row.dimensions["team"] for row in search.rows} == {"search"}
    assert ask(prices=double, filters={"team": "none"}).rows == ()


def test_usage_of_other_months_stays_as_it_is_booked(acme: Any) -> None:
    contract(input_tokens="1", output_tokens="2", cached_input_tokens="0.5")
    december = event("late", time="2025-12-30T10:00:00Z", usage={"input_tokens": 1_000_000})
    periods.freeze(
        month=Month(2025, 12),
        actor=SYSTEM,
        now=NOW,
        price_book_version=rating.current_version().version,
    )
    send([december, event("own", usage={"input_tokens": 1_000_000})])
    found = ask(prices=(price("input_tokens", "3"),))
    assert (found.total.was, found.total.would_be, found.kept) == (2, 4, 1)


def test_prices_of_several_currencies_meet_at_the_rates_of_the_month(acme: Any) -> None:
    contract(input_tokens="1", output_tokens="2", cached_input_tokens="0.5")
    send([event(usage={"input_tokens": 1_000_000})])
    euros = (price("input_tokens", "2", currency="EUR"),)
    with pytest.raises(MissingRate, match="from EUR to USD"):
        ask(prices=euros)
    periods.set_rate(
        month=JANUARY,
        base="EUR",
        quote="USD",
        rate=Decimal("1.1"),
        kind=RateKind.BUDGET,
        source="tests",
        rate_on=JANUARY.first_day,
        actor=SYSTEM,
        now=NOW,
    )
    found = ask(prices=euros)
    assert (found.currency, found.total.was, found.total.would_be) == ("USD", 1, Decimal("2.2"))


@pytest.mark.parametrize(
    ("question", "field"),
    [
        ({"prices": (price("Input", "1"),)}, "prices.0.meter"),
        ({"substitutions": instead(TINY, ("testco", "unheard"))}, "substitutions.0.to"),
        (
            {"substitutions": instead(TINY, ("openai", "gpt-4o")) * 2},
            "substitutions.1.from",
        ),
    ],
)
def test_a_wrong_question_is_refused_by_field(acme: Any, question: Any, field: str) -> None:
    with pytest.raises(Invalid) as refused:
        ask(**question)
    assert field in {error.field for error in refused.value.errors}
    with pytest.raises(Invalid):
        ask(group_by=("color",))


def test_a_closed_month_is_asked_by_the_book_that_it_was_closed_with(acme: Any) -> None:
    contract(input_tokens="1", output_tokens="2", cached_input_tokens="0.5")
    send([event(usage={"input_tokens": 1_000_000, "output_tokens": 1_000_000})])
    version = rating.current_version().version
    periods.freeze(month=JANUARY, actor=SYSTEM, now=NOW, price_book_version=version)
    contract(model="tiny-2", input_tokens="9", output_tokens="9")
    (price_now,) = (
        row
        for row in rating.price_book().contracts()
        if (row.meter, row.model) == ("input_tokens", "tiny")
    )
    services.withdraw_contract_price(
        price=UUID(price_now.source.split()[-1]), reason="wrong", actor=SYSTEM, now=NOW
    )
    services.adopt_version(actor=SYSTEM, now=NOW)
    found = ask(prices=(price("output_tokens", "5"),))
    assert (found.total.was, found.total.would_be) == (3, 6)
    assert found.unpriced == ()


def test_a_providers_totals_beside_requests_count_once(acme: Any) -> None:
    """Over rollups and over events alike: the supposed price begins within a day."""
    contract(input_tokens="1", output_tokens="2", cached_input_tokens="0.5")
    tokens = {"usage": {"input_tokens": 1_000_000}, "time": "2026-01-15T13:00:00Z"}
    send([event("single", **tokens)])
    send([event("total", **tokens)], feed="bucket")
    noon = datetime(2026, 1, 15, 12, tzinfo=UTC)
    for more in ({}, {"valid_from": noon}):
        found = ask(prices=(price("input_tokens", "3", **more),))
        assert (found.total.was, found.total.would_be) == (1, 3)
