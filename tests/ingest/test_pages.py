"""The usage pages: the log, one event, receipts, what is unpriced; who sees what of them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from importlib import import_module
from typing import Any
from urllib.parse import quote

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django_tenants.utils import schema_context

from apps.chargeback.web.links import events_url
from apps.core.domain.access import Role, system_actor
from apps.core.domain.months import Month
from apps.ingest import services as ingest
from apps.ingest.models import Correction, Import, IngestBatch
from apps.periods import services as periods
from apps.rating import selectors as rating
from apps.usage import selectors as usage
from apps.usage.models import TagSet
from tests.accounts.people import browser, person, signed_in
from tests.ingest.factories import NOW, WRITER, contract, event, send, teams

JANUARY = Month(2026, 1)
log = import_module("apps.usage.selectors.log")
PAGES = (
    "/usage/",
    "/usage/events/gateway/evt-1/",
    "/usage/receipts/",
    "/usage/unpriced/",
    "/usage/imports/",
)


@pytest.fixture
def stored(acme: Any, time_machine: Any) -> Any:
    """Five events of two teams: one has no price, one names a trace, one is a service's."""
    time_machine.move_to(NOW)
    teams("search", "ads")
    contract(input_tokens="2.50", cached_input_tokens="1.25", output_tokens="10")
    return send(
        [
            event(reported_cost={"amount": "0.01", "currency": "USD"}, trace_id="trace-9"),
            event("evt-2", tags={"team": "ads", "customer": "hooli"}, time="2026-01-16T10:00:00Z"),
            event("evt-3", model="nameless-70b", time="2025-12-31T12:00:00Z"),
            event(
                "evt/4",
                source="https://a.example/x",
                provider=None,
                model=None,
                usage=None,
                service="ocr",
                meters={"pages": "14"},
                status="error",
            ),
            event("evt-5", tags={"team": "search", "experiment": "exp-1"}, status="partial"),
            event("", usage=None),
        ]
    )


@pytest.fixture
def finance(stored: Any) -> Client:
    return signed_in("acme", person(Role.FINANCE))


@pytest.fixture
def member(stored: Any) -> Client:
    return signed_in("acme", person(Role.MEMBER, teams=("search",)))


def text_of(answer: Any) -> str:
    assert answer.status_code == 200, answer.content[:500]
    return str(answer.content.decode()).replace("\xa0", " ").replace("&#x27;", "'")


def ids_in(page: str) -> list[str]:
    """Return the events of a page in order."""
    found = {name: page.find(f'title="{name}"') for name in ("evt-1", "evt-2", "evt-3", "evt-5")}
    found["evt/4"] = page.find('title="evt/4"')
    return sorted((name for name, at in found.items() if at >= 0), key=lambda name: found[name])


def ids_at(client: Client, query: str) -> list[str]:
    return ids_in(text_of(client.get(f"/usage/?{query}")))


def rows_of(answer: Any) -> Iterator[dict[str, str]]:
    assert answer.status_code == 200
    return csv.DictReader(io.StringIO(answer.content.decode()))


# ---------------------------------------------------------------------------------------- the log


def test_the_log_shows_the_latest_arrival_first_with_costs(finance: Client) -> None:
    page = text_of(finance.get("/usage/"))
    assert ids_in(page) == ["evt-5", "evt/4", "evt-3", "evt-2", "evt-1"]
    assert "USD 0.005" in page  # 400 x 2.50 + 800 x 1.25 + 300 x 10, all per million
    assert page.count(">unpriced<") == 2
    assert "14 pages" in page
    assert "Input tokens 400, Cached input tokens 800, Output tokens 300" in page
    assert "January 2026" in page


