"""The directory's API: shapes, codes, paging, and who may what."""

from __future__ import annotations

import pytest

from apps.core.domain.access import Role, Scope
from tests.accounts.people import bearer, browser, service_key, signed_in
from tests.accounts.people import person as account_of

CENTER = {
    "code": "CC-1",
    "name": "Engineering",
    "owner_name": "Grace",
    "owner_email": "grace@example.com",
    "gl_code": "6410",
}


@pytest.fixture
def api(acme):
    key = service_key(Scope.COSTS_READ, Scope.DIRECTORY_WRITE)
    client = browser("acme")

    def call(method, path, body=None, **query):
        send = getattr(client, method)
        address = f"/api/v1/{path}"
        if method == "get":
            return send(address, query, headers=bearer(key))
        return send(address, body, content_type="application/json", headers=bearer(key))

    return call


def test_a_cost_center_is_entered_and_listed(api):
    answer = api("post", "cost-centers", CENTER)
    assert answer.status_code == 201
    assert answer.json() == {
        **CENTER,
        "valid_from": None,
        "valid_to": None,
        "parent": "",
        "kind": "ordinary",
    }
    listed = api("get", "cost-centers").json()
    assert [row["code"] for row in listed["results"]] == ["CC-1", "MARKUP", "UNALLOCATED"]
    assert (listed["next"], listed["previous"]) == (None, None)


@pytest.mark.parametrize("kind", ["teams", "products", "features", "customers"])
def test_every_kind_is_entered_replaced_and_listed(api, kind):
    assert api("post", kind, {"code": "one", "name": "One"}).status_code == 201
    assert api("put", f"{kind}/one", {"name": "Two"}).status_code == 200
    assert [row["name"] for row in api("get", kind).json()["results"]] == ["Two"]
    assert api("put", f"{kind}/none", {"name": "Two"}).status_code == 404
    taken = api("post", kind, {"code": "one", "name": "One"})
    assert taken.status_code == 409
    assert taken.json()["code"] == "entry_exists"
    assert taken.json()["errors"][0]["field"] == "code"


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"code": "a b", "name": "x"}, 422, "code"),
        ({"code": "x"}, 400, "name"),
        ({"code": "x", "name": "x", "color": "red"}, 400, "color"),
        ({"code": "x", "name": "x", "cost_center": "CC-9"}, 422, "cost_center"),
        ({"code": "x", "name": "x", "valid_from": "soon"}, 400, "valid_from"),
        ({"code": "x\u0000", "name": "x"}, 400, "code"),
    ],
)
def test_a_wrong_team_names_its_field(api, body, status, field):
    answer = api("post", "teams", body)
    assert answer.status_code == status
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert answer["content-type"] == "application/problem+json"
    assert api("get", "teams").json()["results"] == []


@pytest.mark.parametrize("body", [[], "x", 7, None, [{"code": "x"}]])
def test_a_body_that_is_no_object_is_answered(api, body):
    assert api("post", "teams", body).status_code == 400
    assert api("put", "teams/x", body).status_code in {400, 404}
    assert api("post", "attribution-rules", body).status_code == 400


def test_a_team_moves_and_a_ring_is_refused(api):
    api("post", "cost-centers", CENTER)
    api("post", "cost-centers", {"code": "CC-2", "name": "Two", "parent": "CC-1"})
    api("post", "teams", {"code": "search", "name": "Search", "cost_center": "CC-1"})
    moved = api("post", "teams/search/cost-center", {"to": "CC-2", "since": "2026-02-01"})
    assert moved.status_code == 204
    assert api("post", "teams/none/cost-center", {"to": "CC-2"}).status_code == 404
    ring = api("post", "cost-centers/CC-1/parent", {"to": "CC-2"})
    assert (ring.status_code, ring.json()["code"]) == (422, "cycle")


def test_pages_follow_each_other(api):
    for number in range(7):
        api("post", "products", {"code": f"p{number}", "name": "P"})
    seen, address = [], "products?page_size=3"
    for _ in range(3):
        body = api("get", address).json()
        seen.append([row["code"] for row in body["results"]])
        address = body["next"] and body["next"].split("/api/v1/")[1]
    assert seen == [["p0", "p1", "p2"], ["p3", "p4", "p5"], ["p6"]]
    assert address is None
    back = api("get", body["previous"].split("/api/v1/")[1]).json()
    assert [row["code"] for row in back["results"]] == ["p3", "p4", "p5"]
    first = api("get", back["previous"].split("/api/v1/")[1]).json()
    assert [row["code"] for row in first["results"]] == ["p0", "p1", "p2"]
    for query in ("cursor=zzz", "page_size=0", "page_size=501", "page_size=x", "cursor=%00"):
        assert api("get", f"products?{query}").status_code == 400


def test_a_rule_lives_at_the_api(api):
    api("post", "teams", {"code": "search", "name": "Search"})
    made = api(
        "post",
        "attribution-rules",
        {
            "name": "unit",
            "match": {"tags": {"unit": ["a*"]}, "provider": "aws"},
            "sets": {"team": "search", "customer": {"tag": "tenant"}},
        },
    )
    assert made.status_code == 201
    rule = made.json()
    assert rule["match"] == {"provider": ["aws"], "tags": {"unit": ["a*"]}}
    assert rule["sets"] == {"customer": {"tag": "tenant"}, "team": "search"}
    here = f"attribution-rules/{rule['id']}"
    changed = api("put", here, {"priority": 5, "match": {}, "sets": {"team": "search"}})
    assert (changed.json()["version"], changed.json()["name"]) == (2, "unit")
    assert api("post", f"{here}/retire", {"on": None}).status_code == 204
    assert api("get", here).status_code == 404
    assert api("get", "attribution-rules").json()["results"] == []


def test_mistakes_in_a_rule_are_all_named(api):
    answer = api(
        "post",
        "attribution-rules",
        {"name": "r", "match": {"user": "x", "provider": 1}, "sets": {"team": 7}},
    )
    assert answer.status_code == 422
    assert {error["field"] for error in answer.json()["errors"]} == {
        "match.user",
        "match.provider",
        "sets.team",
    }


def test_reading_and_writing_need_their_scopes(acme):
    client = browser("acme")
    reader, blind = service_key(Scope.COSTS_READ), service_key(Scope.USAGE_WRITE)
    assert client.get("/api/v1/teams").status_code == 401
    assert client.get("/api/v1/teams", headers=bearer(reader)).status_code == 200
    assert client.get("/api/v1/teams", headers=bearer(blind)).status_code == 403
    answer = client.post(
        "/api/v1/teams",
        {"code": "x", "name": "x"},
        content_type="application/json",
        headers=bearer(reader),
    )
    assert answer.json()["code"] == "scope_missing"


def test_a_member_sees_the_own_teams_and_no_customers(api, acme):
    for code in ("search", "support"):
        api("post", "teams", {"code": code, "name": code})
    api("post", "customers", {"code": "globex", "name": "Globex"})
    member = signed_in("acme", account_of(Role.MEMBER, teams=("search",)))
    assert [row["code"] for row in member.get("/api/v1/teams").json()["results"]] == ["search"]
    assert member.get("/api/v1/customers").json()["results"] == []


def test_codes_in_addresses_are_codes(api):
    for code in ("%00", "a%20b", "x" * 65, "..%2Fx"):
        assert api("put", f"teams/{code}", {"name": "x"}).status_code in {400, 404}
