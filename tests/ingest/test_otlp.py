"""Spans: which are uses of a model, what they used, and the door that takes them."""

from __future__ import annotations

import gzip
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from threading import Barrier
from typing import Any

import pytest
import time_machine
from django.db import OperationalError, connection, connections
from django.test import Client
from django_tenants.utils import schema_context
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from apps.accounts import services as accounts
from apps.accounts.domain.keys import KeyKind
from apps.core.domain.access import Scope, system_actor
from apps.core.domain.limits import Limits
from apps.ingest import services as ingest
from apps.ingest.adapters import otlp as wire
from apps.ingest.domain.otlp import read_spans
from apps.ingest.models import SpanTotal
from apps.usage.domain.drafts import Draft, Rejected
from apps.usage.domain.normalize import meters_of
from apps.usage.models import Event, Rollup
from tests.accounts.people import bearer, service_key
from tests.ingest.factories import NOW, WRITER, contract
from tests.ingest.spans import ANTHROPIC, TRACE, as_json, as_protobuf, span

CALL = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "tiny"}


def only(**changes: Any) -> Draft:
    traced = read_spans([span(**changes)])
    (draft,) = traced.taken.drafts
    assert isinstance(draft, Draft), draft
    return draft


def counted(**attributes: Any) -> dict[str, int | Decimal]:
    named = {name.replace("__", "."): value for name, value in attributes.items()}
    return meters_of(only(attributes=CALL | named))[0]


def test_a_span_becomes_an_event() -> None:
    draft = only()
    assert meters_of(draft) == (
        {"input_tokens": 3, "cache_write_tokens": 12_304, "output_tokens": 550},
        12_307,
    )
    assert (draft.source, draft.id) == ("assistant", f"{TRACE}:{1:016x}")
    assert draft.time == datetime(2026, 1, 15, 10, 20, 30, 123456, tzinfo=UTC)
    assert (draft.provider, draft.model, draft.operation) == ("testco", "tiny", "chat")
    assert (draft.trace_id, draft.status) == (TRACE, "ok")
    assert draft.tags == {"service": "assistant"}


USAGE = "gen_ai.usage."


@pytest.mark.parametrize(
    ("attributes", "meters"),
    [
        ({"input_tokens": 10, "output_tokens": 5}, {"input_tokens": 10, "output_tokens": 5}),
        ({"prompt_tokens": 10, "completion_tokens": 5}, {"input_tokens": 10, "output_tokens": 5}),
        (
            {"input_tokens": 10, "prompt_tokens": 10, "output_tokens": 5},
            {"input_tokens": 10, "output_tokens": 5},
        ),
        (
            {"input_tokens": 10, "cache_read.input_tokens": 4},
            {"input_tokens": 6, "cached_input_tokens": 4},
        ),
        (
            {"input_tokens": 10, "cache_read_input_tokens": 4, "cache_creation_input_tokens": 1},
            {"input_tokens": 5, "cached_input_tokens": 4, "cache_write_tokens": 1},
        ),
        (
            {"input_tokens": 10, "cache_write.input_tokens": 4},
            {"input_tokens": 6, "cache_write_tokens": 4},
        ),
        (
            {"input_tokens": 3, "cache_read.input_tokens": 9, "total_tokens": 14,
             "output_tokens": 2},
            {"input_tokens": 3, "cached_input_tokens": 9, "output_tokens": 2},
        ),
        (
            {"input_tokens": 10, "audio.input_tokens": 4, "text.input_tokens": 6},
            {"input_tokens": 6, "input_audio_tokens": 4},
        ),
        (
            {"output_tokens": 10, "reasoning.output_tokens": 8, "reasoning_tokens": 8},
            {"output_tokens": 10},
        ),
        ({"input_tokens": 1, "dream.tokens": 7}, {"input_tokens": 1, "dream.tokens": 7}),
    ],
)  # fmt: skip
def test_names_of_every_age(attributes: dict[str, int], meters: dict[str, int]) -> None:
    assert counted(**{f"{USAGE}{name}": count for name, count in attributes.items()}) == meters


