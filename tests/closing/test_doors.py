"""The API, the pages, the tasks and the commands of the close."""

from __future__ import annotations

import io
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.accounts.models import User
from apps.allocation import selectors as allocation
from apps.chargeback import selectors as chargeback
from apps.closing import selectors, services, tasks
from apps.closing.models import CloseRun
from apps.closing.selectors import RunState
from apps.closing.web.parts import receivers_of
from apps.core.domain.access import Actor, Scope
from apps.core.domain.months import Month
from apps.documents import services as document_services
from apps.periods import selectors as periods
from apps.periods.domain.calendar import State
from tests.accounts.people import bearer, browser, service_key, signed_in
from tests.allocation.base import MONTH, NOW

People = dict[str, Actor]
pytestmark = pytest.mark.usefixtures("costs")

URL = f"/api/v1/periods/{MONTH}/close"
PAGE = f"/month/{MONTH}/"


def api(*scopes: Scope) -> Any:
    """Return a caller of the API with a service key."""
    client, headers = browser("acme"), bearer(service_key(*scopes))

    def call(method: str, path: str, **body: Any) -> Any:
        return getattr(client, method)(path, body, headers=headers, content_type="application/json")

    return call


def page(people: People, who: str) -> Client:
    return signed_in("acme", User.objects.get(pk=people[who].user_id))


def run_in_place(run: Any) -> None:
    """Do all tasks of a close in place, as the eager worker of the tests does."""
    tasks.advance.delay(schema=_schema(), run=str(run))


def _schema() -> str:
    return str(connection.schema_name)


def test_the_api_closes_a_month(people: People, django_capture_on_commit_callbacks: Any) -> None:
    call = api(Scope.CLOSE_RUN)
    with django_capture_on_commit_callbacks(execute=True):
        answer = call("post", URL)
    assert answer.status_code == 202
    body = answer.json()
    assert answer["Location"] == f"/api/v1/close-runs/{body['id']}"
    assert (body["period"], body["state"], len(body["steps"])) == ("2026-01", "running", 8)
    seen = call("get", f"/api/v1/close-runs/{body['id']}").json()
    assert (seen["state"], seen["progress"]) == ("waiting", {"done": 5, "total": 8})
    assert len(seen["result_hash"]) == 64
    assert call("get", URL).json() == seen

    refused = call("post", f"/api/v1/close-runs/{body['id']}/approve")
    assert (refused.status_code, refused.json()["code"]) == (403, "scope_missing")
    bob = page(people, "bob")
    with django_capture_on_commit_callbacks(execute=True):
        approved = bob.post(
            f"/api/v1/close-runs/{body['id']}/approve",
            {"comment": "Agreed."},
            content_type="application/json",
        )
    assert approved.status_code == 202
    assert call("get", f"/api/v1/close-runs/{body['id']}").json()["state"] == "finished"
    assert periods.period(MONTH).state is State.CLOSED
    again = call("post", URL)
    assert (again.status_code, again.json()["code"]) == (409, "period_closed")


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/api/v1/periods/2026-13/close", 400, "month"),
        ("/api/v1/periods/9999-12/close", 404, "period_not_found"),
        ("/api/v1/periods/2026-03/close", 422, "period_not_begun"),
        ("/api/v1/periods/nonsense/close", 400, "month"),
    ],
)
def test_what_cannot_be_closed_is_said(
    path: str, status: int, code: str, time_machine: Any
) -> None:
    time_machine.move_to(NOW)
    answer = api(Scope.CLOSE_RUN)("post", path)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert not CloseRun.objects.exists()


def test_scopes_are_asked_for() -> None:
    call = api(Scope.COSTS_READ)
    assert call("post", URL).status_code == 403
    assert call("get", URL).status_code == 404
    assert api(Scope.USAGE_WRITE)("get", URL).status_code == 403
    assert browser("acme").post(URL).status_code == 401
    assert not CloseRun.objects.exists()


def test_a_member_sees_no_close(people: People) -> None:
    services.start_close(month=MONTH, actor=people["anna"], now=NOW)
    lee = page(people, "lee")
    assert lee.get(URL).json()["code"] == "sight_limited"
    assert lee.get(PAGE).status_code == 403
    assert lee.get("/month/").status_code == 403