def test_cards_sum_the_month_of_use(finance: Client) -> None:
    page = text_of(finance.get("/usage/"))
    start = page.index('class="grid-kpi"')
    cards = page[start : page.index('id="events"')]
    for word in (">4<", ">4,500<", "USD 0.02", ">1<", "not in any cost yet"):
        assert word in cards, word


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("provider=testco", ["evt-5", "evt-3", "evt-2", "evt-1"]),
        ("model=tiny", ["evt-5", "evt-2", "evt-1"]),
        ("team=ads", ["evt-2"]),
        ("customer=hooli", ["evt-2"]),
        ("experiment=exp-1", ["evt-5"]),
        ("status=error", ["evt/4"]),
        ("source=gateway", ["evt-5", "evt-3", "evt-2", "evt-1"]),
        ("unpriced=yes", ["evt/4", "evt-3"]),
        ("unpriced=yes&period=2026-01", ["evt/4"]),
        ("range=month", ["evt-5", "evt/4", "evt-2", "evt-1"]),
        ("range=last", ["evt-3"]),
        ("range=7d", ["evt-5", "evt/4", "evt-2", "evt-1"]),
        ("range=today", []),
        ("start=2026-01-16&end=2026-01-17", ["evt-2"]),
        ("period=2025-12", ["evt-3"]),
        ("q=evt-2", ["evt-2"]),
        ("q=trace-9", ["evt-1"]),
        ("q=nothing", []),
        ("team=ads&status=error", []),
    ],
)
def test_filters_and_search(finance: Client, query: str, found: list[str]) -> None:
    page = text_of(finance.get(f"/usage/?{query}"))
    assert ids_in(page) == found
    assert 'class="chip"' in page
    assert found or "Nothing matches these filters" in page


@pytest.mark.parametrize(
    "query", ["period=2026-13", "tag_set=x", "batch=x", "cursor=x", "start=x", "end=2026-02-31"]
)
def test_what_cannot_be_read_is_refused(finance: Client, query: str) -> None:
    assert finance.get(f"/usage/?{query}").status_code == 400


def test_the_statements_link_leads_to_its_events(finance: Client) -> None:
    tag_set = TagSet.objects.get(tags={"team": "ads", "customer": "hooli"})
    url = events_url(month=JANUARY, tag_set_id=tag_set.pk, model="tiny")
    page = text_of(finance.get(url))
    assert ids_in(page) == ["evt-2"]
    for chip in ("Booked in", "January 2026", "hooli, ads"):
        assert chip in page
    assert ids_at(finance, f"period=2025-12&tag_set={tag_set.pk}") == []


def test_late_use_is_found_in_the_month_that_it_is_booked_in(finance: Client) -> None:
    _freeze(JANUARY)
    send([event("late", time="2026-01-10T00:00:00Z")])
    assert 'title="late"' not in text_of(finance.get("/usage/?period=2026-01"))
    page = text_of(finance.get("/usage/?period=2026-02"))
    assert 'title="late"' in page
    assert "USD 0.005" in page
    shown = text_of(finance.get("/usage/events/gateway/late/"))
    assert "February 2026, used in January 2026" in shown


def test_pages_follow_one_another(finance: Client) -> None:
    send([event(f"more-{number:03}", tags={"team": "ads"}) for number in range(60)])
    page = text_of(finance.get("/usage/?team=ads"))
    assert page.count('title="more-') == 50
    assert "there are more" in page
    cursor = page.split("cursor=")[1].split('"')[0].split("&")[0]
    rest = text_of(finance.get(f"/usage/?team=ads&cursor={cursor}"))
    assert rest.count('title="more-') == 10
    assert ids_in(rest) == ["evt-2"]


def test_unpriced_events_are_paged_too(finance: Client) -> None:
    send([event(f"more-{number:03}", model="nameless-70b") for number in range(55)])
    page = text_of(finance.get("/usage/?unpriced=yes"))
    assert page.count('title="more-') == 50
    cursor = page.split("cursor=")[1].split('"')[0].split("&")[0]
    rest = text_of(finance.get(f"/usage/?unpriced=yes&cursor={cursor}"))
    assert rest.count('title="more-') == 5
    assert ids_in(rest) == ["evt/4", "evt-3"]


@pytest.mark.parametrize("query", ["", "team=ads", "unpriced=yes", "q=trace-9"])
def test_a_file_holds_what_is_shown_with_every_digit(finance: Client, query: str) -> None:
    rows = list(rows_of(finance.get(f"/usage/?{query}&format=csv")))
    assert [row["Event"] for row in rows] == ids_at(finance, query)
    for row in rows:
        shown = usage.event(source=row["Source"], event_id=row["Event"], actor=WRITER)
        if shown.is_unpriced:
            assert row["Cost"] == "unpriced"
        else:
            assert row["Cost currency"] == "USD"
            assert row["Cost"] == f"{shown.costs['USD']:f}"
    assert finance.get(f"/usage/?{query}&format=xlsx").status_code == 200
    assert finance.get(f"/usage/?{query}&format=pdf").status_code == 404


