"""Events of other vocabularies: how they are read, and what they mean by default or by mapping."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.ingest.domain import cloudevents, lago
from apps.ingest.domain.event_mapping import MappingRefused, checked_mapping, fields_of
from apps.ingest.domain.foreign import BodyUnreadable, Door, ForeignEvent, read_json
from apps.ingest.domain.understanding import meter_code
from apps.usage.domain.decode import draft_of
from apps.usage.domain.drafts import Draft, Rejected
from apps.usage.domain.normalize import meters_of

CE: dict[str, Any] = {
    "specversion": "1.0",
    "id": "5c10fade-1c9e",
    "source": "https://gateway.example/eu",
    "type": "prompt",
    "subject": "customer-1",
    "time": "2026-01-15T10:00:00.001Z",
    "datacontenttype": "application/json",
    "data": {"tokens": "1500", "model": "gpt-4o", "type": "input"},
}
LAGO: dict[str, Any] = {
    "transaction_id": "tx-1",
    "external_subscription_id": "sub_1",
    "code": "llm_tokens",
    "timestamp": "1768471200.123",
    "precise_total_amount_cents": "1234.56",
    "properties": {"model": "gpt-4o", "input_tokens": 100, "output_tokens": "20"},
}


def ce(**changes: Any) -> ForeignEvent | Rejected:
    item = {name: value for name, value in {**CE, **changes}.items() if value is not None}
    (read,) = cloudevents.read_structured(json.dumps(item).encode())
    return read


def meant(event: ForeignEvent | Rejected, fields: dict[str, str] | None = None) -> Draft:
    assert isinstance(event, ForeignEvent), event
    mapping = checked_mapping(fields) if fields is not None else None
    found = {**fields_of(event, mapping), "time": event.time or datetime(2026, 1, 1, tzinfo=UTC)}
    draft = draft_of(found, index=0, source=None, lax=True)
    assert isinstance(draft, Draft), draft
    return draft


def test_tokens_of_a_kind() -> None:
    draft = meant(ce())
    assert (draft.provider, draft.model, draft.source) == ("openai", "gpt-4o", CE["source"])
    assert draft.tags == {"customer": "customer-1"}
    assert meters_of(draft) == ({"input_tokens": 1500}, 1500)


@pytest.mark.parametrize(
    ("kind", "meters"),
    [
        ("output", {"output_tokens": 7}),
        ("cached", {"cached_input_tokens": 7}),
        ("cache_read", {"cached_input_tokens": 7}),
        ("cache_write", {"cache_write_tokens": 7}),
        ("reasoning", {"output_tokens": 7}),
        ("system", {"input_tokens": 7}),
        ("input_tokens", {"input_tokens": 7}),
    ],
)
def test_every_kind_of_tokens_counts_its_own(kind: str, meters: dict[str, int]) -> None:
    data = {"tokens": 7, "model": "claude-sonnet-4-5", "type": kind}
    draft = meant(ce(data=data))
    assert draft.provider == "anthropic"
    assert meters_of(draft)[0] == meters


def test_all_counts_of_a_request() -> None:
    data = {
        "model": "gpt-4o",
        "prompt_tokens": 1000,
        "cached_tokens": 400,
        "completion_tokens": 50,
        "team": "search",
        "feature": "summarize",
        "customer": "globex",
    }
    draft = meant(ce(data=data))
    assert draft.tags == {"team": "search", "feature": "summarize", "customer": "globex"}
    assert meters_of(draft)[0] == {
        "input_tokens": 600,
        "cached_input_tokens": 400,
        "output_tokens": 50,
    }


@pytest.mark.parametrize(
    "data",
    [None, {}, {"pages": 3}, {"model": "gpt-4o"}, {"model": "gpt-4o", "tokens": 5}, [1, 2], "text"],
)
def test_what_is_not_understood_counts_one_of_itself(data: Any) -> None:
    draft = meant(ce(type="com.example.PDF pages", data=data))
    assert (draft.service, draft.model) == ("com.example.PDF pages", None)
    assert meters_of(draft)[0] == {"com.example.pdf_pages": 1}


def test_an_unknown_maker_is_never_guessed() -> None:
    assert meant(ce(data={"model": "house-13b", "prompt_tokens": 5})).provider == "unknown"


def test_a_mapping_takes_the_place_of_the_default() -> None:
    fields = {
        "provider": "=mistral",
        "model": "data.engine | =mistral-large-latest",
        "usage.input_tokens": "data.count.in",
        "usage.output_tokens": "data.count.out",
        "tags.team": "subject",
        "tags.floor": "data.floor",
        "trace_id": "data.trace",
    }
    data = {"count": {"in": 10, "out": "4"}, "floor": 7, "customer": "nobody asked"}
    draft = meant(ce(data=data), fields)
    assert (draft.provider, draft.model) == ("mistral", "mistral-large-latest")
    assert draft.tags == {"team": "customer-1", "floor": "7"}
    assert meters_of(draft)[0] == {"input_tokens": 10, "output_tokens": 4}
    assert draft.trace_id is None


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, "fields"),
        ({"provider": "=a", "model": "=b"}, "fields"),
        ({"provider": "=a", "usage.input_tokens": "data.n"}, "fields.model"),
        ({"service": "=ocr"}, "fields"),
        ({"service": "=ocr", "model": "=x", "meters.pages": "=1"}, "fields.service"),
        ({"service": "=ocr", "meters.pages": "data"}, "fields.meters.pages"),
        ({"service": "=ocr", "meters.Pages": "=1"}, "fields.meters.Pages"),
        ({"service": "=ocr", "meters.pages": "="}, "fields.meters.pages"),
        ({"service": "=ocr", "meters.pages": "=1", "colour": "=red"}, "fields.colour"),
    ],
)
def test_a_mapping_that_cannot_be_understood_names_the_field(
    fields: dict[str, str], field: str
) -> None:
    with pytest.raises(MappingRefused) as refused:
        checked_mapping(fields)
    assert field in {error.field for error in refused.value.errors}


def test_the_trace_of_the_distributed_tracing_extension() -> None:
    parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    assert meant(ce(traceparent=parent)).trace_id == "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.mark.parametrize(
    ("changes", "field", "code"),
    [
        ({"id": None}, "id", "missing"),
        ({"source": None}, "source", "missing"),
        ({"type": None}, "type", "missing"),
        ({"specversion": None}, "specversion", "missing"),
        ({"specversion": "0.3"}, "specversion", "specversion"),
        ({"time": "yesterday"}, "time", "time"),
        ({"time": "2026-01-15T10:00:00"}, "time", "time"),
        ({"id": 5}, "id", "type"),
        ({"data": None, "data_base64": "***"}, "data_base64", "base64"),
    ],
)
def test_a_cloud_event_that_breaks_the_rules_says_which(
    changes: dict[str, Any], field: str, code: str
) -> None:
    read = ce(**changes)
    assert isinstance(read, Rejected)
    assert (read.problem.field, read.problem.code) == (field, code)


def test_data_in_base64_and_in_text_are_read() -> None:
    import base64

    data = json.dumps({"model": "gpt-4o", "prompt_tokens": 3}).encode()
    encoded = ce(data=None, data_base64=base64.b64encode(data).decode())
    assert meters_of(meant(encoded))[0] == {"input_tokens": 3}
    assert meters_of(meant(ce(data=data.decode())))[0] == {"input_tokens": 3}


def test_lago_events() -> None:
    (read,) = lago.read_one(json.dumps({"event": LAGO}).encode())
    draft = meant(read)
    assert isinstance(read, ForeignEvent)
    assert (draft.source, draft.id, read.door) == ("lago:sub_1", "tx-1", Door.LAGO)
    assert draft.time == datetime(2026, 1, 15, 10, 0, 0, 123000, tzinfo=UTC)
    assert read.charge == Decimal("12.3456")
    assert meters_of(draft)[0] == {"input_tokens": 100, "output_tokens": 20}
    shown = lago.shown(read, received_at=datetime(2026, 1, 16, tzinfo=UTC))
    assert shown["timestamp"] == "2026-01-15T10:00:00.123Z"
    assert shown["external_subscription_id"] == "sub_1"
    assert shown["lago_id"] == lago.shown(read, received_at=datetime.now(UTC))["lago_id"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"timestamp": "2026-01-15T10:00:00Z"}, "time"),
        ({"timestamp": 1768471200123}, "time"),
        ({"timestamp": "NaN"}, "time"),
        ({"timestamp": True}, "time"),
        ({"code": ""}, "code"),
        ({"external_subscription_id": None}, "external_subscription_id"),
        ({"properties": [1]}, "properties"),
        ({"precise_total_amount_cents": "-1"}, "precise_total_amount_cents"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_lago_event_that_breaks_the_rules_says_which(changes: dict[str, Any], field: str) -> None:
    (read,) = lago.read_one(json.dumps({"event": {**LAGO, **changes}}).encode())
    assert isinstance(read, Rejected)
    assert read.problem.field == field


def test_bodies_of_another_shape_are_refused() -> None:
    for body in (b"", b"[", b'{"a":1}', b"[]", b'{"event"', b"\xff\xfe", b"[" * 100_000):
        with pytest.raises(BodyUnreadable):
            lago.read_batch(body)
    with pytest.raises(BodyUnreadable):
        cloudevents.read_batch(b"{}")


@given(st.text(max_size=80))
def test_any_name_becomes_a_meter(name: str) -> None:
    import re

    assert re.fullmatch(r"[a-z][a-z0-9_.:-]{0,63}", meter_code(name))
    assert meter_code(name) != "requests"


def test_numbers_are_never_floats() -> None:
    assert read_json(b"[0.1, 1.0, 1e3, 12345678901234567890.5, 7]") == [
        Decimal("0.1"),
        1,
        1000,
        Decimal("12345678901234567890.5"),
        7,
    ]
    assert not any(isinstance(one, float) for one in read_json(b"[0.1, 1.0, 1e3]"))
