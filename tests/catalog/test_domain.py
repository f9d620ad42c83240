"""Recognition, conditions and timelines, and the package as the oracle of our reading of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from genai_prices.data_snapshot import get_snapshot
from hypothesis import given
from hypothesis import strategies as st

from apps.catalog.adapters.genai_prices import published_catalog
from apps.catalog.domain.aliases import (
    ModelIndex,
    ModelRule,
    ProviderRule,
    matches,
    provider_named,
    spellings,
)
from apps.catalog.domain.conditions import (
    Conditions,
    canonical_tier,
    other_conditions,
    parse_window,
)
from apps.catalog.domain.meters import METERS, meter_facts, unit_in_words
from apps.catalog.domain.published import Rate, RateCard, RateKey, family_of, timeline

CATALOG = published_catalog()
PROVIDERS = [ProviderRule(one.code, one.match, one.fallbacks) for one in CATALOG.providers]
MODELS = {
    one.code: ModelIndex([ModelRule(model.code, model.match) for model in one.models])
    for one in CATALOG.providers
}


def texts_of(rule):
    clause, wanted = next(iter(rule.items()))
    if clause in ("or", "and"):
        for inner in wanted:
            yield from texts_of(inner)
    elif clause != "regex":
        yield wanted


@pytest.mark.parametrize(
    ("rule", "accepted", "refused"),
    [
        ({"equals": "GPT-4o"}, "gpt-4o", "gpt-4o-mini"),
        ({"starts_with": "gpt-"}, "gpt-5", "o3"),
        ({"ends_with": ":free"}, "x:free", "free:x"),
        ({"contains": "claude"}, "us.anthropic.claude-3", "gpt-4o"),
        ({"regex": r"^gpt-5-\d{4}$"}, "gpt-5-2026", "gpt-5-mini"),
        ({"or": [{"equals": "a"}, {"equals": "b"}]}, "b", "c"),
        ({"and": [{"starts_with": "a"}, {"ends_with": "z"}]}, "abz", "ab"),
    ],
)
def test_each_clause(rule, accepted, refused):
    assert matches(rule, accepted)
    assert not matches(rule, refused)


def test_an_unknown_clause_is_an_error_and_no_miss():
    with pytest.raises(ValueError, match="sounds_like"):
        matches({"sounds_like": "gpt"}, "gpt")


def test_the_first_rule_wins_even_against_an_equal_name():
    index = ModelIndex(
        [ModelRule("special", {"starts_with": "a"}), ModelRule("equal", {"equals": "ab"})]
    )
    assert index.find("ab") == "special"
    assert index.find("equal") == "equal"
    assert "equal" in index and "ab" not in index


def test_recognition_agrees_with_the_package_on_every_name_it_has():
    providers = {one.id: one for one in get_snapshot().providers}
    compared = 0
    for one in CATALOG.providers:
        names = {text for model in one.models for text in texts_of(model.match)}
        for name in names | {model.code for model in one.models}:
            theirs = providers[one.code].find_model(name)
            ours = MODELS[one.code].find(name)
            compared += 1
            if theirs is not None:
                assert ours == theirs.id, (one.code, name)
            else:
                assert ours in (None, name), (one.code, name)
    assert compared > 3500


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("openai", "openai"),
        (" OpenAI ", "openai"),
        ("azure_openai", "azure"),
        ("azure.ai.openai", "azure"),
        ("azure_ai", "azure"),
        ("aws.bedrock", "aws"),
        ("bedrock_converse", "aws"),
        ("vertex_ai", "google"),
        ("gcp.gemini", "google"),
        ("fireworks_ai", "fireworks"),
        ("together_ai", "together"),
        ("x_ai", "x-ai"),
        ("moonshot", "moonshotai"),
        ("huggingface_fireworks-ai", "huggingface_fireworks-ai"),
        ("my own cluster", None),
        ("", None),
    ],
)
def test_provider_names_of_gateways_and_conventions(name, code):
    found = provider_named(PROVIDERS, name)
    assert (found and found.code) == code


@pytest.mark.parametrize(
    ("provider", "name", "code"),
    [
        ("openai", "gpt-4o-2024-08-06", "gpt-4o"),
        ("openai", "gpt-5.2-20251211", "gpt-5.2"),
        ("google", "models/gemini-2.5-pro", "gemini-2.5-pro"),
        ("google", "publishers/google/models/gemini-2.5-pro", "gemini-2.5-pro"),
        (
            "aws",
            "arn:aws:bedrock:us-east-1:123456789012:inference-profile/amazon.nova-pro-v1:0",
            "amazon.nova-pro-v1:0",
        ),
        (
            "aws",
            "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc",
            None,
        ),
        ("openai", "gpt-99", None),
        ("openai", "", None),
    ],
)
def test_model_names_as_they_are_sent(provider, name, code):
    assert MODELS[provider].find(name) == code


def test_no_date_is_made_of_other_numbers():
    assert list(spellings("model-20261399")) == ["model-20261399"]


@pytest.mark.parametrize(
    ("sent", "tier"),
    [
        (("", False), ("", False)),
        ((None, True), ("", True)),
        (("Default", False), ("", False)),
        (("standard", False), ("", False)),
        (("batch", False), ("", True)),
        (("Priority ", False), ("priority", False)),
        (("prioritty", False), ("prioritty", False)),
    ],
)
def test_tiers(sent, tier):
    assert canonical_tier(*sent) == tier


@pytest.mark.parametrize(
    "text", ["", "1-2", "01:00", "01:00-01:00", "25:00-26:00", "89@01:00-02:00"]
)
def test_what_is_no_window_is_refused(text):
    with pytest.raises(ValueError, match="no"):
        parse_window(text)


@given(
    start=st.integers(0, 1439),
    end=st.integers(0, 1439),
    days=st.sets(st.integers(1, 7), min_size=1),
    minute=st.integers(0, 60 * 24 * 14),
)
def test_a_window_opens_and_closes_only_at_its_edges(start, end, days, minute):
    if start == end:
        return
    days_text = "".join(map(str, sorted(days)))
    window = parse_window(
        f"{days_text}@{start // 60:02}:{start % 60:02}-{end // 60:02}:{end % 60:02}"
    )
    at = datetime(2026, 10, 5, tzinfo=UTC) + timedelta(minutes=minute)
    just_before = at - timedelta(microseconds=1)
    if window.holds(at) != window.holds(just_before):
        assert at in window.edges_around(at)


def test_conditions_are_said_in_words():
    assert Conditions().in_words() == ""
    told = Conditions("priority", True, "eu", 200_000, "01:00-04:00", "route=x").in_words()
    assert told == (
        "priority tier, batch, region eu, context over 200,000 tokens, 01:00-04:00 UTC, route=x"
    )
    assert other_conditions({"b": "2", "a": "1"}) == "a=1&b=2"


# -- timelines --------------------------------------------------------------------------------

KEY = RateKey("input_tokens", Conditions())


def card(start, amount):
    at = None if start is None else datetime(2026, start, 1, tzinfo=UTC)
    return RateCard(at, {} if amount is None else {KEY: Rate(Decimal(amount), 10**6)})


def spans(cards):
    return [
        (p.rate.amount, p.valid_from and p.valid_from.month, p.valid_to and p.valid_to.month)
        for p in timeline(cards)
    ]


def test_successive_cards_become_adjacent_prices():
    assert spans([card(None, "10"), card(6, "2")]) == [(10, None, 6), (2, 6, None)]


def test_equal_neighbors_are_one_price_and_a_gap_is_a_gap():
    assert spans([card(None, "2"), card(3, "2"), card(5, None), card(7, "2")]) == [
        (2, None, 5),
        (2, 7, None),
    ]


def test_a_later_first_price_has_no_earlier_one():
    assert spans([card(None, None), card(6, "2")]) == [(2, 6, None)]


# -- the package as an oracle -----------------------------------------------------------------


@pytest.mark.parametrize("at", ["2025-01-15", "2026-10-15", "2026-11-24", "2027-02-01"])
def test_ordinary_prices_at_a_moment_equal_the_packages(at):
    """Daily windows aside, which begin with the card they stand behind."""
    moment = datetime.fromisoformat(at).replace(hour=12, tzinfo=UTC)
    providers = {one.id: {m.id: m for m in one.models} for one in get_snapshot().providers}
    compared = 0
    for one in CATALOG.providers:
        for model in one.models:
            if any(price.conditions.window for price in model.prices):
                continue
            theirs = _amounts(providers[one.code][model.code].get_prices(moment))
            ours = {
                (price.meter, price.conditions.context_gt): price.rate.amount
                for price in model.prices
                if price.conditions._replace(context_gt=0) == Conditions()
                and (price.valid_from is None or price.valid_from <= moment)
                and (price.valid_to is None or moment < price.valid_to)
            }
            assert ours == theirs, (one.code, model.code)
            compared += len(ours)
    assert compared > 5000


def _amounts(prices):
    from apps.catalog.adapters.genai_prices import _meter, _steps

    return {
        (_meter(key)[0], context): amount
        for key, value in vars(prices).items()
        if value is not None
        for context, amount in _steps(value)
    }


def test_all_published_meters_are_known_with_their_unit_size():
    for one in CATALOG.providers:
        for model in one.models:
            for price in model.prices:
                assert price.meter in METERS
                assert price.rate.unit_size == METERS[price.meter].size
                assert price.rate.amount >= 0


@pytest.mark.parametrize(
    ("code", "family"),
    [
        ("claude-sonnet-4-5", "claude-sonnet"),
        ("gpt-4o-mini", "gpt"),
        ("o3", "o"),
        ("global.anthropic.claude-opus-5", "claude-opus"),
        ("meta-llama/llama-3.1-8b", "llama"),
        ("gemini-2.5-pro", "gemini"),
        ("4o", "4o"),
    ],
)
def test_families(code, family):
    assert family_of(code) == family


def test_units_in_words():
    assert unit_in_words(unit_size=1_000_000, unit="token") == "1M tokens"
    assert unit_in_words(unit_size=1000, unit="search") == "1K searches"
    assert unit_in_words(unit_size=100, unit="page") == "100 pages"
    assert unit_in_words(unit_size=1, unit="hour") == "hour"
    assert meter_facts("wishes").unit == "unit"
    assert meter_facts("thinking_tokens").size == 1_000_000
