"""The pages of bills, accounts and attribution."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import time_machine

from apps.core.domain.access import Role
from apps.costs.models import Bill, ProviderAccount
from apps.costs.web.rule_form import CHOSEN, _match, _sets, initial_of
from apps.directory import selectors as directory
from apps.directory import services as directory_services
from apps.directory.domain.entries import CostCenterFacts, TeamFacts
from apps.directory.domain.rules import Rule, parse
from tests.accounts.people import person as account_of
from tests.accounts.people import signed_in
from tests.costs.conftest import NOW, focus, row
from tests.ingest.factories import contract, event, send


@pytest.fixture(autouse=True)
def january():
    with time_machine.travel(datetime(2026, 1, 20, 12, tzinfo=UTC), tick=False):
        yield


@pytest.fixture
def finance(acme, ada):
    directory_services.ensure_entries(
        actor=ada,
        now=NOW,
        cost_centers=[CostCenterFacts("CC-1", "One")],
        teams=[TeamFacts("search", "Search", "CC-1")],
    )
    contract(input_tokens="2.50", cached_input_tokens="1.25", output_tokens="10")
    return signed_in("acme", account_of(Role.FINANCE))


@pytest.fixture
def analyst(acme):
    return signed_in("acme", account_of(Role.ANALYST))


def text_of(answer):
    return answer.content.decode().replace("\xa0", " ")


def upload(client, file, account="cloud"):
    file.name = "january.csv"
    return client.post("/sources/bills/upload/", {"account": account, "file": file})


def declare(client, **changes):
    form = {"code": "cloud", "name": "Cloud", "truth": "billed", "feed": "request", **changes}
    return client.post("/sources/accounts/new/", form)


def test_a_bill_is_uploaded_and_told(finance):
    assert "Declare a provider account first" in text_of(finance.get("/sources/bills/upload/"))
    assert declare(finance).status_code == 302
    page = text_of(upload(finance, focus(row("10.25"), row("x"))))
    assert "The bill is booked" in page
    assert "USD 10.25" in page
    assert "Rows that were left out" in page
    again = text_of(upload(finance, focus(row("10.25"), row("x"))))
    assert "had been imported before" in again
    assert Bill.objects.count() == 1
    assert "January 2026" in text_of(finance.get("/sources/bills/"))
    bill = Bill.objects.get()
    shown = text_of(finance.get(f"/sources/bills/{bill.public_id}/"))
    assert "The bill is not whole" in shown
    assert bill.source_sha256 in shown


def test_a_file_that_is_no_bill_is_answered_beside_the_form(finance):
    declare(finance)
    answer = upload(finance, focus())
    assert answer.status_code == 200
    assert "The file has a header and no rows." in text_of(answer)
    assert Bill.objects.count() == 0


def test_wrong_fields_of_an_account_are_named(finance):
    answer = declare(finance, code="a b", provider="openai")
    assert "Give 1 to 64 letters" in text_of(answer)
    assert "Name the provider and its account" in text_of(answer)
    assert ProviderAccount.objects.count() == 0


def test_accounts_show_metering_beside_the_bill(finance):
    declare(finance, provider="testco", account="*", truth="metered")
    send([event()])
    upload(finance, focus(row("10")))
    page = text_of(finance.get("/sources/accounts/"))
    assert "testco, every account" in page
    assert "USD 10.00" in page


def test_an_analyst_reads_and_cannot_write(analyst):
    assert analyst.get("/sources/bills/").status_code == 200
    assert analyst.get("/sources/accounts/").status_code == 200
    assert analyst.get("/sources/bills/upload/").status_code == 403
    assert declare(analyst).status_code == 403
    assert analyst.get("/settings/attribution/").status_code == 403
    assert analyst.post("/settings/attribution/map/", {}).status_code == 403


def test_an_unknown_team_is_listed_and_mapped_by_one_click(finance):
    send([event(tags={"team": "serch<b>"})])
    page = text_of(finance.get("/settings/attribution/"))
    assert "Unregistered team" in page
    assert "serch&lt;b&gt;" in page
    answer = finance.post(
        "/settings/attribution/map/",
        {"tag": "team", "value": "serch<b>", "dimension": "team", "target": "search"},
    )
    assert answer.status_code == 302
    page = text_of(finance.get("/settings/attribution/"))
    assert "Unregistered team" not in page
    assert "Map team serch&lt;b&gt; to a team" in page


def test_a_rule_is_previewed_put_in_force_changed_and_retired(finance):
    send([event(tags={"unit": "blue = 1, x"})])
    form = {"name": "unit", "priority": "100", "tags": "unit = blue = 1, x", "team": "search"}
    preview = text_of(finance.post("/settings/attribution/preview/", form))
    assert "UNALLOCATED" in preview
    assert "CC-1" in preview
    assert directory.rules() == []
    assert finance.post("/settings/attribution/rules/new/", form).status_code == 302
    (rule,) = directory.rules()
    assert rule.match.tags == (("unit", ("blue = 1, x",)),)
    here = f"/settings/attribution/rules/{rule.public_id}/"
    assert "put it in force" in text_of(finance.get(here))
    changed = finance.post(here, {**form, "priority": "7"})
    assert changed.status_code == 302
    assert directory.rules()[0].priority == 7
    assert finance.post(f"{here}retire/").status_code == 302
    assert directory.rules() == []


def test_a_rule_is_shown_as_it_was_written():
    written = {
        "provider": ["aws", "az*"],
        "tags": {"env": [""], "unit": ["a = b", "c"]},
    }
    sets = {"team": "search", "environment": "production", "customer": {"tag": "tenant"}}
    read = parse(match=written, sets=sets)
    rule = Rule("r", 5, read.match, read.sets)
    form = {**dict.fromkeys(CHOSEN, ""), **initial_of(rule)}
    assert form["tags"] == "env = \nunit = a = b\nunit = c"
    again = parse(match=_match(form), sets=_sets(form))
    assert (again.match, again.sets, again.errors) == (read.match, read.sets, ())


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"team": "nobody"}, "Select a valid choice"),
        ({"team": ""}, "Name at least one dimension"),
        ({"others": "mood = good"}, "Set one of team"),
        ({"others": "environment ="}, "Give a code"),
        ({"others": "feature = none"}, "There is no feature none."),
        ({"tags": "unit = " + "x" * 300}, "Give a value or a list of values as text."),
    ],
)
def test_a_rule_that_cannot_be_right_is_answered_beside_its_field(finance, changes, says):
    form = {"name": "r", "priority": "1", "team": "search", **changes}
    answer = finance.post("/settings/attribution/rules/new/", form)
    assert answer.status_code == 200
    assert says in text_of(answer)
    assert finance.post("/settings/attribution/preview/", form).status_code == 200
    assert directory.rules() == []


def test_a_month_that_is_none_is_answered(finance):
    assert finance.get("/settings/attribution/?month=soon").status_code == 400
    assert finance.get("/settings/attribution/?month=2031-01").status_code == 404


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_bills_are_exported_as_shown(finance, kind):
    declare(finance)
    upload(finance, focus(row("10.123456789")))
    answer = finance.get(f"/sources/bills/?format={kind}")
    assert answer.status_code == 200
    if kind == "csv":
        assert "10.123456789" in text_of(answer)