def test_names_of_openinference() -> None:
    attributes = {
        "openinference.span.kind": "LLM",
        "llm.model_name": "tiny",
        "llm.provider": "testco",
        "llm.token_count.prompt": 10,
        "llm.token_count.completion": 5,
        "llm.token_count.prompt_details.cache_read": 4,
    }
    draft = only(attributes=attributes)
    assert meters_of(draft)[0] == {
        "input_tokens": 6,
        "cached_input_tokens": 4,
        "output_tokens": 5,
    }


def test_anthropic_counts_beside_where_the_parts_say_so() -> None:
    sent = CALL | {"gen_ai.system": "anthropic", f"{USAGE}input_tokens": 3}
    sent |= {f"{USAGE}cache_read_input_tokens": 100}
    assert meters_of(only(attributes=sent))[0] == {"input_tokens": 3, "cached_input_tokens": 100}
    (other,) = read_spans([span(attributes=sent | {"gen_ai.system": "x"})]).taken.drafts
    assert isinstance(other, Draft)
    with pytest.raises(Exception, match="exceed input_tokens"):
        meters_of(other)


@pytest.mark.parametrize(
    "attributes",
    [
        {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search"},
        {"gen_ai.operation.name": "invoke_agent", f"{USAGE}input_tokens": 5},
        {"traceloop.span.kind": "workflow", "gen_ai.request.model": "tiny"},
        {"http.request.method": "POST"},
        {"gen_ai.request.model": "tiny"},
        {"llm.request.type": "unknown", f"{USAGE}input_tokens": 5, "gen_ai.request.model": "tiny"},
    ],
)
def test_other_spans_are_ignored(attributes: dict[str, Any]) -> None:
    traced = read_spans([span(attributes=attributes)])
    assert (traced.taken.drafts, traced.taken.ignored) == ([], 1)
    assert len(traced.totals) == (1 if f"{USAGE}input_tokens" in attributes else 0)


def test_an_agents_totals_are_kept_and_not_counted() -> None:
    agent = ANTHROPIC | {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "helper"}
    traced = read_spans(
        [span(2, parent=1, at=10), span(3, parent=1, at=20), span(1, attributes=agent)]
    )
    assert [draft.id for draft in traced.taken.drafts] == [f"{TRACE}:{n:016x}" for n in (2, 3)]
    (total,) = traced.totals
    assert (total.span_id, total.counts[f"{USAGE}input_tokens"]) == (f"{1:016x}", 12_307)


def test_a_call_that_two_tools_watched_counts_once() -> None:
    outer = span(1, lasts=100)
    traced = read_spans([span(2, parent=1, at=10, lasts=10), outer])
    assert [draft.id for draft in traced.taken.drafts] == [f"{TRACE}:{2:016x}"]
    again = {"gen_ai.response.id": "r-1"}
    less = CALL | again | {f"{USAGE}input_tokens": 12_307, f"{USAGE}output_tokens": 550}
    richer = span(1, lasts=100, attributes=ANTHROPIC | again)
    traced = read_spans([span(2, parent=1, at=10, attributes=less), richer])
    assert [draft.id for draft in traced.taken.drafts] == [f"{TRACE}:{1:016x}"]


def test_an_outer_span_speaks_for_inner_ones_without_tokens() -> None:
    silent = [span(n, parent=1, at=n, attributes=CALL) for n in (2, 3)]
    traced = read_spans([*silent, span(1)])
    assert [draft.id for draft in traced.taken.drafts] == [f"{TRACE}:{1:016x}"]


def test_a_span_that_is_taken_for_one_call_stays_for_another_inside() -> None:
    again = {"gen_ai.response.id": "r-1"}
    less = CALL | again | {f"{USAGE}input_tokens": 12_307}
    other = CALL | {"gen_ai.response.id": "r-2", f"{USAGE}input_tokens": 5}
    spans = [
        span(2, parent=1, at=1, attributes=less),
        span(3, parent=1, at=2, attributes=other),
        span(1, attributes=ANTHROPIC | again),
    ]
    ids = [draft.id for draft in read_spans(spans).taken.drafts]
    assert ids == [f"{TRACE}:{3:016x}", f"{TRACE}:{1:016x}"]


def test_odd_attributes_are_passed_over() -> None:
    odd = {f"{USAGE}\0tokens": 1, f"{USAGE}{'x' * 300}_tokens": 1}
    (read,) = wire.read_protobuf(as_protobuf(span(attributes=CALL | odd)))
    assert read.attributes == CALL
    many = {f"{USAGE}t{n}_tokens": 1 for n in range(200)}
    (refused,) = read_spans([span(attributes=CALL | many)]).taken.drafts
    assert isinstance(refused, Draft)
    assert len(meters_of(refused)[0]) == 64


def test_a_parent_that_had_ended_is_no_parent() -> None:
    traced = read_spans([span(1, lasts=10), span(2, parent=1, at=20)])
    assert len(traced.taken.drafts) == 2


def test_parents_in_a_circle_end() -> None:
    assert len(read_spans([span(1, parent=2), span(2, parent=1)]).taken.drafts) in (0, 1)
    assert len(read_spans([span(1, parent=1)]).taken.drafts) == 1


def test_a_call_without_tokens_is_never_free() -> None:
    assert counted() == {"unreported_calls": 1}
    failed = only(status=2, attributes=CALL)
    assert (failed.status, meters_of(failed)) == ("error", ({}, 0))


def test_tags_come_from_documented_names() -> None:
    attributes = ANTHROPIC | {
        "finops.team": "search",
        "traceloop.association.properties.customer": "globex",
        "traceloop.association.properties.channel": "web",
        "traceloop.association.properties.session_id": "s-1",
        "traceloop.association.properties.user_id": "u-1",
        "gen_ai.agent.name": "helper",
        "finops.tag.cell": "7",
    }
    resource = {
        "service.name": "assistant",
        "deployment.environment.name": "production",
        "team": "platform",
        "product": "chat",
    }
    draft = only(attributes=attributes, resource=resource)
    assert draft.tags == {
        "team": "search",
        "product": "chat",
        "customer": "globex",
        "environment": "production",
        "channel": "web",
        "service": "assistant",
        "agent": "helper",
        "cell": "7",
    }
    assert draft.end_user == "u-1"


def test_images_of_a_prompt_are_counted_apart_where_the_model_charges_them_apart() -> None:
    names = {
        "gen_ai__usage__input_tokens": 300,
        "gen_ai__usage__image__input_tokens": 258,
        "gen_ai__usage__output_tokens": 5,
    }
    assert counted(**names) == {"input_tokens": 300, "output_tokens": 5}
    apart = counted(**names, gen_ai__response__model="gemini-3.8-live")
    assert apart == {"input_tokens": 42, "input_image_tokens": 258, "output_tokens": 5}


def test_conditions() -> None:
    attributes = ANTHROPIC | {
        "gen_ai.provider.name": "aws.bedrock",
        "openai.response.service_tier": "priority",
        "server.address": "bedrock-runtime.us-east-1.amazonaws.com",
        "gen_ai.usage.cost": Decimal("0.0125"),
    }
    draft = only(attributes=attributes, resource={})
    assert (draft.provider, draft.service_tier, draft.region) == (
        "bedrock",
        "priority",
        "us-east-1",
    )
    assert draft.reported_cost is not None
    assert draft.reported_cost.amount == Decimal("0.0125")
    assert draft.source == "otlp"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"span_id": "0" * 16}, "spanId"),
        ({"trace_id": ""}, "spanId"),
        ({"start": 0, "end": 0}, "startTimeUnixNano"),
        ({"attributes": {"gen_ai.operation.name": "chat"}}, "gen_ai.request.model"),
        (
            {"attributes": CALL | {f"{USAGE}input_tokens": 1, f"{USAGE}prompt_tokens": 2}},
            f"{USAGE}input_tokens",
        ),
    ],
)
def test_spans_that_cannot_be_taken(changes: dict[str, Any], field: str) -> None:
    (refused,) = read_spans([span(**changes)]).taken.drafts
    assert isinstance(refused, Rejected)
    assert refused.problem.field == field


