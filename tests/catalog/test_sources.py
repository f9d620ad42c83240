"""The second source and the reviewed sheet: keys taken apart, files read, names settled."""

from __future__ import annotations

import json
import re
from collections import Counter
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.catalog.adapters.litellm import FileInvalid, read_litellm
from apps.catalog.adapters.sheet import COLUMNS, SheetInvalid, conditions_of, read_sheet
from apps.catalog.domain.conditions import Conditions
from apps.catalog.domain.litellm_keys import read_key
from apps.catalog.domain.published import Rate
from apps.catalog.domain.statements import StatedPrice, Subject, cleaned, settled

MILLION = 10**6


def shipped() -> bytes:
    """Return the price file that the installed litellm package ships."""
    package = find_spec("litellm")  # found without running it: it would ask the network
    assert package is not None
    assert package.origin is not None
    folder = Path(package.origin).parent
    return (folder / "model_prices_and_context_window_backup.json").read_bytes()


def entries(**models: dict[str, object]) -> bytes:
    """Write a price file; numbers are given as they stand in JSON."""
    return json.dumps(models).encode()


def prices_of(content: bytes) -> dict[tuple[str, str], tuple[Decimal, int]]:
    """Return amounts and unit sizes by meter and conditions in words."""
    return {
        (price.subject.meter, price.subject.conditions.in_words()): price.rate[:2]
        for price in read_litellm(content).prices
    }


SIZE = Conditions(other="resolution=1080p")
VIRGINIA = Conditions(region="us-east-1")
DRAWN = Conditions(other="quality=low&size=1024-x-1024")

# -- keys -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "meter", "conditions"),
    [
        ("input_cost_per_token", "input_tokens", Conditions()),
        ("output_cost_per_token_batches", "output_tokens", Conditions(batch=True)),
        ("input_cost_per_token_priority", "input_tokens", Conditions("priority")),
        ("cache_read_input_token_cost_flex", "cached_input_tokens", Conditions("flex")),
        ("output_cost_per_token_ultrafast", "output_tokens", Conditions("ultrafast")),
        ("input_cost_per_token_above_128k_tokens", "input_tokens", Conditions(context_gt=128_000)),
        ("cache_creation_input_token_cost", "cache_write_tokens", Conditions()),
        ("cache_creation_input_token_cost_above_1hr", "cache_write_1h_tokens", Conditions()),
        ("cache_creation_input_token_cost_above_30min", "cache_write_30m_tokens", Conditions()),
        (
            "cache_creation_input_token_cost_above_12hr_above_272k_tokens_priority",
            "cache_write_12h_tokens",
            Conditions("priority", context_gt=272_000),
        ),
        ("output_cost_per_second_1080p", "output_video_hours", SIZE),
        ("output_cost_per_image_2K", "output_images", Conditions(other="resolution=2k")),
        ("ocr_cost_per_page_batches", "input_document_pages", Conditions(batch=True)),
    ],
)  # fmt: skip
def test_a_key_is_taken_apart(key, meter, conditions):
    found = read_key(key, mode="chat")
    assert found is not None
    assert (found.meaning.meter, found.conditions) == (meter, conditions)


@pytest.mark.parametrize(
    "key",
    [
        "input_cost_per_token_decisions",
        "input_cost_per_token_above_1hr",
        "input_cost_per_token_above_128k_tokens_gold",
        "priority",
        "input_cost_per_query",
        "input_cost_per_second",
        "input_cost_per_image",
        "output_cost_per_second_huge",
        "tokens",
        "",
    ],
)
def test_what_is_not_known_in_every_part_is_no_price(key):
    assert read_key(key, mode="image_generation") is None


@pytest.mark.parametrize(
    ("key", "mode", "meter"),
    [
        ("input_cost_per_second", "audio_transcription", "audio_hours"),
        ("output_cost_per_second", "video_generation", "output_video_hours"),
        ("input_cost_per_query", "rerank", "rerank_queries"),
        ("input_cost_per_query", "search", "web_searches"),
        ("input_cost_per_image", "chat", "input_images"),
    ],
)
def test_some_keys_mean_something_in_one_mode_only(key, mode, meter):
    found = read_key(key, mode=mode)
    assert found is not None
    assert found.meaning.meter == meter


