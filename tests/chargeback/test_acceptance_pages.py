"""The pages on which statements are accepted, disputed and decided."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from apps.accounts.models import User
from apps.allocation.domain.facts import RunFacts
from apps.chargeback import selectors
from apps.chargeback import services as chargeback
from apps.core.domain.access import Actor, Role
from tests.accounts.people import person, signed_in
from tests.chargeback.conftest import NOW, OCTOBER, adjusted, usual_lines

pytestmark = pytest.mark.usefixtures("store")
AT = NOW + timedelta(days=1)
PAGE = "/statements/2026-10/CC-4100/acceptance/"


@pytest.fixture
def issued(allocate: Callable[..., RunFacts], people: dict[str, Actor]) -> chargeback.StatementSet:
    run = allocate(usual_lines())
    chargeback.draft_statements(month=OCTOBER, run=run.id, actor=people["maya"], now=NOW)
    return chargeback.issue_statements(
        month=OCTOBER, actor=people["maya"], approver=people["jonas"], now=NOW
    )


@pytest.fixture
def dana(issued: Any) -> Client:
    return signed_in("acme", person(Role.MEMBER, email="dana@acme.example"))


@pytest.fixture
def maya(issued: Any) -> Client:
    return signed_in("acme", User.objects.get(email="maya@acme.example"))


def shown(client: Client, path: str) -> str:
    answer = client.get(path, follow=True)
    assert answer.status_code == 200, (path, answer.status_code)
    return str(answer.content.decode())


@time_machine.travel(AT, tick=False)
def test_an_owner_disputes_finance_decides_and_the_owner_accepts(
    dana: Client, maya: Client, issued: chargeback.StatementSet, people: dict[str, Actor]
) -> None:
    page = shown(dana, PAGE)
    assert "Waiting for Dana Whitfield until" in page
    assert 'data-dialog="accept"' in page
    assert 'data-dialog="accept"' not in shown(maya, PAGE)
    form = shown(dana, f"{PAGE}dispute/?line=1")
    assert '<option value="1" selected>' in form
    answer = dana.post(
        f"{PAGE}dispute/",
        {
            "line": "1",
            "comment": "Not ours.\nSee <the log>.",
            "amount": "1.50",
            "files": SimpleUploadedFile("log.txt", b"hello"),
        },
    )
    assert answer.status_code == 302, answer.content.decode()[:2000]
    page = shown(maya, PAGE)
    assert "Not ours.<br>See &lt;the log&gt;." in page
    assert "log.txt" in page
    [found] = selectors.open_disputes(month=OCTOBER)
    resolve = f"{PAGE}{found.response.id}/resolve/"
    assert "Not ours." in shown(maya, resolve)
    refused = maya.post(resolve, {"outcome": "corrected", "reason": "Yes."})
    assert "name the adjustment" in refused.content.decode()
    assert dana.get(resolve).status_code == 403
    code = adjusted(people, now=AT).code
    assert f'<option value="{code}">{code}: ' in shown(maya, resolve)
    done = maya.post(resolve, {"outcome": "corrected", "reason": "Yes.", "reference": code})
    assert done.status_code == 302
    assert f"Booked by {code} in November 2026." in shown(dana, PAGE)
    assert dana.post(f"{PAGE}accept/").status_code == 302
    assert "accepted the statement" in shown(dana, PAGE)


@time_machine.travel(AT, tick=False)
def test_an_owner_withdraws(dana: Client) -> None:
    dana.post(f"{PAGE}dispute/", {"comment": "Hm."})
    [found] = selectors.open_disputes(month=OCTOBER)
    dana.post(f"{PAGE}{found.response.id}/withdraw/", {"reason": "My mistake."})
    assert "My mistake." in shown(dana, PAGE)
    assert selectors.open_disputes(month=OCTOBER) == []


@time_machine.travel(AT, tick=False)
def test_a_bad_dispute_is_said_beside_its_field(dana: Client) -> None:
    answer = dana.post(
        f"{PAGE}dispute/",
        {"comment": "x", "files": SimpleUploadedFile("a.exe", b"MZ")},
    )
    assert "a.exe is none of" in answer.content.decode()
    assert selectors.open_disputes(month=OCTOBER) == []


@time_machine.travel(AT, tick=False)
def test_a_member_of_the_team_sees_the_statement_but_not_what_was_said(issued: Any) -> None:
    lee = signed_in("acme", User.objects.get(email="lee@acme.example"))
    assert "Acceptance" not in shown(lee, "/statements/2026-10/CC-4100/").split("<h1")[1]
    assert lee.get(PAGE).status_code == 404
    assert lee.post(f"{PAGE}accept/").status_code == 302
    assert (
        selectors.acceptances(month=OCTOBER, state=None, actor=chargeback_reader(), now=AT)[
            0
        ].responses
        == ()
    )


def chargeback_reader() -> Actor:
    from apps.core.domain.access import system_actor

    return system_actor("tests")


@time_machine.travel(AT, tick=False)
def test_finance_lists_filters_and_downloads(dana: Client, maya: Client) -> None:
    dana.post(f"{PAGE}dispute/", {"comment": "=HYPERLINK()"})
    lists = shown(maya, "/statements/acceptance/?state=disputed")
    assert "STM-2026-10-0001" in lists
    assert "STM-2026-10-0002" not in lists
    assert "STM-2026-10-0001" in shown(maya, "/statements/disputes/?month=2026-10&state=open")
    assert "STM-2026-10" not in shown(maya, "/statements/disputes/?state=rejected")
    text = maya.get("/statements/disputes/?format=csv").content.decode()
    assert "'=HYPERLINK()" in text
    assert dana.get("/statements/disputes/").status_code == 403


@time_machine.travel(AT, tick=False)
def test_finance_names_people_and_sets_the_policy(maya: Client) -> None:
    page = "/statements/answering/"
    named = {"cost_center": "CC-4200", "email": "Lee@acme.example"}
    assert maya.post(f"{page}name/", named).status_code == 302
    assert "lee@acme.example" in shown(maya, page)
    refused = maya.post(f"{page}name/", {"cost_center": "CC-4200", "email": "nobody"})
    assert "valid email" in refused.content.decode()
    maya.post(f"{page}remove/", named)
    assert selectors.responders() == {}
    maya.post(page, {"lapse": "stay_open", "reminder_days": "7"})
    assert (selectors.policy().lapse.value, selectors.policy().reminder_days) == ("stay_open", 7)
