"""The API and the pages: shapes, scopes, files, and the same numbers at every door."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import pypdf
import pytest
from django.test import Client

from apps.allocation.domain.facts import RunFacts
from apps.audit import selectors as audit
from apps.chargeback import services as chargeback
from apps.chargeback.domain.facts import Terms
from apps.chargeback.domain.results import TermsInvalid
from apps.chargeback.models import StatementTerms
from apps.core.domain.access import Actor, Role, Scope
from apps.documents import selectors as documents
from apps.documents.models import Rendition
from tests.accounts.people import bearer, browser, person, service_key, signed_in
from tests.chargeback.conftest import NOW, OCTOBER, usual_lines

pytestmark = pytest.mark.usefixtures("store")


@pytest.fixture
def drafted(allocate: Callable[..., RunFacts], people: dict[str, Actor]) -> chargeback.StatementSet:
    run = allocate(usual_lines())
    return chargeback.draft_statements(month=OCTOBER, run=run.id, actor=people["maya"], now=NOW)


@pytest.fixture
def issued(drafted: chargeback.StatementSet, people: dict[str, Actor]) -> chargeback.StatementSet:
    return chargeback.issue_statements(
        month=OCTOBER, actor=people["maya"], approver=people["jonas"], now=NOW
    )


@pytest.fixture
def api(acme: Any) -> Callable[..., Any]:
    key = service_key(Scope.COSTS_READ)
    client = browser("acme")

    def get(path: str, **headers: str) -> Any:
        return client.get(f"/api/v1/{path}", headers={**bearer(key), **headers})

    return get


@pytest.fixture
def finance(acme: Any) -> Client:
    return signed_in("acme", person(Role.FINANCE))


def text_of(answer: Any) -> str:
    assert answer.status_code == 200, answer.content[:500]
    return str(answer.content.decode()).replace("\xa0", " ")


# ------------------------------------------------------------------------------------------- API


def test_the_list_shows_the_statements_of_a_month(
    api: Callable[..., Any], drafted: chargeback.StatementSet
) -> None:
    answer = api("statements?period=2026-10")
    assert answer.status_code == 200
    body = answer.json()
    assert (body["next"], body["previous"]) == (None, None)
    own = body["results"][0]
    assert {key: own[key] for key in ("cost_center", "state", "number", "currency", "total")} == {
        "cost_center": "CC-4100",
        "state": "draft",
        "number": "",
        "currency": "USD",
        "total": "166.51",
    }
    assert own["period"] == "2026-10"
    assert own["sections"]["direct"] == "140.01"
    assert sum(Decimal(row["total"]) for row in body["results"]) == Decimal("244.84")


def test_the_list_is_paged_by_cursor(
    api: Callable[..., Any], drafted: chargeback.StatementSet
) -> None:
    first = api("statements?period=2026-10&page_size=2").json()
    assert [row["cost_center"] for row in first["results"]] == ["CC-4100", "CC-4200"]
    second = api(first["next"].split("/api/v1/")[1]).json()
    assert [row["cost_center"] for row in second["results"]] == ["UNALLOCATED"]
    assert second["next"] is None


@pytest.mark.parametrize(
    "query", ["", "?period=", "?period=2026-13", "?period=x", "?period=2026-10&page_size=0"]
)
def test_a_bad_query_names_its_field(api: Callable[..., Any], query: str) -> None:
    answer = api(f"statements{query}")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] in ("period", "page_size")


def test_a_statement_shows_its_content_and_a_line_its_reasons(
    api: Callable[..., Any], issued: chargeback.StatementSet
) -> None:
    body = api(f"statements/{issued.documents[0]}").json()
    assert (body["number"], body["prepared_by"], body["approved_by"]) == (
        "STM-2026-10-0001",
        "Maya",
        "Jonas",
    )
    content = body["content"]
    assert content["total"] == body["total"] == "166.51"
    assert sum(Decimal(line["amount"]) for line in content["lines"]) == Decimal("166.51")
    [position] = [line["position"] for line in content["lines"] if line["section"] == "shared"]
    explained = api(f"statements/{issued.documents[0]}/lines/{position}").json()
    assert explained["rule"]["code"] == "gateway"
    assert explained["exact"] == "25.000000000000"
    assert explained["sources"][0]["hops"][0]["driver"] == "requests"


def test_what_is_not_there_is_404(
    api: Callable[..., Any], drafted: chargeback.StatementSet
) -> None:
    known = drafted.documents[0]
    for path in (
        f"statements/{uuid4()}",
        f"statements/{uuid4()}.pdf",
        f"statements/{known}/lines/999",
        f"statements/{known}.doc",
    ):
        assert api(path).status_code == 404, path


@pytest.mark.parametrize("suffix", ["pdf", "csv", "xlsx"])
def test_a_file_is_the_stored_bytes_with_their_digest_as_etag(
    api: Callable[..., Any], issued: chargeback.StatementSet, store: Path, suffix: str
) -> None:
    path = f"statements/{issued.documents[0]}.{suffix}"
    first = api(path, accept="application/pdf")
    assert first.status_code == 200
    assert first["Content-Disposition"] == f'attachment; filename="STM-2026-10-0001.{suffix}"'
    record = Rendition.objects.get()
    assert first["ETag"] == f'"{record.sha256}"'
    assert (store / record.storage_key).read_bytes() == first.content
    again = api(path)
    assert again.content == first.content
    unchanged = api(path, **{"if-none-match": first["ETag"]})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert unchanged["ETag"] == first["ETag"]


def test_a_draft_is_marked_and_not_kept(
    api: Callable[..., Any], drafted: chargeback.StatementSet
) -> None:
    answer = api(f"statements/{drafted.documents[0]}.pdf")
    text = pypdf.PdfReader(io.BytesIO(answer.content)).pages[0].extract_text()
    assert "Draft for review" in text
    assert Rendition.objects.count() == 0


def test_a_pdf_in_another_language_is_its_own_record(
    api: Callable[..., Any], issued: chargeback.StatementSet
) -> None:
    german = api(f"statements/{issued.documents[0]}.pdf?locale=de-DE")
    text = pypdf.PdfReader(io.BytesIO(german.content)).pages[0].extract_text()
    assert "Kostenverrechnung" in text
    assert "166,51" in text
    assert api(f"statements/{issued.documents[0]}.pdf?locale=../../x").status_code == 400


def test_scopes_are_asked_for(issued: chargeback.StatementSet, acme: Any) -> None:
    key = service_key(Scope.USAGE_READ)
    client = browser("acme")
    for path in (
        "statements?period=2026-10",
        f"statements/{issued.documents[0]}",
        f"statements/{issued.documents[0]}.pdf",
        f"statements/{issued.documents[0]}/lines/1",
    ):
        assert client.get(f"/api/v1/{path}", headers=bearer(key)).status_code == 403
        assert client.get(f"/api/v1/{path}").status_code == 401
        assert client.post(
            f"/api/v1/{path.split('?')[0]}", headers=bearer(service_key(Scope.COSTS_READ))
        ).status_code in (403, 405)
    assert Rendition.objects.count() == 0


# ----------------------------------------------------------------------------------------- pages


PAGES = [
    "/statements/",
    "/statements/2026-10/",
    "/statements/2026-10/CC-4100/",
    "/statements/2026-10/CC-4100/lines/",
    "/statements/2026-10/CC-4100/lines/1/",
    "/statements/2026-10/CC-4100/explanation/",
    "/statements/2026-10/CC-4100/history/",
]


@pytest.mark.parametrize("page", PAGES)
def test_pages_are_for_those_who_read_costs_and_members_for_own_teams(
    drafted: chargeback.StatementSet, acme: Any, page: str
) -> None:
    assert signed_in("acme", person(Role.ANALYST)).get(page).status_code == 200
    assert signed_in("acme", person(Role.MEMBER, teams=("search",))).get(page).status_code == 200
    outsider = person(Role.MEMBER, email="outsider@people.example", teams=("elsewhere",))
    stranger = signed_in("acme", outsider).get(page)
    assert stranger.status_code == (200 if page == "/statements/" else 404)
    if stranger.status_code == 200:
        assert b"CC-4100" not in stranger.content
    assert browser("acme").get(page).status_code == 302


def test_three_clicks_lead_from_a_statement_to_the_events(
    finance: Client, drafted: chargeback.StatementSet
) -> None:
    overview = text_of(finance.get("/statements/2026-10/CC-4100/"))
    assert 'href="/statements/2026-10/CC-4100/lines/"' in overview
    lines = text_of(finance.get("/statements/2026-10/CC-4100/lines/"))
    targets = re.findall(r'href="(/statements/2026-10/CC-4100/lines/\d+/)"', lines)
    assert targets
    line = text_of(finance.get(targets[0]))
    assert "Why this number" in line
    assert "/usage/?period=2026-10&amp;tag_set=1&amp;model=gpt-4o" in line


def test_a_shared_line_names_rule_driver_and_pool(
    finance: Client, drafted: chargeback.StatementSet
) -> None:
    lines = text_of(finance.get("/statements/2026-10/CC-4100/lines/"))
    row = next(part for part in lines.split("<tr") if "AI gateway" in part)
    target = re.findall(r'href="([^"]+/lines/\d+/)"', row)[0]
    page = text_of(finance.get(target))
    for words in ("AI gateway", "requests", "3,000", "4,000", "75.00%", "Amazon EKS"):
        assert words in page, words


@pytest.mark.parametrize(
    "page",
    [
        "/statements/2026-11/",
        "/statements/2026-13/",
        "/statements/2026-10/NOBODY/",
        "/statements/2026-10/CC-4100/lines/99/",
        "/statements/9999-99/CC-4100/",
    ],
)
def test_what_is_not_there_is_a_404_page(
    finance: Client, drafted: chargeback.StatementSet, page: str
) -> None:
    assert finance.get(page).status_code == 404


def test_hostile_names_stay_text(
    finance: Client, allocate: Callable[..., RunFacts], people: dict[str, Actor]
) -> None:
    from tests.chargeback.conftest import cost_line

    evil = '<script>alert(1)</script>"=1+1'
    run = allocate([cost_line("u1", "10", model=evil, tags={"team": "search", "experiment": evil})])
    chargeback.draft_statements(month=OCTOBER, run=run.id, actor=people["maya"], now=NOW)
    for page in PAGES[2:]:
        assert "<script>alert" not in text_of(finance.get(page))
    assert (
        "<script>alert"
        not in text_of(finance.get("/statements/2026-10/CC-4100/lines/?format=csv"))[:0]
    )


def test_every_door_says_the_same_numbers(
    api: Callable[..., Any], finance: Client, issued: chargeback.StatementSet
) -> None:
    """API, PDF, CSV, XLSX and page: total, sections, and the amount of every line."""
    statement = issued.documents[0]
    content = api(f"statements/{statement}").json()["content"]
    amounts = [line["amount"] for line in content["lines"]]
    assert content["total"] == "166.51"

    rows = list(
        csv.DictReader(io.StringIO(api(f"statements/{statement}.csv").content.decode("utf-8-sig")))
    )
    assert [row["amount"] for row in rows] == amounts
    assert [row["exact"] for row in rows] == [line["exact"] for line in content["lines"]]

    with zipfile.ZipFile(io.BytesIO(api(f"statements/{statement}.xlsx").content)) as book:
        sheet = book.read("xl/worksheets/sheet2.xml").decode()
    cells = re.findall(r"<row r=\"(\d+)\".*?</row>", sheet, re.S)
    assert len(cells) == len(amounts) + 1
    values = [
        re.findall(r"<v>([^<]*)</v></c></row>", row)[-1]
        for row in re.findall(r"<row .*?</row>", sheet, re.S)[1:]
    ]
    assert [Decimal(value) for value in values] == [Decimal(amount) for amount in amounts]

    pdf = api(f"statements/{statement}.pdf").content
    printed = "\n".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(pdf)).pages)
    page = text_of(finance.get("/statements/2026-10/CC-4100/lines/"))
    listed = text_of(finance.get("/statements/2026-10/"))
    for amount in (content["total"], *(a for a in amounts if Decimal(a))):
        assert amount in printed
        assert amount in page
    for amount in (content["total"], content["sections"]["direct"], content["sections"]["shared"]):
        assert amount in listed
    downloaded = finance.get("/statements/2026-10/CC-4100/lines/?format=csv").content.decode()
    assert [row["Amount"] for row in csv.DictReader(io.StringIO(downloaded))] == amounts


def test_charts_of_the_page_carry_the_same_total(
    finance: Client, drafted: chargeback.StatementSet
) -> None:
    page = text_of(finance.get("/statements/2026-10/CC-4100/"))
    data = re.findall(
        r'<script id="models-data" type="application/json">(.*?)</script>', page, re.S
    )
    nodes = json.loads(data[0])["nodes"]
    assert sum(Decimal(node["value"]) for node in nodes) == Decimal("166.51")


# ----------------------------------------------------------------------------------------- terms

TERMS = {
    "dispute_contact": "chargeback@acme.example",
    "dispute_days": "14",
    "recovery_account": "499900",
    "recovery_name": "AI recovery",
}


def test_terms_are_set_audited_and_printed(
    finance: Client, allocate: Callable[..., RunFacts], people: dict[str, Actor]
) -> None:
    assert "Contact for questions" in text_of(finance.get("/statements/terms/"))
    assert finance.post("/statements/terms/", TERMS).status_code == 302
    run = allocate(usual_lines())
    drafted = chargeback.draft_statements(month=OCTOBER, run=run.id, actor=people["maya"], now=NOW)
    payload = documents.document(drafted.documents[0]).payload
    assert payload["terms"] == {"dispute_contact": "chargeback@acme.example", "dispute_days": 14}
    assert payload["postings"][1]["account"] == "499900"
    [entry] = audit.history(subject="statement_terms", subject_id="")
    assert entry.action == "statement_terms.set"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("dispute_days", "0"),
        ("dispute_days", "91"),
        ("dispute_contact", ""),
        ("recovery_account", "x" * 65),
    ],
)
def test_wrong_terms_change_nothing(finance: Client, field: str, value: str) -> None:
    answer = finance.post("/statements/terms/", TERMS | {field: value})
    assert answer.status_code == 200
    assert StatementTerms.objects.count() == 0


def test_terms_are_for_those_who_write_billing(acme: Any) -> None:
    analyst = signed_in("acme", person(Role.ANALYST))
    assert analyst.get("/statements/terms/").status_code == 403
    assert analyst.post("/statements/terms/", TERMS).status_code == 403
    assert StatementTerms.objects.count() == 0


def test_the_service_refuses_wrong_terms_by_field(people: dict[str, Actor]) -> None:
    terms = Terms(dispute_contact="", dispute_days=0, recovery_account="a\x00")
    with pytest.raises(TermsInvalid) as refusal:
        chargeback.set_terms(terms=terms, actor=people["maya"], now=NOW)
    assert [error.field for error in refusal.value.errors] == [
        "dispute_contact",
        "recovery_account",
        "dispute_days",
    ]
    assert StatementTerms.objects.count() == 0
