"""Estimates: exact, with units, and with the warnings that would have saved the money."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.experiments.domain.bands import Band, Counts
from apps.experiments.domain.estimate import (
    Estimate,
    amount_cautions,
    asked_amount,
    estimate,
    window_cautions,
)
from apps.experiments.domain.history import distribution, history_caution, percentiles
from apps.experiments.domain.proposals import (
    ModelPlan,
    Proposal,
    ProposalInvalid,
    Sensitivity,
    as_payload,
    check,
    read_payload,
)
from apps.rating.domain.prices import BEGINNING, FOREVER, Quote, SkuKey

D = Decimal
AT = datetime(2026, 1, 20, tzinfo=UTC)


@dataclass(frozen=True)
class Row:
    """As much of a price row as an estimate looks at."""

    valid_from: datetime = AT


@dataclass
class Book:
    """A price book of one model: dollars per million tokens, by context tier and meter."""

    prices: dict[str, str]
    long_from: int = 0
    long_prices: dict[str, str] = field(default_factory=dict)

    def sku_for(self, *, context_tokens: int, **sent: Any) -> SkuKey:
        tier = str(self.long_from) if self.long_from and context_tokens > self.long_from else ""
        return SkuKey(sent["provider"], sent["model"], "", sent["batch"], "", tier)

    def quote(self, *, sku: SkuKey, meter: str, at: datetime) -> Quote | None:
        prices = self.long_prices if sku.context_tier else self.prices
        if meter not in prices:
            return None
        amount, row = D(prices[meter]), Row()
        return Quote(amount, 1_000_000, "USD", BEGINNING, FOREVER, "list", "key", row)  # type: ignore[arg-type]

    def expects_price(self, *, sku: SkuKey, meter: str) -> bool:
        return meter != "requests"


def plan(runs: Any = 1, sent: Any = 128_000, made: Any = 128_000, **more: Any) -> ModelPlan:
    counts = [Counts(*x) if isinstance(x, tuple) else Counts.exactly(x) for x in (runs, sent, made)]
    return ModelPlan(
        provider="openai",
        model="gpt-x",
        runs=counts[0],
        input_tokens=counts[1],
        output_tokens=counts[2],
        **more,
    )


def estimated(*plans: ModelPlan, book: Book | None = None) -> Estimate:
    found = book or Book({"input_tokens": "0.12", "output_tokens": "0.36"})
    return estimate(
        plans=plans, book=found, at=AT, currency="USD", convert=lambda amount, _: amount
    )


def test_the_founding_example_costs_six_cents() -> None:
    """128k + 128k at $0.12 and $0.36 per million; the article's $57.60 is 937.5 times as much."""
    found = estimated(plan())
    assert found.band == Band(D("0.06144"), D("0.06144"), D("0.06144"))
    assert [
        (line.meter, line.amount.likely, line.price, line.unit_size) for line in found.lines
    ] == [
        ("input_tokens", D("0.01536"), D("0.12"), 1_000_000),
        ("output_tokens", D("0.04608"), D("0.36"), 1_000_000),
    ]
    [slip] = amount_cautions(found, D("57.60"))
    assert (slip.code, slip.severity) == ("unit_slip", "bad")
    assert slip.message == (
        "USD 57.60 is 937.5 times the likely cost of USD 0.06144. Prices are per million tokens; "
        "read as per thousand they would give USD 61.44. Check the unit."
    )
    assert asked_amount(found, None) == D("0.07")


def test_128k_in_and_128k_out_do_not_fit_a_window_of_128k() -> None:
    [caution] = window_cautions([plan()], {"openai/gpt-x": 128_000})
    assert (caution.code, caution.severity) == ("context_window", "bad")
    assert "128,000 tokens in and 128,000 out do not fit the 128,000 tokens" in caution.message
    assert list(window_cautions([plan(made=0)], {"openai/gpt-x": 128_000})) == []
    assert list(window_cautions([plan()], {"openai/gpt-x": None})) == []
    [grown] = window_cautions([plan(sent=(1, 10, 128_000))], {"openai/gpt-x": 130_000})
    assert grown.severity == "warn"


