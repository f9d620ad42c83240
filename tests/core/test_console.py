"""Lists, exports, colors, charts, navigation and the templates' own hygiene; no database."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from zipfile import ZipFile

import pytest
from django.http import HttpRequest, QueryDict
from django.test import RequestFactory
from django.urls import include, path

from apps.core.domain.access import ROLE_SCOPES, Actor, Role
from apps.core.domain.errors import Forbidden
from apps.core.presentation import UNPRICED, Figure
from apps.core.web import charts, errors, palette
from apps.core.web.exports import FormatUnknown, guarded, list_response
from apps.core.web.lists import Column, DataList, Filter, ListState, Paging
from apps.core.web.navigation import Place, navigation
from apps.core.web.parts import Step, Work
from apps.core.web.shell import Granter
from apps.core.web.views import StylePage

TEMPLATES = Path(__file__).resolve().parents[2] / "templates"
urlpatterns = [
    path(name, StylePage.as_view()) for name in ("", "usage/", "usage/imports/", "settings/people/")
] + [path("style/", include("apps.core.web.urls"))]


def events(query: str = "", **changes: Any) -> DataList:
    columns = (
        Column(key="team", label="Team", sortable=True),
        Column(key="cost", label="Cost", kind="cost", currency="USD", sortable=True),
        Column(key="at", label="When", kind="when"),
    )
    rows = (
        {"team": "=HYPERLINK(1)", "cost": Decimal("0.100000000001"), "at": None},
        {"team": "search", "cost": UNPRICED, "at": datetime(2026, 10, 1, tzinfo=UTC)},
    )
    base = DataList(
        key="events",
        caption="Events",
        columns=columns,
        rows=rows,
        state=ListState("/usage/", QueryDict(query)),
        search="Search",
        filters=(Filter(key="team", label="Team", options=(("search", "Search"),)),),
        paging=Paging(next_cursor="abc"),
        exports=("csv", "xlsx"),
    )
    return replace(base, **changes)


# ------------------------------------------------------------------------------------------- lists


def test_sorting_again_turns_round_and_leaves_the_page() -> None:
    first = events("cursor=xyz&team=search").headers
    assert first[0].sort_url == "/usage/?team=search&sort=team"
    assert first[1].sort_url == "/usage/?team=search&sort=-cost"
    assert first[2].sort_url == ""
    again = events("sort=-cost").headers[1]
    assert (again.direction, again.sort_url) == ("descending", "/usage/?sort=cost")


def test_chips_name_the_choice_and_lift_it() -> None:
    chips = events("q=gpt&team=search").chips
    assert [(chip.label, chip.value, chip.url) for chip in chips] == [
        ("Search", "gpt", "/usage/?team=search"),
        ("Team", "Search", "/usage/?q=gpt"),
    ]


def test_paging_keeps_the_filters() -> None:
    assert events("team=search").next_url == "/usage/?team=search&cursor=abc"
    assert events().previous_url == ""


def test_a_nul_in_the_address_is_dropped() -> None:
    assert events("q=a%00b").query == "ab"


# ----------------------------------------------------------------------------------------- exports


def test_csv_is_exact_and_guards_formulas() -> None:
    response = list_response(events("format=csv"), filename="events")
    assert response["Content-Disposition"] == 'attachment; filename="events.csv"'
    assert response.content.decode().splitlines() == [
        "Team,Cost,Cost currency,When",
        "'=HYPERLINK(1),0.100000000001,USD,",
        "search,unpriced,USD,2026-10-01T00:00:00+00:00",
    ]


def test_xlsx_holds_numbers_as_numbers_and_formulas_as_text() -> None:
    response = list_response(events("format=xlsx"), filename="events")
    with ZipFile(io.BytesIO(response.content)) as book:
        sheet = ElementTree.fromstring(book.read("xl/worksheets/sheet1.xml"))
    tag = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
    cells = {cell.get("r"): cell for cell in sheet.iter(f"{tag}c")}
    assert cells["B2"].findtext(f"{tag}v") == "0.100000000001"
    assert cells["A2"].get("t") == "s"
    assert not list(sheet.iter(f"{tag}f"))


def test_other_formats_are_refused() -> None:
    with pytest.raises(FormatUnknown):
        list_response(events("format=pdf"), filename="events")


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@x", "\tx", "\rx", "\nx"])
def test_every_formula_start_is_guarded(text: str) -> None:
    assert guarded(text) == f"'{text}"


# ------------------------------------------------------------------------------------------ colors


def test_a_known_owner_has_the_same_color_everywhere() -> None:
    owners = ["search", "billing", "assistant", "support", "growth", "legal", "data", "design"]
    with palette.known_owners(lambda: owners):
        assert [palette.slot_of(name) for name in owners[:7]] == list(range(7))
        assert palette.assign_slots(["legal", "search"]) == {"search": 0, "legal": 5}


def test_owners_of_one_chart_never_share_a_color() -> None:
    names = [f"team-{number}" for number in range(7)]
    assert sorted(palette.assign_slots(names).values()) == list(range(7))


def test_what_nobody_owns_is_set_apart() -> None:
    assert palette.assign_slots(["unowned", "Other"]) == {"Other": 7, "unowned": 8}


# ------------------------------------------------------------------------------------------ charts


def test_a_trend_folds_the_rest_into_other_exactly() -> None:
    series = [charts.Series(f"t{n}", [Decimal(n) + Decimal("0.1"), None]) for n in range(1, 11)]
    frame = charts.Frame(key="c", title="T", currency="USD")
    chart = charts.trend(frame, categories=["a", "b"], series=series)
    names = [one["name"] for one in chart.payload["series"]]
    assert names == ["t10", "t9", "t8", "t7", "t6", "t5", "t4", "Other"]
    assert chart.payload["series"][-1]["values"] == ["6.3", "0"]
    assert chart.payload["series"][0]["values"] == ["10.1", None]
    assert chart.rows[0][-1].text == "USD\u00a06.30"


def test_a_line_through_one_category_is_drawn_as_columns_beside_each_other() -> None:
    frame = charts.Frame(key="c", title="T", currency="USD")
    for categories, kind in ((["a"], "groups"), (["a", "b"], "line")):
        series = [charts.Series("Used", [Decimal(1)] * len(categories))]
        chart = charts.trend(frame, categories=categories, series=series, kind="line")
        assert chart.payload["kind"] == kind


def test_a_ranking_puts_the_largest_first_and_links_its_table() -> None:
    bars = [charts.Bar("a", "1"), charts.Bar("b", "2", "/b/")]
    chart = charts.ranking(charts.Frame(key="c", title="T", unit="tokens"), bars=bars)
    assert [node["name"] for node in chart.payload["nodes"]] == ["b", "a"]
    assert chart.rows[0][0] == charts.Cell("b", "/b/")
    assert chart.headers == ["Owner", "tokens"]


def test_a_sankey_has_two_columns_of_words() -> None:
    chart = charts.sankey(
        charts.Frame(key="c", title="T", currency="EUR"), flows=[charts.Flow("GPU", "search", "5")]
    )
    assert (chart.text_columns, [cell.text for cell in chart.rows[0]]) == (
        2,
        ["GPU", "search", "EUR\u00a05.00"],
    )


def test_charts_refuse_floats() -> None:
    wrong: list[Figure] = [0.1]  # type: ignore[list-item]
    frame = charts.Frame(key="c", title="T")
    with pytest.raises(TypeError):
        charts.trend(frame, categories=["a"], series=[charts.Series("x", wrong)])


# ------------------------------------------------------------------------------------------- parts


def test_work_is_as_far_as_its_steps() -> None:
    steps = (
        Step(name="a", state="done"),
        Step(name="b", state="running", percent=50),
        Step(name="c"),
    )
    work = Work(key="w", title="Close", steps=steps, poll_url="/w/")
    assert (work.percent, work.state, work.running) == (50, "running", True)
    failed = replace(work, steps=(*steps[:1], Step(name="b", state="failed")))
    assert (failed.state, failed.running) == ("failed", False)
    done = replace(work, steps=(Step(name="a", state="done"), Step(name="b", state="skipped")))
    assert (done.percent, done.state) == (100, "done")


# -------------------------------------------------------------------------------------- navigation


def actor(role: Role) -> Actor:
    return Actor(kind="user", label="x", scopes=ROLE_SCOPES[role], user_id=1, role=role)


def test_navigation_shows_only_pages_that_exist_and_the_role_may_use() -> None:
    owner = navigation(actor=actor(Role.OWNER), path="/usage/imports/7/", urlconf=__name__)
    assert [item.label for section in owner for item in section.items] == [
        "Home",
        "Usage",
        "Settings",
    ]
    usage = owner[1].items[0]
    assert usage.active
    assert [(child.label, child.active) for child in usage.children] == [
        ("Events", False),
        ("Imports", True),
    ]
    analyst = navigation(actor=actor(Role.ANALYST), path="/", urlconf=__name__)
    labels = [item.label for section in analyst for item in section.items]
    assert labels == ["Home", "Usage"]
    assert [child.label for child in analyst[1].items[0].children] == ["Events"]


def test_other_sites_bring_their_own_places() -> None:
    shown = navigation(
        actor=actor(Role.OWNER),
        path="/",
        urlconf=__name__,
        places=[("", [Place(label="A", path="/")])],
    )
    assert [(item.label, item.active) for item in shown[0].items] == [("A", True)]


# ------------------------------------------------------------------------------------------- pages


def request_of(person: Actor | None) -> HttpRequest:
    request = RequestFactory().get("/style/")
    request.actor = person  # type: ignore[attr-defined]
    return request


def test_pages_ask_strangers_to_sign_in() -> None:
    response = StylePage.as_view()(request_of(None))
    assert (response.status_code, response["Location"]) == (302, "/login/?next=/style/")


def test_a_page_that_declares_no_scope_is_closed() -> None:
    class Undeclared(StylePage):
        scopes = {}

    with pytest.raises(Forbidden):
        Undeclared.as_view()(request_of(actor(Role.OWNER)))


@pytest.mark.urls(__name__)
def test_the_style_page_shows_every_component() -> None:
    response = StylePage.as_view()(request_of(actor(Role.OWNER)))
    html = response.render().content.decode()  # type: ignore[attr-defined]
    assert html.count("<h1") == 1
    assert html.count("data-chart=") == 8
    assert "style=" not in html
    assert not re.search(r"<script(?![^>]*(src=|application/json))", html)
    ids = re.findall(r' id="([^"]+)"', html)
    assert len(ids) == len(set(ids))


def test_a_refusal_names_who_can_grant(monkeypatch: pytest.MonkeyPatch) -> None:
    people = [Granter(name="Dana", email="dana@acme.example")]
    monkeypatch.setattr(errors.shell, "granters", lambda request: people)
    response = errors.refused(request_of(None), Forbidden("Not for you.", code="scope_missing"))
    html = response.content.decode()
    assert response.status_code == 403
    for expected in ("Not for you.", "scope_missing", "dana@acme.example"):
        assert expected in html


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (errors.bad_request, 400),
        (errors.forbidden, 403),
        (errors.not_found, 404),
        (errors.server_error, 500),
        (errors.unavailable, 503),
        (errors.csrf_failure, 403),
    ],
)
def test_every_error_has_a_page(answer: Any, status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(errors.shell, "granters", lambda request: [])
    response = answer(request_of(None))
    assert response.status_code == status
    assert response.content.decode().count("<h1") == 1


# ----------------------------------------------------------------------------------------- hygiene


@pytest.mark.parametrize(
    "template",
    [
        file
        for pattern in ("*_base.html", "base.html", "components/*", "errors/*", "core/*")
        for file in sorted(TEMPLATES.glob(pattern))
    ],
    ids=lambda file: file.name,
)
def test_templates_keep_to_the_content_security_policy(template: Path) -> None:
    text = template.read_text()
    assert not re.search(r"\sstyle=", text)
    assert not re.search(r"\son[a-z]+=", text)
    assert not re.search(r"<script(?![^>]*src=)", text)
    assert not re.search(r'(?:src|href)="(?:https?:)?//', text)


def test_every_icon_that_a_template_names_is_vendored() -> None:
    sprite = TEMPLATES.parent / "finops_platform" / "static" / "vendor" / "icons" / "sprite.svg"
    known = set(re.findall(r'<symbol id="([^"]+)"', sprite.read_text()))
    used = {
        name
        for file in TEMPLATES.rglob("*.html")
        for name in re.findall(r'{% icon "([^"]+)"', file.read_text())
    }
    assert used
    assert used <= known
