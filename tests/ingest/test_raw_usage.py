"""Events that come with the provider's own usage object: read, kept, known by what was sent."""

from __future__ import annotations

import io
import json
import math
from decimal import Decimal
from typing import Any

import pyarrow as arrow
import pytest
from pyarrow import parquet

from apps.ingest import services as ingest
from apps.usage import selectors, services
from apps.usage.domain.decode import Form, decode_events, draft_of
from apps.usage.domain.digest import digest_v1
from apps.usage.domain.drafts import Draft, Rejected
from apps.usage.domain.normalize import meters_of
from apps.usage.models import Event, RawUsage, Rollup
from tests.ingest.factories import NOW, WRITER, contract, event, send

BODY_OF_9812 = {
    "input_tokens": 3,
    "cache_creation_input_tokens": 12_304,
    "cache_read_input_tokens": 0,
    "output_tokens": 550,
}
OPENROUTER = {
    "prompt_tokens": 194,
    "completion_tokens": 2,
    "total_tokens": 196,
    "cost": 0.00095,
    "smell_tokens": 4,
}


def raw(usage: Any = BODY_OF_9812, **changes: Any) -> dict[str, Any]:
    return event(usage=None, raw_usage=usage, **changes)


def decoded(sent: Any) -> Draft | Rejected:
    (found,) = decode_events(body=json.dumps([sent]).encode(), form=Form.JSON)
    return found


def taken(sent: Any) -> Draft:
    found = decoded(sent)
    assert isinstance(found, Draft), found
    return found


def test_the_body_of_issue_9812_costs_what_was_billed(acme: Any) -> None:
    contract(input_tokens="3", cache_write_tokens="3.75", output_tokens="15")
    receipt = send([raw()])
    assert (receipt.accepted, receipt.unpriced, receipt.errors) == (1, 0, ())
    assert sum(row.cost or 0 for row in Rollup.objects.all()) == Decimal("0.054399")
    assert Event.objects.get().context_tokens == 12_307
    assert RawUsage.objects.get().raw == BODY_OF_9812
    assert services.verify_rollups() == []


def test_the_body_of_issue_9812_at_the_list_price(acme: Any) -> None:
    sonnet = {"provider": "anthropic", "model": "claude-3-7-sonnet-20250219"}
    receipt = send([raw(**sonnet)])
    assert (receipt.accepted, receipt.unpriced) == (1, 0)
    assert sum(row.cost or 0 for row in Rollup.objects.all()) == Decimal("0.054399")


def test_unknown_token_classes_show_up_unpriced(acme: Any) -> None:
    contract(input_tokens="3", output_tokens="15")
    receipt = send([raw(OPENROUTER)])
    assert (receipt.accepted, receipt.unpriced) == (1, 1)
    found = selectors.event(source="gateway", event_id="evt-1", actor=WRITER)
    lines = {line.meter: line for line in found.lines}
    assert lines["smell_tokens"].quantity == 4
    assert lines["smell_tokens"].cost is None
    assert found.unknown == ("smell_tokens",)
    assert found.raw_usage == OPENROUTER | {"cost": Decimal("0.00095")}
    assert found.event.reported_amount == Decimal("0.00095")
    assert found.as_dict()["unknown_usage"] == ["smell_tokens"]
    assert Rollup.objects.get(meter="smell_tokens").cost is None


def test_identity_is_what_was_sent() -> None:
    one = digest_v1(taken(raw()))
    assert digest_v1(taken(raw(dict(reversed(list(BODY_OF_9812.items())))))) == one
    assert digest_v1(taken(raw(BODY_OF_9812 | {"output_tokens": 551}))) != one
    assert digest_v1(taken(raw(BODY_OF_9812 | {"service_tier": "standard"}))) != one
    text = json.dumps([raw(OPENROUTER)])
    (noisy,) = decode_events(body=text.replace("0.00095", "9.5e-4").encode(), form=Form.JSON)
    assert isinstance(noisy, Draft)
    assert digest_v1(noisy) == digest_v1(taken(raw(OPENROUTER)))


def test_replays_and_conflicts(acme: Any) -> None:
    assert send([raw()]).accepted == 1
    assert send([raw()]).duplicates == 1
    assert send([raw(BODY_OF_9812 | {"output_tokens": 1})]).conflicts == 1
    assert RawUsage.objects.count() == 1
    assert send([raw()], dry_run=True).duplicates == 1


def test_what_the_sender_states_beside_holds() -> None:
    cost = {"amount": "1", "currency": "EUR"}
    draft = taken(raw(OPENROUTER, reported_cost=cost, meters={"pages": "2"}, service_tier="flex"))
    assert draft.reported_cost is not None
    assert draft.reported_cost.currency == "EUR"
    assert draft.service_tier == "flex"
    assert meters_of(draft)[0]["pages"] == 2
    batch = taken(raw(BODY_OF_9812 | {"service_tier": "batch"}))
    assert (batch.batch, batch.service_tier) == (True, None)


