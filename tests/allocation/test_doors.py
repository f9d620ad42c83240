"""The API and the pages of allocation."""

from __future__ import annotations

from typing import Any

import pytest

from apps.allocation import selectors, services
from apps.allocation.domain.payload import read_rule
from apps.allocation.models import AllocationRule, Driver, Run
from apps.core.domain.access import Role, Scope
from tests.accounts.people import bearer, browser, person, service_key, signed_in
from tests.allocation.base import ACTOR, MONTH, NOW, Costs, enter_directory, line, use_costs

BODY: dict[str, Any] = {
    "code": "gateway",
    "name": "Shared gateway",
    "method": "fixed",
    "scope": {"service": ["gateway"]},
    "receivers": {"ads": "30", "search": "70"},
    "first_month": "2026-01",
}


@pytest.fixture(autouse=True)
def costs(acme: Any, monkeypatch: pytest.MonkeyPatch, time_machine: Any) -> Costs:
    time_machine.move_to(NOW)
    enter_directory()
    return use_costs(
        monkeypatch,
        [line("a", "10", team="ads", customer="hooli"), line("p", "100", service="gateway")],
    )


def api(*scopes: Scope) -> Any:
    client, headers = browser("acme"), bearer(service_key(*scopes))

    def call(method: str, path: str, body: Any = None, **more: str) -> Any:
        return getattr(client, method)(
            f"/api/v1/allocation/{path}",
            body,
            headers={**headers, **more},
            content_type="application/json",
        )

    return call


@pytest.fixture
def finance() -> Any:
    return api(Scope.ALLOCATION_WRITE, Scope.COSTS_READ)


def test_a_rule_is_saved_listed_and_ended(finance: Any) -> None:
    saved = finance("post", "rules", BODY)
    assert saved.status_code == 201, saved.content
    assert saved.json()["version"] == 1
    assert saved.json()["receivers"] == {"ads": "30", "search": "70"}
    second = finance("post", "rules", {**BODY, "receivers": {"search": "100"}})
    assert second.json()["version"] == 2
    listed = finance("get", "rules").json()["results"]
    assert [(rule["code"], rule["version"]) for rule in listed] == [("gateway", 2)]
    assert len(finance("get", "rules/gateway").json()["results"]) == 2
    ended = finance("post", "rules/gateway/end", {"from_month": "2026-03"})
    assert ended.json()["is_ended"] is True
    assert [rule.code for rule in selectors.rules_for(MONTH)] == ["gateway"]
    assert selectors.rules_for(MONTH + 2) == []
    assert finance("post", "rules/gateway/end", {"from_month": "2026-04"}).status_code == 404


def test_races_between_editors_are_noticed(finance: Any) -> None:
    finance("post", "rules", BODY)
    finance("post", "rules", BODY)
    late = finance("post", "rules", BODY, **{"if-match": '"1"'})
    assert (late.status_code, late.json()["code"]) == (409, "rule_changed")
    assert AllocationRule.objects.count() == 2
    assert finance("post", "rules", BODY, **{"if-match": '"2"'}).status_code == 201
    odd = finance("post", "rules", BODY, **{"if-match": "²"})
    assert odd.json()["code"] == "if_match"


@pytest.mark.parametrize(
    ("change", "field", "code"),
    [
        ({"receivers": {"ads": "30", "search": "69"}}, "receivers", "percent_sum"),
        ({"receivers": {"nobody": "100"}}, "receivers", "unknown_receiver"),
        ({"color": "red"}, "color", "unknown_field"),
        ({"scope": {}}, "scope", "scope_empty"),
        ({"name": "a\x00b"}, "name", "text"),
    ],
)
def test_refused_rules_name_the_field(
    finance: Any, change: dict[str, Any], field: str, code: str
) -> None:
    answer = finance("post", "rules", {**BODY, **change})
    assert answer.status_code == 422
    assert {"field": field, "code": code} in [
        {"field": error["field"], "code": error["code"]} for error in answer.json()["errors"]
    ]
    assert not AllocationRule.objects.exists()


@pytest.mark.parametrize("body", [[], "text", 7, None])
def test_a_body_that_is_no_object_is_refused(finance: Any, body: Any) -> None:
    assert finance("post", "rules", body).status_code in (400, 422)
    assert not AllocationRule.objects.exists()


def test_a_circle_is_refused_by_name(finance: Any) -> None:
    around = {**BODY, "scope": {"owners": ["ads"]}, "receivers": {"search": "100"}}
    assert finance("post", "rules", around).status_code == 201
    back = {**around, "code": "back", "scope": {"owners": ["search"]}, "receivers": {"ads": "100"}}
    answer = finance("post", "rules", back)
    assert (answer.status_code, answer.json()["code"]) == (422, "allocation_cycle")
    assert "ads, search" in answer.json()["detail"]
    assert AllocationRule.objects.count() == 1


def test_a_preview_shows_who_pays_more(finance: Any) -> None:
    answer = finance("post", "rules/preview", {**BODY, "period": "2026-01"}).json()
    changes = {
        (change["axis"], change["receiver"]): change["difference"] for change in answer["changes"]
    }
    assert changes["team", "search"] == "70.000000000000"
    assert changes["team", "UNALLOCATED"] == "-100.000000000000"
    assert not AllocationRule.objects.exists()
    assert not Run.objects.exists()


