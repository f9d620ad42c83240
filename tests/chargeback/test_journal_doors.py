"""Journals at the API and on the pages."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from apps.accounts.models import User
from apps.chargeback import selectors
from apps.core.domain.access import Actor, Role, Scope
from tests.accounts.people import bearer, browser, person, service_key, signed_in
from tests.chargeback.conftest import OCTOBER, SYSTEM
from tests.chargeback.test_journal import close  # noqa: F401 (a fixture)

pytestmark = pytest.mark.usefixtures("store")


@pytest.fixture
def call(acme: Any) -> Callable[..., Any]:
    key = service_key(Scope.BILLING_READ, Scope.BILLING_WRITE)
    client = browser("acme")

    def send(method: str, path: str, body: Any = None, **headers: str) -> Any:
        return getattr(client, method)(
            f"/api/v1/{path}",
            body,
            content_type="application/json",
            headers={**bearer(key), **headers},
        )

    return send


def test_the_api_names_gaps_makes_files_and_confirms(
    close: Callable[..., Any],  # noqa: F811
    call: Callable[..., Any],
) -> None:
    close()
    refused = call("get", "journals/2026-10.csv")
    assert (refused.status_code, refused.json()["code"]) == (422, "accounts_missing")
    assert refused.json()["errors"][0]["field"] == "cost_center.UNALLOCATED"
    gaps = call("get", "journals/gaps?period=2026-10").json()
    assert gaps == {
        "period": "2026-10",
        "complete": False,
        "cost_centers": [{"code": "UNALLOCATED", "name": "Unallocated"}],
        "clearing": [],
    }
    wanted = {"kind": "cost_center", "key": "UNALLOCATED", "account": "9", "valid_from": "2026-01"}
    assert call("post", "journals/mappings", wanted).status_code == 201
    assert call("get", "journals/mappings").json()[0]["account"] == "9"
    file = call("get", "journals/2026-10.csv")
    assert (file.status_code, file["Content-Type"]) == (200, "text/csv; charset=utf-8")
    assert file["Content-Disposition"] == 'attachment; filename="JNL-2026-10-01.csv"'
    again = call("get", "journals/2026-10.csv", **{"if-none-match": file["ETag"]})
    assert again.status_code == 304
    assert call("get", "journals/2026-10.xlsx").content.startswith(b"PK")
    body = call("get", "journals/JNL-2026-10-01").json()
    assert sum(Decimal(one["debit"]) for one in body["entries"]) == Decimal(body["total"])
    assert (body["state"], body["total"], body["currency"]) == ("ready", "244.84", "USD")
    posted = call(
        "post", "journals/JNL-2026-10-01/posted", {"reference": "7", "posted_on": "2026-11-05"}
    )
    assert posted.json()["posting"]["reference"] == "7"
    assert [one["batch"] for one in call("get", "journals?period=2026-10").json()["results"]] == [
        "JNL-2026-10-01"
    ]
    assert call("post", "journals", {"period": "2026-10"}).json()["batch"] == "JNL-2026-10-01"
    kept = {"idempotency-key": "k"}
    first = call("post", "journals", {"period": "2026-10"}, **kept)
    again = call("post", "journals", {"period": "2026-10"}, **kept)
    assert (again.content, again["Idempotent-Replayed"]) == (first.content, "true")
    assert call("post", "journals", {"period": "2026-09"}, **kept).status_code == 409
    for path, status in (
        ("journals/2026-11.csv", 409),
        ("journals/2026-10.csv?batch=JNL-2026-11-01", 404),
        ("journals/JNL-2026-10-09", 404),
        ("journals/2026-13.csv", 400),
    ):
        assert call("get", path).status_code == status, path


def test_journals_are_for_those_who_read_billing(acme: Any) -> None:
    client = browser("acme")
    key = service_key(Scope.COSTS_READ)
    for path in ("journals", "journals/2026-10.csv", "journals/gaps?period=2026-10"):
        assert client.get(f"/api/v1/{path}", headers=bearer(key)).status_code == 403


def shown(client: Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200, (path, answer.status_code)
    return str(answer.content.decode())


def test_the_pages_map_make_and_confirm(
    close: Callable[..., Any],  # noqa: F811
    people: dict[str, Actor],
) -> None:
    close()
    maya = signed_in("acme", User.objects.get(email="maya@acme.example"))
    assert "UNALLOCATED (Unallocated)" in shown(maya, "/journals/")
    page = shown(maya, "/journals/mapping/?kind=cost_center&key=UNALLOCATED")
    assert "Missing for October 2026" in page
    assert 'value="UNALLOCATED"' in page
    mapping = {
        "kind": "cost_center",
        "key": "UNALLOCATED",
        "account": "640999",
        "valid_from": "2026-10",
    }
    assert maya.post("/journals/mapping/", mapping).status_code == 302
    assert "Complete" in shown(maya, "/journals/mapping/?month=2026-10")
    assert "Make the journal" in shown(maya, "/journals/")
    made = maya.post("/journals/2026-10/make/")
    assert made["Location"] == "/journals/JNL-2026-10-01/"
    page = shown(maya, "/journals/JNL-2026-10-01/")
    assert "640999" in page
    assert "Confirm the posting" in page
    done = maya.post(
        "/journals/JNL-2026-10-01/", {"reference": "1000-7", "posted_on": "2026-11-05"}
    )
    assert done.status_code == 302
    assert "1000-7" in shown(maya, "/journals/")
    wrong = maya.post("/journals/columns/", {"preset": "custom", "columns": "A = nothing"})
    assert "is no field" in wrong.content.decode()
    assert maya.post("/journals/columns/", {"preset": "oracle", "company": "01"}).status_code == 302
    assert selectors.layout().preset == "oracle"
    analyst = signed_in("acme", person(Role.ANALYST))
    assert analyst.get("/journals/").status_code == 200
    assert analyst.get("/journals/mapping/").status_code == 403
    assert selectors.journals(month=OCTOBER, actor=SYSTEM)[0].state == "posted"
