"""Drivers entered and read on pages: all rows or none, and every bad row by its line."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from apps.accounts import selectors as accounts
from apps.allocation import selectors, services
from apps.allocation.domain.driver_rows import MOST_BYTES, MOST_ROWS, read_driver_rows
from apps.allocation.domain.payload import read_rule
from apps.allocation.domain.rules import Axis
from apps.allocation.models import Driver
from apps.core.domain.access import Role
from apps.periods import services as periods
from tests.accounts.people import person, signed_in
from tests.allocation.base import ACTOR, MONTH, NOW, enter_directory, line, use_costs

NEW = "/month/drivers/new/"
PAGE = "/month/drivers/2026-01/team/headcount/"
FORM = {"code": "headcount", "month": "2026-01", "axis": "team"}


@pytest.fixture(autouse=True)
def organization(acme: Any, time_machine: Any) -> None:
    time_machine.move_to(NOW)
    enter_directory()


@pytest.fixture
def finance() -> Client:
    return signed_in("acme", person(Role.FINANCE))


def text(answer: Any) -> str:
    return answer.content.decode().replace("\u00a0", " ").replace("&#x27;", "'")


def stored() -> dict[str, Decimal]:
    return selectors.uploaded(MONTH, Axis.TEAM).get("headcount", {})


def enter(**values: str) -> None:
    numbers = {receiver: Decimal(value) for receiver, value in values.items()}
    services.set_driver_values(
        code="headcount", axis=Axis.TEAM, month=MONTH, values=numbers, actor=ACTOR, now=NOW
    )


def test_pasted_rows_are_previewed_stored_listed_and_shown(finance: Client) -> None:
    assert "No drivers yet" in text(finance.get("/month/drivers/"))
    assert 'href="/month/drivers/"' in text(finance.get("/month/rules/"))
    form = {**FORM, "lines": "receiver,headcount\r\n\r\nads,12\r\nsearch,8.5\r\n"}
    preview = text(finance.post(NEW, {**form, "preview": "1"}))
    assert "2 new, 0 changed, 0 as they are, 0 not named and kept" in preview
    assert "20.5" in preview
    assert "search,8.5" in preview
    assert not Driver.objects.exists()
    answer = finance.post(NEW, form, follow=True)
    assert answer.redirect_chain == [(PAGE, 302)]
    assert "2 values are entered" in text(answer)
    assert stored() == {"ads": Decimal(12), "search": Decimal("8.5")}
    listed = text(finance.get("/month/drivers/"))
    for word in (PAGE, "January 2026", "20.5", "Enter values"):
        assert word in listed
    again = finance.post(NEW, form, follow=True)
    assert "Nothing changed" in text(again)
    assert Driver.objects.count() == 2


def test_a_file_is_taken_and_versions_stay(finance: Client) -> None:
    enter(ads="12", search="8.5")
    change = f"{NEW}?code=headcount&month=2026-01&axis=team"
    assert "ads,12\nsearch,8.5" in text(finance.get(change))
    file = SimpleUploadedFile("heads.csv", "\ufeffteam,heads\nads,0\ncc-ads,3\n".encode())
    preview = text(finance.post(NEW, {**FORM, "file": file, "lines": "x", "preview": "1"}))
    assert "1 new, 1 changed, 0 as they are, 1 not named and kept" in preview
    assert "cc-ads,3" in preview
    file.seek(0)
    assert finance.post(NEW, {**FORM, "file": file}).status_code == 302
    assert stored() == {"ads": Decimal(0), "cc-ads": Decimal(3), "search": Decimal("8.5")}
    page = text(finance.get(PAGE))
    assert "2 of 2" in page
    assert "11.5" in page
    old = text(finance.get(f"{PAGE}?version=1"))
    assert "values of version 1" in old
    assert "20.5" in old
    assert finance.get(f"{PAGE}?version=3").status_code == 404
    csv = finance.get(f"{PAGE}?format=csv")
    assert b"search,8.5" in csv.getvalue()
    assert b"headcount" in finance.get("/month/drivers/?format=csv").getvalue()


def test_every_bad_row_is_listed_by_its_line_and_nothing_is_stored(finance: Client) -> None:
    lines = (
        "receiver,value\n\nads,12\nnobody,1\nsearch,many\nplatform,-4\nads,13\ncc-ads,1,5\n"
        "cc-search;2\n,7\ncc-platform,0.1234567"
    )
    page = text(finance.post(NEW, {**FORM, "lines": lines}))
    for number, row, remedy in (
        (4, "nobody,1", "No team is registered as nobody. Write the code of one that is"),
        (5, "search,many", "many is not a number. Write digits with a point"),
        (6, "platform,-4", "-4 is negative. Give 0 or more"),
        (7, "ads,13", "ads stands on line 3 already"),
        (8, "cc-ads,1,5", "a number has a point for decimals and no comma"),
        (9, "cc-search;2", "Write the receiver, a comma and the value"),
        (10, ",7", "Name the receiver before the comma"),
        (11, "cc-platform,0.1234567", "up to 6 decimals"),
    ):
        told = page.split(f">Line {number}<")[1].split(">Line ")[0]
        assert f"<code>{row}</code>" in told
        assert remedy in told
    assert "8 rows are wrong, so nothing is stored" in page
    assert lines.splitlines()[5] in page
    assert 'value="headcount"' in page
    assert not Driver.objects.exists()


@pytest.mark.parametrize(
    ("row", "remedy"),
    [
        ("ads,1e3", "not a number"),
        ("ads,NaN", "not a number"),
        ("ads,\u0661", "not a number"),
        ('ads,"1,234"', "thousands separators"),
        ("ads\t12,5", "not a number"),
        ("ads,", "after the comma"),
        ('"ads,1', "quotes"),
        ("a" * 65 + ",1", "at most 64"),
    ],
)
def test_a_row_that_cannot_be_read_says_why(row: str, remedy: str) -> None:
    read = read_driver_rows(f"search,1\n{row}")
    (problem,) = read.problems
    assert problem.line == 2
    assert remedy in problem.remedy
    assert read.values == {"search": Decimal(1)}


def test_rows_as_spreadsheets_write_them_are_read() -> None:
    read = read_driver_rows('\ufeffTeam,Heads,,\n"ads",+1.50,\r\nsearch\t.5\r\rplatform,2.\n')
    assert read.problems == ()
    assert read.values == {"ads": Decimal("1.5"), "search": Decimal("0.5"), "platform": Decimal(2)}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"code": "tokens"}, "tokens is measured by the platform itself"),
        ({"code": "Head count"}, "Use small letters"),
        ({"lines": " \n"}, "write at least one row"),
        ({"lines": "ads,1\n" * (MOST_ROWS + 1)}, "enter at most 5,000 at once"),
        ({"month": "2031-01"}, "That month takes no values"),
        ({"axis": "customer"}, "No customer is registered as ads"),
        ({"file": SimpleUploadedFile("x.csv", b"a" * (MOST_BYTES + 1))}, "larger than 512 KiB"),
        ({"file": SimpleUploadedFile("x.csv", b"caf\xe9,1")}, "not text in UTF-8"),
        ({"file": SimpleUploadedFile("x.csv", b"a\x00,1")}, "not text in UTF-8"),
        ({"file": SimpleUploadedFile("x.csv", b"\n\n")}, "The file has no rows"),
    ],
)
def test_a_wrong_form_keeps_what_was_typed(finance: Client, change: Any, says: str) -> None:
    page = text(finance.post(NEW, {**FORM, "lines": "ads,1", **change}))
    assert says in page
    if "lines" not in change:
        assert "ads,1</textarea>" in page
    assert not Driver.objects.exists()


def test_a_closed_month_is_read_and_takes_no_values(
    finance: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_costs(monkeypatch, [line("a", "10", team="ads")])
    enter(ads="1")
    services.run(month=MONTH, actor=ACTOR, now=NOW)
    periods.freeze(month=MONTH, price_book_version=1, actor=ACTOR, now=NOW)
    approver = accounts.actor_of_person(person(Role.APPROVER).email)
    periods.lock(month=MONTH, actor=ACTOR, approver=approver, now=NOW)
    assert "Change values" not in text(finance.get(PAGE))
    page = text(finance.post(NEW, {**FORM, "lines": "ads,2"}))
    assert "That month takes no values" in page
    monkeypatch.setattr("apps.allocation.web.drivers._months", lambda: [MONTH])
    page = text(finance.post(NEW, {**FORM, "lines": "ads,2"}))
    assert "2026-01 is closed; its driver values are final" in page
    assert "ads,2</textarea>" in page
    assert stored() == {"ads": Decimal(1)}


def test_a_page_names_the_rules_that_use_it(finance: Client) -> None:
    enter(ads="1")
    assert "no rule of this month" in text(finance.get(PAGE))
    body = {
        "code": "desk",
        "name": "Shared desk",
        "method": "proportional",
        "driver": "headcount",
        "scope": {"service": ["desk"]},
        "receivers": "*",
        "first_month": "2026-01",
    }
    services.save_rule(rule=read_rule(body, first_month=MONTH), actor=ACTOR, now=NOW)
    assert "Shared desk" in text(finance.get(PAGE))


def test_readers_list_and_only_writers_enter() -> None:
    enter(ads="1")
    analyst = signed_in("acme", person(Role.ANALYST))
    assert "Enter values" not in text(analyst.get("/month/drivers/"))
    assert "Change values" not in text(analyst.get(PAGE))
    assert analyst.get(NEW).status_code == 403
    assert analyst.post(NEW, {**FORM, "lines": "ads,2"}).status_code == 403
    member = signed_in("acme", person(Role.MEMBER, teams=("ads",)))
    assert member.get("/month/drivers/").status_code == 403
    assert member.get(PAGE).status_code == 403
    assert stored() == {"ads": Decimal(1)}


@pytest.mark.parametrize(
    "path", ["2026-01/team/none", "2026-01/sideways/headcount", "x/team/headcount"]
)
def test_a_driver_that_nobody_entered_is_not_found(finance: Client, path: str) -> None:
    assert finance.get(f"/month/drivers/{path}/").status_code == 404