def test_runs_multiply_and_a_cached_share_is_cheaper() -> None:
    book = Book({"input_tokens": "2.50", "cached_input_tokens": "1.25", "output_tokens": "10"})
    found = estimated(plan((10, 100, 1000), 1000, 300, cache_share=D("0.5")), book=book)
    # 100 runs: 50,000 x 2.50 + 50,000 x 1.25 + 30,000 x 10 per million
    assert found.band == Band(D("0.04875"), D("0.4875"), D("4.875"))
    assert found.cautions == ()
    assert found.tokens.likely == D(130_000)


def test_a_share_of_a_token_is_not_cached() -> None:
    book = Book({"input_tokens": "1", "cached_input_tokens": "0.1", "output_tokens": "1"})
    found = estimated(plan(2, 3, 0, cache_share=D("0.5")), book=book)
    assert [(line.meter, line.quantity.likely) for line in found.lines] == [
        ("input_tokens", D(4)),
        ("cached_input_tokens", D(2)),
    ]


def test_without_a_cached_price_input_is_assumed_and_said() -> None:
    found = estimated(plan(cache_share=D("0.5")))
    assert found.band == Band(D("0.06144"), D("0.06144"), D("0.06144"))
    assert [each.code for each in found.cautions] == ["no_cached_price"]


def test_what_has_no_price_is_never_estimated_as_nothing() -> None:
    found = estimated(plan(), book=Book({"input_tokens": "0.12"}))
    assert found.band is None
    assert found.blocking == ("unpriced",)
    assert asked_amount(found, None) is None
    assert asked_amount(found, D(5)) == D(5)
    assert [line.amount is None for line in found.lines] == [False, True]


def test_each_case_finds_its_own_context_tier() -> None:
    book = Book(
        {"input_tokens": "1", "output_tokens": "10"},
        long_from=200_000,
        long_prices={"input_tokens": "2", "output_tokens": "15"},
    )
    found = estimated(plan(1, (100_000, 200_000, 300_000), 0), book=book)
    assert found.band == Band(D("0.1"), D("0.2"), D("0.6"))
    assert [(each.code, each.severity) for each in found.cautions] == [("long_context", "info")]
    assert "the high case" in found.cautions[0].message


def test_other_currencies_are_converted_line_by_line() -> None:
    found = estimate(
        plans=[plan()],
        book=Book({"input_tokens": "0.12", "output_tokens": "0.36"}),
        at=AT,
        currency="EUR",
        convert=lambda amount, currency: amount * D("0.9"),
    )
    assert found.band is not None
    assert found.band.likely == D("0.055296")


def test_a_short_amount_is_said_and_a_fair_one_is_not() -> None:
    found = estimated(plan(1000))
    assert [each.code for each in amount_cautions(found, D(60))] == ["amount_short"]
    assert [each.code for each in amount_cautions(found, D("0.5"))] == ["unit_slip"]
    assert list(amount_cautions(found, D("61.44"))) == []
    assert list(amount_cautions(found, None)) == []


counts = (
    st.lists(st.integers(0, 10**6), min_size=3, max_size=3).map(sorted).map(lambda x: Counts(*x))
)


@given(runs=counts, sent=counts, made=counts, share=st.decimals(0, 1, places=3))
def test_bands_are_ordered_and_doubling_the_runs_doubles_them(
    runs: Counts, sent: Counts, made: Counts, share: Decimal
) -> None:
    book = Book({"input_tokens": "2.5", "cached_input_tokens": "1.25", "output_tokens": "10"})
    one = ModelPlan(
        provider="p",
        model="m",
        runs=runs,
        input_tokens=sent,
        output_tokens=made,
        cache_share=share,
    )
    two = ModelPlan(
        provider="p",
        model="m",
        runs=Counts(2 * runs.low, 2 * runs.likely, 2 * runs.high),
        input_tokens=sent,
        output_tokens=made,
        cache_share=share,
    )
    band, twice = estimated(one, book=book).band, estimated(two, book=book).band
    assert band is not None
    assert twice is not None
    assert 0 <= band.low <= band.likely <= band.high
    assert twice == band + band
    together = estimated(one, two, book=book)
    assert together.band == band + twice