def test_formulas_in_tags_stay_text(finance: Client) -> None:
    send([event("=cmd|calc", tags={"team": "search"}), event("<b>bold</b>")])
    rows = [row["Event"] for row in rows_of(finance.get("/usage/?format=csv"))]
    assert rows[:2] == ["<b>bold</b>", "'=cmd|calc"]
    assert "<b>bold" not in text_of(finance.get("/usage/"))


def test_an_empty_log_says_how_to_begin(acme: Any) -> None:
    page = text_of(signed_in("acme", person(Role.FINANCE)).get("/usage/"))
    assert "No usage yet" in page
    assert "curl http://acme.localhost/api/v1/usage/events" in page
    assert "Authorization: Bearer" in page
    assert "grid-kpi" not in page


def test_htmx_gets_the_list_without_the_cards(finance: Client) -> None:
    part = finance.get("/usage/?q=evt-1", headers={"HX-Request": "true"})
    assert "grid-kpi" not in text_of(part)
    assert "HX-Request" in part["Vary"]
    restored = {"HX-Request": "true", "HX-History-Restore-Request": "true"}
    assert "grid-kpi" in text_of(finance.get("/usage/", headers=restored))


def test_the_number_of_queries_does_not_grow_with_the_events(finance: Client) -> None:
    def queries() -> list[str]:
        with CaptureQueriesContext(connection) as asked:
            finance.get("/usage/")
        return [one["sql"] for one in asked]

    queries()
    before = queries()
    send([event(f"more-{number:03}") for number in range(45)])
    queries()
    after = queries()
    assert len(after) <= len(before), "\n".join(after)


# -------------------------------------------------------------------------------------- one event


def test_an_event_explains_its_rating(finance: Client) -> None:
    page = text_of(finance.get("/usage/events/gateway/evt-1/"))
    for word in (
        "$2.50 per 1M tokens",
        "$1.25 per 1M tokens",
        "$10.00 per 1M tokens",
        "400 tokens",
        "USD 0.005",
        "not charged",
        "USD 0.003",  # 300 output tokens
        "USD 0.005 more than ours",
        "cc-search",
        "its tags; no rule applied",
        "Revision 0",
        "trace-9",
        f"version {rating.current_version().version}",
    ):
        assert word in page, word


def test_an_unpriced_meter_leads_to_the_form_of_a_price(finance: Client, member: Client) -> None:
    page = text_of(finance.get("/usage/events/gateway/evt-3/"))
    assert "unpriced" in page
    wanted = "/prices/new/?provider=testco&amp;model=nameless-70b&amp;meter=input_tokens"
    assert wanted in page
    form = text_of(finance.get(wanted.replace("&amp;", "&")))
    assert 'value="nameless-70b"' in form
    assert "/prices/new/" not in text_of(member.get("/usage/events/gateway/evt-3/"))


def test_an_event_of_a_uri_is_named_by_query(finance: Client) -> None:
    url = f"/usage/events/?source={quote('https://a.example/x', safe='')}&id=evt%2F4"
    assert url.replace("&", "&amp;") in text_of(finance.get("/usage/"))
    page = text_of(finance.get(url))
    assert "evt/4" in page
    assert "14 units" in page
    assert finance.get("/usage/events/").status_code == 400
    assert finance.get("/usage/events/?source=gateway&id=nothing").status_code == 404
    assert finance.get("/usage/events/gateway/%00/").status_code in (400, 404)


def test_a_void_takes_back_and_says_why(finance: Client) -> None:
    sent = {"source": "gateway", "id": "evt-1", "reason": "sent twice"}
    answer = finance.post("/usage/events/void/", sent)
    assert answer.status_code == 302
    assert answer["Location"] == "/usage/events/gateway/evt-1/"
    page = text_of(finance.get(answer["Location"]))
    for word in ("voided this event", "sent twice", "Revision 0 taken back", "0.005, taken back"):
        assert word in page, word
    row = next(row for row in rows_of(finance.get("/usage/?q=evt-1&format=csv")))
    assert (row["State"], row["Cost"]) == ("void", "0")
    again = finance.post("/usage/events/void/", sent, follow=True)
    assert "The event is void; revert that to bring it back." in text_of(again)
    assert Correction.objects.count() == 1
    undone = finance.post("/usage/events/revert/", {**sent, "reason": "was right"}, follow=True)
    page = text_of(undone)
    assert "undid the last correction" in page
    assert "USD 0.005" in page
    costs = usage.costs_of([usage.event(source="gateway", event_id="evt-1", actor=WRITER).event])
    assert [f"{cost.amounts['USD']:.4f}" for cost in costs.values()] == ["0.0050"]