@given(
    base=st.sampled_from(["input_cost_per_token", "output_cost_per_token"]),
    context=st.sampled_from(["", "_above_32k_tokens", "_above_512k_tokens"]),
    tier=st.sampled_from(["", "_batches", "_priority", "_flex", "_ultrafast", "_fast"]),
)
def test_every_combination_is_its_own_condition(base, context, tier):
    found = read_key(base + context + tier, mode="chat")
    assert found is not None
    thousands = {"": 0, "_above_32k_tokens": 32_000, "_above_512k_tokens": 512_000}
    batch = tier == "_batches"
    wanted = Conditions("" if batch else tier.strip("_"), batch, context_gt=thousands[context])
    assert found.conditions == wanted


# -- numbers ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "price"),
    [
        ("5.0000000000000004E-8", "0.05"),
        ("0.0000029999900000000002", "2.99999"),
        ("8.39233E-8", "0.0839233"),
        ("1e-05", "10"),
        ("0", "0"),
        ("1.3e-10", "0.00013"),
    ],
)
def test_a_floats_noise_is_cleaned_and_digits_are_kept(written, price):
    found = read_key("input_cost_per_token", mode="chat")
    assert found is not None
    assert found.rate(Decimal(written)) == Rate(Decimal(price), MILLION)


@given(st.integers(0, 10**15 - 1), st.integers(-14, -3))
def test_up_to_fifteen_digits_nothing_is_rounded(digits, exponent):
    number = Decimal(digits).scaleb(exponent)
    assert cleaned(number) == number


def test_a_price_by_the_second_becomes_one_by_the_hour_exactly():
    found = read_key("input_cost_per_second", mode="audio_transcription")
    assert found is not None
    assert found.rate(Decimal("0.0001")) == Rate(Decimal("0.36"), 1)


# -- the file ---------------------------------------------------------------------------------


def test_an_entry_becomes_prices_with_conditions():
    found = prices_of(
        entries(
            gpt={
                "litellm_provider": "openai",
                "mode": "chat",
                "input_cost_per_token": 2.5e-06,
                "input_cost_per_token_above_200k_tokens_priority": 1e-05,
                "file_search_cost_per_1k_calls": 2.5,
                "code_interpreter_cost_per_session": 0.03,
                "regional_processing_uplift_multiplier_eu": 1.1,
                "search_context_cost_per_query": {
                    "search_context_size_low": 0.01,
                    "search_context_size_high": 0.01,
                },
            }
        )
    )
    assert found == {
        ("input_tokens", ""): (Decimal("2.5"), MILLION),
        ("input_tokens", "region eu"): (Decimal("2.75"), MILLION),
        ("input_tokens", "priority tier, context over 200,000 tokens"): (Decimal(10), MILLION),
        ("input_tokens", "priority tier, region eu, context over 200,000 tokens"): (
            Decimal(11),
            MILLION,
        ),
        ("file_search_calls", ""): (Decimal("2.5"), 1000),
        ("code_interpreter_sessions", ""): (Decimal("0.03"), 1),
        ("web_searches", ""): (Decimal(10), 1000),
    }


def test_searches_that_cost_by_size_are_kept_apart_and_never_chosen():
    found = prices_of(
        entries(
            sonar={
                "litellm_provider": "perplexity",
                "search_context_cost_per_query": {
                    "search_context_size_low": 0.005,
                    "search_context_size_high": 0.012,
                },
            }
        )
    )
    assert set(found) == {
        ("web_searches", "search_context_size=low"),
        ("web_searches", "search_context_size=high"),
    }


def test_tiered_pricing_is_a_cliff_above_its_lower_bound():
    found = prices_of(
        entries(
            qwen={
                "litellm_provider": "dashscope",
                "tiered_pricing": [
                    {"range": [0, 256000.0], "input_cost_per_token": 5e-08},
                    {"range": [256000.0, 1000000.0], "input_cost_per_token": 2.5e-07},
                ],
            }
        )
    )
    assert found == {
        ("input_tokens", ""): (Decimal("0.05"), MILLION),
        ("input_tokens", "context over 256,000 tokens"): (Decimal("0.25"), MILLION),
    }


def off_peak(**block: object) -> set[str]:
    content = entries(
        flash={
            "litellm_provider": "deepseek",
            "off_peak_pricing": {"input_cost_per_token": 1.5e-07, **block},
        }
    )
    return {price.subject.conditions.window for price in read_litellm(content).prices}


WEEK = [
    {"hours_utc": ["00:00-01:00", "04:00-06:00", "10:00-00:00"], "weekdays": [1, 2, 3, 4, 5]},
    {"hours_utc": "00:00-00:00", "weekdays": [6, 7]},
]