@given(st.lists(st.integers(0, 1000), min_size=1))
def test_percentiles_are_values_that_were_seen_in_order(values: list[int]) -> None:
    found = percentiles(values)
    assert found is not None
    assert {found.p10, found.p50, found.p90, found.p99} <= set(map(D, values))
    assert found.p10 <= found.p50 <= found.p90 <= found.p99 <= max(values)


def test_percentiles_by_nearest_rank() -> None:
    found = percentiles(list(range(1, 101)))
    assert found is not None
    assert (found.p10, found.p50, found.p90, found.p99) == (10, 50, 90, 99)
    assert percentiles([]) is None


@dataclass(frozen=True)
class Size:
    input_tokens: int
    output_tokens: int
    cached_tokens: int = 0


def test_a_plan_unlike_the_past_is_said() -> None:
    past = distribution("openai/gpt-x", [Size(1000, 200, 250)] * 20, [D("0.01")] * 20)
    assert past is not None
    assert past.cached_share == D("0.25")
    caution = history_caution(plan(sent=100_000, made=20_000), past)
    assert caution is not None
    assert "100 times more than the 1,200" in caution.message
    assert history_caution(plan(sent=2_000, made=0), past) is None
    few = distribution("openai/gpt-x", [Size(1, 1)] * 19, [])
    assert history_caution(plan(), few) is None
    assert distribution("openai/gpt-x", [], []) is None


def proposal(**changes: Any) -> Proposal:
    values: dict[str, Any] = {
        "title": "Longer context",
        "hypothesis": "More context answers more questions",
        "owner": "erin@acme.example",
        "team": "search",
        "plans": (plan((1, 10, 20)),),
        "starts_on": date(2026, 1, 20),
        "ends_on": date(2026, 2, 20),
        "amount": D("50.00"),
        "environments": ("staging",),
        "sensitivity": Sensitivity.PERSONAL,
        "outcome_name": "answered",
        "outcome_target": 100,
        "outcome_value": D("0.40"),
    }
    return Proposal(**(values | changes))


def test_content_is_read_back_as_it_was_kept() -> None:
    assert read_payload(as_payload(proposal())) == proposal()
    assert proposal().context == 256_000
    assert proposal().expected_value == D(40)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"title": " "}, "title"),
        ({"hypothesis": ""}, "hypothesis"),
        ({"team": ""}, "team"),
        ({"plans": ()}, "plans"),
        ({"plans": (plan(),) * 11}, "plans"),
        ({"plans": (plan(0),)}, "plans.0.runs"),
        ({"plans": (plan((3, 2, 1)),)}, "plans.0.runs"),
        ({"plans": (plan(sent=0, made=0),)}, "plans.0.input_tokens"),
        ({"plans": (plan(sent=10**10),)}, "plans.0.input_tokens"),
        ({"plans": (plan(cache_share=D("1.1")),)}, "plans.0.cache_share"),
        ({"plans": (plan(cache_share=D("NaN")),)}, "plans.0.cache_share"),
        ({"ends_on": date(2026, 1, 19)}, "ends_on"),
        ({"ends_on": date(2027, 1, 21)}, "ends_on"),
        ({"amount": D(0)}, "amount"),
        ({"amount": D("0.001")}, "amount"),
        ({"amount": D("Infinity")}, "amount"),
        ({"outcome_target": 0}, "outcome_target"),
        ({"outcome_name": ""}, "outcome_name"),
        ({"outcome_value": D(-1)}, "outcome_value"),
        ({"max_context_tokens": 0}, "max_context_tokens"),
        ({"environments": ("",)}, "environments"),
        ({"roi_case": "x" * 4001}, "roi_case"),
    ],
)
def test_what_cannot_be_is_refused_by_field(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(ProposalInvalid) as refused:
        check(proposal(**changes), currency="USD")
    assert [error.field for error in refused.value.errors] == [field]


def test_a_good_one_passes() -> None:
    check(proposal(), currency="USD")
    check(proposal(amount=None, outcome_name="", outcome_target=None), currency="USD")