@pytest.mark.parametrize("lacking", ["source", "id", "reason"])
def test_a_correction_that_lacks_something_changes_nothing(finance: Client, lacking: str) -> None:
    sent = {"source": "gateway", "id": "evt-1", "reason": "sent twice"}
    answer = finance.post("/usage/events/void/", {**sent, lacking: ""})
    assert answer.status_code == (302 if lacking == "reason" else 400)
    assert not Correction.objects.exists()
    missing = finance.post("/usage/events/void/", {**sent, "id": "nothing"})
    assert missing.status_code == 404


def test_a_member_reads_and_does_not_correct(member: Client) -> None:
    assert "Void this event" not in text_of(member.get("/usage/events/gateway/evt-1/"))
    sent = {"source": "gateway", "id": "evt-1", "reason": "sent twice"}
    assert member.post("/usage/events/void/", sent).status_code == 403
    assert member.post("/usage/events/revert/", sent).status_code == 403
    assert not Correction.objects.exists()


def test_outcomes_stand_on_the_page_of_their_event(finance: Client) -> None:
    send([event("told", outcome={"name": "answered", "success": True, "value": "0.4"})])
    page = text_of(finance.get("/usage/events/gateway/told/"))
    assert "answered" in page
    assert ">0.4<" in page
    assert "No outcome was told" in text_of(finance.get("/usage/events/gateway/evt-2/"))


def test_costs_of_many_are_what_each_explains(finance: Client) -> None:
    """Also after corrections across a close, which fix prices."""
    how = {"reason": "wrong", "actor": WRITER, "now": NOW}
    ingest.void_event(source="gateway", event_id="evt-5", **how)
    _freeze(JANUARY)
    contract(cache_write_tokens="3", now=NOW)
    ingest.revert_correction(source="gateway", event_id="evt-5", **how)
    ingest.amend_event(
        source="gateway", event_id="evt-2", event=event("evt-2", usage={"output_tokens": 7}), **how
    )
    page = usage.events(filters=usage.EventFilters(), cursor=None, limit=50, actor=WRITER)
    costs = usage.costs_of(page.events)
    for each in page.events:
        alone = usage.event(source=each.source, event_id=each.id, actor=WRITER)
        assert dict(costs[each.key].amounts) == alone.costs, each.id
        assert costs[each.key].is_unpriced == alone.is_unpriced, each.id
    assert len(costs) == 5


# --------------------------------------------------------------------------- receipts and unpriced


def test_receipts_tell_counts_and_errors(finance: Client, stored: Any) -> None:
    page = text_of(finance.get("/usage/receipts/"))
    assert f"/usage/receipts/{stored.batch}/" in page
    page = text_of(finance.get(f"/usage/receipts/{stored.batch}/"))
    problem = stored.errors[0]
    assert problem.code in page
    assert "key:tests" in page
    rows = list(rows_of(finance.get(f"/usage/receipts/{stored.batch}/?format=csv")))
    assert [(row["Item"], row["Problem"]) for row in rows] == [("5", problem.code)]
    assert ids_at(finance, f"batch={stored.batch}") == ["evt-5", "evt/4", "evt-3", "evt-2", "evt-1"]
    assert str(stored.batch) in text_of(finance.get(f"/usage/receipts/?q={stored.batch}"))
    assert "Nothing matches" in text_of(finance.get("/usage/receipts/?q=nonsense"))
    unknown = "00000000-0000-4000-8000-000000000000"
    assert finance.get(f"/usage/receipts/{unknown}/").status_code == 404
    named = next(iter(rows_of(finance.get("/usage/receipts/?format=csv"))))
    assert (named["Receipt"], named["Accepted"]) == (str(stored.batch), "5")