@pytest.mark.parametrize(
    ("block", "window"),
    [
        ({"hours_utc": "16:30-00:30"}, "16:30-00:30"),
        (
            {"windows": WEEK},
            "mon-fri 00:00-01:00,04:00-06:00,10:00-00:00; sat-sun 00:00-24:00",
        ),
        (
            {"windows": WEEK, "weekday_timezone": "Asia/Shanghai"},
            "mon-fri 00:00-08:00,08:00-09:00,12:00-14:00,18:00-00:00; "
            "sat-sun 00:00-24:00 Asia/Shanghai",
        ),
        (
            {"windows": [{"hours_utc": "22:00-02:00", "weekdays": [5]}]},
            "fri 00:00-02:00,22:00-00:00",
        ),
    ],
)
def test_off_peak_hours_keep_their_weekdays(block, window):
    assert off_peak(**block) == {window}


@pytest.mark.parametrize(
    "block",
    [
        {"windows": WEEK, "weekday_timezone": "Europe/Berlin"},
        {"windows": WEEK, "weekday_timezone": "Mars/Base"},
        {"windows": [{"hours_utc": "22:00-02:00", "weekdays": ["someday"]}]},
        {"hours_utc": "around noon"},
        {},
    ],
)
def test_hours_that_cannot_be_read_exactly_price_nothing(block):
    assert off_peak(**block) == set()


@pytest.mark.parametrize(
    ("entry", "provider", "model", "conditions"),
    [
        ("azure/eu/gpt-4o", "azure", "gpt-4o", Conditions(region="eu")),
        ("azure/global-standard/gpt-4o", "azure", "gpt-4o", Conditions(region="global")),
        ("bedrock/us-east-1/anthropic.claude-v1", "bedrock", "anthropic.claude-v1", VIRGINIA),
        ("gemini/gemini-2.5-pro", "gemini", "gemini-2.5-pro", Conditions()),
        ("openrouter/anthropic/claude-opus", "openrouter", "anthropic/claude-opus", Conditions()),
        ("low/1024-x-1024/gpt-image-1.5", "openai", "gpt-image-1.5", DRAWN),
        ("gpt-4o", "openai", "gpt-4o", Conditions()),
    ],
)  # fmt: skip
def test_the_name_of_an_entry_says_where_it_runs(entry, provider, model, conditions):
    facts = {"litellm_provider": provider, "input_cost_per_token": 1e-06}
    (price,) = read_litellm(json.dumps({entry: facts}).encode()).prices
    assert price.subject == Subject(provider, model, "input_tokens", conditions)
    assert price.stated_as == entry