@pytest.mark.parametrize(
    ("sent", "field", "code"),
    [
        (event(raw_usage=BODY_OF_9812), "usage", "ambiguous"),
        (
            event(usage=None, provider=None, model=None, service="x", raw_usage={"a": 1}),
            "raw_usage",
            "ambiguous",
        ),
        (raw({}), "raw_usage", "usage_shape_unknown"),
        (raw({"tokens": 5}), "raw_usage", "usage_shape_unknown"),
        (raw({"prompt_tokens": "5"}), "raw_usage.prompt_tokens", "usage_shape_broken"),
        (raw({"prompt_tokens": -1}), "raw_usage.prompt_tokens", "usage_shape_broken"),
        (raw({"prompt_tokens": 10**18}), "raw_usage.prompt_tokens", "usage_shape_broken"),
        (raw({"prompt_tokens": 1.5}), "raw_usage.prompt_tokens", "usage_shape_broken"),
        (
            raw({"prompt_tokens": 5, "completion_tokens": 5, "total_tokens": 7}),
            "raw_usage.total_tokens",
            "not_disjoint",
        ),
        (
            raw({"prompt_tokens": 5, "prompt_tokens_details": {"audio_tokens": 6}}),
            "raw_usage",
            "not_disjoint",
        ),
        (
            raw(BODY_OF_9812 | {"server_tool_use": {"web_search_requests": 1}},
                meters={"web_searches": "1"}),
            "meters.web_searches",
            "meter_twice",
        ),
        (raw(BODY_OF_9812 | {"note": "\0"}), "raw_usage", "nul"),
        (raw(BODY_OF_9812 | {"note": "x" * 9_000}), "raw_usage", "raw_usage_size"),
        (raw(BODY_OF_9812 | {"a": {"b": {"c": [[[[[[1]]]]]]}}}), "raw_usage", "raw_usage_content"),
        (raw("5"), "raw_usage", "type"),
        (raw({f"t{n}_tokens": 1 for n in range(65)} | {"prompt_tokens": 1}), "meters",
         "too_many_meters"),
    ],
)  # fmt: skip
def test_refusals_name_the_field(sent: Any, field: str, code: str) -> None:
    refused = decoded(sent)
    assert isinstance(refused, Rejected), refused
    assert (refused.problem.field, refused.problem.code) == (field, code)


def test_numbers_beyond_all_counts_are_refused() -> None:
    body = json.dumps([raw()]).replace('"output_tokens": 550', '"output_tokens": 1e400')
    (refused,) = decode_events(body=body.encode(), form=Form.JSON)
    assert isinstance(refused, Rejected)
    assert refused.problem.code == "raw_usage_content"


def test_amendments_keep_the_object_of_each_revision(acme: Any) -> None:
    contract(input_tokens="3", cache_write_tokens="3.75", output_tokens="15")
    send([raw()])
    how = {"source": "gateway", "event_id": "evt-1", "actor": WRITER, "now": NOW}
    right = raw(BODY_OF_9812 | {"output_tokens": 551})
    ingest.amend_event(event=right, reason="miscounted", **how)
    found = selectors.event(source="gateway", event_id="evt-1", actor=WRITER)
    assert found.raw_usage is not None
    assert found.raw_usage["output_tokens"] == 551
    ingest.revert_correction(reason="was right", **how)
    found = selectors.event(source="gateway", event_id="evt-1", actor=WRITER)
    assert found.raw_usage == BODY_OF_9812
    ingest.void_event(reason="test", **how)
    ingest.revert_correction(reason="no test", **how)
    found = selectors.event(source="gateway", event_id="evt-1", actor=WRITER)
    assert found.raw_usage == BODY_OF_9812
    assert services.verify_rollups() == []


def test_files_bring_it_too(acme: Any) -> None:
    lines = json.dumps(raw(OPENROUTER, id="a")).encode()
    table = arrow.Table.from_pylist(
        [
            {
                "id": "b",
                "source": "gateway",
                "time": NOW,
                "provider": "testco",
                "model": "tiny",
                "raw_usage": OPENROUTER,
            }
        ]
    )
    target = io.BytesIO()
    parquet.write_table(table, target)
    for name, content in (("a.jsonl", lines), ("b.parquet", target.getvalue())):
        upload = ingest.Upload(name, io.BytesIO(content), len(content))
        (stored,) = ingest.import_events(upload=upload, actor=WRITER, clock=lambda: NOW)
        assert (stored.receipt.accepted, stored.receipt.errors) == (1, ()), name
    assert [row.raw["cost"] for row in RawUsage.objects.all()] == [0.00095, 0.00095]


def test_readers_without_exact_numbers_say_the_same() -> None:
    other = draft_of(raw(OPENROUTER), index=0, source=None, lax=False)
    assert isinstance(other, Draft)
    assert digest_v1(other) == digest_v1(taken(raw(OPENROUTER)))
    refused = draft_of(raw(OPENROUTER | {"x": math.inf}), index=0, source=None, lax=False)
    assert isinstance(refused, Rejected)
    assert refused.problem.code == "raw_usage_content"


def test_only_events_that_came_with_one_have_a_row(acme: Any) -> None:
    send([event("a"), raw(id="b"), event("c")])
    assert RawUsage.objects.count() == 1
