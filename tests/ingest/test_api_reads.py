"""Reading usage back: the log, one event explained, the summary; corrections and outcomes."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.test import Client

from apps.core.domain.access import Role, Scope
from apps.ingest.models import IngestBatch
from apps.usage.models import Outcome
from tests.accounts.people import bearer, person, service_key, signed_in
from tests.ingest.factories import NOW, contract, event, send, teams

API = "/api/v1/usage"


@pytest.fixture
def client(acme: Any) -> Any:
    key = service_key(Scope.USAGE_READ, Scope.USAGE_WRITE, Scope.USAGE_CORRECT)
    with time_machine.travel(NOW, tick=False):
        yield Client(headers={"host": "acme.localhost", **bearer(key)})


def post(client: Client, path: str, body: Any) -> Any:
    return client.post(f"{API}/{path}", json.dumps(body), content_type="application/json")


def summary(client: Client, **query: str) -> Any:
    named = {"start": "2026-01-01", "end": "2026-02-01", **query}
    answer = client.get(f"{API}/summary", named)
    assert answer.status_code == 200, answer.content
    return answer.json()


@pytest.fixture
def priced(client: Client) -> None:
    contract(input_tokens="2.50", cached_input_tokens="1.25", output_tokens="10")


def test_summary_by_team_model_and_meter(client: Client, priced: None) -> None:
    send([event("a"), event("b"), event("c", tags={"team": "ads"}, model="odd")])
    found = summary(client, group_by="tag:team,model,meter")
    assert found["currency"] == "USD"
    rows = {(row["tag:team"], row["model"], row["meter"]): row for row in found["rows"]}
    assert rows["search", "tiny", "output_tokens"] == {
        "tag:team": "search",
        "model": "tiny",
        "meter": "output_tokens",
        "quantity": "600",
        "cost": "0.006000000000",
        "currency": "USD",
        "events": 2,
    }
    assert rows["ads", "odd", "input_tokens"]["cost"] is None
    assert rows["search", "tiny", "requests"]["cost"] == "0.000000000000"
    assert found["total"]["cost"] == "0.010000000000"
    assert found["total"]["events"] == 3
    assert found["unpriced"]["events_at_most"] == 1
    assert {use["meter"] for use in found["unpriced"]["skus"]} == {
        "input_tokens",
        "cached_input_tokens",
        "output_tokens",
    }


def test_unpriced_events_are_an_upper_bound_over_all_skus_of_a_model(
    client: Client, priced: None
) -> None:
    send([event("a"), event("b", meters={"scans": "2"})])
    send([event("c", service_tier="flex"), event("d", region="eu", meters={"scans": "1"})])
    found = summary(client, group_by="model")["unpriced"]
    assert sorted(use["events_at_most"] for use in found["skus"]) == [1, 1, 1, 1, 2]
    assert found["events_at_most"] == 4


def test_summary_without_meters_sums_tokens(client: Client, priced: None) -> None:
    send([event("a"), event("b", meters={"web_searches": "2"})])
    (row,) = summary(client, group_by="model")["rows"]
    assert (row["quantity"], row["events"]) == ("3000", 2)
    assert row["cost"] == "0.010000000000"


def test_summary_by_day_month_and_filter(client: Client, priced: None) -> None:
    # 04:59 UTC is still the day before in New York.
    send([event("a", time="2026-01-10T04:59:00Z"), event("b", time="2026-01-10T05:00:00Z")])
    days = summary(client, granularity="day", group_by="meter", **{"filter[meter]": "requests"})
    assert [(row["day"], row["quantity"]) for row in days["rows"]] == [
        ("2026-01-09", "1"),
        ("2026-01-10", "1"),
    ]
    (month,) = summary(client, granularity="month")["rows"]
    assert (month["month"], month["events"]) == ("2026-01", 2)
    assert summary(client, **{"filter[account]": "other"})["rows"] == []
    nothing = summary(client, start="2025-12-01", end="2026-01-01")
    assert (nothing["rows"], nothing["total"]["cost"]) == ([], "0.000000000000")


def test_summary_refusals(client: Client) -> None:
    for query, code in (
        ({"start": "2026-01-01", "end": "2026-01-01"}, "days"),
        ({"start": "x", "end": "2026-01-01"}, "day"),
        ({"start": "2026-01-01"}, "day"),
        ({"start": "2026-01-01", "end": "2026-01-02", "group_by": "color"}, "dimension"),
        ({"start": "2026-01-01", "end": "2026-01-02", "filter[tag:]": "x"}, "dimension"),
        ({"start": "2026-01-01", "end": "2026-01-02", "granularity": "week"}, "granularity"),
    ):
        answer = client.get(f"{API}/summary", query)
        assert (answer.status_code, answer.json()["code"]) == (400, code), query


def test_one_event_explained(client: Client, priced: None) -> None:
    send([event(end_user="u_77", trace_id="t1", reported_cost={"amount": "1", "currency": "EUR"})])
    for answer in (
        client.get(f"{API}/events/gateway/evt-1"),
        client.get(f"{API}/events", {"source": "gateway", "id": "evt-1"}),
    ):
        found = answer.json()
        lines = {line["meter"]: line for line in found["rating"]["lines"]}
        assert lines["output_tokens"]["unit_price"] == "10"
        assert lines["output_tokens"]["per"] == 1_000_000
        assert lines["output_tokens"]["quantity"] == "300"
        assert lines["output_tokens"]["cost"] == "0.003000000000"
        assert lines["output_tokens"]["price"] > 0
        assert lines["requests"]["state"] == "free"
        assert found["rating"]["costs"] == [{"amount": "0.005000000000", "currency": "USD"}]
        assert found["reported_cost"] == {"amount": "1", "currency": "EUR"}
        assert found["state"] == "live"
        assert "u_77" not in answer.content.decode()
    assert client.get(f"{API}/events/gateway/nope").status_code == 404


def test_sources_that_are_uris(client: Client) -> None:
    uri = "https://gateway.example/eu"
    send([event("a/b", source=uri)])
    query = {"source": uri, "id": "a/b"}
    assert client.get(f"{API}/events", query).json()["id"] == "a/b"
    answer = post(client, f"events/void?source={uri}&id=a/b", {"reason": "test"})
    assert (answer.status_code, answer.json()["state"]) == (200, "void")


def test_the_log_pages_by_arrival(client: Client) -> None:
    send([event(f"e{n}", tags={"team": f"t{n % 2}"}) for n in range(5)])
    send([event("last", model="other", status="error", trace_id="tr")])
    first = client.get(f"{API}/events", {"page_size": 2}).json()
    assert [row["id"] for row in first["results"]] == ["last", "e4"]
    second = client.get(first["next"]).json()
    third = client.get(second["next"]).json()
    assert [row["id"] for row in second["results"] + third["results"]] == ["e3", "e2", "e1", "e0"]
    assert third["next"] is None
    for query, expected in (
        ({"model": "other"}, ["last"]),
        ({"status": "error"}, ["last"]),
        ({"trace_id": "tr"}, ["last"]),
        ({"tag:team": "t1"}, ["e3", "e1"]),
        ({"start": "2026-01-16"}, []),
        ({"start": "2026-01-15", "end": "2026-01-16", "model": "other"}, ["last"]),
        ({"id": "e2"}, ["e2"]),
        ({"provider": "nobody"}, []),
    ):
        found = client.get(f"{API}/events", query).json()["results"]
        assert [row["id"] for row in found] == expected, query
    assert client.get(f"{API}/events", {"start": "soon"}).status_code == 400
    assert client.get(f"{API}/events", {"cursor": "x"}).status_code == 400
    assert client.get(f"{API}/events", {"page_size": 0}).status_code == 400


def test_void_amend_and_revert_over_the_api(client: Client, priced: None) -> None:
    send([event()])
    path = "events/gateway/evt-1"
    assert post(client, f"{path}/void", {}).status_code == 400
    voided = post(client, f"{path}/void", {"reason": "sent twice"}).json()
    assert (voided["state"], len(voided["history"])) == ("void", 2)
    assert post(client, f"{path}/void", {"reason": "again"}).status_code == 409
    assert post(client, f"{path}/revert", {"reason": "was right"}).json()["state"] == "live"
    amended = post(
        client, f"{path}/amend", {"event": event(usage={"input_tokens": 4}), "reason": "typo"}
    ).json()
    assert amended["meters"] == {"input_tokens": "4"}
    flat = post(client, f"{path}/amend", {**event(usage={"input_tokens": 5}), "reason": "typo"})
    assert flat.json()["meters"] == {"input_tokens": "5"}
    bad = post(client, f"{path}/amend", {"event": {"usage": 1}, "reason": "typo"})
    assert bad.status_code == 422
    listed = client.get(f"{API}/events").json()["results"]
    assert [(row["id"], row["revision"]) for row in listed] == [("evt-1", 3)]


def test_an_amendment_never_takes_a_number_for_nothing(client: Client, priced: None) -> None:
    send([event()])
    path = f"{API}/events/gateway/evt-1/amend"
    before = client.get(f"{API}/events/gateway/evt-1").json()
    for number in ("1e400", "9" * 30, "-1", "1.5", '"7"', "NaN", "9" * 4000):
        body = json.dumps({**event(usage={"input_tokens": 7}), "reason": "typo"})
        body = body.replace('"input_tokens": 7', f'"input_tokens": {number}')
        answer = client.post(path, body, content_type="application/json")
        assert answer.status_code in (400, 422), (number[:20], answer.content)
        assert answer["Content-Type"] == "application/problem+json"
    assert client.get(f"{API}/events/gateway/evt-1").json() == before


def test_what_nobody_reads_is_refused(client: Client, priced: None) -> None:
    """A misspelled filter answered with the whole, a misspelled dry_run stored."""
    for path in (
        "summary?start=2026-01-01&end=2026-02-01&team=search",
        "summary?start=2026-01-01&end=2026-02-01&filters[team]=search",
        "summary?start=2026-01-01&end=2026-02-01&filter[team]=a&filter[team]=b",
        "events?teams=search",
    ):
        answer = client.get(f"{API}/{path}")
        assert (answer.status_code, answer.json()["code"]) == (400, "parameter"), path
        assert answer.json()["errors"], path
    stored = post(client, "events?dryrun=true", [event()])
    assert (stored.status_code, stored.json()["code"]) == (400, "parameter")
    assert client.get(f"{API}/events").json()["results"] == []


def test_a_method_that_is_not_there(client: Client) -> None:
    answer = client.put(f"{API}/events")
    assert (answer.status_code, answer["Allow"]) == (405, "GET, POST, HEAD, OPTIONS")
    assert "takes GET and POST, not PUT" in answer.json()["detail"]
    assert client.post(f"{API}/summary").status_code == 405


def test_late_outcomes(client: Client) -> None:
    sent = [
        {"name": "accepted", "success": True, "value": "0.40", "source": "gateway", "id": "evt-1"},
        {"name": "resolved", "success": False, "trace_id": "t1"},
        {"name": "goal", "experiment": "exp-42", "time": "2026-01-03T00:00:00Z"},
    ]
    assert post(client, "outcomes", sent).json() == {"accepted": 3, "duplicates": 0}
    assert post(client, "outcomes", {"outcomes": sent}).json() == {"accepted": 0, "duplicates": 3}
    assert Outcome.objects.get(name="accepted").value == Decimal("0.4")
    refused = post(client, "outcomes", {"name": "x"})
    assert (refused.status_code, refused.json()["code"]) == (400, "outcome_refused")
    assert post(client, "outcomes", [{"name": "a\0", "trace_id": "t"}]).status_code == 400
    assert Outcome.objects.count() == 3


def test_a_member_sees_their_teams_only(acme: Any, client: Client) -> None:
    teams("search", "ads")
    send([event("a"), event("b", tags={"team": "ads"})])
    member = signed_in("acme", person(Role.MEMBER, teams=("search",)))
    assert [r["id"] for r in member.get(f"{API}/events").json()["results"]] == ["a"]
    assert member.get(f"{API}/events/gateway/b").status_code == 404
    assert summary(member, group_by="team")["rows"][0]["team"] == "search"
    assert summary(member)["total"]["events"] == 1
    bound = service_key(Scope.USAGE_READ, bound_tags={"team": "ads"})
    keyed = Client(headers={"host": "acme.localhost", **bearer(bound)})
    assert [r["id"] for r in keyed.get(f"{API}/events").json()["results"]] == ["b"]
    assert summary(keyed)["total"]["events"] == 1


@time_machine.travel(NOW, tick=False)
def test_two_keys_of_one_name_do_not_see_each_others_receipts(acme: Any) -> None:
    scopes = (Scope.USAGE_READ, Scope.USAGE_WRITE)
    teams("search", "ads")
    mine, other = (
        Client(headers={"host": "acme.localhost", **bearer(service_key(*scopes, bound_tags=tags))})
        for tags in ({"team": "search"}, {"team": "ads"})
    )
    sent = post(mine, "events", [event("a", tags=None)]).json()
    assert sent["accepted"] == 1
    assert IngestBatch.objects.values_list("received_from").distinct().count() == 1
    assert mine.get(f"{API}/batches/{sent['batch']}").status_code == 200
    assert other.get(f"{API}/batches/{sent['batch']}").status_code == 404