def test_drivers_are_entered_and_refused(finance: Any) -> None:
    url = "drivers/2026-01/team/headcount"
    assert finance("put", url, {"values": {"ads": "12", "search": "8.5"}}).json() == {
        "values": {"ads": "12.000000", "search": "8.500000"}
    }
    for values, code in (
        ({"nobody": "1"}, "unknown_receiver"),
        ({"ads": "-1"}, "range"),
        ({"ads": "1e20"}, "max_whole_digits"),
        ({"ads": "NaN"}, "invalid"),
    ):
        answer = finance("put", url, {"values": values})
        assert answer.status_code in (400, 422), answer.content
        assert code in str(answer.json()), answer.json()
    assert (
        finance("put", "drivers/2026-01/team/tokens", {"values": {"ads": "1"}}).status_code == 422
    )
    assert finance("put", "drivers/2026-01/sideways/x", {"values": {"ads": "1"}}).status_code == 400
    assert Driver.objects.count() == 2


def test_runs_are_listed_with_their_proof(finance: Any) -> None:
    services.save_rule(rule=read_rule(BODY, first_month=MONTH), actor=ACTOR, now=NOW)
    run = services.run(month=MONTH, actor=ACTOR, now=NOW)
    listed = finance("get", "runs?period=2026-01").json()["results"]
    assert [item["id"] for item in listed] == [str(run.id)]
    shown = finance("get", f"runs/{run.id}").json()
    assert shown["totals"]["team"]["difference"] == "0.000000000000"
    assert shown["receivers"]["team"]["ads"]["effective"] == "40.000000000000"
    assert shown["receivers"]["customer"]["hooli"]["effective"] == "10.000000000000"
    missing = finance("get", "runs/00000000-0000-4000-8000-000000000000")
    assert missing.json()["code"] == "run_not_found"


def test_scopes_and_sight() -> None:
    reader = api(Scope.COSTS_READ)
    assert reader("get", "rules").status_code == 200
    assert reader("post", "rules", BODY).status_code == 403
    assert reader("put", "drivers/2026-01/team/x", {"values": {"ads": "1"}}).status_code == 403
    bound = service_key(Scope.COSTS_READ, bound_tags={"team": "ads"})
    answer = browser("acme").get("/api/v1/allocation/runs", headers=bearer(bound))
    assert answer.json()["code"] == "sight_limited"
    assert not AllocationRule.objects.exists()


def test_the_pages_add_change_preview_and_end_a_rule() -> None:
    client = signed_in("acme", person(Role.FINANCE))
    form = {
        "code": "gateway",
        "name": "Shared gateway",
        "axis": "team",
        "method": "fixed",
        "service": "gateway, db*",
        "tags": "env=prod\nsystem",
        "receivers": "ads 30\nsearch 70%",
        "zero_policy": "unallocated",
        "level": "1",
        "priority": "100",
        "first_month": "2026-01",
    }
    assert client.get("/month/rules/new/").status_code == 200
    preview = client.post("/month/rules/preview/", {**form, "tags": ""}).content.decode()
    assert "search" in preview
    assert "70.00" in preview
    idle = client.post("/month/rules/preview/", {**form, "tags": "", "service": "none"})
    assert "Nobody would pay more or less" in idle.content.decode()
    for field, text, says in (
        ("receivers", "ads 30\nads 70", "ads is named twice"),
        ("receivers", "ads 30 70", "one receiver a line"),
        ("tiers", "1000\n* 0.5", "1000: write the upper end and the weight"),
    ):
        refused = client.post("/month/rules/new/", {**form, field: text}).content.decode()
        assert says in refused
    answer = client.post("/month/rules/new/", form)
    assert answer.status_code == 302, answer.content
    saved = selectors.versions(code="gateway")[0].rule
    assert saved.scope.tags == {"env": ("prod",), "system": ("*",)}
    assert saved.scope.facts == {"service": ("db*", "gateway")}
    assert "Shared gateway" in client.get("/month/rules/").content.decode()
    assert "ads 30 %" in client.get("/month/rules/gateway/").content.decode()
    assert client.get("/month/rules/?format=csv").status_code == 200
    again = client.get("/month/rules/gateway/change/").content.decode()
    assert "search 70" in again
    wrong = client.post(
        "/month/rules/gateway/change/", {**form, "receivers": "ads 1", "expected_version": "1"}
    )
    assert "must sum to exactly 100" in wrong.content.decode()
    stale = client.post("/month/rules/new/", form)
    assert "Reload" in stale.content.decode()
    assert len(selectors.versions(code="gateway")) == 1
    client.post("/month/rules/gateway/end/", {"from_month": "2026-02"})
    assert selectors.versions(code="gateway")[0].is_ended
    assert client.post("/month/rules/gateway/end/", {"from_month": "nonsense"}).status_code == 302


def test_the_run_page_explains_every_line() -> None:
    client = signed_in("acme", person(Role.ANALYST))
    services.save_rule(rule=read_rule(BODY, first_month=MONTH), actor=ACTOR, now=NOW)
    run = services.run(month=MONTH, actor=ACTOR, now=NOW)
    page = client.get(f"/month/runs/{run.id}/?receiver=ads").content.decode()
    assert "gateway: percent 30 of 100" in page
    assert "Owned directly" in page
    assert client.get(f"/month/runs/{run.id}/?axis=customer").status_code == 200
    file = client.get(f"/month/runs/{run.id}/?receiver=ads&format=csv")
    assert b"30.000000000000" in b"".join(
        file.streaming_content if file.streaming else [file.content]
    )
    assert client.get("/month/rules/new/").status_code == 403


def test_a_member_sees_no_rules() -> None:
    lee = signed_in("acme", person(Role.MEMBER, teams=("ads",)))
    assert lee.get("/month/rules/").status_code == 403
