"""Digest v1: absent, null and default are one; zones, key order and zeros do not matter."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.usage.domain.decode import Form, decode_events
from apps.usage.domain.digest import canonical_v1, digest_of_payload, digest_v1
from apps.usage.domain.drafts import Draft, SealedDraft

FULL: dict[str, Any] = {
    "id": "evt-0001",
    "source": "gateway-eu",
    "time": "2026-11-03T10:20:30.123456Z",
    "provider": "openai",
    "model": "gpt-4o-2024-08-06",
    "usage": {"input_tokens": 1200, "cached_input_tokens": 800, "output_tokens": 300},
    "meters": {"web_searches": "2", "pages": "0.5"},
    "tags": {"team": "search", "feature": "summarize"},
    "outcome": {"name": "answer_accepted", "success": True, "value": "0.40"},
    "reported_cost": {"amount": "0.0061", "currency": "USD"},
}


def digest(body: Any, source: str | None = None) -> bytes:
    (draft,) = decode_events(body=json.dumps(body).encode(), form=Form.JSON, source=source)
    assert isinstance(draft, Draft), draft
    return digest_v1(draft)


def test_the_canonical_form_is_fixed() -> None:
    """A change here would turn every replay of a stored event into a conflict."""
    (draft,) = decode_events(body=json.dumps(FULL).encode(), form=Form.JSON)
    assert isinstance(draft, Draft)
    assert canonical_v1(draft) == (
        b'{"id":"evt-0001","meters":{"pages":"0.5","web_searches":"2"},'
        b'"model":"gpt-4o-2024-08-06",'
        b'"outcome":{"name":"answer_accepted","success":true,"value":"0.4"},"provider":"openai",'
        b'"reported_cost":{"amount":"0.0061","currency":"USD"},"source":"gateway-eu",'
        b'"tags":{"feature":"summarize","team":"search"},"time":"2026-11-03T10:20:30.123456Z",'
        b'"usage":{"cached_input_tokens":800,"input_tokens":1200,"output_tokens":300}}'
    )
    assert digest_v1(draft).hex() == "6e8ed5efa586dab8db5df84d83b15916"


SAME = [
    {"batch": False},
    {"batch": None},
    {"region": None},
    {"status": "ok"},
    {"status": None},
    {"input_excludes_cache": None},
    {"time": "2026-11-03T05:20:30.123456-05:00"},
    {"time": "2026-11-03T10:20:30.123456000Z"},
    {"usage": {**FULL["usage"], "cache_write_tokens": {"5m": 0, "1h": 0}}},
    {"usage": {**FULL["usage"], "cache_write_tokens": 0, "reasoning_tokens": None}},
    {"meters": {"pages": "0.500", "web_searches": "2.0"}},
    {"meters": {"pages": "5e-1", "web_searches": 2}},
    {"outcome": {"name": "answer_accepted", "success": True, "value": "0.4"}},
]


@pytest.mark.parametrize("changes", SAME, ids=str)
def test_the_same_said_otherwise(changes: dict[str, Any]) -> None:
    assert digest({**FULL, **changes}) == digest(FULL)


def test_empty_maps_are_absent() -> None:
    without = {name: value for name, value in FULL.items() if name not in ("tags", "meters")}
    for empty in ({"tags": {}}, {"meters": {}}, {"tags": None, "meters": None}):
        assert digest({**without, **empty}) == digest(without)


def test_the_header_counts_as_source() -> None:
    without = {name: value for name, value in FULL.items() if name != "source"}
    assert digest(without, source="gateway-eu") == digest(FULL)
    assert digest(without, source="other") != digest(FULL)


DIFFERENT = [
    {"id": "evt-0002"},
    {"source": "gateway-us"},
    {"time": "2026-11-03T10:20:30.123457Z"},
    {"model": "gpt-4o"},
    {"batch": True},
    {"region": "eu"},
    {"service_tier": "priority"},
    {"operation": "chat"},
    {"usage": {**FULL["usage"], "output_tokens": 301}},
    {"usage": {**FULL["usage"], "input_excludes_cache": True}},
    {"tags": {"team": "ads", "feature": "summarize"}},
    {"tags": {"team": "search"}},
    {"account": "a"},
    {"credential": "c"},
    {"end_user": "u"},
    {"trace_id": "t"},
    {"status": "error"},
    {"outcome": None},
    {"reported_cost": {"amount": "0.0062", "currency": "USD"}},
    {"hold": "00000000-0000-4000-8000-000000000000"},
    {"meters": {"pages": "0.5", "web_searches": "2.000001"}},
]


@pytest.mark.parametrize("changes", DIFFERENT, ids=str)
def test_whatever_is_said_counts(changes: dict[str, Any]) -> None:
    assert digest({**FULL, **changes}) != digest(FULL)


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)


@given(tags=st.dictionaries(texts.filter(bool), texts, max_size=6), data=st.data())
def test_order_never_matters(tags: dict[str, str], data: st.DataObject) -> None:
    body = {**FULL, "tags": tags}
    names = data.draw(st.permutations(list(body)))
    keys = data.draw(st.permutations(list(tags)))
    other = {name: body[name] for name in names} | {"tags": {key: tags[key] for key in keys}}
    assert digest(other) == digest(body)


def test_a_translated_item_is_known_by_what_was_sent() -> None:
    (draft,) = decode_events(body=json.dumps(FULL).encode(), form=Form.JSON)
    assert isinstance(draft, Draft)
    sent = {"transaction_id": "tx-1", "code": "tokens", "properties": {"a": 1, "b": None}}
    sealed = digest_of_payload(door="lago", payload=sent)
    fields = {name: getattr(draft, name) for name in Draft.__struct_fields__}
    assert digest_v1(SealedDraft(**fields, sealed=sealed)) == sealed
    assert digest_v1(SealedDraft(**{**fields, "model": "other"}, sealed=sealed)) == sealed


def test_doors_never_agree_and_key_order_does_not_matter() -> None:
    sent = {"a": 1, "b": "2"}
    assert digest_of_payload(door="lago", payload=sent) == digest_of_payload(
        door="lago", payload={"b": "2", "a": 1}
    )
    assert digest_of_payload(door="lago", payload=sent) != digest_of_payload(
        door="cloudevents", payload=sent
    )
    assert digest_of_payload(door="lago", payload=sent) != digest_of_payload(
        door="lago", payload={"a": 1, "b": "3"}
    )
