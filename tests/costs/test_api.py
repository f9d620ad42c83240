"""The API of costs, bills and provider accounts, and the command that imports."""

from __future__ import annotations

import gzip
from decimal import Decimal
from io import StringIO
from pathlib import Path
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command

from apps.core.domain.access import Role, Scope
from apps.costs.models import Bill, BillLine
from apps.directory import services as directory
from apps.directory.domain.entries import CostCenterFacts, TeamFacts
from tests.accounts.people import bearer, browser, service_key, signed_in
from tests.accounts.people import person as account_of
from tests.costs.conftest import NOW, focus, row
from tests.ingest.factories import contract, event, send

SAMPLE = "finops_platform/demo/data/focus_1_0_sample.csv.gz"


@pytest.fixture
def api(acme, ada):
    directory.ensure_entries(
        actor=ada,
        now=NOW,
        cost_centers=[CostCenterFacts("CC-1", "One")],
        teams=[TeamFacts("search", "Search", "CC-1")],
    )
    key = service_key(Scope.COSTS_READ, Scope.BILLING_READ, Scope.BILLING_WRITE)
    client = browser("acme")

    def call(method, path, body=None, **query):
        send_ = getattr(client, method)
        address = f"/api/v1/{path}"
        if method == "get":
            return send_(address, query, headers=bearer(key))
        return send_(address, body, content_type="application/json", headers=bearer(key))

    call.upload = lambda content, account="cloud": client.post(
        "/api/v1/costs/imports",
        {"account": account, "file": SimpleUploadedFile("bill.csv", content)},
        headers=bearer(key),
    )
    return call


def declare(api, **changes):
    return api("post", "costs/accounts", {"code": "cloud", "name": "Cloud", **changes})


def test_costs_by_dimension_with_twelve_decimals(api):
    contract(input_tokens="2.50", cached_input_tokens="1.25", output_tokens="10")
    send([event("evt-1"), event("evt-2", tags={})])
    body = api("get", "costs", period="2026-01", group_by="team,model").json()
    assert body["group_by"] == ["team", "model"]
    assert body["currency"] == "USD"
    assert body["provisional_fx"] is False
    row_of = {one["team"]: one for one in body["rows"]}
    assert row_of["search"]["effective"] == row_of[""]["effective"] == "0.005000000000"
    assert body["total"]["effective"] == "0.010000000000"
    assert body["unpriced"] == []
    assert body["missing_rates"] == []
    by_axis = api("get", "costs", period="2026-01", axis="customer").json()
    assert by_axis["group_by"] == ["customer"]
    assert by_axis["total"] == body["total"]


def test_unpriced_usage_is_told_at_the_api(api):
    send([event(model="unheard-of")])
    body = api("get", "costs", period="2026-01").json()
    assert body["total"]["effective"] == "0.000000000000"
    assert {each["meter"] for each in body["unpriced"]} >= {"output_tokens"}
    assert all("unheard-of" in each["sku"] for each in body["unpriced"])


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ({}, 400, "invalid"),
        ({"period": "soon"}, 400, "invalid"),
        ({"period": "2031-01"}, 404, "period_not_found"),
        ({"period": "2026-01", "axis": "planet"}, 400, "invalid"),
        ({"period": "2026-01", "group_by": "mood"}, 400, "group_by"),
    ],
)
def test_a_wrong_question_is_answered(api, query, status, code):
    answer = api("get", "costs", **query)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_bill_is_imported_once_and_listed(api):
    assert declare(api).status_code == 201
    made = api.upload(focus(row("10.25"), row("x")).getvalue())
    assert made.status_code == 201
    body = made.json()
    assert (body["rows"], body["rejected"], body["already_imported"]) == (1, 1, False)
    assert body["totals"] == [{"currency": "USD", "billed": "10.25", "effective": "10.25"}]
    assert body["errors"][0]["line"] == 3
    assert body["errors"][0]["errors"][0]["field"] == "BilledCost"
    again = api.upload(focus(row("10.25"), row("x")).getvalue())
    assert (again.status_code, again.json()["already_imported"]) == (200, True)
    assert Bill.objects.count() == 1
    (listed,) = api("get", "costs/bills").json()["results"]
    assert (listed["billing_month"], listed["version"], listed["is_current"]) == (
        "2026-01",
        1,
        True,
    )
    assert api("get", f"costs/bills/{listed['id']}").json() == listed
    assert api("get", f"costs/bills/{uuid4()}").status_code == 404


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"x", 400, "focus_header"),
        (b"\xff\xfe\x00\x00", 400, "encoding"),
        (gzip.compress(b"a,b" * 1000, mtime=0)[:-10], 400, "gzip"),
    ],
)
def test_a_file_that_is_no_bill_is_answered(api, content, status, code):
    declare(api)
    answer = api.upload(content)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert Bill.objects.count() == 0


def test_an_import_needs_a_file_and_a_declared_account(api):
    assert api.upload(focus(row("1")).getvalue(), account="none").status_code == 404
    answer = browser("acme").post(
        "/api/v1/costs/imports",
        {"account": "cloud"},
        headers=bearer(service_key(Scope.BILLING_WRITE)),
    )
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "file"


def test_accounts_are_declared_and_change_their_truth(api):
    made = declare(api, provider="testco", account="*", truth="metered")
    assert made.json()["truth"] == "metered"
    assert declare(api).status_code == 409
    assert declare(api, code="a b").status_code == 422
    changed = api("post", "costs/accounts/cloud/truth", {"truth": "billed", "since": "2026-01"})
    assert changed.json()["truth"] == "billed"
    assert [each["code"] for each in api("get", "costs/accounts").json()["results"]] == ["cloud"]
    body = {"truth": "billed", "since": "2026-01"}
    assert api("post", "costs/accounts/none/truth", body).status_code == 404


def test_roles_see_what_they_may(acme):
    member = signed_in("acme", account_of(Role.MEMBER, teams=("search",)))
    assert member.get("/api/v1/costs?period=2026-01").status_code == 200
    assert member.get("/api/v1/costs/bills").status_code == 403
    assert member.get("/api/v1/costs/accounts").status_code == 403
    assert browser("acme").get("/api/v1/costs?period=2026-01").status_code == 401


def test_the_command_imports_the_sample_and_tells_about_it(acme):
    told = StringIO()
    call_command(
        "import_focus", "acme", SAMPLE, "--account", "cloud", "--shift-months", "15", stdout=told
    )
    text = told.getvalue()
    assert "1000 rows, 0 left out, billed USD 20.52022672899, effective USD 14.97651418586" in text
    assert "ContractedCost is empty where the standard wants a value" in text
    assert "2025-12 version 1, booked in 2025-12: 999 rows" in text
    call_command(
        "import_focus", "acme", SAMPLE, "--account", "cloud", "--shift-months", "15", stdout=told
    )
    assert "had been imported before" in told.getvalue()
    assert BillLine.objects.count() == 1000
    assert sum(line.billed_cost for line in BillLine.objects.all()) == Decimal("20.52022672899")


def test_the_command_refuses_in_words(acme):
    with pytest.raises(CommandError, match="There is no file"):
        call_command("import_focus", "acme", "no.csv", "--account", "cloud")
    with pytest.raises(CommandError, match="time_before_first_period"):
        call_command("import_focus", "acme", SAMPLE, "--account", "cloud")
    with pytest.raises(CommandError, match="no tenant"):
        call_command("import_focus", "initech", SAMPLE, "--account", "cloud")
    assert Path(SAMPLE).exists()
    assert Bill.objects.count() == 0