def test_both_encodings_say_the_same() -> None:
    spans = [
        span(
            1,
            attributes=ANTHROPIC | {"gen_ai.usage.cost": Decimal("0.5"), "llm.is_streaming": True},
        ),
        span(2, parent=1, status=2),
    ]
    packed = wire.read_protobuf(as_protobuf(*spans))
    assert packed == spans
    assert wire.read_spans_json(json.dumps(as_json(*spans)).encode()) == spans


@pytest.fixture
def client(acme: Any) -> Any:
    with time_machine.travel(NOW, tick=False):
        key = service_key(Scope.USAGE_WRITE)
        yield Client(headers={"host": "acme.localhost", **bearer(key)})


def post(client: Client, body: Any, kind: str = wire.PROTOBUF, **how: Any) -> Any:
    return client.post("/v1/traces", body, content_type=kind, **how)


def test_the_door(client: Client) -> None:
    contract(input_tokens="3", cache_write_tokens="3.75", output_tokens="15")
    agent = ANTHROPIC | {"gen_ai.operation.name": "invoke_agent"}
    sent = as_protobuf(span(2, parent=1, at=1), span(1, attributes=agent))
    answer = post(client, sent)
    assert (answer.status_code, answer["Content-Type"]) == (200, wire.PROTOBUF)
    assert ExportTraceServiceResponse.FromString(answer.content) == ExportTraceServiceResponse()
    assert answer["X-Ignored-Spans"] == "1"
    assert sum(row.cost or 0 for row in Rollup.objects.all()) == Decimal("0.054399")
    assert SpanTotal.objects.get().counts[f"{USAGE}input_tokens"] == 12_307
    again = post(client, gzip.compress(sent), headers={"content-encoding": "gzip"})
    assert (again.status_code, Event.objects.count(), SpanTotal.objects.count()) == (200, 1, 1)
    as_text = json.dumps(as_json(span(2, parent=1, at=1)))
    assert post(client, as_text, "application/json").json() == {}
    assert Event.objects.count() == 1