def test_what_is_not_understood_is_told_with_its_value():
    reading = read_litellm(
        entries(
            odd={
                "litellm_provider": "odd",
                "input_cost_per_token": "free",
                "output_cost_per_token": -1,
                "input_cost_per_token_decisions": 1e-06,
                "cost_per_wish": 3,
                "supports_vision": True,
                "max_tokens": 5,
            },
            nameless={"input_cost_per_token": 1e-06},
            sample_spec={"input_cost_per_token": 0.0},
        )
    )
    assert reading.prices == ()
    assert {(one.entry, one.key, one.value, one.why) for one in reading.not_taken} == {
        ("odd", "input_cost_per_token", "free", "it is no number"),
        ("odd", "output_cost_per_token", "-1", "a price below zero"),
        ("odd", "input_cost_per_token_decisions", "0.000001", "the key is not known"),
        ("odd", "cost_per_wish", "3", "the key is not known"),
        ("nameless", "", "", "the entry names no litellm_provider"),
    }


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{", b'{"a": NaN}', b"\xff", b"[" * 100_000, b'"text"']
)
def test_another_file_is_refused(content):
    with pytest.raises(FileInvalid):
        read_litellm(content)


def test_the_file_of_the_installed_package_is_read_whole():
    reading = read_litellm(shipped(), name="model_prices.json")
    keys = Counter(one.key for one in reading.not_taken)
    assert len(reading.prices) > 15_000
    said = {(price.subject, price.stated_as) for price in reading.prices}
    assert len(said) == len(reading.prices)
    assert all(isinstance(price.rate.amount, Decimal) for price in reading.prices)
    assert sum(keys.values()) < 1000
    # What no meter or condition of ours can say, and never was guessed:
    assert keys["input_dbu_cost_per_token"] > 0
    assert keys["regional_endpoint_uplift_multiplier"] > 0
    combined = re.compile(r"(in|out)put_cost_per_token_above_.*(?<!_decisions)")
    assert [key for key in keys if combined.fullmatch(key)] == []


# -- several entries of one model -------------------------------------------------------------


def stated(name: str, amount: str) -> StatedPrice:
    subject = Subject("openai", "gpt-4o", "input_tokens", Conditions())
    return StatedPrice(subject, Rate(Decimal(amount), MILLION), stated_as=name)


def test_the_entry_that_names_the_model_goes_over_its_snapshots():
    taken, left = settled([stated("gpt-4o-2024-05-13", "5"), stated("openai/gpt-4o", "2.5")])
    assert [price.rate.amount for price in taken] == [Decimal("2.5")]
    assert [one.entry for one in left] == ["gpt-4o-2024-05-13"]


def test_entries_that_contradict_one_another_give_nothing():
    taken, left = settled([stated("gpt-4o-a", "5"), stated("gpt-4o-b", "2.5")])
    assert taken == []
    assert {one.why for one in left} == {"entries of this model contradict one another"}
    taken, left = settled([stated("gpt-4o-a", "5"), stated("gpt-4o-b", "5.0")])
    assert (len(taken), left) == (1, [])


# -- the sheet --------------------------------------------------------------------------------


def sheet(*rows: str) -> bytes:
    return "\n".join([",".join(COLUMNS), *rows]).encode()


GOOD = "openai,gpt-4o,input_tokens,,2.50,1000000,USD,2026-12-01T16:00:30Z,,letter of 1 Dec"


def test_a_sheet_says_prices_with_moments_to_the_second():
    reading = read_sheet(sheet(GOOD), name="december.csv")
    (price,) = reading.prices
    assert price.subject == Subject("openai", "gpt-4o", "input_tokens", Conditions())
    assert price.rate == Rate(Decimal("2.5"), MILLION, "USD")
    assert price.valid_from is not None
    assert price.valid_from.isoformat() == "2026-12-01T16:00:30+00:00"
    assert (price.valid_to, price.note) == (None, "letter of 1 Dec")
    assert price.stated_as == "december.csv row 2"


def test_conditions_of_a_sheet():
    written = (
        "tier=flex & batch & region=eu & context>200000 & window=mon-fri 16:30-00:30 Asia/Shanghai"
    )
    assert conditions_of(written) == Conditions(
        "flex", True, "eu", 200_000, "mon-fri 16:30-00:30 Asia/Shanghai"
    )
    assert conditions_of("tier=standard") == Conditions()
    assert conditions_of("tier=batch") == Conditions(batch=True)


@pytest.mark.parametrize(
    ("column", "value", "says"),
    [
        ("provider", "", "1 to 64 characters"),
        ("meter", "Input Tokens", "meter code"),
        ("amount", "2,50", "plain number"),
        ("amount", "-1", "plain number"),
        ("amount", "1e3", "plain number"),
        ("amount", "NaN", "plain number"),
        ("unit_size", "3600", "power of ten"),
        ("currency", "usd", "capital letters"),
        ("valid_from", "2026-12-01", "offset"),
        ("valid_from", "", "begins"),
        ("valid_to", "2026-11-01T00:00:00Z", "after it begins"),
        ("conditions", "tier=flex & tier=priority", "written twice"),
        ("conditions", "colour=red", "no condition"),
        ("conditions", "window=always", "write them as"),
        ("conditions", "context>many", "no condition"),
    ],
)
def test_a_wrong_cell_is_named_with_its_row_and_remedy(column, value, says):
    cells = dict(zip(COLUMNS, GOOD.split(","), strict=True)) | {column: f'"{value}"'}
    with pytest.raises(SheetInvalid, match=says) as refusal:
        read_sheet(sheet(GOOD.replace("gpt-4o", "gpt-5"), ",".join(cells.values())))
    assert [one.field for one in refusal.value.errors] == [f"row 3.{column}"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "must name the columns"),
        (b"provider,model\nopenai,gpt", "missing: amount"),
        (sheet() + b"\n", "holds no price"),
        (sheet(GOOD, GOOD), "says the same moment"),
        (sheet(GOOD + ",more"), "another number of cells"),
        (sheet(GOOD).replace(b"note", b"remark"), "unknown: remark"),
        ("provider\n".encode("utf-16"), "not UTF-8"),
        (sheet('"openai'), "no CSV"),
    ],
)
def test_another_sheet_is_refused(content, says):
    with pytest.raises(SheetInvalid, match=says):
        read_sheet(content)