def test_receipts_are_paged(finance: Client) -> None:
    IngestBatch.objects.bulk_create(
        IngestBatch(
            received_at=NOW,
            received_from="key:tests",
            accepted=0,
            duplicates=1,
            conflicts=0,
            rejected=0,
            unpriced=0,
            errors=[],
        )
        for _ in range(60)
    )
    page = text_of(finance.get("/usage/receipts/"))
    cursor = page.split("cursor=")[1].split('"')[0]
    rest = text_of(finance.get(f"/usage/receipts/?cursor={cursor}"))
    assert (page.count('<th scope="row"'), rest.count('<th scope="row"')) == (50, 11)
    assert finance.get("/usage/receipts/?cursor=x").status_code == 400


def test_what_has_no_price_is_listed_by_month(finance: Client) -> None:
    page = text_of(finance.get("/usage/unpriced/?month=2025-12"))
    for word in ("nameless-70b", "Input tokens", "Output tokens", "Dec 31, 2025", "Solve"):
        assert word in page, word
    assert "/usage/unpriced/solve/?sent_provider=testco&amp;sent_model=nameless-70b" in page
    assert "The model has no price" not in page
    assert "The model is unknown" in page or "The provider is unknown" in page
    assert "ocr" not in page
    assert "ocr" in text_of(finance.get("/usage/unpriced/"))
    assert "Everything has its price" in text_of(finance.get("/usage/unpriced/?month=2025-11"))
    rows = list(rows_of(finance.get("/usage/unpriced/?month=2025-12&format=csv")))
    assert [(row["Meter"], row["Quantity"], row["Events"]) for row in rows] == [
        ("Cached input tokens", "800.000000", "1.000000"),
        ("Input tokens", "400.000000", "1.000000"),
        ("Output tokens", "300.000000", "1.000000"),
    ]
    assert finance.get("/usage/unpriced/?month=x").status_code == 400


def test_a_price_that_comes_later_empties_the_page(finance: Client) -> None:
    terms = {"provider": "testco", "model": "nameless-70b", "amount": "1", "currency": "USD"}
    for meter in ("input_tokens", "cached_input_tokens", "output_tokens"):
        sent = {**terms, "meter": meter, "unit_size": "1000000", "valid_from": "2025-01-01T00:00"}
        assert finance.post("/prices/new/", sent).status_code == 302
    ingest.adopt_prices(actor=system_actor("tests"), now=NOW)
    assert "nameless" not in text_of(finance.get("/usage/unpriced/?month=2025-12"))
    assert ids_at(finance, "unpriced=yes") == ["evt/4"]


# ---------------------------------------------------------------------------------------- imports


def test_a_file_is_followed_to_its_end(
    finance: Client, django_capture_on_commit_callbacks: Any
) -> None:
    lines = "id,time,provider,model,input_tokens,tags.team\n"
    lines += "row-1,2026-01-17T00:00:00Z,testco,tiny,100,search\n"
    lines += "row-2,nonsense,testco,tiny,100,search\n"
    file = SimpleUploadedFile("old.csv", lines.encode())
    answer = finance.post("/usage/imports/new/", {"file": file, "source": "archive"})
    assert answer.status_code == 302, answer.content
    waiting = text_of(finance.get(answer["Location"]))
    assert "hx-get" in waiting
    assert "Check and store its rows" in waiting
    one = Import.objects.get()
    ingest.run_import(import_id=one.public_id, clock=lambda: NOW)
    polled = finance.get(answer["Location"], headers={"HX-Request": "true", "HX-Target": "import"})
    assert polled["HX-Refresh"] == "true"
    done = text_of(finance.get(answer["Location"]))
    assert 'hx-trigger="every' not in done
    assert "row-2" in done
    errors = list(rows_of(finance.get(f"{answer['Location']}?format=csv")))
    assert [(row["Item"], row["Event"], row["Field"]) for row in errors] == [("1", "row-2", "time")]
    assert "old.csv" in text_of(finance.get("/usage/imports/"))
    assert "archive" in text_of(finance.get("/usage/?q=row-1"))


def test_a_file_of_no_known_form_is_refused_in_the_form(finance: Client) -> None:
    file = SimpleUploadedFile("old.xyz", b"?")
    page = text_of(finance.post("/usage/imports/new/", {"file": file}))
    assert "tells no form" in page
    assert not Import.objects.exists()
    assert finance.get("/usage/imports/00000000-0000-4000-8000-000000000000/").status_code == 404


# ------------------------------------------------------------------------------------ who sees what