@pytest.mark.parametrize("inner_first", [True, False])
def test_spans_inside_one_another_count_once_over_requests(
    client: Client, inner_first: bool
) -> None:
    requests = [as_protobuf(span(2, parent=1, at=10)), as_protobuf(span(1))]
    for sent in (requests if inner_first else requests[::-1]) * 2:
        assert post(client, sent).status_code == 200
    assert Event.objects.count() == 1
    assert Rollup.objects.get(meter="output_tokens").quantity == 550
    assert SpanTotal.objects.count() == 1


def test_spans_of_one_call_that_arrive_at_the_same_time_count_once(fresh_tenant: Any) -> None:
    calls = 12
    together = Barrier(2)

    def bring(parts: list[bytes]) -> None:
        with schema_context(fresh_tenant.schema):
            try:
                for part in parts:
                    together.wait(30)
                    spans = wire.read_protobuf(part)
                    ingest.accept_spans(spans=spans, actor=WRITER, received_at=NOW)
            finally:
                connections.close_all()

    traces = [f"{number:032x}" for number in range(1, calls + 1)]
    outer = [as_protobuf(span(1, trace_id=trace)) for trace in traces]
    inner = [as_protobuf(span(2, parent=1, at=10, trace_id=trace)) for trace in traces]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(bring, [outer, inner]))
    assert Event.objects.count() == calls
    assert Rollup.objects.get(meter="output_tokens").quantity == 550 * calls
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")
        assert cursor.fetchone()[0] == 0


def test_contexts_that_leak_over_requests_hide_nothing(client: Client) -> None:
    for sent in (span(1, lasts=10), span(2, parent=1, at=20), span(3, parent=9)):
        assert post(client, as_protobuf(sent)).status_code == 200
    assert Event.objects.count() == 3


