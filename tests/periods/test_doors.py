"""The calendar and the exchange rates at the API and in the console."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import time_machine

from apps.core.domain.access import Role, Scope
from apps.periods.models import FxRate
from tests.accounts.people import bearer, browser, service_key, signed_in
from tests.accounts.people import person as account_of

RATE = {
    "period": "2026-01",
    "base": "USD",
    "quote": "EUR",
    "rate": "0.921234567891",
    "kind": "budget",
    "source": "demo rates, entered by hand",
    "rate_on": "2026-01-01",
}


@pytest.fixture
def api(globex):
    key = service_key(Scope.COSTS_READ, Scope.PRICES_WRITE)
    client = browser("globex")

    def call(method, path, body=None, **query):
        send = getattr(client, method)
        if method == "get":
            return send(f"/api/v1/{path}", query, headers=bearer(key))
        return send(f"/api/v1/{path}", body, content_type="application/json", headers=bearer(key))

    return call


def test_periods_are_listed_newest_first(api):
    body = api("get", "periods").json()
    assert [row["period"] for row in body["results"]][::19] == ["2026-07", "2024-12"]
    january = api("get", "periods/2026-01").json()
    assert january == {
        "period": "2026-01",
        "state": "open",
        "starts_at": "2025-12-31T23:00:00Z",
        "ends_at": "2026-01-31T23:00:00Z",
        "price_book_version": None,
        "frozen_at": None,
        "closed_at": None,
        "closed_by": "",
        "approved_by": "",
    }


@pytest.mark.parametrize(
    ("month", "status"), [("2031-01", 404), ("2026-13", 400), ("soon", 400), ("9999-12", 404)]
)
def test_a_month_that_is_not_there_is_answered(api, month, status):
    assert api("get", f"periods/{month}").status_code == status


def test_a_rate_is_entered_and_listed_exactly(api):
    made = api("post", "fx-rates", RATE)
    assert made.status_code == 201
    assert made.json() == {**RATE, "revision": 1}
    assert api("post", "fx-rates", RATE).json()["revision"] == 1
    assert api("post", "fx-rates", {**RATE, "rate": "0.9"}).json()["revision"] == 2
    listed = api("get", "fx-rates").json()["results"]
    assert [row["rate"] for row in listed] == ["0.9", "0.921234567891"]


@pytest.mark.parametrize(
    ("changes", "status", "field"),
    [
        ({"rate": 0.92}, 400, "rate"),
        ({"rate": "-1"}, 422, "rate"),
        ({"rate": "1e400"}, 400, "rate"),
        ({"base": "usd"}, 422, "base"),
        ({"kind": "spot"}, 400, "kind"),
        ({"period": "January"}, 400, "period"),
        ({"source": ""}, 400, "source"),
        ({"note": "x"}, 400, "note"),
    ],
)
def test_a_wrong_rate_names_its_field(api, changes, status, field):
    answer = api("post", "fx-rates", {**RATE, **changes})
    assert answer.status_code == status
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert FxRate.objects.count() == 0


def test_a_month_that_is_closed_to_rates_is_a_conflict(api, globex):
    from apps.core.domain.months import Month
    from apps.periods import services
    from tests.periods.conftest import NOW, person

    services.freeze(month=Month(2026, 1), actor=person(1), now=NOW)
    answer = api("post", "fx-rates", RATE)
    assert (answer.status_code, answer.json()["code"]) == (409, "period_not_open")


def test_entering_a_rate_needs_its_scope(globex):
    reader = service_key(Scope.COSTS_READ)
    answer = browser("globex").post(
        "/api/v1/fx-rates", RATE, content_type="application/json", headers=bearer(reader)
    )
    assert answer.status_code == 403


@time_machine.travel(datetime(2026, 1, 20, 12, tzinfo=UTC), tick=False)
def test_the_page_shows_which_rates_count(globex):
    finance = signed_in("globex", account_of(Role.FINANCE))
    form = {**RATE, "month": "2026-01"}
    assert "No rates yet" in finance.get("/settings/fx/").content.decode()
    assert finance.post("/settings/fx/new/", form).status_code == 302
    assert finance.post("/settings/fx/new/", {**form, "rate": "0.95"}).status_code == 302
    page = finance.get("/settings/fx/").content.decode()
    assert "Corrected" in page
    assert "USD/EUR" in page
    assert "0.921234567891" in page
    assert "demo rates, entered by hand" in page
    wrong = finance.post("/settings/fx/new/", {**form, "quote": "usd"}).content.decode()
    assert "Choose another currency than the base." in wrong
    assert FxRate.objects.count() == 2
    assert "0.95" in finance.get("/settings/fx/?format=csv").content.decode()


def test_an_analyst_reads_rates_and_enters_none(globex):
    analyst = signed_in("globex", account_of(Role.ANALYST))
    assert analyst.get("/settings/fx/").status_code == 200
    assert analyst.get("/settings/fx/new/").status_code == 403