def test_reopening_through_the_api(people: People, django_capture_on_commit_callbacks: Any) -> None:
    run = services.start_close(month=MONTH, actor=people["anna"], now=NOW)
    run_in_place(run.id)
    services.approve(run=run.id, approver=people["bob"], comment="", now=NOW)
    run_in_place(run.id)
    anna, bob = page(people, "anna"), page(people, "bob")
    url, json = f"/api/v1/periods/{MONTH}/reopen", "application/json"
    assert anna.post(url, {}, content_type=json).status_code == 400
    asked = anna.post(url, {"reason": "A bill."}, content_type=json)
    assert (asked.status_code, asked.json()["state"]) == (202, "pending")
    assert anna.post(f"{url}/approve", {}, content_type=json).status_code == 403
    assert bob.get(PAGE).status_code == 200
    with django_capture_on_commit_callbacks() as after:
        done = bob.post(f"{url}/approve", {}, content_type=json)
    assert (done.status_code, done.json()["state"]) == (200, "done")
    assert len([one for one in after if "enqueue_refresh" in one.__qualname__]) == 1
    assert periods.period(MONTH).state is State.OPEN
    gone = anna.delete(url)
    assert (gone.status_code, gone.json()["code"]) == (404, "reopen_not_found")


def test_the_pages_lead_through_a_close(
    people: People, django_capture_on_commit_callbacks: Any
) -> None:
    anna, bob = page(people, "anna"), page(people, "bob")
    listed = anna.get("/month/").content.decode()
    assert "January 2026" in listed
    fresh = anna.get(PAGE).content.decode()
    assert "Close the month" in fresh
    with django_capture_on_commit_callbacks(execute=True):
        answer = anna.post(f"{PAGE}close/")
    assert (answer.status_code, answer["Location"]) == (302, PAGE)
    shown = anna.get(PAGE).content.decode()
    assert "Waiting for a second person" in shown
    assert 'data-dialog="approve"' not in shown
    assert "USD" in shown
    assert "0.00" in shown
    offered = bob.get(PAGE).content.decode()
    assert 'data-dialog="approve"' in offered
    assert "3 statements get their numbers" in offered
    run = selectors.latest(MONTH)
    assert run is not None
    assert f'name="result_hash" value="{run.result_hash}"' in offered
    bob.post(f"{PAGE}approve/", {"reason": "Agreed.", "result_hash": "another"})
    assert "You looked at the result another" in bob.get(PAGE).content.decode()
    anna.post(f"{PAGE}approve/")
    assert periods.period(MONTH).state is State.SOFT_CLOSED
    with django_capture_on_commit_callbacks(execute=True):
        bob.post(f"{PAGE}approve/", {"reason": "Agreed.", "result_hash": run.result_hash})
    assert periods.period(MONTH).state is State.CLOSED
    done = bob.get(PAGE).content.decode()
    assert "3 of 3 PDFs rendered" in done
    assert "approved the close" in done


def test_the_cockpit_shows_what_the_statements_say(people: People) -> None:
    run_in_place(services.start_close(month=MONTH, actor=people["anna"], now=NOW).id)
    published = allocation.published(MONTH)
    shown = {row.code: row.amount for row in receivers_of(published, {})}
    stated = chargeback.totals_of(published.id)
    exact = allocation.totals_by_cost_center(run=published.id)
    assert shown == stated
    assert sum(shown.values()) == Decimal("407.01")
    assert {code: sums.effective for code, sums in exact.items()} != stated


def test_only_who_may_agree_is_offered_to_reopen(people: People) -> None:
    run = services.start_close(month=MONTH, actor=people["anna"], now=NOW)
    run_in_place(run.id)
    services.approve(run=run.id, approver=people["bob"], comment="", now=NOW)
    run_in_place(run.id)
    services.request_reopen(month=MONTH, reason="A bill.", actor=people["olga"], now=NOW)
    for who, offered in (("anna", False), ("olga", False), ("bob", True)):
        shown = page(people, who).get(PAGE).content.decode()
        assert ("Agree and reopen" in shown) is offered, who
        assert ("Another person, who may approve" in shown) is not offered, who
    services.reopen(month=MONTH, actor=people["bob"], now=NOW)
    assert "This month was reopened" in page(people, "anna").get(PAGE).content.decode()