@pytest.mark.parametrize("path", [*PAGES, "/usage/imports/new/"])
def test_strangers_are_sent_to_sign_in(stored: Any, path: str) -> None:
    answer = browser("acme").get(path)
    assert answer.status_code == 302
    assert "/login/" in answer["Location"]


@pytest.mark.parametrize("path", PAGES)
def test_finance_and_members_read_every_page(finance: Client, member: Client, path: str) -> None:
    for client in (finance, member):
        text_of(client.get(path))


def test_an_analyst_reads_and_uploads_nothing(stored: Any) -> None:
    analyst = signed_in("acme", person(Role.ANALYST))
    assert "/usage/imports/new/" not in text_of(analyst.get("/usage/imports/"))
    assert analyst.get("/usage/imports/new/").status_code == 403
    assert "Solve" not in text_of(analyst.get("/usage/unpriced/?month=2025-12"))


def test_a_member_sees_their_teams_only(member: Client, stored: Any) -> None:
    assert ids_at(member, "") == ["evt-5", "evt/4", "evt-3", "evt-1"]
    assert [row["Team"] for row in rows_of(member.get("/usage/?format=csv"))] == ["search"] * 4
    assert member.get("/usage/events/gateway/evt-2/").status_code == 404
    page = text_of(member.get("/usage/"))
    assert "hooli" not in page.split('id="events-results"')[1]
    assert 'value="ads"' not in page
    assert ">Receipt<" not in page
    assert str(stored.batch) not in text_of(member.get("/usage/events/gateway/evt-1/"))
    assert member.get(f"/usage/receipts/{stored.batch}/").status_code == 404
    assert "No receipts yet" in text_of(member.get("/usage/receipts/"))


def test_a_member_need_not_leaf_through_what_they_may_not_see(
    member: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither whole tag sets of others, nor tag sets that belong to several owners."""
    send([event(f"theirs-{number:03}", tags={"team": "ads"}) for number in range(60)])
    assert ids_at(member, "") == ["evt-5", "evt/4", "evt-3", "evt-1"]
    monkeypatch.setattr(log, "_CHUNK", 5)
    monkeypatch.setattr(log, "tag_sets_in_sight", lambda *_: every_tag_set())
    assert ids_at(member, "") == ["evt-5", "evt/4", "evt-3", "evt-1"]
    monkeypatch.setattr(log, "_MOST_READ", 10)
    page = text_of(member.get("/usage/"))
    assert "Nothing was found among the last" in page
    assert "Post the first event" not in page
    cursor = page.split("cursor=")[1].split('"')[0]
    assert "theirs-" not in page
    assert f"cursor={cursor}" in page


def every_tag_set() -> frozenset[int]:
    return frozenset(TagSet.objects.values_list("id", flat=True))


def test_a_member_still_finds_what_was_voided(member: Client) -> None:
    how = {"reason": "wrong", "actor": WRITER, "now": NOW}
    ingest.void_event(source="gateway", event_id="evt-5", **how)
    assert ids_at(member, "experiment=exp-1") == ["evt-5"]


def test_a_member_sees_what_is_unpriced_of_their_teams(member: Client) -> None:
    send([event("hidden", model="secret-8b", tags={"team": "ads"})])
    page = text_of(member.get("/usage/unpriced/"))
    assert "ocr" in page
    assert "secret-8b" not in page
    assert "secret-8b" not in text_of(member.get("/usage/"))


def test_another_tenant_sees_nothing(stored: Any, globex: Any) -> None:
    client = signed_in("globex", person(Role.FINANCE))
    connection.set_schema(globex.schema)
    assert "No usage yet" in text_of(client.get("/usage/"))
    assert client.get("/usage/events/gateway/evt-1/").status_code == 404
    assert client.get(f"/usage/receipts/{stored.batch}/").status_code == 404
    assert "Everything has its price" in text_of(client.get("/usage/unpriced/?month=2025-12"))
    assert ids_at(client, f"batch={stored.batch}") == []
    sent = {"source": "gateway", "id": "evt-1", "reason": "not mine"}
    assert client.post("/usage/events/void/", sent).status_code == 404
    with schema_context("t_acme"):
        assert not Correction.objects.exists()


def _freeze(month: Month) -> None:
    periods.freeze(
        month=month,
        actor=system_actor("tests"),
        now=NOW,
        price_book_version=rating.price_book().version,
    )
