"""The price book over plain rows: what is chosen, when, and what stays unpriced."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.catalog.domain.aliases import ProviderRule
from apps.catalog.domain.conditions import Conditions
from apps.rating.domain.book import PriceBook
from apps.rating.domain.discounts import Discount
from apps.rating.domain.prices import BEGINNING, FOREVER, SkuKey
from tests.rating.book_of import book_of, moment, row

AT = moment("2026-10-15T12:00:00")
GPT = SkuKey("openai", "gpt-4o")


def sku(book: PriceBook, **sent: object) -> SkuKey:
    request: dict[str, object] = {
        "provider": "openai",
        "model": "gpt-4o",
        "service_tier": "",
        "batch": False,
        "region": "",
        "context_tokens": 10,
        "at": AT,
    }
    return book.sku_for(**(request | sent))  # type: ignore[arg-type]


def amount(book: PriceBook, key: SkuKey, meter: str = "input_tokens", at=AT) -> Decimal | None:
    quote = book.quote(sku=key, meter=meter, at=at)
    return None if quote is None else quote.amount


def test_a_price_has_its_unit_currency_source_and_key():
    quote = book_of(row()).quote(sku=GPT, meter="input_tokens", at=AT)
    assert quote is not None
    assert (quote.amount, quote.unit_size, quote.currency) == (Decimal("2.5"), 1_000_000, "USD")
    assert (quote.valid_from, quote.valid_to) == (BEGINNING, FOREVER)
    assert quote.key == row().key
    assert quote.source == "test"


@pytest.mark.parametrize("name", ["gpt-4o", "GPT-4o", " gpt-4o ", "gpt-4o-2024-08-06"])
def test_aliases_lead_to_the_canonical_model(name):
    assert sku(book_of(row()), model=name) == GPT


@pytest.mark.parametrize("name", ["OpenAI", "azure.openai", " openai "])
def test_provider_aliases_lead_to_the_canonical_provider(name):
    assert sku(book_of(row()), provider=name).provider == "openai"


def test_an_unknown_model_stays_as_sent_and_has_no_price():
    book = book_of(row())
    unknown = sku(book, model="GPT-9-Secret")
    assert unknown == SkuKey("openai", "GPT-9-Secret")
    assert amount(book, unknown) is None
    assert book.expects_price(sku=unknown, meter="input_tokens")


def test_an_unknown_provider_stays_and_has_no_price():
    book = book_of(row())
    unknown = sku(book, provider="Self-Hosted", model="gpt-4o")
    assert unknown == SkuKey("self-hosted", "gpt-4o")
    assert amount(book, unknown) is None


def test_a_model_is_asked_of_the_source_once_and_an_unknown_one_never():
    book = book_of(row())
    for index in range(20):
        sku(book, model=f"unknown-{index}")
        amount(book, sku(book))
    assert book._source.reads == 1  # type: ignore[attr-defined]


@pytest.mark.parametrize("tier", ["", "default", "standard", "Standard", None])
def test_the_standard_tier_has_three_names(tier):
    assert sku(book_of(row()), service_tier=tier).service_tier == ""


@pytest.mark.parametrize("tier", ["prioritty", "priority", "auto", "flex"])
def test_a_tier_without_a_price_never_gets_the_standard_price(tier):
    book = book_of(row(), row("web_searches", "10", unit_size=1000))
    key = sku(book, service_tier=tier)
    assert key.service_tier == tier
    assert amount(book, key) is None
    assert amount(book, key, "web_searches") is None


def test_a_tier_with_a_price_gets_it_and_ordinary_tools():
    fast = Conditions(service_tier="priority")
    book = book_of(
        row(), row(amount="4.25", conditions=fast), row("web_searches", "10", unit_size=1000)
    )
    key = sku(book, service_tier="priority")
    assert amount(book, key) == Decimal("4.25")
    assert amount(book, key, "web_searches") == Decimal(10)
    assert amount(book, key, "cached_input_tokens") is None


def test_batch_needs_a_batch_price_of_each_meter():
    book = book_of(
        row(),
        row("output_tokens", "10"),
        row("cached_input_tokens", "1.25"),
        row(amount="1.25", conditions=Conditions(batch=True)),
    )
    for key in (sku(book, batch=True), sku(book, service_tier="batch")):
        assert key == SkuKey("openai", "gpt-4o", batch=True)
        assert amount(book, key) == Decimal("1.25")
        assert amount(book, key, "output_tokens") is None
        assert amount(book, key, "cached_input_tokens") is None


def test_no_published_cache_price_leaves_cached_tokens_unpriced():
    book = book_of(row())
    for meter in ("cached_input_tokens", "cache_write_tokens", "cache_write_1h_tokens"):
        assert amount(book, GPT, meter) is None
        assert book.expects_price(sku=GPT, meter=meter)


def test_five_minutes_is_the_default_cache_lifetime_and_one_hour_is_not():
    book = book_of(row("cache_write_tokens", "3.75"))
    assert amount(book, GPT, "cache_write_5m_tokens") == Decimal("3.75")
    assert amount(book, GPT, "cache_write_1h_tokens") is None


def test_an_own_five_minute_price_goes_over_the_default_lifetime():
    book = book_of(row("cache_write_tokens", "3.75"), row("cache_write_5m_tokens", "3"))
    assert amount(book, GPT, "cache_write_5m_tokens") == Decimal(3)


def test_requests_expect_a_price_only_where_the_model_has_one():
    book = book_of(row(), row("requests", "12", unit_size=1000, model="sonar"), row(model="sonar"))
    assert not book.expects_price(sku=GPT, meter="requests")
    assert amount(book, GPT, "requests") is None
    sonar = sku(book, model="sonar")
    assert book.expects_price(sku=sonar, meter="requests")
    assert amount(book, sonar, "requests") == Decimal(12)


def test_the_context_tier_is_a_cliff_on_the_whole_request():
    long = Conditions(context_gt=200_000)
    book = book_of(row(amount="3"), row(amount="6", conditions=long), row("output_tokens", "15"))
    below, above = (sku(book, context_tokens=n) for n in (200_000, 200_001))
    assert (below.context_tier, above.context_tier) == ("", "200000")
    assert amount(book, below) == Decimal(3)
    assert amount(book, above) == Decimal(6)
    assert amount(book, above, "output_tokens") == Decimal(15)


def test_meters_with_different_thresholds_each_find_their_tier():
    book = book_of(
        row(amount="1"),
        row(amount="2", conditions=Conditions(context_gt=128_000)),
        row("output_tokens", "5"),
        row("output_tokens", "7", conditions=Conditions(context_gt=256_000)),
    )
    expected = {
        100: ("", 1, 5),
        128_001: ("128000", 2, 5),
        256_000: ("128000", 2, 5),
        256_001: ("256000", 2, 7),
    }
    for context, (tier, in_price, out_price) in expected.items():
        key = sku(book, context_tokens=context)
        assert key.context_tier == tier
        assert amount(book, key) == in_price
        assert amount(book, key, "output_tokens") == out_price


def test_tiers_of_another_service_tier_do_not_split():
    book = book_of(
        row(),
        row(amount="5", conditions=Conditions(context_gt=272_000)),
        row(amount="9", conditions=Conditions(service_tier="priority")),
    )
    key = sku(book, service_tier="priority", context_tokens=300_000)
    assert key.context_tier == ""
    assert amount(book, key) == Decimal(9)


def test_a_price_change_splits_exactly_at_its_instant():
    change = moment("2026-08-16T16:00:00")
    book = book_of(
        row(amount="0.14", valid_to=change),
        row(amount="0.22", valid_from=change),
    )
    second = timedelta(seconds=1)
    microsecond = timedelta(microseconds=1)
    assert amount(book, GPT, at=change - second) == Decimal("0.14")
    assert amount(book, GPT, at=change - microsecond) == Decimal("0.14")
    assert amount(book, GPT, at=change) == Decimal("0.22")
    before = book.quote(sku=GPT, meter="input_tokens", at=change - second)
    after = book.quote(sku=GPT, meter="input_tokens", at=change)
    assert before is not None and after is not None
    assert before.valid_to == change == after.valid_from


def test_a_gap_between_prices_is_unpriced():
    book = book_of(
        row(valid_to=moment("2026-10-01T00:00:00")), row(valid_from=moment("2026-11-01T00:00:00"))
    )
    assert amount(book, GPT) is None
    assert amount(book, GPT, at=moment("2026-11-01T00:00:00")) == Decimal("2.5")


def test_daily_windows_cut_the_quote_and_return_the_next_day():
    peak = Conditions(window="01:00-04:00")
    book = book_of(row(amount="0.15"), row(amount="0.30", conditions=peak))
    at = moment("2026-10-15T03:59:59")
    quote = book.quote(sku=GPT, meter="input_tokens", at=at)
    assert quote is not None and quote.amount == Decimal("0.30")
    assert quote.valid_from == moment("2026-10-15T01:00:00")
    assert quote.valid_to == moment("2026-10-15T04:00:00")
    assert amount(book, GPT, at=moment("2026-10-15T04:00:00")) == Decimal("0.15")
    assert amount(book, GPT, at=moment("2026-10-16T01:00:00")) == Decimal("0.30")
    again = book.quote(sku=GPT, meter="input_tokens", at=moment("2026-10-16T02:00:00"))
    assert again is not None and again.key == quote.key


def test_a_window_may_run_past_midnight_on_some_weekdays():
    night = Conditions(window="5@22:00-02:00")  # Fridays
    book = book_of(row(amount="1"), row(amount="9", conditions=night))
    expected = {
        "2026-10-16T21:59:59": 1,
        "2026-10-16T22:00:00": 9,
        "2026-10-17T01:59:59": 9,
        "2026-10-17T02:00:00": 1,
        "2026-10-17T22:00:00": 1,
        "2026-10-16T01:00:00": 1,
    }
    assert {at: amount(book, GPT, at=moment(at)) for at in expected} == expected


@given(
    at=st.integers(0, 14 * 86_400 * 10**6).map(
        lambda late: moment("2026-10-19T00:00:00") + timedelta(microseconds=late)
    ),
    context=st.integers(0, 400_000),
    tier=st.sampled_from(["", "flex"]),
    region=st.sampled_from(["", "eu"]),
)
def test_the_price_is_what_a_plain_reading_of_all_rows_says(at, context, tier, region):
    """A brute-force oracle over tier, region with uplift, context cliff, and off-peak weekends."""
    off_peak = "mon-fri 22:00-06:00; sat-sun 00:00-24:00 Europe/Berlin"
    written = [
        row(amount=str(base * regional * size * hours), conditions=conditions)
        for base, named in ((10, ""), (5, "flex"))
        for regional, place in ((1, ""), (2, "eu"))
        for size, over in ((1, 0), (3, 200_000))
        for hours, window in ((7, ""), (1, off_peak))
        for conditions in [Conditions(named, False, place, over, window)]
    ]
    local = at.astimezone(ZoneInfo("Europe/Berlin"))
    night = local.hour >= 22 and local.weekday() < 5
    early = local.hour < 6 and 1 <= local.weekday() <= 5
    cheap = night or early or local.weekday() >= 5
    wanted = (5 if tier else 10) * (2 if region else 1) * (3 if context > 200_000 else 1)
    book = book_of(*written)
    key = sku(book, at=at, context_tokens=context, service_tier=tier, region=region)
    assert amount(book, key, at=at) == wanted * (1 if cheap else 7)


def test_two_open_windows_leave_it_unpriced():
    book = book_of(
        row(),
        row(amount="3", conditions=Conditions(window="01:00-05:00")),
        row(amount="4", conditions=Conditions(window="04:00-06:00")),
    )
    assert amount(book, GPT, at=moment("2026-10-15T04:30:00")) is None
    assert amount(book, GPT, at=moment("2026-10-15T03:30:00")) == Decimal(3)


def test_conditions_that_usage_does_not_carry_never_choose_a_price():
    book = book_of(row(conditions=Conditions(other="route=mistral/eu")))
    assert amount(book, GPT) is None


def test_contract_goes_over_list_within_its_validity_only():
    book = book_of(
        row(),
        row(
            amount="2",
            kind="contract",
            valid_from=moment("2026-10-01T00:00:00"),
            valid_to=moment("2026-11-01T00:00:00"),
        ),
    )
    assert amount(book, GPT, at=moment("2026-09-30T23:59:59")) == Decimal("2.5")
    assert amount(book, GPT) == Decimal(2)
    assert amount(book, GPT, at=moment("2026-11-01T00:00:00")) == Decimal("2.5")


def test_a_contract_price_of_the_standard_tier_does_not_reach_other_tiers():
    book = book_of(
        row(),
        row(amount="4", conditions=Conditions(service_tier="priority")),
        row(amount="1.25", conditions=Conditions(batch=True)),
        row(amount="2", kind="contract"),
    )
    assert amount(book, sku(book, service_tier="priority")) == Decimal(4)
    assert amount(book, sku(book, batch=True)) == Decimal("1.25")
    assert amount(book, sku(book)) == Decimal(2)


def test_the_named_model_goes_over_the_longer_and_that_over_the_shorter_pattern():
    book = book_of(
        row(),
        row(model="gpt-4o-mini"),
        row(model="gpt-5"),
        row(model="o3"),
        row(amount="1", kind="contract", model="gpt-*"),
        row(amount="2", kind="contract", model="gpt-4o*"),
        row(amount="3", kind="contract", model="gpt-4o"),
    )
    found = {m: amount(book, sku(book, model=m)) for m in ("gpt-4o", "gpt-4o-mini", "gpt-5", "o3")}
    assert found == {
        "gpt-4o": Decimal(3),
        "gpt-4o-mini": Decimal(2),
        "gpt-5": Decimal(1),
        "o3": Decimal("2.5"),
    }


def test_a_flat_contract_price_holds_in_every_context_tier():
    book = book_of(
        row(amount="3"),
        row(amount="6", conditions=Conditions(context_gt=200_000)),
        row(amount="2", kind="contract"),
    )
    assert amount(book, sku(book, context_tokens=300_000)) == Decimal(2)


def test_a_contract_threshold_splits_too():
    book = book_of(
        row(),
        row(amount="9", kind="contract", conditions=Conditions(context_gt=50_000)),
    )
    assert amount(book, sku(book, context_tokens=50_000)) == Decimal("2.5")
    assert amount(book, sku(book, context_tokens=50_001)) == Decimal(9)


def test_a_contract_prices_a_model_that_no_list_knows():
    book = book_of(
        row(),
        row("gpu_seconds", "0.0004", kind="contract", provider="in-house", model="llama-70b"),
    )
    key = sku(book, provider="In-House", model="llama-70b")
    assert amount(book, key, "gpu_seconds") == Decimal("0.0004")


def test_a_regional_price_goes_over_the_general_one_in_its_region():
    book = book_of(row(), row(amount="2.75", conditions=Conditions(region="eu")))
    assert amount(book, sku(book, region="eu")) == Decimal("2.75")
    assert amount(book, sku(book, region="us-east-1")) == Decimal("2.5")


def test_use_bound_to_a_region_never_gets_the_price_of_all_regions():
    tool = row("web_searches", "10", unit_size=1000)
    book = book_of(row(), tool)
    bound = sku(book, region="geo:us")
    assert bound.region == "geo:us"
    assert amount(book, bound) is None
    listed = book_of(row(), tool, row(amount="2.75", conditions=Conditions(region="us")))
    assert amount(listed, bound) == Decimal("2.75")
    assert amount(listed, sku(listed, region="us")) == Decimal("2.75")
    assert amount(listed, sku(listed, region="eu")) == Decimal("2.5")
    assert amount(listed, bound, "web_searches") == Decimal(10)
    assert amount(listed, sku(listed, region="geo:eu")) is None


def test_a_discount_in_a_region_makes_no_price_of_use_bound_to_it():
    def less(region):
        return Discount(
            percent=Decimal(10),
            provider="openai",
            family="",
            model="",
            meter="",
            service_tier="",
            batch=None,
            region=region,
            context_gt=None,
            valid_from=BEGINNING,
            valid_to=FOREVER,
            source="discount a",
        )

    bound = GPT._replace(region="geo:us")
    assert amount(book_of(row(), discounts=[less("us")]), bound) is None
    listed = [row(), row(amount="2.75", conditions=Conditions(region="us"))]
    for region in ("", "us"):
        assert amount(book_of(*listed, discounts=[less(region)]), bound) == Decimal("2.475")


def test_several_equal_prices_leave_it_unpriced():
    book = book_of(row(amount="2"), row(amount="3"))
    assert amount(book, GPT) is None


def test_a_reseller_uses_the_prices_of_the_provider_it_resells():
    rules = [
        ProviderRule("azure", {"contains": "azure"}, ("openai",)),
        ProviderRule("openai", {"contains": "openai"}),
    ]
    book = book_of(row(), row(provider="azure", model="phi-4"), providers=rules)
    key = sku(book, provider="azure_openai", model="gpt-4o-2024-11-20")
    assert key == SkuKey("azure", "gpt-4o")
    assert amount(book, key) == Decimal("2.5")


def test_a_free_price_is_a_price():
    assert amount(book_of(row(amount="0")), GPT) == 0


def test_quotes_of_a_stretch_are_one_object():
    book = book_of(row())
    first = book.quote(sku=GPT, meter="input_tokens", at=AT)
    assert book.quote(sku=GPT, meter="input_tokens", at=AT + timedelta(days=400)) is first


@given(
    cuts=st.lists(st.integers(0, 10_000), min_size=1, max_size=6, unique=True),
    asked=st.lists(st.integers(0, 10_000), min_size=1, max_size=20),
)
def test_every_quote_equals_the_price_in_force_and_holds_over_its_stretch(cuts, asked):
    edges = [moment("2026-01-01T00:00:00") + timedelta(minutes=cut) for cut in sorted(cuts)]
    starts = [BEGINNING, *edges]
    rows = [
        row(amount=str(index + 1), valid_from=start, valid_to=end)
        for index, (start, end) in enumerate(zip(starts, [*edges, FOREVER], strict=True))
    ]
    book = book_of(*rows)
    for minutes in asked:
        at = moment("2026-01-01T00:00:00") + timedelta(minutes=minutes)
        quote = book.quote(sku=GPT, meter="input_tokens", at=at)
        expected = next(r for r in rows if r.valid_from <= at < r.valid_to)
        assert quote is not None
        assert quote.amount == expected.amount
        assert (quote.valid_from, quote.valid_to) == (expected.valid_from, expected.valid_to)


@given(name=st.text(max_size=30), tier=st.text(max_size=10), context=st.integers(0, 10**9))
def test_whatever_is_sent_an_unknown_thing_never_costs_zero(name, tier, context):
    book = book_of(row())
    key = sku(book, model=name, service_tier=tier, context_tokens=context)
    quote = book.quote(sku=key, meter="input_tokens", at=AT)
    assert quote is None or quote.amount == Decimal("2.5")
    if quote is not None:
        assert key == GPT


def test_breakpoints_name_every_edge_and_every_first_context_of_a_tier():
    change = moment("2026-10-20T16:00:00")
    book = book_of(
        row(valid_to=change),
        row(amount="3", valid_from=change),
        row(amount="6", conditions=Conditions(context_gt=200_000)),
    )
    found = book.breakpoints(
        provider="openai", model="gpt-4o", service_tier="", batch=False, region=""
    )
    assert found == ((change,), (200_001,))


WINDOWS = (
    "",
    "01:00-04:00",
    "5@22:00-02:00",
    "mon-fri 16:30-00:30 Asia/Shanghai",
    "sat-sun 00:00-24:00; mon-fri 00:00-01:00,10:00-00:00",
    "23:30-02:30:15 Europe/Berlin",
)


@given(data=st.data())
def test_between_breakpoints_nothing_changes(data):
    start = moment("2026-10-23T00:00:00")  # the clocks of Berlin change on the 25th
    cut = start + timedelta(hours=data.draw(st.integers(0, 96)))
    window = data.draw(st.sampled_from(WINDOWS))
    bound = data.draw(st.integers(1, 50))
    book = book_of(
        row(valid_to=cut),
        row(amount="3", valid_from=cut),
        row(amount="6", conditions=Conditions(context_gt=bound)),
        *([row(amount="8", conditions=Conditions(window=window))] if window else []),
    )
    points = book.breakpoints(
        provider="openai",
        model="gpt-4o",
        service_tier="",
        batch=False,
        region="",
        start=start,
        end=start + timedelta(days=5),
    )
    answers: dict[tuple[int, int], set[object]] = {}
    for _ in range(20):
        at = start + timedelta(minutes=data.draw(st.integers(0, 6000)))
        context = data.draw(st.integers(0, 60))
        key = sku(book, at=at, context_tokens=context)
        group = (
            sum(instant <= at for instant in points.instants),
            sum(size <= context for size in points.contexts),
        )
        answers.setdefault(group, set()).add((key, amount(book, key, at=at)))
    assert all(len(found) == 1 for found in answers.values())