def test_a_partial_success_names_what_was_refused(client: Client) -> None:
    bad = span(3, attributes={"gen_ai.operation.name": "chat"})
    answer = post(client, as_protobuf(span(1), bad))
    told = ExportTraceServiceResponse.FromString(answer.content).partial_success
    assert (answer.status_code, told.rejected_spans) == (200, 1)
    assert told.error_message.startswith("span 1: The span 'chat tiny' names no model")
    told = post(client, json.dumps(as_json(bad)), "application/json").json()["partialSuccess"]
    assert told["rejectedSpans"] == "1"
    changed = span(1, attributes=ANTHROPIC | {f"{USAGE}output_tokens": 1})
    told = ExportTraceServiceResponse.FromString(post(client, as_protobuf(changed)).content)
    assert "another payload" in told.partial_success.error_message
    assert Event.objects.count() == 1


@pytest.mark.parametrize(
    "broken",
    [
        {"traceId": "xyz"},
        {"spanId": "abc"},
        {"startTimeUnixNano": "soon"},
        {"endTimeUnixNano": "-5"},
        {"attributes": [{"key": f"{USAGE}input_tokens", "value": {"intValue": "1e3"}}]},
    ],
)
def test_a_span_that_cannot_be_read_loses_no_other(client: Client, broken: dict[str, Any]) -> None:
    sent = as_json(span(1), span(2))
    (bad,) = sent["resourceSpans"][0]["scopeSpans"][0]["spans"]
    broken["attributes"] = bad["attributes"] + broken.get("attributes", [])
    bad |= broken
    answer = post(client, json.dumps(sent), "application/json")
    assert answer.status_code == 200
    assert answer.json()["partialSuccess"]["rejectedSpans"] == "1"
    assert Event.objects.count() == 1


def test_refusals_are_a_status_in_the_encoding_of_the_request(client: Client) -> None:
    broken = post(client, b"\xff\xff")
    assert (broken.status_code, broken["Content-Type"]) == (400, wire.PROTOBUF)
    assert broken.content[:2] == b"\x08\x03"
    assert b"no OTLP trace request" in broken.content
    broken = post(client, "[]", "application/json")
    assert (broken.status_code, broken.json()["code"]) == (400, 3)
    assert post(client, "{", "application/json").status_code == 400
    assert post(client, "x", "text/plain").status_code == 400
    assert client.get("/v1/traces").status_code == 405
    nobody = Client(headers={"host": "acme.localhost"})
    assert post(nobody, as_protobuf(span())).status_code == 401
    reader = Client(headers={"host": "acme.localhost", **bearer(service_key(Scope.USAGE_READ))})
    refused = post(reader, as_protobuf(span()))
    assert (refused.status_code, refused.content[:2]) == (403, b"\x08\x07")
    assert Event.objects.count() == 0


def test_a_database_that_does_not_answer_is_told_to_come_back(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    def broken(**_: Any) -> None:
        raise OperationalError("gone")

    module = sys.modules["apps.ingest.services.translated"]
    monkeypatch.setattr(module, "accept_events", broken)
    answer = post(client, as_protobuf(span()))
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert answer.content[:2] == b"\x08\x0e"


def test_a_key_that_calls_too_fast_is_told_when_to_come_back(acme: Any) -> None:
    request = accounts.KeyRequest(
        KeyKind.SERVICE,
        "slow",
        frozenset({Scope.USAGE_WRITE}),
        limits=Limits(requests_per_second=1),
    )
    key = accounts.issue_key(actor=system_actor("tests"), request=request, now=NOW)
    client = Client(headers={"host": "acme.localhost", **bearer(key)})
    sent = as_protobuf(span())
    with time_machine.travel(NOW, tick=False):
        answers = [post(client, sent) for _ in range(40)]
    refused = [one for one in answers if one.status_code == 429]
    assert refused
    assert all(int(one["Retry-After"]) >= 1 for one in refused)