def test_a_cancelled_close_lets_the_month_follow_prices_adopted_meanwhile(
    people: People, django_capture_on_commit_callbacks: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other app's task is known by name only; this runs it for real, in place."""
    from apps.ingest import services as ingest

    refreshed: list[Month] = []
    real = ingest.refresh_reopened

    def noted(*, month: Month, **rest: Any) -> Any:
        refreshed.append(month)
        return real(month=month, **rest)

    monkeypatch.setattr(ingest, "refresh_reopened", noted)
    run_in_place(services.start_close(month=MONTH, actor=people["anna"], now=NOW).id)
    with django_capture_on_commit_callbacks(execute=True):
        page(people, "anna").post(f"{PAGE}cancel/", {"reason": "A bill is missing."})
    assert periods.period(MONTH).state is State.OPEN
    assert refreshed == [MONTH]


def test_progress_is_polled_until_it_is_over(people: People) -> None:
    run = services.start_close(month=MONTH, actor=people["anna"], now=NOW)
    anna = page(people, "anna")
    going = anna.get(f"{PAGE}progress/", headers={"hx-request": "true"})
    assert "hx-get" in going.content.decode()
    assert "HX-Refresh" not in going
    run_in_place(run.id)
    over = anna.get(f"{PAGE}progress/", headers={"hx-request": "true"})
    assert over["HX-Refresh"] == "true"
    assert anna.get("/month/2026-02/progress/").status_code == 404


def test_a_failed_rendering_is_said_and_tried_again(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    from apps.core.domain.errors import Unavailable

    run = services.start_close(month=MONTH, actor=people["anna"], now=NOW)
    run_in_place(run.id)
    services.approve(run=run.id, approver=people["bob"], comment="", now=NOW)

    def broken(**_: Any) -> None:
        raise Unavailable("The store is full.", permanent=True)

    working = document_services.render
    monkeypatch.setattr("apps.documents.services.render", broken)
    with pytest.raises(Unavailable):
        run_in_place(run.id)
    failed = selectors.close_run(run.id)
    assert failed.state is RunState.FAILED
    assert failed.step(selectors.Step.RENDER).message == "The store is full."
    assert periods.period(MONTH).state is State.CLOSED
    monkeypatch.setattr("apps.documents.services.render", working)
    assert services.start_close(month=MONTH, actor=people["anna"], now=NOW).id == run.id
    run_in_place(run.id)
    assert selectors.close_run(run.id).state is RunState.FINISHED


def test_a_stalled_close_is_taken_up(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    run = services.start_close(month=MONTH, actor=people["anna"], now=NOW)
    sent: list[dict[str, str]] = []
    monkeypatch.setattr(tasks.advance, "delay", lambda **given: sent.append(given))
    tasks.take_up_stalled_everywhere()
    assert sent == [{"schema": _schema(), "run": str(run.id)}]
    CloseRun.objects.filter(public_id=run.id).update(state="failed")
    sent.clear()
    tasks.take_up_stalled_everywhere()
    assert sent == []


def test_the_command_closes_and_refuses_the_preparer(
    people: People, django_capture_on_commit_callbacks: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.closing.management.commands.close_period.enqueue", run_in_place)
    olga = services.start_close(month=MONTH, actor=people["olga"], now=NOW)
    with pytest.raises(CommandError, match="prepared this close"):
        call_command("close_period", "acme", str(MONTH), approve_as="olga@example.com")
    assert selectors.close_run(olga.id).state is RunState.WAITING
    out = io.StringIO()
    call_command("close_period", "acme", str(MONTH), approve_as="bob@example.com", stdout=out)
    assert f"{MONTH} is closed, result " in out.getvalue()
    from apps.audit import selectors as audit

    approval = next(
        entry
        for entry in audit.history(subject="period", subject_id=str(MONTH))
        if entry.action == "close.approved"
    )
    assert approval.actor_kind == "shell"
    assert approval.detail["approver"] == "bob@example.com"
    again = io.StringIO()
    call_command("close_period", "acme", str(MONTH), stdout=again)
    assert f"{MONTH} is closed" in again.getvalue()


def test_the_command_waits_for_somebody_else(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.closing.management.commands.close_period.enqueue", run_in_place)
    out = io.StringIO()
    call_command("close_period", "acme", str(MONTH), stdout=out)
    assert "waits for another person" in out.getvalue()
    assert periods.period(MONTH).state is State.SOFT_CLOSED


def test_the_command_says_when_no_worker_runs(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.closing.management.commands.close_period.enqueue", lambda run: None)
    with pytest.raises(CommandError, match="No worker has moved the close"):
        call_command("close_period", "acme", str(MONTH), timeout=0)


def test_the_proof_needs_every_link(people: People) -> None:
    out = io.StringIO()
    call_command("reconcile", "acme", str(MONTH), stdout=out)
    assert "The month has not been allocated." in out.getvalue()


def test_the_list_of_months_costs_a_fixed_number_of_queries(
    people: People,
) -> None:
    anna = page(people, "anna")
    anna.get("/month/")
    with CaptureQueriesContext(connection) as before:
        anna.get("/month/")
    for month in (MONTH, MONTH - 1, MONTH - 2):
        services.start_close(month=month, actor=people["anna"], now=NOW)
    with CaptureQueriesContext(connection) as after:
        anna.get("/month/")
    # One query each for steps and approvals, however many closes there are.
    assert len(after) <= len(before) + 2
